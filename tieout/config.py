"""tieout.yaml -> one validated Settings object; every error names file, line and what is allowed.

Secrets are written `${NAME}` and come from the environment only. What came from there is never
shown: an error says `${NAME}` where the value would stand.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError
from pydantic_core import ErrorDetails

from tieout.errors import ConfigurationError
from tieout.settings import Settings

Trail = tuple[str | int, ...]
_VARIABLE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}")
_LARGEST = 4 * 1024 * 1024
_WORTH_HIDING = 4
"""A shorter value is no secret, and hiding it would make the rest of the sentence unreadable."""


class _Loader(yaml.BaseLoader):
    """Keeps every scalar as written: 0.10 never becomes a float, account 0110 no octal.

    Refuses aliases: one may hold itself, or stand for more than memory does.
    """

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        if self.check_event(yaml.AliasEvent):
            event = self.peek_event()  # type: ignore[no-untyped-call]
            problem = f"*{event.anchor} is an alias, which is not read here; write the values out"
            raise yaml.composer.ComposerError(None, None, problem, event.start_mark)
        node: yaml.Node | None = super().compose_node(parent, index)
        return node


def load(path: Path | str, environment: Mapping[str, str] = os.environ) -> Settings:
    """Read and validate a configuration file.

    Raises ConfigurationError that lists every problem found, one a line, as `file:line: problem`.
    """
    path = Path(path)
    lines: dict[Trail, int] = {}
    document = _read(path, lines)
    used = list(_variables(document, ()))
    taken = {name: environment[name] for _, name in used if name in environment}
    problems = [
        (_line(lines, trail), f"environment variable {name} is not set; export it first")
        for trail, name in used
        if name not in taken
    ]
    settings = _validated(_substituted(document, taken), path, lines, problems)
    if settings is not None:
        problems += [(_line(lines, trail), text) for trail, text in _cross_checks(settings)]
    if problems or settings is None:
        shown = "\n".join(
            f"{path}:{line}: {_without_secrets(text, taken)}" for line, text in sorted(problems)
        )
        raise ConfigurationError(
            f"{len(problems)} problem(s) in the configuration\n{shown}",
            "correct the lines named above, then run `tieout validate`",
        )
    return settings


def line_of(path: Path | str, trail: Trail) -> int:
    """The line of a configuration file where a value stands, or what encloses it."""
    lines: dict[Trail, int] = {}
    _read(Path(path), lines)
    return _line(lines, trail)


def json_schema() -> dict[str, Any]:
    """JSON Schema of tieout.yaml, for editors."""
    schema = Settings.model_json_schema()
    del schema["properties"]["base"]  # where the file lies, known by itself
    schema["$schema"] = "https://json-schema.org/draft/2020-12/schema"
    schema["title"] = "tieout.yaml"
    return schema


def _read(path: Path, lines: dict[Trail, int]) -> object:
    try:
        if path.stat().st_size > _LARGEST:
            raise ConfigurationError(f"{path} is larger than 4 MiB", "is this the right file?")
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise ConfigurationError(
            f"no configuration at {path}", "write a tieout.yaml, or name one with --config"
        ) from None
    except (OSError, UnicodeDecodeError) as problem:
        raise ConfigurationError(f"cannot read {path}: {problem}", "save it as UTF-8") from None
    try:
        loader = _Loader(text)
        node = loader.get_single_node()
        if node is None:
            raise ConfigurationError(f"{path} is empty", "see the README for a first configuration")
        _mark(node, (), lines, path)
        document: object = loader.construct_document(node)
        return document
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


def _mark(node: yaml.Node, trail: Trail, lines: dict[Trail, int], path: Path) -> None:
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


def _variables(value: object, trail: Trail) -> Iterator[tuple[Trail, str]]:
    """Where the document names which environment variable."""
    if isinstance(value, dict):
        for key, part in value.items():
            yield from _variables(part, (*trail, str(key)))
    elif isinstance(value, list):
        for position, part in enumerate(value):
            yield from _variables(part, (*trail, position))
    elif isinstance(value, str):
        for name in _VARIABLE.findall(value):
            yield trail, name


def _substituted(value: object, taken: Mapping[str, str]) -> object:
    if isinstance(value, dict):
        return {key: _substituted(part, taken) for key, part in value.items()}
    if isinstance(value, list):
        return [_substituted(part, taken) for part in value]
    if isinstance(value, str):
        return _VARIABLE.sub(lambda found: taken.get(found[1], found[0]), value)
    return value


def _without_secrets(text: str, taken: Mapping[str, str]) -> str:
    """The text with `${NAME}` wherever a variable's value stands in it, quoted by repr or not."""
    for name, value in sorted(taken.items(), key=lambda item: len(item[1]), reverse=True):
        if len(value) >= _WORTH_HIDING:
            quoted = "".join(c if c in "'\"" else repr(c)[1:-1] for c in value)
            for form in (value, quoted, quoted.replace("'", "\\'")):
                text = text.replace(form, f"${{{name}}}")
    return text


