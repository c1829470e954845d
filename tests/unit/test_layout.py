"""What import-linter has no contract for: the vocabulary needs nothing but the standard library."""

import sys

import grimp
import pytest

CORE = ("fedbridge.errors", "fedbridge.jws", "fedbridge.model", "fedbridge.ports")


@pytest.fixture(scope="module")
def graph():
    return grimp.build_graph("fedbridge", include_external_packages=True, cache_dir=None)


@pytest.mark.parametrize("package", CORE)
def test_the_core_imports_only_the_standard_library(graph, package):
    modules = {package} | graph.find_descendants(package)
    imported = {name for module in modules for name in graph.find_modules_directly_imported_by(module)}

    outside = {name for name in imported if not name.startswith("fedbridge.")}

    assert outside <= sys.stdlib_module_names
    assert {name for name in imported - outside if not name.startswith(CORE)} == set()
