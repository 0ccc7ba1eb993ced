"""The workplace: one configuration, one home, the register where the configuration says."""

from __future__ import annotations

from pathlib import Path

import pytest
from sqlalchemy.engine import make_url

from tieout.errors import ConfigurationError, TieoutError
from tieout.register.register import Register
from tieout.workplace import Workplace

CONFIGURATION = """
company: Acme
calendar: {start: 2026-10-01}
entities: {us: {name: Acme Inc, currency: USD}}
feeds: {books: {format: ledger_csv, location: "books_{date}.csv"}}
reconciliations:
  itself:
    source: {feeds: [books]}
    target: {feeds: [books]}
    passes: [{name: by_line, shape: one_to_one, key: {source: [line_id], target: [line_ref]}}]
"""


def configuration(folder: Path, register_url: str | None = None) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "tieout.yaml"
    more = f"register_url: {register_url}\n" if register_url else ""
    path.write_text(CONFIGURATION + more)
    return path


def test_register_and_store_lie_in_the_home_folder(tmp_path: Path) -> None:
    home = tmp_path / "a ?#% folder" / "home"
    with Workplace.open(configuration(tmp_path), home) as workplace:
        workplace.register.note("kind", "key", {})
        assert workplace.home == home
        assert workplace.store.root == home / "store"
        assert workplace.settings.company == "Acme"
    assert (home / "register.db").stat().st_size > 0
    assert home.stat().st_mode & 0o077 == 0, "money is nobody else's business"
    with Workplace.open(configuration(tmp_path), home) as again:
        assert again.register.notes("kind") == {"key": {}}


def test_a_relative_register_lies_beside_the_configuration(tmp_path: Path) -> None:
    path = configuration(tmp_path / "conf", "sqlite:///books/register.db")
    with Workplace.open(path, tmp_path / "home"):
        pass
    assert (tmp_path / "conf" / "books" / "register.db").is_file()
    assert not (tmp_path / "home" / "register.db").exists()


def test_the_register_may_be_a_server(tmp_path: Path, postgres_url: str) -> None:
    url = make_url(postgres_url).render_as_string(hide_password=False)
    with Workplace.open(configuration(tmp_path, f'"{url}"'), tmp_path / "home") as workplace:
        workplace.register.note("kind", "key", {})
    with Register.open(url) as register:
        assert register.notes("kind") == {"key": {}}


def test_problems_are_told_with_a_remedy(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigurationError, match=r"home folder .* cannot be made.*--home"):
        Workplace.open(configuration(tmp_path), tmp_path / "file" / "home")
    with pytest.raises(ConfigurationError, match="cannot live at mysql"):
        Workplace.open(configuration(tmp_path, "mysql://h/d"), tmp_path / "home")
    with pytest.raises(TieoutError, match="no configuration at"):
        Workplace.open(tmp_path / "none.yaml", tmp_path / "home")
