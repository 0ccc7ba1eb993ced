"""Random small worlds: few keys, few amounts, ten days across a month end, so that lines collide.

Everything is drawn through one function that picks from a sequence: hypothesis gives one that
shrinks, `random.Random(seed).choice` gives thousands of worlds cheaply.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from decimal import ROUND_DOWN, ROUND_HALF_UP, Decimal
from typing import Any, TypeVar

from hypothesis import strategies as st

from tests.worlds import FEEDS, extract_sha256

T = TypeVar("T")
Row = dict[str, Any]
Pick = Callable[[Sequence[Any]], Any]
Window = tuple[str, str]
"""A feed and one of its windows."""

START = date(2026, 9, 26)
DAYS = 10

PAIRS: dict[str, tuple[str, str]] = {
    "settlement_to_ledger": ("settlement", "ledger"),
    "usage_to_invoice": ("usage", "invoice"),
    "invoice_to_ledger": ("invoice", "ledger"),
    "settlement_to_settlement": ("settlement", "settlement"),
    "ledger_to_ledger": ("ledger", "ledger"),
}
KEYS: dict[str, dict[str, tuple[str, str, str]]] = {
    "settlement_to_ledger": {
        "source": ("payment_ref", "settlement_batch", "component"),
        "target": ("line_ref", "batch_ref", "component"),
    },
    "usage_to_invoice": {
        "source": ("subscription_ref", "cycle_start", "meter"),
        "target": ("subscription_ref", "service_start", "meter"),
    },
    "invoice_to_ledger": {
        "source": ("customer_ref", "invoice_ref", "component"),
        "target": ("line_ref", "document_ref", "component"),
    },
    "settlement_to_settlement": {
        "source": ("payment_ref", "settlement_batch", "component"),
        "target": ("payment_ref", "settlement_batch", "component"),
    },
    "ledger_to_ledger": {
        "source": ("line_ref", "batch_ref", "component"),
        "target": ("line_ref", "batch_ref", "component"),
    },
}
DAY_KEYS = {"cycle_start", "service_start"}
TEXT_KEYS = {c for sides in KEYS.values() for columns in sides.values() for c in columns} - {
    "component",
    *DAY_KEYS,
}
FEEDS_OF = {
    "settlement_to_ledger": {
        "source": [["psp"], ["psp", "psp_b"]],
        "target": [["erp"], ["erp", "erp_b"]],
    },
    "usage_to_invoice": {"source": [["meter"]], "target": [["billing"]]},
    "invoice_to_ledger": {"source": [["billing"]], "target": [["erp"], ["erp", "erp_b"]]},
    "settlement_to_settlement": {"source": [["psp"]], "target": [["psp_b"]]},
    "ledger_to_ledger": {"source": [["erp_b"], ["erp"]], "target": [["erp"]]},
}
ACCOUNTS = {
    "1090": "clearing",
    "1091": "clearing",
    "4000": "revenue",
    "2400": "deferred_revenue",
    "2200": "tax",
    "8990": "write_off",
    "9999": "unmapped",
}
MANGLED: Sequence[str | None] = (
    "INV-000123",
    "INV-00123",
    "inv 123",
    "INV-000132",
    "INV-000132-1",
    "VIN-000123",
    "NV-000123",
    "INV-0001234",
    "REFERENCE-77",
    "Referense 77",
    "REFRENCE-077",
    "KAPUT",
    "--",
    None,
)
"""References of which some are others with a slip in them, and some only look so."""
SHAPES = ("one_to_one", "many_to_one", "one_to_many", "many_to_many", "subset_sum")


@dataclass(frozen=True)
class Vocabulary:
    """The few values that lines of one world are made of. `prefix` keeps worlds apart."""

    entities: Sequence[str]
    currencies: Sequence[str]
    amounts: Sequence[str]
    accounts: Sequence[str]
    lags: Sequence[int]
    keys: Sequence[str | None]
    fine: Sequence[str]
    """What usage has below a line's four decimals."""
    prefix: str = ""
    month: int = 0
    slips: Sequence[bool] = (False,) * 7 + (True,)
    """Whether a reference is not written again as it was."""


