"""The Dagster UI in a real headless browser: the statement's figures, read off the page.

A web server and a daemon run over a small company. The expected figures are counted from the
company's own CSV files, so the page is compared with what accountants would find, not with Tieout.
"""

from __future__ import annotations

import csv
import io
import os
import shutil
import subprocess
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from pathlib import Path
from types import ModuleType
from typing import Any

import openpyxl
import pytest

from pipelines.run import run_range
from tests.dagster_processes import Servers, servers
from tests.small_company import SmallCompany, days_from, payments_of, small_company

pytestmark = [pytest.mark.browser, pytest.mark.timeout(420)]

DAYS = days_from(date(2026, 10, 1), 3)
CLEAN, BROKEN = DAYS[0], DAYS[1]
STATEMENT = "/assets/statements/card_to_ledger"
PATIENCE = 60_000
"""Milliseconds to wait for anything on a page, at most."""
CHROMIUM = (
    "chromium",
    "chromium-browser",
    "google-chrome",
    "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
)


@pytest.fixture(scope="session")
def chromium() -> str:
    """The system's Chromium; without one the tests are skipped, and in CI they fail."""
    for name in (os.environ.get("TIEOUT_CHROMIUM", ""), *CHROMIUM):
        if name and (found := shutil.which(name)):
            return found
    subprocess.run(["sh", str(Path(__file__).with_name("install.sh"))], check=False, timeout=600)
    if found := shutil.which("chromium"):
        return found
    reason = "no Chromium: install it (apt-get install chromium) or name it in TIEOUT_CHROMIUM"
    if os.environ.get("CI") == "true":
        pytest.fail(reason)
    pytest.skip(reason)


@dataclass(frozen=True)
class Ui:
    """The pages of a company whose days have been run."""

    company: SmallCompany
    at: Servers
    page: Any
    pictures: Path

    def open(self, path: str, name: str) -> None:
        """Open a page, wait until it has settled, and keep a picture of it."""
        self.page.goto(self.at.url + path, timeout=PATIENCE)
        self.page.wait_for_load_state("networkidle", timeout=PATIENCE)
        self.picture(name)

    def picture(self, name: str) -> None:
        """Keep a picture of the page as it is."""
        self.page.screenshot(path=str(self.pictures / f"{name}.png"))

    def text(self) -> str:
        """What a reader of the page sees."""
        text: str = self.page.locator("body").inner_text(timeout=PATIENCE)
        return text


@pytest.fixture(scope="module")
def ui(chromium: str, component: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ui]:
    """Servers over a company that ran three days, and a browser."""
    playwright: ModuleType = component("playwright.sync_api")
    company = _books(tmp_path_factory.mktemp("ui") / "company")
    outcome = run_range(company.config, company.home, DAYS[0], DAYS[-1])
    assert outcome.success, outcome.failed
    pictures = tmp_path_factory.mktemp("pictures")
    # A browser that runs as root has no sandbox to offer; it only sees our own pages.
    arguments = ["--no-sandbox"] if os.geteuid() == 0 else []
    with servers(company) as at, playwright.sync_playwright() as play:
        browser = play.chromium.launch(executable_path=chromium, args=arguments)
        page = browser.new_page(viewport={"width": 1500, "height": 1200})
        page.set_default_timeout(PATIENCE)
        yield Ui(company, at, page, pictures)
        browser.close()


def _books(folder: Path) -> SmallCompany:
    """On the second day the ledger lacks a payment and its fee."""
    company = small_company(folder)
    for day in DAYS:
        payments = payments_of(day, 8)
        company.settle(str(day), payments)
        company.post_payments(day, payments[1:] if day == BROKEN else payments)
        for hour in range(24):
            paid = payments_of(day, 1, hour)
            company.settle(f"{day}T{hour:02d}", paid, "kiosk")
            company.post_payments(day, paid, "1020")
    company.close_books(DAYS)
    return company


Figures = dict[str, tuple[int, Decimal]]


def from_files(folder: Path, day: date) -> dict[str, Figures]:
    """What the statement of a day must say, counted from the two CSV files alone."""
    source: Counter[tuple[str, Decimal]] = Counter()
    with (folder / "card" / f"{day}.csv").open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            if row["Type"] == "Settled":
                line = f"{row['Psp Reference']}.Settled.{row['Modification Reference']}"
                gross, net = Decimal(row["Gross Credit (GC)"]), Decimal(row["Net Credit (NC)"])
                source[line, gross] += 1
                source[f"{line}:fee", net - gross] += 1
    target: Counter[tuple[str, Decimal]] = Counter()
    with (folder / "erp" / f"{day}.csv").open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            if row["account"] == "1010":
                target[row["line_ref"], Decimal(row["amount"])] += 1
    both = source & target
    return {
        side: {
            "received": _figure(lines),
            "accepted": _figure(lines),
            "matched": _figure(both),
            "breaks": _figure(lines - both),
            "unexplained": (0, Decimal(0)),
        }
        for side, lines in (("source", source), ("target", target))
    }


