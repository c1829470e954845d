"""Two workers: what shares a program stays in one of them, everything else goes to whoever is free."""

import re
from collections import defaultdict

import pytest

from tests.support.scheduling import Scheduling

CONFTEST = """
import sys
sys.path.insert(0, {root!r})
from tests.support.scheduling import SchedulingPlugin

def pytest_configure(config):
    config.pluginmanager.register(SchedulingPlugin())
"""
TESTS = (
    "import time, pytest\n\n@pytest.mark.parametrize('n', range(6))\ndef test_it(n):\n    time.sleep(0.02)\n"
)
FILES = (
    "tests/infra/test_deploy.py",
    "tests/infra/test_deployed_sign_in.py",
    "tests/interop/test_a.py",
)


def test_files_that_share_a_program_stay_in_one_worker(pytester: pytest.Pytester, pytestconfig) -> None:
    pytester.makeconftest(CONFTEST.format(root=str(pytestconfig.rootpath)))
    for file in FILES:
        path = pytester.path / file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(TESTS)
    result = pytester.runpytest_subprocess("-v", "-n2", "-p", "no:randomly", "-p", "no:cacheprovider", *FILES)
    result.assert_outcomes(passed=18)
    workers = defaultdict(set)
    for worker, file in re.findall(r"\[(gw\d)\].* PASSED (\S+?)::", result.stdout.str()):
        workers[file].add(worker)
    assert {len(found) for found in workers.values()} == {1}
    assert workers[FILES[0]] == workers[FILES[1]]


def test_all_other_tests_go_one_by_one_to_whoever_is_free() -> None:
    alone = "tests/unit/test_b.py::test_it[a@b]"
    assert Scheduling.__new__(Scheduling)._split_scope(alone) == alone
