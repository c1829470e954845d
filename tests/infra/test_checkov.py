"""checkov finds nothing in the template that is not explained, as it is written and with everything that is optional."""

import json
import os
import subprocess

import pytest
import yaml

from tests.infra.enterprise import EVERYTHING, STANDBY
from tests.infra.template import PATH, Template
from tests.support.machine import ROOT, require_checkov

CONFIGURATION = ROOT / ".checkov.yaml"


@pytest.fixture(scope="module")
def report(tmp_path_factory):
    """What checkov says about the template, and about what CloudFormation would make of it under parameters."""
    folder = tmp_path_factory.mktemp("checkov")
    files = [PATH]
    for name, parameters in {"everything": EVERYTHING, "standby": STANDBY}.items():
        files.append(folder / f"{name}.json")
        files[-1].write_text(rendered(parameters))
    done = subprocess.run(
        [
            require_checkov(),
            "--config-file",
            CONFIGURATION,
            "--output",
            "json",
            "--soft-fail",
            *(argument for file in files for argument in ("--file", file)),
        ],
        cwd=folder,
        env={"PATH": os.environ["PATH"], "HOME": str(folder)},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def rendered(parameters):
    """Return the template with its parameters and conditions carried out: checkov leaves out what is conditional."""
    resources = {
        name: {key: value for key, value in resource.items() if key in {"Type", "Properties", "Metadata"}}
        for name, resource in Template(parameters).resources().items()
    }
    header = {key: Template().raw[key] for key in ("AWSTemplateFormatVersion", "Transform")}
    return json.dumps(header | {"Resources": resources}, indent=1)


def test_nothing_is_found_that_is_not_explained(report):
    assert report["summary"]["parsing_errors"] == 0
    assert report["summary"]["passed"] > 100
    assert [
        (check["check_id"], check["check_name"], check["resource"], check["file_path"])
        for check in report["results"]["failed_checks"]
    ] == []


def explanations():
    """Return (check, logical id) → the reason that is given in a resource's Metadata."""
    return {
        (skip["id"], name): skip["comment"]
        for name, resource in Template().raw["Resources"].items()
        for skip in resource.get("Metadata", {}).get("checkov", {}).get("skip", [])
    }


def test_every_suppression_is_needed_and_explained(report):
    explained = explanations()
    assert {
        (check["check_id"], check["resource"].rpartition(".")[2])
        for check in report["results"]["skipped_checks"]
    } == explained.keys()
    assert [key for key, comment in explained.items() if len(comment) < 20] == []


def test_what_is_suppressed_everywhere_is_explained_beside_it():
    lines = CONFIGURATION.read_text().splitlines()
    for check in yaml.safe_load(CONFIGURATION.read_text())["skip-check"]:
        (at,) = [at for at, line in enumerate(lines) if line.strip() == f"- {check}"]
        assert lines[at - 1].strip().startswith("# "), check
