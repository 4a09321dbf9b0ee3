"""What does a monitoring system read of us? The counts of `store.measures` as Prometheus has them, and whether the database answers at all."""

from __future__ import annotations

import shutil

from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Gauge, generate_latest
from sqlalchemy import Engine

from w365core import settings as w365settings
from w365core.errors import W365Error
from w365core.jobs.queue import SILENCE
from w365core.reports import connection
from w365core.store import measures, schema
from w365core.store.measures import Measures

CONTENT_TYPE = CONTENT_TYPE_LATEST
SECONDS_TO_ANSWER = 5
_ENDINGS = ("done", "failed", "cancelled")


def exposition() -> bytes:
    """The whole text. Where the database is away, or its schema another one, that is what it says; asking starts nothing."""
    registry = CollectorRegistry()
    _gauge(registry, "up", "Whether the web app answers", 1)
    found = _asked()
    _gauge(registry, "database_up", "Whether the database answers and has the schema of this version", int(found is not None))
    _disk(registry)
    if found is not None:
        _counts(registry, found)
    return generate_latest(registry)


def _asked() -> Measures | None:
    if not connection.database_answers():
        return None
    engine: Engine | None = None
    try:
        engine = connection.engine()
        if schema.current(engine=engine) != schema.newest():
            return None
        with connection.reading(engine, seconds=SECONDS_TO_ANSWER) as opened:
            return measures.load(opened, silence=SILENCE)
    except W365Error:
        return None
    finally:
        if engine is not None:
            engine.dispose()


def _disk(registry: CollectorRegistry) -> None:
    home = w365settings.read().home
    if home.exists():
        _gauge(registry, "disk_free_bytes", "What is free on the disk of W365_HOME", shutil.disk_usage(home).free)


def _counts(registry: CollectorRegistry, found: Measures) -> None:
    _gauge(registry, "database_bytes", "Size of the database", found.database_bytes)
    _gauge(registry, "workers", "Workers that have given a sign of life of late", found.workers)
    _gauge(registry, "missing_references", "References that hold an invoice up", found.missing_references)
    _gauge(registry, "audit_events", "Rows of the audit log", found.audit_events)
    _gauge(registry, "oldest_waiting_job_seconds", "For how long the first job in the queue has waited", found.oldest_waiting or 0)
    _by(
        registry,
        "unfinished_jobs",
        "Jobs that wait or run",
        {state: found.unfinished_jobs.get(state, 0) for state in ("queued", "running")},
    )
    _by(
        registry,
        "ended_jobs_of_a_day",
        "Jobs that ended in the last 24 hours",
        {state: found.jobs_of_a_day.get(state, 0) for state in _ENDINGS},
    )
    invoices = Gauge("w365_provider_invoices", "Provider invoices", ("state", "status_reason"), registry=registry)
    for (state, reason), number in found.invoices.items():
        invoices.labels(state, reason).set(number)
    if found.stalest_sync is not None:
        _gauge(
            registry,
            "stalest_sync_age_seconds",
            "Since the last daily sync that went well, of the provider with a connection where that is longest ago",
            found.stalest_sync,
        )
    _gauge(
        registry, "backup_age_seconds", "Since the last backup; before the first, since the first entry of the audit log", found.last_backup
    )


def _gauge(registry: CollectorRegistry, name: str, said: str, number: float) -> None:
    Gauge(f"w365_{name}", said, registry=registry).set(number)


def _by(registry: CollectorRegistry, name: str, said: str, numbers: dict[str, int]) -> None:
    gauge = Gauge(f"w365_{name}", said, ("state",), registry=registry)
    for state, number in numbers.items():
        gauge.labels(state).set(number)