def _figure(lines: Counter[tuple[str, Decimal]]) -> tuple[int, Decimal]:
    return lines.total(), sum((a * n for (_, a), n in lines.items()), Decimal(0))


def read_off(page: Any) -> dict[str, Figures]:
    """The statement's tables as the browser shows them, by side and row; nothing is cut off."""
    shown: dict[str, Figures] = {"source": {}, "target": {}}
    for side, figures in shown.items():
        entry = page.locator("tr", has=page.get_by_text(f"SC USD {side}", exact=True)).last
        table = entry.locator("table").first
        table.wait_for(timeout=PATIENCE)
        for row in table.locator("tbody tr").all():
            name, count, amount = (cell.strip() for cell in row.locator("td").all_inner_texts())
            figures[name] = int(count.replace(",", "")), Decimal(amount.replace(",", ""))
        assert table.evaluate(_CUT_OFF) == 0
    return shown


_CUT_OFF = """table => {
  let box = table.parentElement
  while (box && getComputedStyle(box).overflowX === 'visible') box = box.parentElement
  return Math.max(0, box.scrollWidth - box.clientWidth)
}"""
"""Pixels of a table that its page hides to the right."""


def assert_says(shown: dict[str, Figures], expected: dict[str, Figures]) -> None:
    """Every expected figure is on the page, on its side and in its row."""
    for side, figures in expected.items():
        for row, figure in figures.items():
            assert shown[side][row] == figure, (side, row)


@pytest.mark.parametrize("day", DAYS)
def test_a_partitions_page_shows_the_statement_that_the_files_give(ui: Ui, day: date) -> None:
    ui.open(f"{STATEMENT}?view=partitions&partition={day}", f"partition-{day}")
    shown = read_off(ui.page)
    ui.picture(f"partition-{day}")
    assert_says(shown, from_files(ui.company.folder, day))


def test_the_assets_page_shows_the_last_day_and_what_the_asset_is(ui: Ui) -> None:
    ui.open(STATEMENT, "statement")
    assert_says(read_off(ui.page), from_files(ui.company.folder, DAYS[-1]))
    text = ui.text()
    for said in ("The completeness statement of card_to_ledger", "finance", "statements"):
        assert said in text
    ui.page.get_by_role("button", name="Plots").click()
    ui.page.locator("canvas").first.wait_for(timeout=PATIENCE)
    ui.picture("plots")
    assert "completeness" in ui.text()


def test_the_page_leads_to_the_report_and_the_workbook_of_the_month(ui: Ui) -> None:
    ui.open(f"{STATEMENT}?view=partitions&partition={BROKEN}", "links")
    with ui.page.context.expect_page() as opened:
        ui.page.locator("a[href$='completeness-2026-10.html']").first.click()
    report = opened.value
    report.wait_for_load_state()
    report.screenshot(path=str(ui.pictures / "report.png"))
    count, amount = from_files(ui.company.folder, BROKEN)["source"]["breaks"]
    overview = report.locator("table").first.inner_text()
    assert "card_to_ledger" in overview
    assert f"{amount:,}" in overview
    assert f"{count} lines are breaks" in report.locator("body").inner_text()
    report.close()
    workbook = ui.page.locator("a[href$='completeness-2026-10.xlsx']").first.get_attribute("href")
    answer = ui.page.request.get(ui.at.url + workbook)
    sheet = openpyxl.load_workbook(io.BytesIO(answer.body()))["Breaks"]
    assert sheet.max_row == 1 + sum(
        figures["breaks"][0] for figures in from_files(ui.company.folder, BROKEN).values()
    )
    for other in ("dagster.yaml", "..%2Fregister.db", "completeness-2031-01.html"):
        assert ui.page.request.get(f"{ui.at.url}/reports/{other}").status == 404


