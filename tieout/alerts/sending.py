"""Sends through Apprise. A target's address holds its token: nothing of it is logged or told."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Iterator
from contextlib import contextmanager

import apprise

from tieout.errors import ConfigurationError

SECONDS = 30
"""Longest wait for one target."""
_LOGGERS = ("apprise", "urllib3")
"""They write addresses, tokens and bodies at some levels."""


class Target:
    """One address to send to; `name` tells it from others."""

    def __init__(self, url: str, number: int) -> None:
        """Raises ConfigurationError for a URL that the library cannot use; without the URL."""
        with _silence():
            plugin = apprise.Apprise.instantiate(
                url,
                asset=apprise.AppriseAsset(
                    async_mode=False, storage_mode=apprise.PersistentStoreMode.MEMORY
                ),
            )
        if plugin is None:
            raise ConfigurationError(
                f"alerts.targets: target {number} is no address that can be sent to",
                "compare it with the form that docs/runbook.md gives for its service",
            )
        self._plugin = plugin
        self.number = number
        # Without its secrets, so that nothing in the register is worth guessing at.
        shown = str(plugin.url(privacy=True))  # type: ignore[no-untyped-call]
        self.name = hashlib.sha256(shown.encode()).hexdigest()[:16]

    def send(self, title: str, body: str, *, bad: bool) -> bool:
        """Whether the target took the message; whatever goes wrong is False."""
        sender = apprise.Apprise()
        sender.add(self._plugin)
        kind = apprise.NotifyType.WARNING if bad else apprise.NotifyType.SUCCESS
        try:
            with _silence():
                sent = sender.notify(
                    body=body,
                    title=title,
                    notify_type=kind,
                    body_format=apprise.NotifyFormat.TEXT,
                    timeout=SECONDS,
                )
        except Exception:  # noqa: BLE001 - whatever a plugin raises may hold the token
            return False
        return bool(sent)


@contextmanager
def _silence() -> Iterator[None]:
    loggers = [logging.getLogger(name) for name in _LOGGERS]
    before = [one.level for one in loggers]
    for one in loggers:
        one.setLevel(logging.CRITICAL + 1)
    try:
        yield
    finally:
        for one, level in zip(loggers, before, strict=True):
            one.setLevel(level)