@dataclass(frozen=True)
class Scenario:
    """A reconciliation and what its feeds deliver, by feed and window."""

    pair: str
    reconciliation: dict[str, Any]
    deliveries: dict[Window, list[Row]]

    @property
    def rows(self) -> list[Row]:
        """Every row delivered."""
        return [row for rows in self.deliveries.values() for row in rows]

    def text(self, prefixes: Sequence[str] = ("",)) -> str:
        """The world as a small ledger to read, or those of many worlds that the prefixes name."""
        return f"{self.reconciliation}\n{text_of(self.deliveries, prefixes)}"


def text_of(deliveries: Mapping[Window, Sequence[Row]], prefixes: Sequence[str] = ("",)) -> str:
    """Rows by feed and window, with what is NULL left out."""
    hidden = ("feed", "extract_sha256", "received_on", "occurred_on")
    lines = []
    for (feed, window), rows in sorted(deliveries.items()):
        lines.append(f"{feed} {window}")
        for row in rows:
            if row["line_id"].startswith(tuple(prefixes)):
                shown = {k: str(v) for k, v in row.items() if v is not None and k not in hidden}
                lines.append(f"    {shown}")
    return "\n".join(lines)


@st.composite
def scenarios(
    draw: st.DrawFn, pairs: Sequence[str] = tuple(PAIRS), shapes: Sequence[str] = SHAPES
) -> Scenario:
    """Worlds of up to some thirty lines."""
    return scenario(lambda options: draw(st.sampled_from(options)), pairs, shapes)


def scenario(
    pick: Pick, pairs: Sequence[str] = tuple(PAIRS), shapes: Sequence[str] = SHAPES
) -> Scenario:
    """One world."""
    pair = pick(pairs)
    reconciliation = configuration(pick, pair, shapes)
    rows = list(lines(pick, pair, reconciliation, vocabulary(pick)))
    return Scenario(pair, reconciliation, delivered(rows) | closing(pick, reconciliation))


def crowd(
    pick: Pick,
    worlds: int,
    pairs: Sequence[str] = tuple(PAIRS),
    shapes: Sequence[str] = SHAPES,
    **words: Any,
) -> Scenario:
    """Many worlds under one configuration, kept apart by their keys; all with the `words` given."""
    pair = pick(pairs)
    reconciliation = configuration(pick, pair, shapes)
    rows = [
        row
        for number in range(worlds)
        for row in lines(
            pick,
            pair,
            reconciliation,
            replace(vocabulary(pick), prefix=f"w{number:03d}.", month=number, **words),
        )
    ]
    return Scenario(pair, reconciliation, delivered(rows) | closing(pick, reconciliation))


def configuration(pick: Pick, pair: str, shapes: Sequence[str]) -> dict[str, Any]:
    """A reconciliation of one to three passes."""
    sides: dict[str, dict[str, Any]] = {}
    for side, kind in zip(("source", "target"), PAIRS[pair], strict=True):
        sides[side] = {
            "feeds": pick(FEEDS_OF[pair][side]),
            "where": pick(_scopes(kind, side)),
            "sign": pick([1, 1, -1]),
        }
    passes = [_pass(pick, pair, shapes, number) for number in range(1, pick([1, 2, 2, 3]) + 1)]
    if sides["source"]["feeds"] == sides["target"]["feeds"]:  # two accounts of one ledger
        sides["source"]["where"] = {"account": ["1091", "4000"]}
        sides["target"]["where"] = {"account": ["1090", "8990"]}
    timing = pick([[-1, 5], [0, 2], [-3, 3], [0, 0], [-9, 9]])
    return {**sides, "passes": passes, "timing_days": timing}


