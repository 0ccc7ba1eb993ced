"""A YAML file as it is written, with the line of every value, and its problems in sentences.

Both tieout.yaml and the declarations of formats are read here.
"""

from __future__ import annotations

from collections.abc import Iterator
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from tieout.errors import ConfigurationError

Trail = tuple[str | int, ...]
"""The keys and positions that lead to a value."""
Lines = dict[Trail, int]
"""Where each value stands, from line 1."""
_LARGEST = 4 * 1024 * 1024


class _Loader(yaml.BaseLoader):
    """Keeps every scalar as written: 0.10 becomes no float, account 0110 no octal, `on` no truth.

    Refuses aliases: one may hold itself, or stand for more than memory does.
    """

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        if self.check_event(yaml.AliasEvent):
            event = self.peek_event()  # type: ignore[no-untyped-call]
            problem = f"*{event.anchor} is an alias, which is not read here; write the values out"
            raise yaml.composer.ComposerError(None, None, problem, event.start_mark)
        node: yaml.Node | None = super().compose_node(parent, index)
        return node


def read_yaml(path: Path, if_empty: str) -> tuple[object, Lines]:
    """The document, every scalar as text, and the line of every value.

    `if_empty` is what to do about an empty file. Raises FileNotFoundError, and ConfigurationError
    for anything else that cannot be read: no YAML, another encoding, a key given twice, an alias.
    """
    try:
        if path.stat().st_size > _LARGEST:
            raise ConfigurationError(f"{path} is larger than 4 MiB", "is this the right file?")
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise
    except (OSError, UnicodeDecodeError) as problem:
        raise ConfigurationError(f"cannot read {path}: {problem}", "save it as UTF-8") from None
    lines: Lines = {}
    try:
        loader = _Loader(text)
        node = loader.get_single_node()
        if node is None:
            raise ConfigurationError(f"{path} is empty", if_empty)
        _mark(node, (), lines, path)
        return loader.construct_document(node), lines
    except yaml.MarkedYAMLError as problem:
        line = problem.problem_mark.line + 1 if problem.problem_mark else 1
        raise ConfigurationError(
            f"{path}:{line}: not valid YAML: {problem.problem}", "check indentation and quotes"
        ) from None
    except yaml.YAMLError as problem:  # a character that YAML does not have
        reason = str(problem).splitlines()[0]
        raise ConfigurationError(f"{path} is not valid YAML: {reason}", "remove it") from None
    except RecursionError:
        raise ConfigurationError(
            f"{path} is nested too deeply", "is this the right file?"
        ) from None


def _mark(node: yaml.Node, trail: Trail, lines: Lines, path: Path) -> None:
    """Note the line of every value; a key written twice is an error, not an overwrite."""
    lines.setdefault(trail, node.start_mark.line + 1)
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            step = (*trail, str(key.value))
            line = key.start_mark.line + 1
            if step in lines:
                raise ConfigurationError(
                    f"{path}:{line}: {key.value!r} is given twice (first on line {lines[step]})",
                    "keep one of them",
                )
            lines[step] = line
            _mark(value, step, lines, path)
    elif isinstance(node, yaml.SequenceNode):
        for position, value in enumerate(node.value):
            _mark(value, (*trail, position), lines, path)


def line_at(lines: Lines, trail: Trail) -> int:
    """The line of the nearest enclosing value that the file has."""
    while trail and trail not in lines:
        trail = trail[:-1]
    return lines.get(trail, 1)


def problems(
    model: type[BaseModel], invalid: ValidationError, lines: Lines
) -> Iterator[tuple[int, str]]:
    """What does not fit the model, each with its line; of a place's alternatives the first."""
    told: set[Trail] = set()
    for error in invalid.errors():
        trail = tuple(step for step in error["loc"] if step != "[key]")
        if error["type"] != "missing":
            # The last step may be no key of the file but the name of an alternative.
            trail = trail[:-1] if trail not in lines and trail[:-1] in lines else trail
        if trail not in told:
            told.add(trail)
            yield line_at(lines, trail), _sentence(model, trail, error)


def _sentence(model: type[BaseModel], trail: Trail, error: ErrorDetails) -> str:
    where = ".".join(str(step) for step in trail) or "the file"
    kind, text = error["type"], error["msg"].removeprefix("Value error, ")
    if kind == "extra_forbidden":
        allowed = _allowed(model, trail[:-1])
        near = get_close_matches(str(trail[-1]), allowed, 1)
        hint = f" (did you mean {near[0]!r}?)" if near else ""
        return f"{where} is not a setting{hint}; allowed here: {', '.join(allowed)}"
    if kind == "missing":
        return f"{where} is required"
    if kind == "tuple_type":
        days = trail[-1] in ("days", "timing_days")
        text = f"a list is meant here, e.g. {'[-1, 5] for days' if days else '[a, b]'}"
    elif kind in ("dict_type", "model_type"):
        text = "settings are meant here, as `name: value`"
    elif kind.startswith("date_"):
        text = "no day of the calendar; write it as 2026-10-31"
    given = error.get("input")
    shown = f" (given: {given!r})" if isinstance(given, str | int | float | bool) else ""
    return f"{where}: {text}{shown}"


def _allowed(model: type[BaseModel], trail: Trail) -> list[str]:
    """The settings a place of the file may have, from the JSON schema."""
    schema = model.model_json_schema()
    node: dict[str, Any] = schema
    for step in trail:
        node = _child(schema, node, step)
    # The file's folder is no setting; a tolerance's base is one.
    return sorted(k for k in node.get("properties", {}) if trail or k != "base")


def _child(schema: dict[str, Any], node: dict[str, Any], step: str | int) -> dict[str, Any]:
    if isinstance(step, int):
        child = node.get("items") or {}
    else:
        patterns = list(node.get("patternProperties", {}).values())
        child = node.get("properties", {}).get(step) or node.get("additionalProperties") or {}
        child = child or (patterns[0] if patterns else {})
    options = [child, *child.get("anyOf", [])] if isinstance(child, dict) else []
    for option in options:
        if "$ref" in option:
            found = schema["$defs"][option["$ref"].rsplit("/", 1)[1]]
            assert isinstance(found, dict)
            return found
    return child if isinstance(child, dict) else {}
