"""A trace as text for a terminal, and as one page without scripts or anything to fetch."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator
from datetime import datetime
from decimal import Decimal
from functools import cache

from jinja2 import Environment, PackageLoader, StrictUndefined, Template

from tieout.events.traced import Step, Trace
from tieout.money import text_amount
from tieout.render.layout import count_of, printable

WIDTH = 100
_SAID = {"yes": "yes", "no": "no", "waiting": "not yet", "failed": "NO"}


def text(found: Trace) -> str:
    """The whole trace; ends with a newline. What comes from data cannot steer the terminal."""
    return "\n".join(_lines(found)) + "\n"


def page(found: Trace, company: str) -> str:
    """The same as HTML (write it as UTF-8)."""
    return _template().render(
        title=f"{found.ref}, {company}",
        trace=found,
        wrong=any(one.answer in ("failed", "no") for one in found.verdict),
        waiting=any(one.answer == "waiting" for one in found.verdict),
        left_out=left_out(found),
    )


def left_out(found: Trace) -> str:
    """What there is more than is shown, or nothing."""
    told = [count_of(n, f"more {what.removesuffix('s')}") for what, n in found.left_out.items()]
    return f"Not shown: {', '.join(told)}." if told else ""


def when(step: Step) -> str:
    """The moment to the second, or the day."""
    return f"{step.at:%Y-%m-%d %H:%M:%S}" if isinstance(step.at, datetime) else f"{step.at}"


def money(amount: str | None, currency: str | None) -> str:
    """An amount as people read it; empty where there is none."""
    if amount is None or currency is None:
        return ""
    return f"{text_amount(Decimal(amount), currency)} {currency}"


def _lines(found: Trace) -> Iterator[str]:
    yield from _title(f"trace of {found.ref}, times in UTC")
    if found.followed:
        yield from _indented(f"leads to {', '.join(found.followed)}")
    for subject in found.subjects:
        amount = money(subject.amount, subject.currency)
        says = f"{subject.kind} {subject.ref}: {subject.state} {amount}".rstrip()
        yield from _indented(f"{says}, by {count_of(subject.events, 'event')}")
    yield ""
    for step in found.steps:
        mark = "!" if step.wrong else " "
        amount = money(step.amount, step.currency)
        head = f"{mark} {when(step):<19}  {step.system}  {step.ref}  {amount}"
        yield printable(head.rstrip())
        yield from _indented(step.says)
        for note in step.notes:
            yield from _indented(note)
    for sentence in (*found.batches, *filter(None, [left_out(found)])):
        yield from _indented(sentence)
    if found.awaited:
        yield ""
        yield from _title("expected")
    for one in found.awaited:
        mark = "!" if one.overdue else " "
        yield printable(f"{mark} {one.kind} {one.ref}: {one.says}")
    yield ""
    yield from _title("verdict")
    for answer in found.verdict:
        yield from textwrap.wrap(f"{answer.question} {_SAID[answer.answer]}.", WIDTH)
        yield from _indented(answer.says)


def _title(words: str) -> list[str]:
    shown = printable(words)
    return [shown, "-" * len(shown)]


def _indented(words: str) -> list[str]:
    return textwrap.wrap(printable(words), WIDTH, initial_indent="    ", subsequent_indent="      ")


@cache
def _template() -> Template:
    environment = Environment(
        loader=PackageLoader("tieout.render", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"printable": printable, "when": when, "count_of": count_of}
    environment.globals |= {"money": money, "said": _SAID}
    return environment.get_template("trace.html")
