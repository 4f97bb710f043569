"""Metrics for Prometheus: stuck, lost and broken work, as figures without personal data.

Every figure is read from the database, so that every site reports the same, no matter which worker did the work.
"""

from __future__ import annotations

import hmac
import ipaddress
from typing import TYPE_CHECKING, Any, Final

from litestar import Request, Response, get
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import GaugeMetricFamily

from marketplace.core import clock
from marketplace.core.backup.queries import find_last_backup
from marketplace.core.errors import NotAllowed
from marketplace.core.settings import settings
from marketplace.finance.reconciliation.queries import last_run
from marketplace.money.payments.queries import count_errors
from marketplace.people.identity.guards import expect
from marketplace.site.health.checks import examine
from marketplace.site.jobs.queries import list_last_runs
from marketplace.site.jobs.rules import is_late
from marketplace.site.jobs.timetable import jobs

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Iterable, Sequence

    from marketplace.site.jobs.queries import LastRun

EXPOSITION: Final = "text/plain; version=0.0.4; charset=utf-8"
FAILURES: Final = {
    "stuck_commands": "Commands that Stripe has not done within ten minutes, or refused, and nobody gave up",
    "lost_events": "Events that no webhook brought in time, ever",
    "waiting_events": "Events that nothing has looked into yet",
}


class _Snapshot:
    """The figures of one instant, as a collector."""

    def __init__(self, families: Iterable[GaugeMetricFamily]) -> None:
        self.families = families

    def collect(self) -> Iterable[GaugeMetricFamily]:
        """Return the families."""
        return self.families


def _gauge(name: str, description: str, values: Iterable[tuple[str, float]], label: str = "") -> GaugeMetricFamily:
    family = GaugeMetricFamily(f"partage_{name}", description, labels=[label] if label else [])
    for of, value in values:
        family.add_metric([of] if label else [], value)
    return family


async def measure() -> list[GaugeMetricFamily]:
    """Return every figure: jobs and their last runs, Stripe's commands and events, exceptions, invariants."""
    now, runs = clock.now(), await list_last_runs(list(jobs()))
    failures, last, backup = await count_errors(), await last_run(), await find_last_backup()
    broken = [run.found for run in runs if run.job == "sweep-invariants" and run.found is not None]
    return [
        _gauge(
            "check_failing",
            "Whether what /readyz looks at is wrong",
            [(check.name, bool(check.problem)) for check in await examine()],
            "check",
        ),
        _gauge(
            "job_interval_seconds",
            "How often a job is due",
            [(job, every) for job, (every, _) in jobs().items()],
            "job",
        ),
        _gauge(
            "job_age_seconds",
            "Since a job last finished",
            [(run.job, (now - run.finished_at).total_seconds()) for run in runs if run.finished_at],
            "job",
        ),
        _gauge("job_late", "Whether a job is late and nobody does it", _late(runs, now), "job"),
        _gauge("job_failing", "Whether a job's latest run failed", [(run.job, run.is_failing) for run in runs], "job"),
        *(_gauge(name, description, [("", getattr(failures, name))]) for name, description in FAILURES.items()),
        _gauge(
            "exceptions",
            "What the last comparison with Stripe left unmatched",
            [("", last.unmatched)] if last else [],
        ),
        _gauge(
            "balance_differs_cents",
            "Stripe's balance less the books', at the last comparison",
            [("", last.stripe_minor - last.ledger_minor)] if last else [],
        ),
        _gauge(
            "invariants_broken",
            "Offenders that the last sweep of what must always be true has named",
            [("", of) for of in broken],
        ),
        _gauge(
            "backup_age_seconds",
            "Since the instant of the last backup that was made whole",
            [("", (now - backup).total_seconds())] if backup else [],
        ),
    ]


def _late(runs: Sequence[LastRun], now: dt.datetime) -> list[tuple[str, float]]:
    """Return whether each job that ever ran is late."""
    intervals = {job: every for job, (every, _) in jobs().items()}
    return [
        (
            run.job,
            is_late(
                now,
                intervals[run.job],
                started_at=run.started_at,
                finished_at=run.finished_at,
                is_running=run.is_running,
            ),
        )
        for run in runs
    ]


def may_read(authorization: str, address: str, *, is_forwarded: bool) -> bool:
    """Return whether a caller may read: with the token, or without a configured token from this machine, unproxied."""
    token = settings().metrics_token
    if token:
        return hmac.compare_digest(authorization.encode(), f"Bearer {token}".encode())
    try:
        return ipaddress.ip_address(address).is_loopback and not is_forwarded
    except ValueError:
        return False


@get("/metrics", opt=expect("the monitor"), include_in_schema=False)
async def metrics(request: Request[Any, Any, Any]) -> Response[bytes]:
    """Report the figures to the monitor."""
    is_forwarded = any(name in request.headers for name in ("forwarded", "x-forwarded-for", "x-real-ip"))
    address = request.client.host if request.client else ""
    if not may_read(request.headers.get("authorization", ""), address, is_forwarded=is_forwarded):
        raise NotAllowed("Metrics are for the monitor: send its token, or ask from this machine.")
    registry = CollectorRegistry()
    registry.register(_Snapshot(await measure()))
    return Response(generate_latest(registry), headers={"content-type": EXPOSITION})


ROUTES = [metrics]
