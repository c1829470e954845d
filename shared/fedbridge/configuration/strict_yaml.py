"""YAML as people read it: the scalars of YAML 1.2, and no key twice. For the command line and local runs alone."""

from __future__ import annotations

import re
from typing import Any

import yaml

_RESOLVERS = {"tag:yaml.org,2002:null", "tag:yaml.org,2002:merge"}


class _Loader(yaml.SafeLoader):
    """`off`, `no` and `12:30` are strings (they are not in YAML 1.1), and so are dates and fractions."""


_Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag in _RESOLVERS]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:bool", re.compile(r"^(?:true|True|TRUE|false|False|FALSE)$"), list("tTfF")
)
_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:int", re.compile(r"^-?(?:0|[1-9][0-9]{0,17})$"), list("-0123456789")
)


def read_yaml(text: str, problems: list[tuple[str, str]]) -> Any:
    """Return the document; keys that are there twice go to `problems`, by path. Raises ValueError that says where.

    The message holds the parser's words and a line, never a piece of the text, which might be a secret.
    """
    try:
        return _read(_Loader(text), problems)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        raise ValueError(f"line {mark.line + 1 if mark else 1}: {error.problem or 'is not YAML'}") from None
    except (yaml.YAMLError, RecursionError):
        raise ValueError("is not YAML") from None


def _read(loader: _Loader, problems: list[tuple[str, str]]) -> Any:
    try:
        root = loader.get_single_node()
        if root is None:
            return None
        _find_duplicates(root, "", problems, set())
        return loader.construct_document(root)
    finally:
        loader.dispose()


def _find_duplicates(node: yaml.Node, path: str, problems: list[tuple[str, str]], seen: set[int]) -> None:
    if id(node) in seen:  # an alias: said where it stands first
        return
    seen.add(id(node))
    if isinstance(node, yaml.MappingNode):
        lines: dict[str, int] = {}
        for key, value in node.value:
            name = key.value if isinstance(key, yaml.ScalarNode) else "?"
            where = f"{path}.{name}" if path else name
            line = key.start_mark.line + 1
            if name in lines:
                problems.append((where, f"is there twice, in lines {lines[name]} and {line}"))
            lines.setdefault(name, line)
            _find_duplicates(value, where, problems, seen)
    elif isinstance(node, yaml.SequenceNode):
        for i, item in enumerate(node.value):
            _find_duplicates(item, f"{path}[{i}]", problems, seen)
