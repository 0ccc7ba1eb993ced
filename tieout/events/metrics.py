"""What the intake counts, for Prometheus. Labels are feeds and fixed words, so they are few."""

from __future__ import annotations

import prometheus_client as prometheus

_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5)
_EVENTS = (1, 2, 5, 10, 20, 50, 100, 200, 500)


class Metrics:
    """The counters of one intake process."""

    def __init__(self) -> None:
        own = self.registry = prometheus.CollectorRegistry()
        self.events = prometheus.Counter(
            "tieout_events",
            "Events by feed and what became of them: new, duplicate, conflict.",
            ["feed", "outcome"],
            registry=own,
        )
        self.dead = prometheus.Counter(
            "tieout_events_dead",
            "New events that went to the dead letters at once, by feed and code.",
            ["feed", "code"],
            registry=own,
        )
        self.refused = prometheus.Counter(
            "tieout_requests_refused",
            "Requests that were not taken, by feed and reason.",
            ["feed", "reason"],
            registry=own,
        )
        self.request = prometheus.Histogram(
            "tieout_request_seconds",
            "Seconds from the request's headers to its acknowledgement.",
            buckets=_SECONDS,
            registry=own,
        )
        self.commit = prometheus.Histogram(
            "tieout_commit_seconds", "Seconds of a commit.", buckets=_SECONDS, registry=own
        )
        self.batch = prometheus.Histogram(
            "tieout_commit_events", "Events of a commit.", buckets=_EVENTS, registry=own
        )
        self.queue = prometheus.Gauge(
            "tieout_queue_events", "Events that wait to be stored.", registry=own
        )
        self.waiting = prometheus.Gauge(
            "tieout_waiting_events", "Stored events that are not applied yet.", registry=own
        )
        self.lag = prometheus.Gauge(
            "tieout_lag_seconds", "Age of the oldest event that is not applied yet.", registry=own
        )

    def text(self) -> bytes:
        """The page that Prometheus reads."""
        return prometheus.generate_latest(self.registry)
