"""The plugin that refuses skips, in pytest runs of its own."""

import pytest

from tests.support.machine import ROOT

SKIPPED_TEST = """
    import pytest

    @pytest.mark.skip(reason="no Chromium")
    def test_browser():
        pass
"""
SKIPPED_MODULE = """
    import pytest

    pytest.skip("no Node", allow_module_level=True)
"""
EXPECTED_FAILURE = """
    import pytest

    @pytest.mark.xfail(strict=True, reason="known")
    def test_fails():
        assert False
"""


@pytest.fixture
def run(pytester, monkeypatch):
    """Run the given module, and one that passes, in another process, with the project's own conftest."""
    pytester.makeconftest((ROOT / "tests" / "conftest.py").read_text())

    def run(source, *arguments, refuse=True):
        pytester.makepyfile(test_source=source, test_other="def test_passes():\n    pass")
        monkeypatch.setenv("PYTHONPATH", str(ROOT))
        monkeypatch.setenv("FEDBRIDGE_REFUSE_SKIPS", "1" if refuse else "")
        return pytester.runpytest_subprocess("-p", "no:randomly", *arguments)

    return run


@pytest.mark.parametrize("workers", [(), ("-n", "1")], ids=["one process", "xdist"])
@pytest.mark.parametrize(
    "source,reason", [(SKIPPED_TEST, "no Chromium"), (SKIPPED_MODULE, "no Node")], ids=["test", "module"]
)
def test_a_skip_fails_the_run_and_is_named(run, source, reason, workers):
    result = run(source, *workers)

    assert result.ret == pytest.ExitCode.TESTS_FAILED
    result.stdout.fnmatch_lines(["*skipped tests are refused here*", f"*test_source.py*Skipped: {reason}"])


def test_without_the_variable_a_skip_is_a_skip(run):
    assert run(SKIPPED_TEST, refuse=False).ret == pytest.ExitCode.OK


def test_an_expected_failure_is_no_skip(run):
    assert run(EXPECTED_FAILURE).ret == pytest.ExitCode.OK
