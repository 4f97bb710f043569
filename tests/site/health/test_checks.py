"""Readiness: each thing that must be well turns the site's answer into a 503 that names it, and `doctor` says what mends it."""

import datetime as dt
import os
import re
import subprocess
import sys
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from marketplace.core import clock
from marketplace.core.database import execute
from marketplace.core.postgres import EmbeddedPostgres
from marketplace.core.settings import settings
from marketplace.core.version import VERSION
from marketplace.site.health import checks
from marketplace.site.jobs.rules import is_late
from marketplace.site.jobs.timetable import jobs
from migrations.pending import list_pending
from tests.people.builders import Browser, page_text
from tests.support.histories import history_of
from tests.support.ports import free_port

ROOT = Path(__file__).resolve().parents[3]
NOW = dt.datetime(2026, 3, 1, 12, tzinfo=dt.UTC)


async def all_jobs_ran() -> None:
    for job in jobs():
        await execute(
            "INSERT INTO job_run (job, slot, missed, started_at, finished_at) VALUES ($1, $2, 0, $2, $2)",
            job,
            clock.now(),
        )


async def wrong() -> dict[str, str]:
    """Ask the site whether it is ready; return what is wrong, by the name of the check."""
    async with Browser() as visitor:
        answer = await visitor.get("/readyz")
        alive = await visitor.get("/healthz")
        assert (alive.status_code, alive.text) == (200, f"ok {VERSION}")
    found: dict[str, Any] = answer.json()
    if answer.status_code == 200:
        assert found == {"status": "ready"}
        return {}
    assert answer.status_code == found["status"] == 503
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.headers["retry-after"] == "10"
    return {check["name"]: check["problem"] for check in found["checks"]}


async def test_a_site_is_ready_once_jobs_ran() -> None:
    assert await wrong() == {"jobs": "No job has ever run."}
    await all_jobs_ran()
    assert await wrong() == {}


async def test_a_late_job_is_named() -> None:
    await all_jobs_ran()
    await execute("UPDATE job_run SET finished_at = finished_at - interval '1 hour' WHERE job = 'settle-orders'")
    assert await wrong() == {"jobs": "settle-orders is late."}
    await execute("UPDATE job_run SET finished_at = finished_at - interval '90 days'")
    assert (await wrong())["jobs"].endswith(" more are late.")


async def test_a_backup_that_is_too_old_is_named() -> None:
    await all_jobs_ran()
    for hours, problem in ((49, "The last backup is of "), (47, "")):
        made_at = clock.now() - dt.timedelta(hours=hours)
        await execute("INSERT INTO backup (made_at, place, bytes) VALUES ($1, 'x', 1)", made_at)
        assert (await wrong()).get("backup", "").startswith(problem)
        assert ("backup" in await wrong()) == bool(problem)


async def test_a_pending_migration_is_named(postgres: EmbeddedPostgres, database_url: str) -> None:
    await all_jobs_ran()
    assert await list_pending() == []
    name = database_url.partition("/test_")[2].partition("?")[0]
    postgres.run_sql("DELETE FROM migration", f"test_{name}")
    assert await wrong() == {"migrations": "1 migration waits: m0001_initial."}
    assert await answer_to_the_proxy() == 503


async def test_many_pending_migrations_are_counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    await all_jobs_ran()
    with history_of(tmp_path, {f"m000{number}_more": "SELECT 1" for number in range(2, 7)}) as history:
        monkeypatch.setattr(checks, "list_pending", partial(list_pending, history))
        assert await wrong() == {
            "migrations": "5 migrations wait: m0002_more, m0003_more, m0004_more and 2 more.",
        }


async def answer_to_the_proxy() -> int:
    """Ask what the proxy of docker-compose.yml asks before it sends visitors to a process."""
    compose = (ROOT / "docker-compose.yml").read_text()
    (address,) = re.findall(r"health_uri (\S+)", compose)
    async with Browser() as proxy:
        return (await proxy.get(address)).status_code


async def test_the_proxy_closes_no_site_for_a_late_job_or_a_full_disk(chosen: pytest.MonkeyPatch) -> None:
    assert await answer_to_the_proxy() == 200, "the site is open before any job has run"
    await all_jobs_ran()
    await execute("UPDATE job_run SET finished_at = finished_at - interval '90 days'")
    chosen.setenv("PARTAGE_LEAST_FREE_MB", str(10**12))
    settings.cache_clear()
    assert set(await wrong()) == {"jobs", "disk"}
    assert await answer_to_the_proxy() == 200


async def test_a_clock_that_differs_is_named() -> None:
    with clock.shifted(dt.timedelta(seconds=60)):
        await all_jobs_ran()
        assert await wrong() == {"clock": "This machine's clock is 60 seconds ahead of the database's."}
    with clock.shifted(dt.timedelta(seconds=-60)):
        assert (await wrong())["clock"].endswith(" behind the database's.")


