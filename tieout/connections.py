"""Database URLs: read as people write them, and shown without what must stay secret."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import quote, quote_plus

import sqlalchemy as sa
from sqlalchemy.engine import URL, make_url

from tieout.errors import ConfigurationError

CONNECT_SECONDS = 4
"""How long one address of a database may take to answer."""


def database_url(text: str | URL) -> URL:
    """A SQLAlchemy URL; `postgresql://` and `postgres://` mean psycopg 3.

    Raises ConfigurationError, which shows nothing of the URL: what cannot be read may hold a
    password anywhere.
    """
    try:
        if isinstance(text, str) and text.count("@") > 1:
            # An @ in a password moves the rest of it into the host, which is shown.
            raise ValueError
        url = make_url(text)
    except (sa.exc.ArgumentError, ValueError):
        raise ConfigurationError(
            "this is not a database URL",
            "write postgresql://user:password@host/database, an @ in the password as %40",
        ) from None
    if url.get_backend_name() in ("postgresql", "postgres"):
        return url.set(drivername="postgresql+psycopg")
    return url


def located(url: URL, base: Path) -> URL:
    """The same; a SQLite file's place is relative to `base`, the configuration's folder."""
    if url.get_backend_name() != "sqlite" or url.database in (None, "", ":memory:"):
        return url
    return url.set(database=str(base / str(url.database)))


def shown(url: URL) -> str:
    """The URL as a person may see it: no password, no query (which may hold one too)."""
    return url.set(query={}).render_as_string(hide_password=True)


def without_secrets(text: str, url: URL) -> str:
    """One line of a driver's message, every secret of the URL blotted out in each form it takes."""
    line = " ".join(text.split())
    values = [
        v for value in url.query.values() for v in ([value] if isinstance(value, str) else value)
    ]
    secrets = {str(url.password or ""), *(v for v in values if len(v) > 3)}
    forms = {f(s) for s in secrets for f in (str, quote, quote_plus, lambda v: quote(v, safe=""))}
    for form in sorted(forms - {""}, key=len, reverse=True):
        line = line.replace(form, "***")
    return line[:500]
