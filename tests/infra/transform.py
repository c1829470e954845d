"""What AWS::Serverless makes of the template: the transform that CloudFormation runs, as the SAM CLI ships it."""

import copy
import json
import subprocess
from typing import Any

from tests.infra.template import Template
from tests.support.machine import require_sam

_SCRIPT = """
import json, sys
from samtranslator.translator.transform import transform

class NoManagedPolicies:
    def load(self):
        return {}

asked = json.load(sys.stdin)
json.dump(
    [transform(each["template"], each["parameters"], NoManagedPolicies()) for each in asked], sys.stdout
)
"""


def transformed(*stacks: dict[str, str], layer: str = "1", code: str = "1") -> list[dict[str, Any]]:
    """Return plain CloudFormation for each set of parameters, conditions still in it; skips without the SAM CLI.

    `layer` and `code` stand for what was built: another value is another build.
    """
    asked = []
    for parameters in stacks:
        template = copy.deepcopy(Template().raw)
        for name, resource in template["Resources"].items():
            if resource["Type"] == "AWS::Serverless::Function":
                resource["Properties"]["CodeUri"] = f"s3://built/{name}-{code}"
            if resource["Type"] == "AWS::Serverless::LayerVersion":
                resource["Properties"]["ContentUri"] = f"s3://built/{name}-{layer}"
        asked.append({"template": template, "parameters": parameters})
    done = subprocess.run(
        [require_sam().parent / "python", "-c", _SCRIPT],
        input=json.dumps(asked),
        env={"AWS_DEFAULT_REGION": "eu-central-1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    found: list[dict[str, Any]] = json.loads(done.stdout)
    return found
