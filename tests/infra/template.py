"""template.yaml as data, and as much of CloudFormation's intrinsic functions as it takes to read it."""

import re
from dataclasses import dataclass, field
from functools import cache
from graphlib import TopologicalSorter
from pathlib import Path
from typing import Any

import yaml

from tests.support.machine import ROOT

PATH = ROOT / "template.yaml"

CUSTOM_DOMAIN = {
    "DomainName": "login.example.com",
    "CertificateArn": "arn:aws:acm:eu-central-1:111122223333:certificate/1",
    "HostedZoneId": "Z1",
}
"""Parameters of a deployment that has everything that is optional about addresses."""

_PSEUDO_PARAMETERS = {
    "AWS::Partition": "aws",
    "AWS::Region": "eu-central-1",
    "AWS::AccountId": "111122223333",
    "AWS::StackName": "fedbridge",
    "AWS::URLSuffix": "amazonaws.com",
    "AWS::NoValue": None,
}


class _Loader(yaml.SafeLoader):
    """Reads `!Sub x` as {"Fn::Sub": x}."""


def _intrinsic(loader: _Loader, name: str, node: yaml.Node) -> dict[str, Any]:
    if isinstance(node, yaml.ScalarNode):
        value: Any = loader.construct_scalar(node)
    elif isinstance(node, yaml.SequenceNode):
        value = loader.construct_sequence(node, deep=True)
    else:
        assert isinstance(node, yaml.MappingNode)
        value = loader.construct_mapping(node, deep=True)
    if name == "GetAtt" and isinstance(value, str):
        value = value.split(".", 1)
    return {name if name in ("Ref", "Condition") else f"Fn::{name}": value}


_Loader.add_multi_constructor("!", _intrinsic)


@cache
def load(path: Path = PATH) -> dict[str, Any]:
    """Return the parsed template."""
    parsed: dict[str, Any] = yaml.load(path.read_text(), Loader=_Loader)
    return parsed


