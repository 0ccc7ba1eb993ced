"""Alerts in words, for a mail or a chat: plain text, the business object before the fault."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal

from tieout.alerts.model import Alert, Item
from tieout.alerts.settings import AlertKind
from tieout.money import added, text_amount
from tieout.render.layout import printable

_HEADS: dict[AlertKind, tuple[str, str]] = {
    "sla_breach": ("document late in the batch", "nothing is late in the batch any more"),
    "dead_letters": ("event in the dead letters", "no event is in the dead letters any more"),
    "sequence_gap": ("event that a sender numbered and never sent", "no number is missing"),
    "signature_failures": ("request that cannot be believed", "requests are believed again"),
    "lag": ("event waiting to be applied", "events are applied in time again"),
}
_PLURALS: dict[AlertKind, str] = {
    "sla_breach": "documents late in the batch",
    "dead_letters": "events in the dead letters",
    "sequence_gap": "events that a sender numbered and never sent",
    "signature_failures": "requests that cannot be believed",
    "lag": "events waiting to be applied",
}


def title(alert: Alert, company: str) -> str:
    """`Northway Cloud: 12 documents late in the batch, 1,203.00 USD at stake`."""
    count, totals = at_stake(alert)
    what = f"1 {_HEADS[alert.kind][0]}" if count == 1 else f"{count:,} {_PLURALS[alert.kind]}"
    shown = [f"{text_amount(amount, currency)} {currency}" for currency, amount in totals.items()]
    told = f", {', '.join(shown)} at stake" if shown else ""
    return printable(f"{company}: {what}{told}")


def at_stake(alert: Alert) -> tuple[int, dict[str, Decimal]]:
    """How many things, and their amounts by currency.

    A document may be late twice, in an extract and in the ledger: of a feed's groups the larger one
    counts, so that no amount is told twice.
    """
    counts: dict[str, int] = {}
    totals: dict[tuple[str, str], Decimal] = {}
    for group in alert.groups:
        one = group.name.partition(", ")[0] if alert.kind == "sla_breach" else group.name
        counts[one] = max(counts.get(one, 0), group.count)
        for currency, amount in group.totals.items():
            totals[currency, one] = max(totals.get((currency, one), amount), amount)
    sums: dict[str, Decimal] = {}
    for (currency, _), amount in sorted(totals.items()):
        sums[currency] = added(sums.get(currency, Decimal(0)), amount)
    return sum(counts.values()), sums


def body(alert: Alert) -> str:
    """Every group with its totals, its largest objects and what to do."""
    return "\n".join(_lines(alert)) + "\n"


def resolved(kind: AlertKind, company: str) -> tuple[str, str]:
    """Title and body of the message that nothing is open any more."""
    says = _HEADS[kind][1]
    return printable(f"{company}: resolved, {says}"), f"{says[0].upper()}{says[1:]}.\n"


def _lines(alert: Alert) -> Iterator[str]:
    for group in alert.groups:
        totals = [f"{text_amount(a, c)} {c}" for c, a in group.totals.items()]
        stake = f", {', '.join(totals)} at stake" if totals else ""
        yield printable(f"{group.name}: {group.count:,}{stake}")
        for item in group.largest:
            yield printable(f"  {_item(item)}")
        more = group.count - len(group.largest)
        if more > 0 and alert.kind in ("sla_breach", "dead_letters"):
            yield f"  and {more:,} more"
        yield printable(f"  -> {group.remedy}")
        yield ""
    yield f'docs/runbook.md, "{_CHAPTERS[alert.kind]}", says what it means and what to do.'


_CHAPTERS: dict[AlertKind, str] = {
    "sla_breach": "Late in the batch",
    "dead_letters": "Dead letters",
    "sequence_gap": "A gap in a sender's numbers",
    "signature_failures": "Requests that cannot be believed",
    "lag": "Events wait to be applied",
}


def _item(item: Item) -> str:
    amount = ""
    if item.amount is not None and item.currency is not None:
        amount = f", {text_amount(item.amount, item.currency)} {item.currency}"
    return f"{item.says}{amount}, since {item.since:%Y-%m-%d %H:%M} UTC"
