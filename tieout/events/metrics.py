"""What the intake counts, for Prometheus. One registry an application; labels are feeds we know."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

UNKNOWN_FEED = "unknown"
"""Stands for every name that is no feed: strangers do not make labels."""

_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.02, 0.03, 0.06, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
_SIZES = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024)


class Metrics:
    """The intake's counters. From any thread."""

    def __init__(self) -> None:
        r = self.registry = CollectorRegistry()
        self.events = Counter(
            "tieout_intake_events",
            "Events made durable, by what became of them: new, duplicate or conflict.",
            ["feed", "outcome"],
            registry=r,
        )
        self.dead = Counter(
            "tieout_intake_dead_events", "Events that wait for a person.", ["feed"], registry=r
        )
        self.rejected = Counter(
            "tieout_intake_rejected_requests",
            "Requests that were not taken in, by reason.",
            ["feed", "reason"],
            registry=r,
        )
        self.batch = Histogram(
            "tieout_intake_commit_events", "Events in one commit.", buckets=_SIZES, registry=r
        )
        self.commit = Histogram(
            "tieout_intake_commit_seconds", "Time of a commit.", buckets=_SECONDS, registry=r
        )
        self.request = Histogram(
            "tieout_intake_request_seconds",
            "Time from a whole request to its answer.",
            buckets=_SECONDS,
            registry=r,
        )
        self.queue = Gauge(
            "tieout_intake_queue_events", "Events that wait for a commit.", registry=r
        )
        self.lag = Gauge(
            "tieout_intake_lag_events",
            "Newest sequence minus the newest before which all are applied.",
            registry=r,
        )
        self.waiting_dead = Gauge(
            "tieout_dead_letters", "Events in the dead letters now.", registry=r
        )

    def text(self) -> bytes:
        """Everything in Prometheus' text format."""
        return generate_latest(self.registry)
