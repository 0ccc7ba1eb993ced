"""From a request to the events it brings, for one feed: signed, framed, read. Nothing is stored."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from tieout.errors import ConfigurationError
from tieout.events.framing import Framed, frame
from tieout.events.mapping import Mapper
from tieout.events.model import NewEvent
from tieout.events.refused import malformed
from tieout.events.signatures import Headers, keys, verify, verify_adyen
from tieout.formats.catalogue import format_of
from tieout.formats.webhook import Webhook
from tieout.settings import Settings

_NEVER_KEPT = ("authorization", "cookie", "proxy-authorization")


class Receiver:
    """Takes the requests of one feed apart. From any thread; holds the feed's keys, shows none."""

    def __init__(self, webhook: Webhook, secrets: Iterable[str], mapper: Mapper) -> None:
        self.scheme, self._mapper = webhook.scheme, mapper
        self._keys = keys(webhook.scheme, tuple(secrets))
        named = {place[7:].lower() for place in _places(webhook.model_dump())}
        self._named = tuple(sorted(named - set(_NEVER_KEPT)))

    def read(self, headers: Headers, body: bytes, now: float) -> list[NewEvent]:
        """Every event of a request, in order. `headers` have lower-case names, `now` is unix time.

        Raises Refused: 401 not signed or not now, 415 or 400 not to be read, 400 without an id.
        """
        if self.scheme == "adyen":  # the signatures are inside
            framed = frame(self.scheme, headers, body)
            verify_adyen(self._keys, [one.document for one in framed])
        else:
            verify(self.scheme, self._keys, headers, body, now)
            framed = frame(self.scheme, headers, body)
        return [self._event(one, headers) for one in framed]

    def _event(self, one: Framed, headers: Headers) -> NewEvent:
        kept = {name: headers[name] for name in self._named if name in headers}
        kept |= one.headers
        event_id = self._mapper.event_id(one.document, kept)
        if event_id is None:
            places = self._mapper.webhook.event_id
            where = places if isinstance(places, str) else ", ".join(places)
            raise malformed(f"an event has no id of up to 255 characters at {where}")
        return self._mapper.read(one.raw, one.document, kept, event_id)


def mapper_of(settings: Settings, feed: str) -> Mapper:
    """Who reads the events of a feed with an inbox. Raises ConfigurationError."""
    layout = format_of(settings, feed)
    if layout.webhook is None:
        raise ConfigurationError(
            f"feed {feed} has an inbox; its format {layout.name!r} says nothing of webhooks",
            "name a format of kind event, see docs/formats.md",
        )
    return Mapper(feed, layout.webhook, settings.feeds[feed].entity, settings.entity_names())


def receivers(settings: Settings) -> dict[str, Receiver]:
    """A receiver for each feed with an inbox. Raises ConfigurationError for what cannot be used."""
    found = {}
    for name, feed in settings.feeds.items():
        if feed.inbox is None:
            continue
        for secret in feed.inbox.secrets:
            if secret.startswith("${"):
                raise ConfigurationError(
                    f"environment variable {secret[2:].rstrip('}')} is not set",
                    f"export it first: it is the signing key of feeds.{name}",
                )
        mapper = mapper_of(settings, name)
        found[name] = Receiver(mapper.webhook, feed.inbox.secrets, mapper)
    return found


def _places(value: Any) -> Iterator[str]:
    """Every place in a header that a declaration names."""
    if isinstance(value, str):
        if value.startswith("header:"):
            yield value
    elif isinstance(value, Mapping):
        for one in value.values():
            yield from _places(one)
    elif isinstance(value, list | tuple):
        for one in value:
            yield from _places(one)
