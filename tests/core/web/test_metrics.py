"""Metrics: who may read, and that what stands still, is lost or broken shows."""

import datetime as dt
import json
import re

import httpx
import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families

from marketplace.core import clock
from marketplace.core.database import execute
from marketplace.core.locks import LockSession
from marketplace.core.settings import settings
from marketplace.oversight import invariants
from marketplace.oversight.invariants import sweep_invariants
from marketplace.site.jobs.scheduler import run_due
from marketplace.site.metrics import measure
from tests.support.owner import as_owner
from tests.support.sites import the_site
from tests.support.source import text_of


async def scrape(address: str = "127.0.0.1", **headers: str) -> httpx.Response:
    """Scrape, as a caller at an address."""
    transport = httpx.ASGITransport(app=the_site(), client=(address, 1))
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    async with httpx.AsyncClient(transport=transport, base_url="http://site") as client:
        return await client.get("/metrics", headers=named)


def figures(answer: httpx.Response) -> dict[str, float]:
    """Return every figure by its name and labels."""
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
    return {
        "/".join([one.name.removeprefix("partage_"), *one.labels.values()]): one.value
        for family in text_string_to_metric_families(answer.text)
        for one in family.samples
    }


async def test_only_the_monitor_reads(monkeypatch: pytest.MonkeyPatch) -> None:
    try:
        assert (await scrape()).status_code == (await scrape("::1")).status_code == 200
        for answer in (await scrape("10.0.0.7"), await scrape("testclient"), await scrape(x_forwarded_for="127.0.0.1")):
            assert answer.status_code == 403
            assert answer.json()["detail"] == "Metrics are for the monitor: send its token, or ask from this machine."
        monkeypatch.setenv("METRICS_TOKEN", "s3cret-é")
        settings.cache_clear()
        assert (await scrape()).status_code == 403, "with a token, the machine itself needs it too"
        assert (await scrape(authorization="Bearer s3cret")).status_code == 403

        monkeypatch.setenv("METRICS_TOKEN", "s3cret")
        settings.cache_clear()
        assert (await scrape("10.0.0.7", authorization="Bearer s3cret")).status_code == 200
    finally:
        monkeypatch.undo()
        settings.cache_clear()


async def test_what_stands_still_is_lost_or_broken_shows() -> None:
    quiet = figures(await scrape())
    assert (quiet["stuck_commands"], quiet["lost_events"], quiet["waiting_events"]) == (0, 0, 0)
    assert "invariants_broken" not in quiet, "never swept"
    assert "backup_age_seconds" not in quiet, "never made"
    assert quiet["job_interval_seconds/stripe-commands"] == 2
    now = clock.now()
    await execute("INSERT INTO backup (made_at, place, bytes) VALUES ($1, 'x', 1)", now - dt.timedelta(hours=5))
    await execute(
        """INSERT INTO stripe_event (id, type, payload, came_by, received_at, created_at, lost_at)
           VALUES ('evt_1', 'x', '{}', 'sweep', $1, $1, $1)""",
        now,
    )
    await execute("INSERT INTO reconciliation (at, stripe_minor, ledger_minor, unmatched) VALUES ($1, 5, 7, 3)", now)
    session = LockSession()

    async def fails() -> None:
        raise RuntimeError

    assert await run_due(session, "sweep-invariants", 3600, sweep_invariants)
    assert not await run_due(session, "invoices", 10, fails)
    answered = figures(await scrape())
    assert (
        answered["lost_events"],
        answered["waiting_events"],
        answered["exceptions"],
        answered["balance_differs_cents"],
    ) == (
        1,
        1,
        3,
        -2,
    )
    assert answered["invariants_broken"] == len(await invariants.broken()) == 0
    assert 5 * 3600 <= answered["backup_age_seconds"] < 5 * 3600 + 60
    assert 0 <= answered["job_age_seconds/sweep-invariants"] < 60
    assert (answered["job_failing/invoices"], answered["job_failing/sweep-invariants"]) == (1, 0)
    assert "job_age_seconds/invoices" not in answered
    await execute(
        "INSERT INTO journal_entry (kind, source_id, at, recorded_at, text) VALUES ('empty', '1', $1, $1, 'x')", now
    )
    with clock.shifted(dt.timedelta(hours=1)):
        assert await run_due(session, "sweep-invariants", 3600, sweep_invariants)
        assert figures(await scrape())["invariants_broken"] == 1
    await session.close()
    await as_owner("ALTER TABLE journal_entry DISABLE TRIGGER USER")
    await as_owner("DELETE FROM journal_entry")
    await as_owner("ALTER TABLE journal_entry ENABLE TRIGGER USER")


async def test_the_dashboard_and_the_alerts_are_of_figures_that_there_are_and_of_all() -> None:
    there = {family.name for family in await measure()}
    board = json.loads(text_of("marketplace/site/docs/operator/dashboard.json"))
    alerts = yaml.safe_load(text_of("marketplace/site/docs/operator/alerts.yml"))
    shown = " ".join(target["expr"] for panel in board["panels"] for target in panel["targets"])
    rules = [rule for group in alerts["groups"] for rule in group["rules"]]
    warned = " ".join(rule["expr"] for rule in rules)
    assert set(re.findall(r"partage_\w+", shown)) == there
    assert set(re.findall(r"partage_\w+", warned)) <= there
    assert all(rule["labels"]["severity"] in {"page", "ticket"} and rule["annotations"]["summary"] for rule in rules)
    assert len({rule["alert"] for rule in rules}) == len(rules)
    assert len({panel["id"] for panel in board["panels"]}) == len(board["panels"])
