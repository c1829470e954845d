from pathlib import Path

import pytest

from tests.infra.building import HOST, build
from tests.infra.template import Template


@pytest.fixture
def template():
    """The template with its defaults."""
    return Template()


@pytest.fixture(scope="session")
def run_folder(tmp_path_factory, worker_id) -> Path:
    """A folder that all workers of this run share."""
    folder: Path = tmp_path_factory.getbasetemp()
    return folder if worker_id == "master" else folder.parent


@pytest.fixture(scope="session")
def arm64_build(run_folder):
    """`sam build` with the template's defaults."""
    return build(run_folder, "arm64")


@pytest.fixture(scope="session")
def x86_64_build(run_folder):
    return build(run_folder, "x86_64")


@pytest.fixture(scope="session")
def host_build(request):
    """`sam build` for the machine that runs the tests."""
    return request.getfixturevalue(f"{HOST}_build")