def _scopes(kind: str, side: str) -> Sequence[dict[str, list[str]]]:
    if kind == "ledger" and side == "target":
        clearing = {"account_class": ["clearing", "tax"]}
        return [{}, clearing, clearing, clearing | {"component": ["charge", "tax", "clearing"]}]
    if kind == "settlement":
        return [{}, {}, {"category": ["charge", "fee"]}]
    return [{}]


TOLERANCES: Sequence[dict[str, str]] = (
    {},
    {},
    {"absolute": "0.01"},
    {"absolute": "5", "percent": "10", "base": "target", "rule": "both"},
    {"absolute": "1", "percent": "10", "base": "larger"},
    {"percent": "50"},
    {"label": "rounding"},
    {"percent": "50", "label": "fx"},
)
WIDE: Sequence[dict[str, str]] = ({"percent": "50"}, {"absolute": "1"}, {"absolute": "0.5"})
"""So much is allowed that many lines fit each other, and the nearest must be found."""


LENSES: Sequence[dict[str, str]] = (
    {},
    {},
    {},
    {"result": "suggested"},
    {"entity": "any"},
    {"currency": "functional"},
    {"currency": "functional", "entity": "any"},
)
STEPS = ("", "", "", " | upper", " | digits", " | upper | without_suffix(A) | without_zeros")


def _pass(pick: Pick, pair: str, shapes: Sequence[str], number: int) -> dict[str, Any]:
    shape, wide = pick(shapes), pick([False, True])
    columns = pick([(0,), (1,), (0, 2), (1, 2), (0, 1), (0, 1, 2)])
    found: dict[str, Any] = {
        "name": f"p{number}",
        "shape": shape,
        "key": {side: [KEYS[pair][side][c] for c in columns] for side in ("source", "target")},
        "tolerance": pick(WIDE if wide else TOLERANCES),
    }
    if days := [-9, 9] if wide else pick([None, None, [0, 0], [-2, 2], [0, 9], [1, 3]]):
        found["days"] = days
    if shape == "subset_sum":
        found["tolerance"] = {}
    found |= pick(LENSES)
    if steps := pick(STEPS):
        found["key"] = {
            side: [part + steps if part in TEXT_KEYS else part for part in parts]
            for side, parts in found["key"].items()
        }
    if shape == "many_to_one" and pick([False, True]):
        found["received_by_target"] = True
    return found


def vocabulary(pick: Pick) -> Vocabulary:
    """The values of one world: sometimes very few."""
    return Vocabulary(
        entities=pick(["A", "AAAB", "AB"]),
        currencies=pick([["USD"], ["USD", "USD", "JPY"], ["KWD", "EUR"]]),
        amounts=pick(
            [
                ["10"],
                ["10", "-10"],
                ["10", "20", "30"],
                ["10", "10.004", "9.996", "10.005"],
                ["10", "10", "9", "11", "20", "-10", "0"],
                ["0.3", "0.5", "-0.4", "0.0004", "1"],
                ["0.005", "0.015", "0.0049", "-0.0051", "0.02"],
                ["10", "10.1", "10.3", "10.6", "11"],
            ]
        ),
        accounts=pick([["1090"], ["1090", "1090", "9999", "4000", "8990"], list(ACCOUNTS)]),
        lags=pick([[0], [0, 1], [0, 0, 1, 4, -1]]),
        keys=pick([["K1", "K1", "K2", None], ["K1"], ["K1", "k1", "K1a", "K-1"], MANGLED]),
        fine=pick([["0"], ["0"], ["0", "0.000000000001", "0.00004"]]),
    )


