"""A delivery break is always counted somewhere, also where no line of its side is known."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import date
from decimal import Decimal
from typing import Any

import pytest

from tests import worlds
from tests.worlds import World
from tieout.model import Figure, Statement
from tieout.periods import Period
from tieout.render import html, markdown, report, text, workbook
from tieout.statement import statements

DAY = date(2026, 10, 5)
BY_LINE = {
    "name": "p",
    "shape": "one_to_one",
    "key": {"source": ["line_id"], "target": ["line_id"]},
}
LINK = {"source": {"feeds": ["psp"]}, "target": {"feeds": ["erp"]}, "passes": [BY_LINE]}
ALSO = LINK | {"source": {"feeds": ["erp"]}, "target": {"feeds": ["erp_b"]}}
UNREAD = {"break_class": "missing_extract", "check": "arrival"}


@pytest.fixture
def world() -> Iterator[World]:
    links = {"link": LINK, "also": ALSO, "both": {"chain": ["link", "also"]}}
    with worlds.world(links) as opened:
        yield opened


def posting(number: int, entity: str, currency: str) -> dict[str, Any]:
    return {
        "line_id": f"L{number}",
        "extract_sha256": "0" * 64,
        "row_number": number,
        "entity": entity,
        "currency": currency,
        "amount": Decimal(5),
        "occurred_on": DAY,
        "period": DAY,
        "account_class": "clearing",
    }


def stated(world: World, name: str = "link") -> list[Statement]:
    return statements(world.workplace, name, Period(DAY, DAY))


def breaks(found: Sequence[Statement]) -> dict[tuple[str, str, str], int]:
    """Delivery breaks by entity, currency and side."""
    return {
        (one.entity, one.currency, one.side): sum(f.count for f in one.delivery.values())
        for one in found
    }


def test_it_stands_beside_the_lines_of_the_other_side(world: World) -> None:
    world.deliver({("erp", str(DAY)): [posting(1, "A", "USD"), posting(2, "B", "EUR")]})
    world.reconcile("link")
    world.beside("deliveries", "psp", str(DAY), [UNREAD])
    found = stated(world)
    assert breaks(found) == {
        ("A", "USD", "source"): 1,
        ("A", "USD", "target"): 0,
        ("B", "EUR", "source"): 1,
        ("B", "EUR", "target"): 0,
    }
    assert all(one.rows["received"] == Figure() for one in found if one.side == "source")
    assert all(one.holds for one in found)


def test_one_that_names_its_entity_stands_beside_that_entity_only(world: World) -> None:
    world.deliver({("erp", str(DAY)): [posting(1, "A", "USD"), posting(2, "B", "EUR")]})
    world.reconcile("link")
    world.beside("deliveries", "psp", str(DAY), [UNREAD | {"entity": "B"}])
    assert breaks(stated(world)) == {
        ("A", "USD", "target"): 0,
        ("B", "EUR", "source"): 1,
        ("B", "EUR", "target"): 0,
    }


def test_where_nothing_is_known_it_has_a_statement_of_its_own(world: World) -> None:
    world.beside("deliveries", "psp", str(DAY), [UNREAD, UNREAD | {"entity": "A"}])
    world.beside("deliveries", "erp", str(DAY), [UNREAD | {"entity": "A", "currency": "USD"}])
    assert breaks(stated(world)) == {
        ("*", "XXX", "source"): 1,
        ("A", "XXX", "source"): 1,
        ("A", "USD", "target"): 1,
    }


def test_a_chain_has_it_on_its_source_only(world: World) -> None:
    world.deliver({("erp", str(DAY)): [posting(1, "A", "USD")]})
    world.beside("deliveries", "psp", str(DAY), [UNREAD])
    world.beside("deliveries", "erp", str(DAY), [UNREAD])
    assert breaks(stated(world, "both")) == {("*", "XXX", "source"): 1}


def test_every_form_shows_a_statement_of_nothing_but_a_delivery_break(world: World) -> None:
    world.beside("deliveries", "psp", str(DAY), [UNREAD])
    found = stated(world)
    for shown in (
        text.statements(found),
        markdown.statements(found),
        html.report(found, [], title="any", by_day=found),
        report.does_it_hold(found),
    ):
        assert "missing_extract" in shown
    assert "all entities" in report.text(found)
    assert workbook.workbook(found, []).startswith(b"PK")
