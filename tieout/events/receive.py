"""A request of a feed: believed, cut into events, read, stored, and only then acknowledged."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tieout.errors import ConfigurationError, TieoutError
from tieout.events.committer import Committer, Waiting
from tieout.events.framing import MalformedError, document_of, frame
from tieout.events.http import Answer, ProblemError, json_answer
from tieout.events.mapping import Mapper
from tieout.events.metrics import Metrics
from tieout.events.model import NewEvent, Stored
from tieout.events.signatures import RefusedError, check_key, verify, verify_adyen
from tieout.formats.catalogue import format_of
from tieout.formats.webhook import Scheme
from tieout.settings import Settings

_AGAIN = {"Retry-After": "5"}
_DETAILS = {
    "no_signature": "the request has no signature of the kind this feed expects",
    "bad_signature": "no key of this feed signed the request",
    "bad_time": "the request is more than 300 seconds old, or ahead of our clock",
}


@dataclass(frozen=True)
class Source:
    """One feed with an inbox: how its requests are signed, and who reads its events."""

    feed: str
    scheme: Scheme
    secrets: Sequence[str]
    mapper: Mapper

    def read(self, headers: Mapping[str, str], body: bytes) -> list[NewEvent]:
        """The events of a request. Raises ProblemError for one that is not believed or is none."""
        try:
            verify(self.scheme, self.secrets, headers, body, time.time())
            return [self._event(raw, own) for raw, own in frame(self.scheme, headers, body)]
        except RefusedError as refused:
            raise ProblemError(401, refused.reason, _DETAILS[refused.reason]) from None
        except MalformedError as wrong:
            reason = "media_type" if wrong.status == 415 else "malformed"
            raise ProblemError(wrong.status, reason, wrong.detail) from None

    def _event(self, raw: bytes, headers: dict[str, str]) -> NewEvent:
        document = document_of(self.scheme, raw, headers)
        if self.scheme == "adyen":
            item = document.get("NotificationRequestItem")
            if not isinstance(item, dict):
                raise MalformedError(400, "an item has no NotificationRequestItem")
            verify_adyen(self.secrets, item)
        event_id = self.mapper.event_id(document, headers)
        if event_id is None:
            raise MalformedError(400, "the event has no id")
        return self.mapper.read(raw, document, headers, event_id)


def mapper_of(settings: Settings, feed: str) -> Mapper:
    """The mapper of a feed with an inbox. Raises ConfigurationError."""
    webhook = format_of(settings, feed).webhook
    if webhook is None:
        raise ConfigurationError(
            f"feeds.{feed}.format says nothing of webhooks",
            "name a format with `webhook:`; `tieout formats` lists them",
        )
    return Mapper(feed, webhook, settings.feeds[feed].entity, settings.entity_names())


def sources_of(settings: Settings) -> dict[str, Source]:
    """Every feed with an inbox. Raises ConfigurationError: none, a key that is missing or none."""
    found: dict[str, Source] = {}
    for name, feed in settings.feeds.items():
        if feed.inbox is None:
            continue
        mapper = mapper_of(settings, name)
        for secret in feed.inbox.secrets:
            if secret.startswith("${"):
                variable = secret[2:].rstrip("}")
                raise ConfigurationError(
                    f"environment variable {variable} is not set",
                    f"export it first: it is the signing key of feeds.{name}",
                )
            if (wrong := check_key(mapper.webhook.scheme, secret)) is not None:
                raise ConfigurationError(wrong, "copy it again", f"feeds.{name}.inbox.secrets")
        found[name] = Source(name, mapper.webhook.scheme, feed.inbox.secrets, mapper)
    if not found:
        raise ConfigurationError(
            "no feed has an inbox", "give one `inbox: {secrets: [...]}`; see docs/domain.md"
        )
    return found


async def take(
    source: Source,
    headers: Mapping[str, str],
    body: bytes,
    committer: Committer,
    metrics: Metrics,
) -> Answer:
    """Store the events of a request and acknowledge them. Raises ProblemError."""
    events = source.read(headers, body)
    loop = asyncio.get_running_loop()
    durable: asyncio.Future[list[Stored] | TieoutError] = loop.create_future()

    def done(outcome: list[Stored] | TieoutError) -> None:
        loop.call_soon_threadsafe(_resolve, durable, outcome)

    if not committer.submit(Waiting(events, done)):
        raise ProblemError(503, "overload", "more comes in than can be stored", _AGAIN)
    outcome = await durable
    if isinstance(outcome, TieoutError):
        raise ProblemError(503, "database", "nothing can be stored just now", _AGAIN)
    _count(metrics, source.feed, events, outcome)
    if source.scheme == "adyen":
        return Answer(200, b"[accepted]", "text/plain")
    counts = Counter(one.outcome for one in outcome)
    told = {"received": len(events)} | {
        f"{name}s": n for name, n in counts.items() if name != "new"
    }
    return json_answer(told)


def _resolve(durable: asyncio.Future[Any], outcome: list[Stored] | TieoutError) -> None:
    if not durable.done():  # the sender may have gone
        durable.set_result(outcome)


def _count(
    metrics: Metrics, feed: str, events: Sequence[NewEvent], outcomes: Sequence[Stored]
) -> None:
    for event, stored in zip(events, outcomes, strict=True):
        metrics.events.labels(feed, stored.outcome).inc()
        if stored.outcome == "new" and event.problem is not None:
            metrics.dead.labels(feed, event.problem.code).inc()
