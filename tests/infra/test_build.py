"""What a plain `sam build` makes is what Lambda needs, all of it, and nothing else."""

import gzip
import hashlib
import json
import re
import shutil
import struct
import subprocess
import sys
import textwrap
from pathlib import Path

import botocore
import pytest

from tests.infra.building import HOST, bare_environment, run_sam
from tests.support.machine import ROOT, require_sam, require_sam_build

pytestmark = [pytest.mark.built, pytest.mark.timeout(300)]

# e_machine of an ELF header (System V ABI).
MACHINES = {"x86_64": 62, "arm64": 183}
MACHINE_NAMES = {"x86_64": "x86_64-linux-gnu.so", "arm64": "aarch64-linux-gnu.so"}
FUNCTIONS = ("FrontChannel", "BackChannel", "Operations", "PreSignUp", "PreTokenGeneration", "Saml")

BOTOCORE = Path(botocore.__file__).parent
"""As it is released: the tests' environment has the version that the layer is locked to."""


@pytest.fixture(params=sorted({"arm64", HOST}))
def built(request):
    return request.getfixturevalue(f"{request.param}_build")


@pytest.fixture(scope="module")
def lambda_python():
    """An interpreter of the version that Lambda runs."""
    return require_sam_build().parent / "python3.13"


def run_in_lambda_python(lambda_python, layer, script):
    """Run a script that sees the standard library and the layer, nothing else, and may write no bytecode."""
    done = subprocess.run(
        [lambda_python, "-I", "-S", "-B", "-c", f"import sys; sys.path.append({str(layer)!r})\n{script}"],
        env={"AWS_DEFAULT_REGION": "eu-central-1", "AWS_ACCESS_KEY_ID": "x", "AWS_SECRET_ACCESS_KEY": "x"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_the_template_passes_sam_validate_and_cfn_lint_without_a_warning():
    run_sam("validate", "--lint")
    cfn_lint = require_sam().parent / "cfn-lint"
    subprocess.run([cfn_lint, "--non-zero-exit-code", "informational", "template.yaml"], cwd=ROOT, check=True)


def test_the_default_architecture_is_arm64(arm64_build):
    assert "Architecture=" in (ROOT / "samconfig.toml").read_text()
    assert set(re.findall(r"Architecture=(\w+)", (ROOT / "samconfig.toml").read_text())) == {"arm64"}
    assert "Default: arm64" in arm64_build.template.read_text()


def test_every_binary_is_of_the_architecture_asked_for(built):
    machines = {}
    for path in built.folder.rglob("*"):
        if path.is_file():
            with path.open("rb") as file:
                header = file.read(20)
            if header.startswith(b"\x7fELF"):
                machines[path.name] = struct.unpack_from("<H", header, 18)[0]
    assert {"_rust.abi3.so", "etree.cpython-313-" + MACHINE_NAMES[built.architecture]} <= machines.keys()
    assert set(machines.values()) == {MACHINES[built.architecture]}


def test_every_module_has_bytecode_that_lambda_never_checks(built, lambda_python):
    magic = subprocess.run(
        [lambda_python, "-c", "import importlib.util; print(importlib.util.MAGIC_NUMBER.hex())"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout.strip()
    modules = built.files(".py")
    assert len(modules) > 500
    for module in modules:
        header = (module.parent / "__pycache__" / f"{module.stem}.cpython-313.pyc").read_bytes()[:8]
        assert header[:4].hex() == magic
        # PEP 552: bit 0 for a hash in place of the time, bit 1 clear for not comparing it.
        assert int.from_bytes(header[4:], "little") == 0b01
    assert len(built.files(".pyc")) == len(modules)


@pytest.mark.parametrize("function", FUNCTIONS[:-1])
def test_a_function_is_its_entry_point_alone(built, function):
    folder = built.function(function)
    assert {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()} == {
        "app.py",
        "__pycache__/app.cpython-313.pyc",
    }


def test_the_saml_function_is_its_entry_point_and_its_own_locked_dependencies(built):
    folder = built.function("Saml")
    locked = re.findall(
        r"^([a-z0-9-]+)==(\S+)", (ROOT / "functions/saml/requirements.txt").read_text(), re.MULTILINE
    )
    shipped = [path.name.removesuffix(".dist-info").split("-") for path in folder.glob("*.dist-info")]
    assert {(name.replace("_", "-"), version) for name, version in shipped} == set(locked)
    shared = re.findall(r"^([a-z0-9-]+)==", (ROOT / "shared/requirements.txt").read_text(), re.MULTILINE)
    assert not {name for name, _ in locked} & set(shared)
    assert not (folder / "fedbridge").exists()
    assert {path.name for path in folder.glob("*.py")} == {"app.py"}


def test_lxml_and_xmlsec_of_the_saml_function_go_together(host_build, lambda_python):
    """Each bundles a libxml2, and xmlsec refuses to be imported beside another one."""
    script = "import json, lxml.etree, xmlsec; print(json.dumps([lxml.etree.LIBXML_VERSION[:2], list(xmlsec.get_libxml_version()[:2])]))"
    one, other = run_in_lambda_python(lambda_python, host_build.function("Saml"), script)
    assert one == other


def test_the_layer_is_the_package_and_its_locked_dependencies(built):
    locked = re.findall(
        r"^([a-z0-9-]+)==(\S+)", (ROOT / "shared" / "requirements.txt").read_text(), re.MULTILINE
    )
    shipped = [
        folder.name.removesuffix(".dist-info").split("-") for folder in built.layer.glob("*.dist-info")
    ]
    assert {(name.replace("_", "-"), version) for name, version in shipped} == set(locked)
    assert {path.name for path in built.folder.iterdir()} == {"FedbridgeLayer", *FUNCTIONS, "template.yaml"}
    assert {path.name for path in built.layer.parent.iterdir()} == {"python"}


def test_a_change_of_parameters_is_a_change_of_the_layer(built):
    """SAM publishes versions of functions for new code and layers, not for new values of parameters."""
    digest = hashlib.sha256((ROOT / "samconfig.toml").read_bytes()).hexdigest()
    assert (built.layer / "samconfig.sha256").read_text() == f"{digest}\n"


def test_what_a_snapshot_is_to_hold_is_shipped(host_build, lambda_python):
    """Lambda SnapStart: a module that is not there would be missed at the deployment, by every function at once."""
    script = """
        import importlib, json, sys
        from fedbridge import snap_start
        named = {*snap_start.FRONT_CHANNEL, *snap_start.BACK_CHANNEL, *snap_start.SAML}
        for name in sorted(named):
            importlib.import_module(name)
        print(json.dumps(sorted(named - set(sys.modules))))
    """
    assert run_in_lambda_python(lambda_python, host_build.layer, textwrap.dedent(script)) == []


def test_the_package_is_whole_except_for_its_command_line(built):
    package = ROOT / "shared" / "fedbridge"
    written = {
        path.relative_to(package)
        for path in package.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts and path.relative_to(package).parts[0] != "cli"
    }
    shipped = {
        path.relative_to(built.layer / "fedbridge")
        for path in (built.layer / "fedbridge").rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    assert shipped == written


def test_the_layer_ships_nothing_that_lambda_does_not_run(built):
    packages = {path.name.removesuffix(".py") for path in built.layer.iterdir()}
    # The command line and what it needs, what httpx imports if it finds it, and what belongs to the SAML function.
    assert not packages & {
        "yaml",
        "msgspec",
        "click",
        "rich",
        "pygments",
        "lxml",
        "xmlsec",
        "onelogin",
        "pip",
        "pytest",
        "bin",
    }
    assert not (built.layer / "fedbridge" / "cli").exists()
    assert not [path for path in built.layer.rglob("tests") if path.is_dir()]


SERVICES = {"cognito-idp", "dynamodb", "kms", "secretsmanager", "ssm", "sts"}


def test_the_layer_holds_the_models_of_the_services_that_the_functions_call(host_build, lambda_python):
    services = {path.name for path in (host_build.layer / "botocore" / "data").iterdir() if path.is_dir()}
    assert services == SERVICES
    endpoints = run_in_lambda_python(
        lambda_python,
        host_build.layer,
        "import boto3, json\n"
        f"print(json.dumps([boto3.client(name).meta.endpoint_url for name in {sorted(services)!r}]))",
    )
    assert endpoints == [f"https://{name}.eu-central-1.amazonaws.com" for name in sorted(services)]


REGIONS = (
    f"services = {sorted(SERVICES)!r}"
    """
import json, boto3
partitions = ("aws", "aws-cn", "aws-us-gov")
found = {f"{partition} {service}": boto3.Session().get_available_regions(service, partition_name=partition)
         for partition in partitions for service in services}
for region in ("eu-central-1", "cn-north-1", "us-gov-west-1"):
    for service in services:
        found[f"{region} {service}"] = boto3.client(service, region_name=region).meta.endpoint_url
print(json.dumps(found))
"""
)


def test_the_sdk_of_the_layer_finds_what_the_whole_sdk_finds(host_build, lambda_python):
    slim = run_in_lambda_python(lambda_python, host_build.layer, REGIONS)
    whole = subprocess.run(
        [sys.executable, "-I", "-c", REGIONS],
        env={"AWS_DEFAULT_REGION": "eu-central-1", "AWS_ACCESS_KEY_ID": "x", "AWS_SECRET_ACCESS_KEY": "x"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert slim == json.loads(whole.stdout)
    assert len(slim["aws dynamodb"]) > 20


def test_the_models_of_the_layer_lack_nothing_but_words(host_build):
    def without_words(value):
        if isinstance(value, dict):
            documentation = isinstance(value.get("documentation"), str)
            return {
                k: without_words(v) for k, v in value.items() if not (k == "documentation" and documentation)
            }
        return [without_words(item) for item in value] if isinstance(value, list) else value

    data = host_build.layer / "botocore" / "data"
    models = sorted(path.relative_to(data) for path in data.rglob("service-*.json"))
    assert len(models) >= 5
    for model in models:
        released = BOTOCORE / "data" / model
        zipped = released.with_name(f"{released.name}.gz")
        whole = json.loads(gzip.decompress(zipped.read_bytes()) if zipped.exists() else released.read_bytes())
        slim = json.loads((data / model).read_bytes())
        assert slim == without_words(whole)
        assert slim == without_words(slim)
    assert not list(data.rglob("*.gz"))


def test_the_layer_loads_from_its_bytecode(host_build, lambda_python):
    loaded = run_in_lambda_python(
        lambda_python,
        host_build.layer,
        """
import importlib, json, pkgutil, fedbridge
loaded = {}
for module in pkgutil.walk_packages(fedbridge.__path__, "fedbridge."):
    try:
        loaded[module.name] = importlib.import_module(module.name).__spec__.cached
    except ModuleNotFoundError as missing:
        loaded[module.name] = f"without {missing.name}"
print(json.dumps(loaded))
""",
    )
    for name in (
        "fedbridge.flows.begin",
        "fedbridge.flows.redeem",
        "fedbridge.rp",
        "fedbridge.telemetry.powertools",
    ):
        assert loaded[name].startswith(f"{host_build.layer}/fedbridge/")
    # Reading connections.yaml, and printing its schema, is the operator's business; functions read published connections.
    missing = {name: cached for name, cached in loaded.items() if cached.startswith("without")}
    without_xml = {
        name
        for name, cached in missing.items()
        if cached in {"without lxml", "without xmlsec", "without onelogin"}
    }
    # What functions/saml alone imports; it brings these libraries.
    assert {name for name in without_xml if not name.startswith("fedbridge.sp.")} == {
        "fedbridge.flows.saml_metadata",
        "fedbridge.saml_routes",
    }
    assert {missing[name] for name in missing.keys() - without_xml} <= {"without yaml", "without msgspec"}


@pytest.mark.parametrize("function,where", [(None, "/opt/python/"), ("FrontChannel", "/var/task/")])
def test_bytecode_knows_where_it_is_on_lambda_and_not_where_it_was_built(
    host_build, lambda_python, function, where
):
    folder = host_build.function(function) if function else host_build.layer
    named = run_in_lambda_python(
        lambda_python,
        folder,
        "import json, marshal, pathlib\n"
        f"found = pathlib.Path({str(folder)!r}).rglob('*.pyc')\n"
        "print(json.dumps([marshal.loads(path.read_bytes()[16:]).co_filename for path in found]))",
    )
    assert named
    assert [name for name in named if not name.startswith(where)] == []


def test_the_same_sources_give_the_same_bytes(arm64_build, x86_64_build):
    compared = 0
    for source in arm64_build.files(".py"):
        other = x86_64_build.folder / source.relative_to(arm64_build.folder)
        if source.read_bytes() == other.read_bytes():
            bytecode, same = (
                path.parent / "__pycache__" / f"{path.stem}.cpython-313.pyc" for path in (source, other)
            )
            assert bytecode.read_bytes() == same.read_bytes(), source
            assert bytecode.stat().st_mtime == same.stat().st_mtime
            compared += 1
    assert compared > 500


# --- what stops a build -------------------------------------------------------------------------------------------


def make(target, *arguments, makefile="shared/Makefile", folder=ROOT / "shared"):
    return subprocess.run(
        ["make", "--makefile", str(ROOT / makefile), f"build-{target}", *arguments],
        cwd=folder,
        env=bare_environment(),
        capture_output=True,
        text=True,
        check=False,
    )


def test_a_machine_without_lambdas_python_is_told_so(tmp_path):
    done = make("FrontChannel", "LAMBDA_PYTHON=", f"ARTIFACTS_DIR={tmp_path}")
    assert done.returncode != 0
    assert "needs Python 3.13" in done.stderr
    assert "FEDBRIDGE_PYTHON" in done.stderr
    assert not list(tmp_path.iterdir())


def test_another_python_than_lambdas_is_refused(tmp_path):
    other = tmp_path / "python"
    other.write_text("#!/bin/sh\nexit 1\n")
    other.chmod(0o755)
    artifacts = tmp_path / "artifacts"
    done = make("FrontChannel", f"FEDBRIDGE_PYTHON={other}", f"ARTIFACTS_DIR={artifacts}")
    assert done.returncode != 0
    assert f"{other} is not Python 3.13" in done.stderr
    assert not artifacts.exists()


def test_what_another_make_was_told_is_not_obeyed(tmp_path, monkeypatch, lambda_python):
    monkeypatch.setenv("MAKEFLAGS", "-- PYTHON=/nowhere/python3.11 VENV=.venv-3.11")
    monkeypatch.setenv("MAKELEVEL", "1")
    done = make(
        "FrontChannel",
        f"FEDBRIDGE_PYTHON={lambda_python}",
        f"ARTIFACTS_DIR={tmp_path}",
        folder=ROOT / "functions" / "front_channel",
    )
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "app.py").exists()


def test_a_layer_of_no_architecture_is_refused(tmp_path, lambda_python):
    done = make("FedbridgeLayer", f"FEDBRIDGE_PYTHON={lambda_python}", f"ARTIFACTS_DIR={tmp_path}")
    assert done.returncode != 0
    assert "No architecture" in done.stderr


def test_a_dependency_that_is_not_the_locked_one_is_refused(tmp_path, lambda_python):
    shared = tmp_path / "shared"
    shutil.copytree(ROOT / "shared", shared, ignore=shutil.ignore_patterns("__pycache__", ".*"))
    lock = (shared / "requirements.txt").read_text()
    (shared / "requirements.txt").write_text(re.sub(r"sha256:[0-9a-f]{64}", f"sha256:{'0' * 64}", lock))
    done = make(
        "FedbridgeLayer",
        f"FEDBRIDGE_PYTHON={lambda_python}",
        f"ARTIFACTS_DIR={tmp_path / 'artifacts'}",
        makefile=f"shared/architectures/{HOST}/Makefile",
        folder=shared,
    )
    assert done.returncode != 0
    assert "DO NOT MATCH THE HASHES" in done.stderr
