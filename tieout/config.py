"""tieout.yaml -> one validated Settings object; every error names file, line and what is allowed.

Secrets are written `${NAME}` and come from the environment only. What came from there is never
shown: an error says `${NAME}` where the value would stand.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from tieout.errors import ConfigurationError
from tieout.fees import overlaps
from tieout.rules import Reconciliation
from tieout.settings import Settings
from tieout.yamlfile import Lines, Trail, line_at, read_yaml
from tieout.yamlfile import problems as problems_of

_VARIABLE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}")
_WORTH_HIDING = 4
"""A shorter value is no secret, and hiding it would make the rest of the sentence unreadable."""


def load(path: Path | str, environment: Mapping[str, str] = os.environ) -> Settings:
    """Read and validate a configuration file.

    Raises ConfigurationError that lists every problem found, one a line, as `file:line: problem`.
    """
    path = Path(path)
    document, lines = _read(path)
    used = list(_variables(document, ()))
    taken = {name: environment[name] for _, name in used if name in environment}
    problems = [
        (line_at(lines, trail), f"environment variable {name} is not set; export it first")
        for trail, name in used
        if name not in taken and not _may_be_unset(trail)
    ]
    settings = _validated(_substituted(document, taken), path, lines, problems)
    if settings is not None:
        problems += [(line_at(lines, trail), text) for trail, text in _cross_checks(settings)]
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
    return line_at(_read(Path(path))[1], trail)


def json_schema() -> dict[str, Any]:
    """JSON Schema of tieout.yaml, for editors."""
    schema = Settings.model_json_schema()
    del schema["properties"]["base"]  # where the file lies, known by itself
    schema["$schema"] = "https://json-schema.org/draft/2020-12/schema"
    schema["title"] = "tieout.yaml"
    return schema


def _read(path: Path) -> tuple[object, Lines]:
    try:
        return read_yaml(path, "see the README for a first configuration")
    except FileNotFoundError:
        raise ConfigurationError(
            f"no configuration at {path}", "write a tieout.yaml, or name one with --config"
        ) from None


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


def _may_be_unset(trail: Trail) -> bool:
    """Signing keys are for the intake alone, which asks for them, addresses of alerts for whoever
    sends them: nothing else should hold either."""
    inbox = len(trail) > 3 and trail[0] == "feeds" and trail[2:4] == ("inbox", "secrets")
    return inbox or trail[:2] == ("alerts", "targets")


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
    document: object, path: Path, lines: Lines, problems: list[tuple[int, str]]
) -> Settings | None:
    if not isinstance(document, dict):
        problems.append((1, "the file must be a mapping with company, calendar, entities, feeds"))
        return None
    if "base" in document:
        problems.append(
            (line_at(lines, ("base",)), "base is not a setting; it is the file's folder")
        )
    try:
        return Settings.model_validate({**document, "base": path.resolve().parent})
    except ValidationError as invalid:
        problems += problems_of(Settings, invalid, lines)
        return None


def _cross_checks(settings: Settings) -> Iterator[tuple[Trail, str]]:
    yield from _entity_checks(settings)
    yield from _file_checks(settings)
    yield from _journal_checks(settings)
    yield from _fee_checks(settings)
    yield from _inbox_checks(settings)
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
        yield from _chain_checks(settings, name, reconciliation)


def _chain_checks(
    settings: Settings, name: str, reconciliation: Reconciliation
) -> Iterator[tuple[Trail, str]]:
    here: Trail = ("reconciliations", name)
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
    elif reconciliation.chain and (apart := _not_joined(settings, *reconciliation.chain)):
        yield (*here, "chain"), apart


def _not_joined(settings: Settings, first: str, second: str) -> str | None:
    """What is wrong with a chain whose second link does not begin where the first one ends."""
    before = settings.reconciliations.get(first)
    after = settings.reconciliations.get(second)
    if before is None or after is None or before.target is None or after.source is None:
        return None
    if {*before.target.feeds} & {*after.source.feeds}:
        return None
    return (
        f"{first!r} ends in {', '.join(before.target.feeds)} and {second!r} begins with "
        f"{', '.join(after.source.feeds)}; a chain is usage to invoice, then invoice to ledger: "
        "the targets of the first are the sources of the second"
    )


def _file_checks(settings: Settings) -> Iterator[tuple[Trail, str]]:
    if settings.formats is not None and not (settings.base / settings.formats).is_dir():
        remedy = "name the folder of your own formats, or leave `formats` out"
        yield ("formats",), f"no folder {settings.base / settings.formats}; {remedy}"
    for name, file in settings.rates.items():
        if not (settings.base / file).is_file():
            text = f"no file {settings.base / file}; write a CSV file with date, currency, to, rate"
            yield ("rates", name), text


def _journal_checks(settings: Settings) -> Iterator[tuple[Trail, str]]:
    """Accounts to post to that the account map has not as what they are named for; feeds said to
    be posted by a pass that no reconciliation of theirs has."""
    here: Trail = ("journals", "accounts")
    for code, accounts in settings.journals.accounts.items():
        if code != "*" and code not in settings.entities:
            known = ", ".join(sorted(settings.entities))
            yield (*here, code), f"no entity {code!r}; entities are {known} (or * for all)"
            continue
        for kind, account in accounts.items():
            mapped = settings.account_class(code, account)
            if mapped != kind:
                what = f"is mapped as {mapped}" if mapped else "is not in the account map"
                whose = "all entities" if code == "*" else code
                remedy = f"name a {kind} account of {whose}, or map {account} as {kind}"
                yield (*here, code, kind), f"account {account!r} {what}; {remedy}"
    for feed, name in settings.journals.posted_by.items():
        passes = [
            one.name
            for about in settings.reconciliations.values()
            if about.source is not None and feed in about.source.feeds
            for one in about.passes
            if one.shape == "many_to_one"
        ]
        if name not in passes:
            known = f"they are {', '.join(passes)}" if passes else "there is none"
            text = f"{name!r} is no many_to_one pass with {feed!r} on its source side; {known}"
            yield ("journals", "posted_by", feed), text


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
        if feed.rates is not None and feed.rates not in settings.rates:
            known = ", ".join(sorted(settings.rates)) or "none yet"
            yield ("feeds", name, "rates"), f"no rate table {feed.rates!r}; `rates` names {known}"
        if feed.entity is not None and feed.entity not in settings.entities:
            known = ", ".join(sorted(settings.entities))
            yield ("feeds", name, "entity"), f"no entity {feed.entity!r}; entities are {known}"


def _inbox_checks(settings: Settings) -> Iterator[tuple[Trail, str]]:
    """Events that expect lines of a feed, or a posting by a reconciliation, that there is not."""
    for name, feed in settings.feeds.items():
        for kind, expected in (feed.inbox.expects if feed.inbox else {}).items():
            here: Trail = ("feeds", name, "inbox", "expects", kind)
            for position, wanted in enumerate(expected.feeds):
                if wanted not in settings.feeds:
                    known = ", ".join(sorted(settings.feeds))
                    yield (*here, "feeds", position), f"no feed {wanted!r}; feeds are {known}"
            by = expected.posted_by
            if by is not None and getattr(settings.reconciliations.get(by), "source", None) is None:
                yield (*here, "posted_by"), f"{by!r} is no reconciliation of two sides"


def _fee_checks(settings: Settings) -> Iterator[tuple[Trail, str]]:
    for name, reconciliation in settings.reconciliations.items():
        expects = reconciliation.target.expects if reconciliation.target else None
        if expects is not None and expects not in settings.fees:
            known = ", ".join(sorted(settings.fees)) or "none yet: write them under fees"
            trail = ("reconciliations", name, "target", "expects")
            yield trail, f"no fee schedule {expects!r}; schedules are {known}"
    for schedule, rules in settings.fees.items():
        here: Trail = ("fees", schedule)
        names = [rule.name for rule in rules]
        for position, rule in enumerate(rules):
            if rule.name in names[:position]:
                yield (*here, position, "name"), f"two rules are named {rule.name!r}"
            for key, values in (("feeds", settings.feeds), ("entities", settings.entities)):
                for at, value in enumerate(getattr(rule, key)):
                    if value not in values:
                        known = ", ".join(sorted(values))
                        yield (*here, position, key, at), f"no such {key}: {value!r}; {known}"
        for first, second, example in overlaps(rules):
            yield (
                (*here, second),
                f"rules {names[first]!r} and {names[second]!r} could both apply to one line "
                f"({example}); narrow one by feeds, categories, entities, currencies, methods or "
                "its days",
            )
