"""Everything that can be wrong with a configuration before a single extract is read.

`tieout.config` checks the file by itself; here it is held against the formats and their columns.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import get_args

from tieout.config import line_of, load
from tieout.errors import ConfigurationError
from tieout.fees import FeeRule
from tieout.formats.binding import COLUMN_OPTION
from tieout.formats.catalogue import formats
from tieout.formats.models import Format
from tieout.formats.reading import OPTIONS
from tieout.lines.columns import INVOICE_LINE_TYPES, SETTLEMENT_CATEGORIES
from tieout.lines.feedrun import FORMAT_OPTION
from tieout.location import check_location
from tieout.matching.sides import check_keys
from tieout.model import SideName
from tieout.money import known_currencies
from tieout.rules import Side
from tieout.settings import AccountClass, Kind, Settings
from tieout.sqlfeed import SqlFeed, UnreachableError
from tieout.yamlfile import Trail

_VALUES: dict[Kind, dict[str, tuple[str, ...]]] = {
    "settlement": {c: tuple(SETTLEMENT_CATEGORIES) for c in ("category", "component")},
    "invoice": {"line_type": tuple(INVOICE_LINE_TYPES), "component": ("revenue", "tax")},
    "ledger": {"account_class": get_args(AccountClass)},
}
"""Columns with few values, and what these are."""


_READ_BY_RULES = {"methods": "payment_method", "pass_through": "fee_passed_through"}
"""Settings of a fee rule that need a column which not every format has."""
_NAME_FEEDS = "name the feeds that do in the rule's feeds"


def validated(path: Path) -> Settings:
    """Read a configuration and check all of it.

    Raises ConfigurationError that lists every problem found, one a line, as `file:line: problem`.
    """
    settings = load(path)
    found = sorted((line_of(path, trail), text) for trail, text in _problems(settings))
    if found:
        shown = "\n".join(f"{path}:{line}: {text}" for line, text in found)
        raise ConfigurationError(
            f"{len(found)} problem(s) in the configuration\n{shown}",
            "correct the lines named above, then run `tieout validate`",
        )
    return settings


def _problems(settings: Settings) -> Iterator[tuple[Trail, str]]:
    known = formats(settings)
    missing = set()
    for name, feed in settings.feeds.items():
        if feed.format not in known:
            missing.add(name)
            near = get_close_matches(feed.format, known, 1)
            hint = f" (did you mean {near[0]!r}?)" if near else ""
            text = f"no format {feed.format!r}{hint}; formats are {', '.join(sorted(known))}"
            yield ("feeds", name, "format"), text
        else:
            yield from _feed_problems(settings, name, known[feed.format])
    for schedule, rules in settings.fees.items():
        yield from _category_problems(("fees", schedule), rules)
    for name, reconciliation in settings.reconciliations.items():
        sides = {"source": reconciliation.source, "target": reconciliation.target}
        used = {feed for side in sides.values() if side for feed in side.feeds}
        if reconciliation.chain is None and not used & missing:
            yield from _side_problems(settings, known, name, sides)


def _feed_problems(settings: Settings, name: str, layout: Format) -> Iterator[tuple[Trail, str]]:
    """A location, a query or an option that a feed cannot be read with."""
    feed, here = settings.feeds[name], ("feeds", name)
    for option in feed.options:
        if not _is_option(option, layout):
            columns = ", ".join(sorted(layout.columns))
            text = (
                f"{layout.name} has no option {option!r}; options are {', '.join(OPTIONS)}, "
                f"{COLUMN_OPTION}<column> and {FORMAT_OPTION}<column>; columns are {columns}"
            )
            yield (*here, "options", option), text
    try:
        if feed.inbox is not None:
            if layout.webhook is None:
                text = f"{layout.name} is no format of webhooks, so it cannot fill an inbox"
                yield (*here, "format"), text
        elif layout.webhook is not None:
            yield here, f"{layout.name} is a format of webhooks; give the feed an inbox"
        elif feed.url is not None:
            SqlFeed(name, feed, layout.query, settings.base).close()
        else:
            check_location(settings, name)
    except UnreachableError:
        pass  # the configuration may be right, and the database not there yet
    except ConfigurationError as problem:
        own: Trail = (*here, "location" if feed.url is None else "url")
        yield tuple(problem.where.split(".")) if problem.where else own, _told(problem)


def _is_option(option: str, layout: Format) -> bool:
    for prefix in (COLUMN_OPTION, FORMAT_OPTION):
        if option.startswith(prefix):
            return option.removeprefix(prefix) in layout.columns
    return option in OPTIONS


def _told(problem: ConfigurationError) -> str:
    where = f"{problem.where}: " if problem.where else ""
    return f"{where}{problem.problem}; {problem.remedy}"


def _side_problems(
    settings: Settings, known: Mapping[str, Format], name: str, sides: Mapping[str, Side | None]
) -> Iterator[tuple[Trail, str]]:
    """A side of several kinds, and keys or scopes with columns that the kind does not have."""
    kinds: dict[SideName, Kind] = {}
    names: tuple[SideName, SideName] = ("source", "target")
    for side_name in names:
        side = sides[side_name]
        assert side is not None
        found = sorted({known[settings.feeds[feed].format].kind for feed in side.feeds})
        if len(found) > 1:
            trail = ("reconciliations", name, side_name, "feeds")
            yield trail, f"{name}: the {side_name} side mixes {' and '.join(found)} lines"
            return
        kinds[side_name] = found[0]
        if side.expects is not None:
            yield from _schedule_problems(settings, known, name, side)
        yield from _value_problems(settings, name, side_name, side, found[0])
    try:
        check_keys(name, settings.reconciliations[name], kinds)
    except ConfigurationError as problem:
        place = _trail(settings, name, problem.where.split("."))
        yield place, _told(problem)


def _category_problems(here: Trail, rules: Sequence[FeeRule]) -> Iterator[tuple[Trail, str]]:
    for position, rule in enumerate(rules):
        for at, category in enumerate(rule.categories):
            if category not in SETTLEMENT_CATEGORIES:
                near = get_close_matches(category, SETTLEMENT_CATEGORIES, 1)
                hint = f" (did you mean {near[0]!r}?)" if near else ""
                allowed = ", ".join(SETTLEMENT_CATEGORIES)
                trail = (*here, position, "categories", at)
                yield trail, f"no category {category!r}{hint}; it is one of {allowed}"


def _schedule_problems(
    settings: Settings, known: Mapping[str, Format], name: str, side: Side
) -> Iterator[tuple[Trail, str]]:
    """A schedule on lines that are no settlements, or that lack what one of its rules reads."""
    assert side.expects is not None
    for position, rule in enumerate(settings.fees[side.expects]):
        for feed in side.feeds:
            layout = known[settings.feeds[feed].format]
            if layout.kind != "settlement":
                trail: Trail = ("reconciliations", name, "target", "expects")
                yield trail, f"{feed} has {layout.kind} lines; a fee schedule is of settlements"
                return
            if rule.feeds and feed not in rule.feeds:
                continue
            for setting, column in _READ_BY_RULES.items():
                needed = rule.methods if setting == "methods" else rule.adds_costs
                if needed and column not in _mapped(layout):
                    trail = ("fees", side.expects, position, setting)
                    yield trail, f"{feed} ({layout.name}) does not say its {column}; {_NAME_FEEDS}"


def _mapped(layout: Format) -> set[str]:
    """The canonical columns that a format fills."""
    return {*layout.row, *(column for rule in layout.lines for column in rule.columns)}


def _value_problems(
    settings: Settings, name: str, side_name: SideName, side: Side, kind: Kind
) -> Iterator[tuple[Trail, str]]:
    """A scope with a value that its column never has: it would silently leave every line out."""
    known = {
        **_VALUES.get(kind, {}),
        "feed": side.feeds,
        "entity": tuple(settings.entities),
        "currency": tuple(known_currencies()),
    }
    for column, values in side.where.items():
        for value in values if column in known else ():
            if value not in known[column]:
                near = get_close_matches(value, known[column], 1)
                hint = f" (did you mean {near[0]!r}?)" if near else ""
                allowed = "ISO 4217 codes" if column == "currency" else ", ".join(known[column])
                trail = ("reconciliations", name, side_name, "where", column)
                yield trail, f"no {column} {value!r}{hint}; it is one of {allowed}"


def _trail(settings: Settings, name: str, where: list[str]) -> Trail:
    """`reconciliations.name.pass.key.source` as the file has it, where passes are a list."""
    if where[2] in ("source", "target"):
        return tuple(where)
    position = [p.name for p in settings.reconciliations[name].passes].index(where[2])
    return ("reconciliations", name, "passes", position, *where[3:])
