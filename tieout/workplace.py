"""Where Tieout works: the configuration, the register and the store of one home folder."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import Self

from sqlalchemy.engine import URL

from tieout.config import load
from tieout.connections import database_url, located
from tieout.errors import ConfigurationError
from tieout.register.register import Register
from tieout.settings import Settings
from tieout.store import Store


@dataclass(frozen=True)
class Workplace:
    """Everything a command or an asset needs; close it, or use it in a `with`."""

    settings: Settings
    register: Register
    store: Store
    home: Path

    @classmethod
    def open(cls, config: Path, home: Path) -> Workplace:
        """Read the configuration, open the register, and make the home folder if need be.

        The register is `<home>/register.db` unless the configuration has a register_url.
        Raises ConfigurationError, or TieoutError when the register cannot be reached.
        """
        settings = load(config)
        home = home.expanduser().absolute()
        try:
            home.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as problem:
            raise ConfigurationError(
                f"the home folder {home} cannot be made: {problem.strerror}",
                "name another one with --home or TIEOUT_HOME",
            ) from None
        url = URL.create("sqlite", database=str(home / "register.db"))
        if settings.register_url is not None:
            url = located(database_url(settings.register_url), settings.base)
        return cls(settings, Register.open(url), Store(home / "store"), home)

    def known_at(self, moment: datetime) -> Workplace:
        """The same place with the register as it was known at a past moment, read only.

        The configuration is that of now. Raises RequestError for a moment without a zone or one
        that has not been yet.
        """
        return replace(self, register=self.register.known_at(moment))

    def close(self) -> None:
        """Give the register's connections back."""
        self.register.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        _kind: type[BaseException] | None,
        _error: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:
        self.close()