def test_a_broken_day_shows_its_breaks_and_a_picture(ui: Ui) -> None:
    ui.open(f"{STATEMENT}?view=partitions&partition={BROKEN}", "broken")
    read_off(ui.page)
    missing = payments_of(BROKEN, 8)[0]
    text = ui.text()
    assert "missing_in_target" in text
    assert missing.line_id in text
    assert f"{missing.gross} USD" in text
    image = ui.page.get_by_role("img", name="by day")
    image.scroll_into_view_if_needed(timeout=PATIENCE)
    ui.picture("broken-picture")
    size = image.evaluate("one => [one.complete, one.naturalWidth, one.naturalHeight]")
    assert size[0] is True
    assert min(size[1:]) > 0, "the browser drew it"
    ui.page.get_by_text("[Show Markdown]").first.click()
    ui.page.get_by_text("open items: opening").first.wait_for()
    # The window fades in; a picture of it is taken once it stands still.
    ui.page.get_by_role("button", name="Close").click(trial=True)
    ui.picture("whole-statement")


def test_a_waterfall_leads_from_source_to_target_on_the_page(ui: Ui) -> None:
    """Chart and table of the broken day, against the two files; the last line is 0.00."""
    ui.open(f"{STATEMENT}?view=partitions&partition={BROKEN}", "waterfall")
    image = ui.page.get_by_role("img", name="SC USD waterfall").first
    image.scroll_into_view_if_needed(timeout=PATIENCE)
    ui.picture("waterfall")
    size = image.evaluate("one => [one.complete, one.naturalWidth, one.naturalHeight]")
    assert size[0] is True
    assert min(size[1:]) > 0, "the browser drew it"
    steps = _steps(ui.page, "SC USD steps")
    expected = from_files(ui.company.folder, BROKEN)
    source, target = (expected[side]["received"] for side in ("source", "target"))
    lines, missing = expected["source"]["breaks"]
    assert steps["source"] == (source[0], source[1])
    assert steps["missing_in_target"] == (lines, -missing)
    assert steps["target"] == (target[0], target[1])
    assert [*steps][-1] == "unexplained"
    assert steps["unexplained"] == (0, Decimal(0))
    assert source[1] - missing == target[1]
    whole = ui.page.locator("tr", has=ui.page.get_by_text("whole waterfalls", exact=True)).last
    whole.get_by_text("[Show Markdown]").click()
    ui.page.get_by_role("img", name=f"card_to_ledger, {BROKEN}, SC, USD").wait_for()
    ui.page.get_by_role("button", name="Close").click(trial=True)
    ui.picture("whole-waterfall")


def _steps(page: Any, title: str) -> Figures:
    """A table of the page by its rows, top to bottom; nothing is cut off."""
    table = page.locator("tr", has=page.get_by_text(title, exact=True)).last.locator("table").first
    table.wait_for(timeout=PATIENCE)
    found = {}
    for row in table.locator("tbody tr").all():
        name, count, amount = (cell.strip() for cell in row.locator("td").all_inner_texts())
        found[name] = int(count.replace(",", "") or 0), Decimal(amount.replace(",", ""))
    assert table.evaluate(_CUT_OFF) == 0
    return found


def test_checks_are_green_where_the_books_agree_and_red_where_they_do_not(ui: Ui) -> None:
    clean, broken = _checked(ui, CLEAN), _checked(ui, BROKEN)
    assert "every line is explained, none is a break" in clean
    assert "Passed" in clean.splitlines()
    count, amount = from_files(ui.company.folder, BROKEN)["source"]["breaks"]
    assert f"source SC USD: {count} lines and {amount}" in broken
    assert "Passed" not in broken.splitlines()
    # Once for the check as a whole, and once for the day.
    assert broken.splitlines().count("Failed") == clean.splitlines().count("Failed") + 1


def _checked(ui: Ui, day: date) -> str:
    """What the page of the completeness check says of one partition."""
    ui.open(f"{STATEMENT}?view=checks&checkDetail=completeness", "checks")
    ui.page.get_by_role("tab", name="Partitions").last.click()
    for counted in ("Failed (1)", f"Passed ({len(DAYS) - 1})"):
        ui.page.get_by_text(counted, exact=True).wait_for()
    ui.page.get_by_placeholder("Filter by partition").fill(str(day))
    ui.page.get_by_text(str(day), exact=True).locator("visible=true").last.click()
    ui.page.get_by_text("Latest execution").wait_for()
    ui.picture(f"check-{day}")
    return ui.text()


def test_lineage_follows_the_way_of_the_data(ui: Ui) -> None:
    ui.open("/asset-groups", "lineage")
    places = {}
    for group in ("extracts", "lines", "matches", "statements", "report"):
        box = ui.page.locator("svg, foreignObject, div").get_by_text(group, exact=True).last
        found = box.bounding_box(timeout=PATIENCE)
        assert found is not None
        places[group] = found["x"]
    assert list(places) == sorted(places, key=places.__getitem__)
