from pathlib import Path

import pytest
import trustme

from tests.counterparts.process import free_port
from tests.counterparts.reporting import pytest_runtest_makereport
from tests.infra.building import HOST, build
from tests.infra.deployment import deployed
from tests.infra.template import Template

__all__ = ["pytest_runtest_makereport"]


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


@pytest.fixture(scope="session")
def authority():
    """Who signs the certificates of the bridge and of the identity provider."""
    return trustme.CA()


@pytest.fixture(scope="session")
def idp_port():
    """Where the identity provider will listen: the stack is deployed with the permission to call it there."""
    return free_port()


@pytest.fixture(scope="session")
def stack(host_build, authority, idp_port, tmp_path_factory):
    """The build deployed to the emulator, once for all tests of the group `deployment`."""
    folder = tmp_path_factory.mktemp("deployment")
    with deployed(host_build, folder, authority=authority, PrivateHosts=f"127.0.0.1:{idp_port}") as stack:
        yield stack