def lines(
    pick: Pick, pair: str, reconciliation: Mapping[str, Any], words: Vocabulary
) -> Iterator[Row]:
    """The lines of one world: drawn alone, mirrored, reversed, delivered again."""
    found: list[Row] = []
    kinds = dict(zip(("source", "target"), PAIRS[pair], strict=True))
    for side, kind in kinds.items():
        number = pick([0, 1, 2, 3, 5] if side == "source" else [0, 0, 1, 2])
        here = reconciliation[side]
        found += [_line(pick, pair, side, kind, here, words) for _ in range(number)]
    found += [
        _mirror(pick, pair, kinds, reconciliation, words, row)
        for row in found
        if row["side"] == "source" and pick([False, True, True])
    ]
    found += [
        _reversal(pick, row)
        for row in found
        if kinds[row["side"]] == "ledger" and pick([False] * 7 + [True])
    ]
    counters: dict[str, int] = {}
    for row in found:
        counters[row["feed"]] = counters.get(row["feed"], 0) + 1
        row["line_id"] = f"{words.prefix}L{counters[row['feed']]}"
    again = [_again(pick, row, words) for row in found if pick([False] * 7 + [True])]
    for row in [*found, *again]:
        yield {name: value for name, value in row.items() if name != "side"}


def _line(
    pick: Pick, pair: str, side: str, kind: str, here: Mapping[str, Any], words: Vocabulary
) -> Row:
    row: Row = {
        "side": side,
        "feed": pick(here["feeds"]),
        "entity": pick(words.entities),
        "currency": pick(words.currencies),
        "amount": Decimal(pick(words.amounts)) * here["sign"],
        "period": START + timedelta(days=pick(range(DAYS))),
    }
    _receive(pick, row, words)
    if kind == "usage":
        row["amount"] += Decimal(pick(words.fine))
    for column in KEYS[pair][side]:
        row |= _key_part(pick, column, words)
    return row | OWN_COLUMNS[kind](pick, words)


def _receive(pick: Pick, row: Row, words: Vocabulary) -> None:
    """The window that brings a row. Usage comes by the hour."""
    day = row["period"] + timedelta(days=pick(words.lags))
    hour = f"-{pick(['03', '23'])}:00" if FEEDS[row["feed"]] == "usage" else ""
    row["window"] = f"{day}{hour}"
    row["received_on"] = day
    row["extract_sha256"] = extract_sha256(row["feed"], row["window"], pick([1, 1, 2]))


def _key_part(pick: Pick, column: str, words: Vocabulary) -> Row:
    if column in ("component", "meter"):
        return {"meter": pick(["api", "disk"])} if column == "meter" else {}
    if column in DAY_KEYS:
        day = date(2026, 9, 1) + timedelta(days=2 * words.month)
        return {column: pick([day, day, day + timedelta(days=1), None])}
    name = pick(words.keys)
    return {column: name and words.prefix + name}


def _settlement_columns(pick: Pick, words: Vocabulary) -> Row:
    presented = [None, "5", "10", "10.5"]
    return {
        "category": pick(["charge", "charge", "fee", "tax"]),
        "presentment_amount": (amount := pick(presented)) and Decimal(amount),
        "exchange_rate": (rate := pick([None, "1", "2", "0.9523809"])) and Decimal(rate),
    }


def _usage_columns(pick: Pick, words: Vocabulary) -> Row:
    return {}


def _invoice_columns(pick: Pick, words: Vocabulary) -> Row:
    return {"line_type": pick(["charge", "usage", "tax"])}


def _ledger_columns(pick: Pick, words: Vocabulary) -> Row:
    account = pick(words.accounts)
    return {
        "account": account,
        "account_class": ACCOUNTS[account],
        "category": pick([None, "charge", "charge", "fee"]),
        "functional_amount": (amount := pick([None, "10", "9.99", "10.3"])) and Decimal(amount),
        "journal_ref": words.prefix + pick(["J1", "J2", "J3"]),
        "reversal_of": pick([None] * 15 + [words.prefix + "J1"]),
    }


OWN_COLUMNS: dict[str, Callable[[Pick, Vocabulary], Row]] = {
    "settlement": _settlement_columns,
    "usage": _usage_columns,
    "invoice": _invoice_columns,
    "ledger": _ledger_columns,
}


CENT = Decimal("0.01")
ROUNDED: Sequence[Callable[[Decimal], Decimal]] = (
    lambda amount: round(amount, 4),
    lambda amount: round(amount, 4),
    lambda amount: amount.quantize(CENT, ROUND_HALF_UP),
    lambda amount: amount.quantize(CENT, ROUND_DOWN),
)