def _validated(
    document: object, path: Path, lines: dict[Trail, int], problems: list[tuple[int, str]]
) -> Settings | None:
    if not isinstance(document, dict):
        problems.append((1, "the file must be a mapping with company, calendar, entities, feeds"))
        return None
    if "base" in document:
        problems.append((_line(lines, ("base",)), "base is not a setting; it is the file's folder"))
    try:
        return Settings.model_validate({**document, "base": path.resolve().parent})
    except ValidationError as invalid:
        for error in invalid.errors():
            trail = tuple(step for step in error["loc"] if step != "[key]")
            problems.append((_line(lines, trail), _sentence(trail, error)))
        return None


def _sentence(trail: Trail, error: ErrorDetails) -> str:
    where = ".".join(str(step) for step in trail) or "the file"
    kind, text = error["type"], error["msg"].removeprefix("Value error, ")
    if kind == "extra_forbidden":
        allowed = _allowed(trail[:-1])
        near = get_close_matches(str(trail[-1]), allowed, 1)
        hint = f" (did you mean {near[0]!r}?)" if near else ""
        return f"{where} is not a setting{hint}; allowed here: {', '.join(allowed)}"
    if kind == "missing":
        return f"{where} is required"
    if kind == "tuple_type":
        text = "a list is meant here, e.g. [-1, 5] for days"
    if kind.startswith("date_"):
        text = "no day of the calendar; write it as 2026-10-31"
    given = error.get("input")
    shown = f" (given: {given!r})" if isinstance(given, str | int | float | bool) else ""
    return f"{where}: {text}{shown}"


def _allowed(trail: Trail) -> list[str]:
    """The settings a place of the file may have, from the JSON schema."""
    schema = Settings.model_json_schema()
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


def _line(lines: dict[Trail, int], trail: Trail) -> int:
    """The line of the nearest enclosing value that the file has."""
    while trail and trail not in lines:
        trail = trail[:-1]
    return lines.get(trail, 1)


def _cross_checks(settings: Settings) -> Iterator[tuple[Trail, str]]:
    yield from _entity_checks(settings)
    feeds = sorted(settings.feeds)
    for name, reconciliation in settings.reconciliations.items():
        here: Trail = ("reconciliations", name)
        for side, part in (("source", reconciliation.source), ("target", reconciliation.target)):
            for position, feed in enumerate(part.feeds if part else ()):
                if feed not in settings.feeds:
                    trail = (*here, side, "feeds", position)
                    yield trail, f"no feed {feed!r}; feeds are {', '.join(feeds)}"
        names = [p.name for p in reconciliation.passes]
        for again in sorted({n for n in names if names.count(n) > 1}):
            yield (*here, "passes"), f"two passes are named {again!r}"
        for position, link in enumerate(reconciliation.chain or ()):
            other = settings.reconciliations.get(link)
            if other is not None and other.chain:
                text = f"{link!r} is a chain itself; a chain joins two reconciliations of two sides"
                yield (*here, "chain", position), text
            elif other is None:
                yield (*here, "chain", position), f"{link!r} is no reconciliation of two sides"
        if reconciliation.chain and len({*reconciliation.chain}) == 1:
            text = f"{reconciliation.chain[0]!r} is joined to itself; name two reconciliations"
            yield (*here, "chain"), text


def _entity_checks(settings: Settings) -> Iterator[tuple[Trail, str]]:
    taken = {code: code for code in settings.entities}
    for code, entity in settings.entities.items():
        for position, other in enumerate(entity.known_as):
            if taken.setdefault(other, code) != code:
                trail = ("entities", code, "known_as", position)
                yield trail, f"{other!r} is already a name of {taken[other]}"
    for code in settings.accounts:
        if code != "*" and code not in settings.entities:
            known = ", ".join(sorted(settings.entities))
            yield ("accounts", code), f"no entity {code!r}; entities are {known} (or * for all)"
    for name, feed in settings.feeds.items():
        if feed.entity is not None and feed.entity not in settings.entities:
            known = ", ".join(sorted(settings.entities))
            yield ("feeds", name, "entity"), f"no entity {feed.entity!r}; entities are {known}"