async def test_a_full_disk_and_a_store_that_does_not_answer_are_named(chosen: pytest.MonkeyPatch) -> None:
    await all_jobs_ran()
    chosen.setenv("PARTAGE_LEAST_FREE_MB", str(10**12))
    chosen.setenv("PARTAGE_OBJECTS", "s3://nobodys")
    chosen.setenv("AWS_ACCESS_KEY_ID", "somebody")
    chosen.setenv("AWS_SECRET_ACCESS_KEY", "anything")
    chosen.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{free_port()}")
    settings.cache_clear()
    found = await wrong()
    assert set(found) == {"disk", "object store"}
    assert found["disk"].endswith(f"MB are free for PARTAGE_STATE, and {10**12} MB are the least.")


async def test_a_database_that_is_gone_is_named_and_the_process_stays_alive(
    postgres: EmbeddedPostgres, database_url: str
) -> None:
    name = f"test_{database_url.partition('/test_')[2].partition('?')[0]}"
    postgres.run_sql(f"ALTER DATABASE {name} ALLOW_CONNECTIONS false")
    postgres.run_sql(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'")
    try:
        assert await wrong() == {"database": "The database cannot be reached."}
    finally:
        postgres.run_sql(f"ALTER DATABASE {name} ALLOW_CONNECTIONS true")


async def test_people_see_what_works() -> None:
    async with Browser() as visitor:
        assert "disturbed" in page_text(await visitor.get("/en/status"))
    await all_jobs_ran()
    async with Browser() as visitor:
        shown = page_text(await visitor.get("/en/status"))
        assert "Everything works." in shown
        assert "disturbed" not in shown
        assert "Tout fonctionne." in page_text(await visitor.get("/fr/status"))


@pytest.mark.parametrize(
    ("finished", "started", "is_running", "late"),
    [
        (dt.timedelta(minutes=69), dt.timedelta(minutes=69), False, False),
        (dt.timedelta(minutes=71), dt.timedelta(minutes=71), False, True),
        (dt.timedelta(minutes=71), dt.timedelta(minutes=1), False, True),
        (dt.timedelta(hours=5), dt.timedelta(hours=4), True, False),
        (dt.timedelta(hours=8), dt.timedelta(hours=7), True, True),
        (None, dt.timedelta(minutes=9), False, False),
        (None, dt.timedelta(minutes=11), False, True),
    ],
)
def test_an_hourly_job_is_late_ten_minutes_after_its_slot_unless_it_runs(
    finished: dt.timedelta | None, started: dt.timedelta, *, is_running: bool, late: bool
) -> None:
    at = NOW - finished if finished else None
    assert is_late(NOW, 3600, started_at=NOW - started, finished_at=at, is_running=is_running) == late


def test_doctor_prints_a_line_a_check_and_what_mends_it(database_url: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "marketplace", "doctor"],
        cwd=ROOT,
        env=os.environ | {"DATABASE_URL": database_url},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1, done.stderr
    lines = done.stdout.splitlines()
    assert lines[0] == f"Partage {VERSION}"
    assert lines[1].startswith("WRONG  settings: `serve` refuses them. Set STRIPE_API_KEY")
    assert "well   database" in lines
    assert "well   migrations" in lines
    assert lines[lines.index("WRONG  jobs: No job has ever run.") + 1] == "       mend: marketplace jobs"


def test_doctor_names_on_an_empty_database_what_to_do_first(postgres: EmbeddedPostgres, database_url: str) -> None:
    name = f"test_{database_url.partition('/test_')[2].partition('?')[0]}"
    postgres.run_sql("DROP DATABASE IF EXISTS empty_for_doctor; CREATE DATABASE empty_for_doctor")
    done = subprocess.run(
        [sys.executable, "-m", "marketplace", "doctor"],
        cwd=ROOT,
        env=os.environ | {"DATABASE_URL": database_url.replace(f"/{name}", "/empty_for_doctor")},
        capture_output=True,
        text=True,
        check=False,
    )
    postgres.run_sql("DROP DATABASE empty_for_doctor WITH (FORCE)")
    lines = done.stdout.splitlines()
    (waits,) = (at for at, line in enumerate(lines) if line.startswith("WRONG  migrations: "))
    assert re.fullmatch(r".*: \d+ migrations? waits?: m0001_initial.*\.", lines[waits])
    assert lines[waits + 1] == "       mend: marketplace migrate"
    jobs_line = lines.index("WRONG  jobs: It cannot be looked up before the schema is up to date.")
    assert lines[jobs_line + 1] == "       mend: marketplace migrate"
    assert (done.returncode, done.stderr) == (1, "")


def test_doctor_says_that_there_is_no_database(tmp_path: Path) -> None:
    given = {"DATABASE_URL": f"postgresql://nobody@/none?host={tmp_path}", "PARTAGE_STATE": str(tmp_path / "state")}
    done = subprocess.run(
        [sys.executable, "-m", "marketplace", "doctor"],
        cwd=ROOT,
        env=os.environ | given,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert "WRONG  database: The database cannot be reached." in done.stdout
    assert "Traceback" not in done.stderr