def _mirror(
    pick: Pick,
    pair: str,
    kinds: Mapping[str, str],
    reconciliation: Mapping[str, Any],
    words: Vocabulary,
    row: Row,
) -> Row:
    """The target line that a source line was meant for, with one thing wrong now and then."""
    found = _line(pick, pair, "target", kinds["target"], reconciliation["target"], words)
    signs = reconciliation["source"]["sign"] * reconciliation["target"]["sign"]
    right = {
        "entity": row["entity"],
        "currency": row["currency"],
        "amount": pick(ROUNDED)(row["amount"]) * signs,
        "period": row["period"],
    }
    columns = zip(KEYS[pair]["source"], KEYS[pair]["target"], strict=True)
    right |= {target: row[source] for source, target in columns if source in row}
    if "category" in row and "category" in found:
        right["category"] = row["category"]
    if "functional_amount" in found:
        right["functional_amount"] = pick(ROUNDED)(row["amount"]) * signs + pick([0, 0, CENT])
    wrong = pick([None, None, *right])
    found |= {column: value for column, value in right.items() if column != wrong}
    if pick(words.slips):
        column = pick(sorted(TEXT_KEYS & right.keys()) or [None])
        if column is not None and right[column] is not None:
            found[column] = _slip(pick, right[column])
    _receive(pick, found, words)
    return found


def _slip(pick: Pick, name: str) -> str:
    """A reference as somebody writes it who has it before them."""
    return str(
        pick(
            [
                name.lower(),
                name.replace("-", "/"),
                name.replace("0", ""),
                name.replace("0", "O"),
                name[:-1] + "7",
                name[:-1],
                f"{name}X",
                name[:-2] + name[-1] + name[-2:-1],
                f"ref. {name}",
            ]
        )
    )


def _reversal(pick: Pick, row: Row) -> Row:
    """The posting that cancels a posting."""
    day = row["period"] + timedelta(days=pick([0, 0, 1, 3]))
    found = row | {"reversal_of": row["journal_ref"], "amount": -row["amount"], "period": day}
    return found | {"journal_ref": row["journal_ref"] + "R"}


def _again(pick: Pick, row: Row, words: Vocabulary) -> Row:
    """The same line, or almost the same, in a later (or an earlier) extract."""
    found = dict(row)
    changes: list[Row] = [
        {},
        {},
        {"amount": row["amount"] + 1},
        {"entity": "B"},
        {"period": row["period"] + timedelta(days=1)},
    ]
    if "account" in row:
        changes += [{"account": code, "account_class": ACCOUNTS[code]} for code in ("1091", "4000")]
    found |= pick(changes)
    _receive(pick, found, replace(words, lags=[-2, 1, 2, 3]))
    return found


def delivered(rows: Sequence[Row]) -> dict[Window, list[Row]]:
    """Rows by feed and window, numbered in their window; one window has a line only once."""
    found: dict[Window, list[Row]] = {}
    for row in rows:
        here = found.setdefault((row["feed"], row["window"]), [])
        if all(other["line_id"] != row["line_id"] for other in here):
            plain = {name: value for name, value in row.items() if name != "window"}
            here.append(plain | {"row_number": len(here) + 1, "occurred_on": row["period"]})
    return found


def closing(pick: Pick, reconciliation: Mapping[str, Any]) -> dict[Window, list[Row]]:
    """Later windows without lines: how far each feed has come decides what is overdue."""
    found: dict[Window, list[Row]] = {}
    for side in ("source", "target"):
        for feed in reconciliation[side]["feeds"]:
            if (day := pick([None, 12, 14, 20, 40])) is not None:
                hour = f"-{pick(['03', '23'])}:00" if FEEDS[feed] == "usage" else ""
                found[feed, f"{START + timedelta(days=day)}{hour}"] = []
    return found