@dataclass(frozen=True)
class Template:
    """The template under given parameters: what CloudFormation would make of it.

    A resource's Ref reads as its logical id, an attribute as `LogicalId.Attribute`.
    """

    parameters: dict[str, Any] = field(default_factory=dict)

    @property
    def raw(self) -> dict[str, Any]:
        """Return the template as it is written."""
        return load()

    def condition(self, name: str) -> bool:
        """Return whether the condition holds."""
        return bool(self.resolve(self.raw["Conditions"][name]))

    def resources(self, kind: str | None = None) -> dict[str, dict[str, Any]]:
        """Return the resolved resources that exist, of one type or of all; functions with their Globals."""
        return {
            name: self.resource(name)
            for name, resource in self.raw["Resources"].items()
            if kind in (None, resource["Type"])
            and ("Condition" not in resource or self.condition(resource["Condition"]))
        }

    def resource(self, name: str) -> dict[str, Any]:
        """Return a resolved resource; a function with what Globals adds to it."""
        resource = self.raw["Resources"][name]
        if resource["Type"] == "AWS::Serverless::Function":
            resource = resource | {"Properties": _with_globals(self.raw, resource["Properties"])}
        resolved: dict[str, Any] = self.resolve(resource)
        return resolved

    def properties(self, name: str) -> dict[str, Any]:
        """Return a resource's resolved properties."""
        properties: dict[str, Any] = self.resource(name)["Properties"]
        return properties

    def outputs(self) -> dict[str, Any]:
        """Return the outputs that exist, by name."""
        return {
            name: self.resolve(output["Value"])
            for name, output in self.raw["Outputs"].items()
            if "Condition" not in output or self.condition(output["Condition"])
        }

    def resolve(self, value: Any) -> Any:
        """Return the value with every intrinsic function carried out."""
        if isinstance(value, list):
            return [found for item in value if (found := self.resolve(item)) is not None]
        if not isinstance(value, dict):
            return value
        if len(value) == 1:
            ((name, argument),) = value.items()
            if name == "Ref":
                return self._ref(argument)
            if name.startswith("Fn::"):
                return self._call(name.removeprefix("Fn::"), argument)
        return {key: found for key, item in value.items() if (found := self.resolve(item)) is not None}

    def _ref(self, name: str) -> Any:
        if name in _PSEUDO_PARAMETERS:
            return _PSEUDO_PARAMETERS[name]
        if name in self.raw["Parameters"]:
            value = self.parameters.get(name, self.raw["Parameters"][name].get("Default"))
            listed = self.raw["Parameters"][name]["Type"] == "CommaDelimitedList"
            return value.split(",") if listed else value
        assert name.partition(".")[0] in self.raw["Resources"], name
        return name

    def _call(self, function: str, argument: Any) -> Any:
        match function:
            case "GetAtt":
                return ".".join(argument)
            case "Sub":
                text, variables = argument if isinstance(argument, list) else (argument, {})
                return re.sub(r"\$\{([^}]+)\}", lambda found: str(self._variable(found[1], variables)), text)
            case "If":
                return self.resolve(argument[1 if self.condition(argument[0]) else 2])
            case "Equals":
                return self.resolve(argument[0]) == self.resolve(argument[1])
            case "Not":
                return not self._holds(argument[0])
            case "And":
                return all(self._holds(item) for item in argument)
            case "Or":
                return any(self._holds(item) for item in argument)
            case "Contains":
                return self.resolve(argument[1]) in self.resolve(argument[0])
            case "Join":
                return argument[0].join(self.resolve(argument[1]))
            case "FindInMap":
                mapping, first, second = argument[0], self.resolve(argument[1]), self.resolve(argument[2])
                return self.raw["Mappings"][mapping][first][second]
        raise NotImplementedError(function)

    def _holds(self, condition: Any) -> bool:
        named = isinstance(condition, dict) and condition.keys() == {"Condition"}
        return self.condition(condition["Condition"]) if named else bool(self.resolve(condition))

    def broken_rules(self) -> list[str]:
        """Return what CloudFormation would say instead of beginning to deploy."""
        return [
            assertion["AssertDescription"]
            for rule in self.raw["Rules"].values()
            if self._holds(rule["RuleCondition"])
            for assertion in rule["Assertions"]
            if not self._holds(assertion["Assert"])
        ]

    def _variable(self, name: str, variables: dict[str, Any]) -> Any:
        if name in variables:
            return self.resolve(variables[name])
        return name if "." in name else self._ref(name)

    def order(self) -> list[str]:
        """Return the resources in an order in which they can be created; raises graphlib.CycleError if there is none."""
        names = self.raw["Resources"]
        graph: dict[str, set[str]] = {}
        for name, resource in names.items():
            whole = resource
            if resource["Type"] == "AWS::Serverless::Function":
                properties = _with_globals(self.raw, resource["Properties"])
                # SAM makes a resource of its own of it, the CodeDeploy group of the function.
                properties.pop("DeploymentPreference", None)
                whole = resource | {"Properties": properties}
            graph[name] = {used for used in _references(whole) if used in names} - {name}
        return list(TopologicalSorter(graph).static_order())


def _with_globals(raw: dict[str, Any], properties: dict[str, Any]) -> dict[str, Any]:
    shared = raw["Globals"]["Function"]
    variables = shared["Environment"]["Variables"] | properties["Environment"]["Variables"]
    merged: dict[str, Any] = shared | properties | {"Environment": {"Variables": variables}}
    return merged


def _references(value: Any) -> set[str]:
    if isinstance(value, list):
        return set().union(*map(_references, value))
    if not isinstance(value, dict):
        return set()
    found: set[str] = set()
    for key, item in value.items():
        if key == "Ref":
            found.add(item.split(".")[0])
        elif key == "Fn::GetAtt":
            found.add(item[0])
        elif key == "DependsOn":
            found.update([item] if isinstance(item, str) else item)
        elif key == "Fn::Sub":
            text = item[0] if isinstance(item, list) else item
            found.update(name.split(".")[0] for name in re.findall(r"\$\{([^}]+)\}", text))
            found |= _references(item[1:]) if isinstance(item, list) else set()
        else:
            found |= _references(item)
    return found
