"""Cuts botocore's data down to what a few services need. Run by shared/Makefile on the layer, never on Lambda.

    python slim_sdk.py LAYER/python/botocore/data dynamodb kms …

Every cold start parses this data, into ordered dictionaries: the endpoints of 440 services take longer than the first
client's whole rest. Left out are other services, their endpoints, and the text of the documentation, which the SDK
reads for `help()` alone; models are unzipped, because that takes time too.
"""

import gzip
import json
import shutil
import sys
from pathlib import Path
from typing import Any


def slim(data: Path, services: frozenset[str]) -> None:
    """Rewrite the folder; raises FileNotFoundError for a service that botocore does not know."""
    for folder in data.iterdir():
        if folder.is_dir() and folder.name not in services:
            shutil.rmtree(folder)
    endpoints = data / "endpoints.json"
    _write(endpoints, _only(services, json.loads(endpoints.read_bytes())))
    for service in sorted(services):
        for version in sorted((data / service).iterdir()):
            _slim_version(version)


def _only(services: frozenset[str], endpoints: dict[str, Any]) -> dict[str, Any]:
    for partition in endpoints["partitions"]:
        known = partition["services"]
        partition["services"] = {name: known[name] for name in known if name in services}
    return endpoints


def _slim_version(version: Path) -> None:
    for path in version.glob("*.json.gz"):
        _write(path.with_suffix(""), json.loads(gzip.decompress(path.read_bytes())))
        path.unlink()
    for path in version.glob("examples-*.json"):
        path.unlink()
    for path in version.glob("service-*.json"):
        _write(path, _without_documentation(json.loads(path.read_bytes())))


def _without_documentation(value: Any) -> Any:
    """Drop the text of every `documentation`; a structure's member of that name is a mapping and stays."""
    if isinstance(value, dict):
        return {
            name: _without_documentation(member)
            for name, member in value.items()
            if not (name == "documentation" and isinstance(member, str))
        }
    return [_without_documentation(item) for item in value] if isinstance(value, list) else value


def _write(path: Path, value: Any) -> None:
    path.write_text(json.dumps(value, separators=(",", ":"), ensure_ascii=False), "utf-8")


if __name__ == "__main__":
    slim(Path(sys.argv[1]), frozenset(sys.argv[2:]))
