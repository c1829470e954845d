"""The JSON Schema of `connections.yaml`, for editors: generated from the model, with what each key means beside it."""

from __future__ import annotations

from typing import Any

import msgspec

from fedbridge.configuration.descriptions import DESCRIPTIONS
from fedbridge.configuration.file import FILLED_IN
from fedbridge.configuration.presets import OWN_FILE, preset_names
from fedbridge.configuration.ring_rules import SECTION
from fedbridge.model.connection import CONNECTION_NAME, Connection
from fedbridge.model.key_ring import RING_NAME, KeyRing


def schema() -> dict[str, Any]:
    """Return the JSON Schema (2020-12) of the file, as plain data."""
    _, definitions = msgspec.json.schema_components((Connection, KeyRing), ref_template="#/$defs/{name}")
    del definitions["Snapshot"]  # Only what is filled in has it.
    for name, definition in definitions.items():
        definition["additionalProperties"] = False
        for field, member in definition["properties"].items():
            description, more = DESCRIPTIONS.get(f"{name}.{field}", ("", {}))
            member.update({"description": description, **more})
    connection = definitions["Connection"]
    for field in FILLED_IN:
        del connection["properties"][field]
    # A preset may bring any of them, and the connection's own say what differs.
    for name in _nested("Connection", definitions):
        definitions[name]["required"] = []
    connection["anyOf"] = [{"required": ["issuer", "client_id", "relying_parties"]}, {"required": ["preset"]}]
    connection["properties"]["preset"] = {
        "anyOf": [{"enum": preset_names()}, {"type": "string", "pattern": f"^{OWN_FILE.pattern}$"}],
        "description": DESCRIPTIONS["Connection.preset"][0],
    }
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "fedbridge connections",
        "type": "object",
        "properties": {
            "connections": {
                "type": "object",
                "description": "Connections by name, which is the first segment of their URLs.",
                "minProperties": 1,
                "propertyNames": {"pattern": f"^{CONNECTION_NAME.pattern}$"},
                "additionalProperties": {"$ref": "#/$defs/Connection"},
            },
            SECTION: {
                "type": "object",
                "description": "Keys that rotate by themselves, by the name that ring:… refers to.",
                "propertyNames": {"pattern": f"^{RING_NAME.pattern}$"},
                "additionalProperties": {"$ref": "#/$defs/KeyRing"},
            },
        },
        "required": ["connections"],
        "additionalProperties": False,
        "$defs": definitions,
    }


def _nested(name: str, definitions: dict[str, Any]) -> set[str]:
    """Return the definitions of this object and of those in it; items of lists and of mappings are whole by themselves."""
    found = {name}
    for member in definitions[name]["properties"].values():
        for option in (member, *member.get("anyOf", ())):
            inner = option.get("$ref", "").rpartition("/")[2]
            if inner in definitions and inner not in found:
                found |= _nested(inner, definitions)
    return found
