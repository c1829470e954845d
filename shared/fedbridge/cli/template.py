"""Reads template.yaml: which function serves which route. What runs locally is routed as what is deployed."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from fedbridge.errors import ConfigurationError


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """One route of the HTTP API. `path` is a template, `code` the function's folder, `handler` `module.function`."""

    method: str
    path: str
    code: Path
    handler: str


class _Loader(yaml.SafeLoader):
    """YAML with CloudFormation's short intrinsic functions."""


def _intrinsic(loader: _Loader, suffix: str, node: yaml.Node) -> dict[str, Any]:
    if isinstance(node, yaml.ScalarNode):
        value: Any = loader.construct_scalar(node)
    elif isinstance(node, yaml.SequenceNode):
        value = loader.construct_sequence(node, deep=True)
    else:
        value = loader.construct_mapping(node, deep=True)  # type: ignore[arg-type]  # the last kind there is
    return {suffix if suffix in {"Ref", "Condition"} else f"Fn::{suffix}": value}


_Loader.add_multi_constructor("!", _intrinsic)


def read_routes(template: Path) -> list[Route]:
    """Return the routes of a SAM template; raises ConfigurationError.

    Follows AWS::ApiGatewayV2::Route → Integration → AWS::Serverless::Function.
    """
    try:
        document = yaml.load(template.read_text("utf-8"), Loader=_Loader)  # noqa: S506  a SafeLoader
        shared, resources = document.get("Globals", {}).get("Function", {}), document["Resources"]
        found = [r["Properties"] for r in resources.values() if r["Type"] == "AWS::ApiGatewayV2::Route"]
        return [_route(template.parent, shared, resources, properties) for properties in found]
    except (OSError, AttributeError, KeyError, TypeError, yaml.YAMLError) as error:
        raise ConfigurationError(
            f"{template}: cannot read the routes ({type(error).__name__}: {error})"
        ) from None


def _route(
    folder: Path, shared: dict[str, Any], resources: dict[str, Any], properties: dict[str, Any]
) -> Route:
    method, path = properties["RouteKey"].split(" ", 1)
    integration = _referred(properties["Target"], resources, "AWS::ApiGatewayV2::Integration")
    function = {**shared, **_referred(integration["IntegrationUri"], resources, "AWS::Serverless::Function")}
    return Route(method=method, path=path, code=folder / function["CodeUri"], handler=function["Handler"])


def _referred(value: Any, resources: dict[str, Any], kind: str) -> dict[str, Any]:
    """Return the properties of the resource of this kind that an intrinsic function names anywhere inside."""
    for text in _texts(value):
        for name, resource in resources.items():
            if (
                resource["Type"] == kind
                and name in text.replace("${", " ").replace("}", " ").replace(".", " ").split()
            ):
                properties: dict[str, Any] = resource["Properties"]
                return properties
    raise KeyError(f"no {kind} in {value}")


def _texts(value: Any) -> list[str]:
    if isinstance(value, str):
        return [value.replace("/", " ")]
    items = value.values() if isinstance(value, dict) else value
    return [text for item in items for text in _texts(item)]
