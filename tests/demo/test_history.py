"""The demo's history: twelve months, made by the packages' ordinary actions at past instants; and the clock that it shifts."""

import ast
import contextlib
import datetime as dt
import os
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from marketplace.core import clock
from marketplace.core.database import fetch_scalar
from marketplace.core.progress import no_progress
from marketplace.core.settings import LOCAL_STRIPE_KEY, settings
from marketplace.demo import seed, seed_calendar, seed_history, seed_releases
from marketplace.demo.demo import SEED_WEBHOOK_SECRET, _read_time, counterpart_running, free_port, port_of
from marketplace.demo.seed_payouts import OUR_IBAN
from marketplace.demo.seed_people import FINANCE, PASSWORD, SUBSCRIBER, add_subscriber, find_line
from marketplace.demo.synthetic_city import generate_city
from tests.people.builders import Browser, page_text
from tests.support.source import ROOT, product_files, tree_of

NOW = dt.datetime(2026, 3, 18, 15, tzinfo=dt.UTC)
MONTHS = [dt.date(2025, month, 1) for month in range(3, 13)] + [dt.date(2026, month, 1) for month in (1, 2)]


def test_the_history_is_the_twelve_months_that_could_be_closed() -> None:
    assert seed_calendar.months_before(NOW) == MONTHS
    second_at_nine = dt.datetime(2026, 3, 2, 9, tzinfo=dt.UTC)
    assert seed_calendar.months_before(second_at_nine)[-1] == dt.date(2026, 1, 1)
    assert seed_calendar.months_before(second_at_nine + dt.timedelta(seconds=1))[-1] == dt.date(2026, 2, 1)
    assert seed_calendar.panel_days(NOW)[0] == dt.date(2025, 3, 2)
    assert seed_calendar.begins_at(NOW) == dt.datetime(2025, 1, 30, tzinfo=dt.UTC)


@contextlib.asynccontextmanager
async def in_the_past(tmp_path: Path) -> AsyncIterator[None]:
    """Run the counterpart as the demo does before the history is made: its clock and ours show when it begins."""
    stripe = free_port("127.0.0.1", 19_600)
    os.environ |= {
        "STRIPE_API_BASE": f"http://127.0.0.1:{port_of(stripe)}",
        "STRIPE_API_KEY": LOCAL_STRIPE_KEY,
        "STRIPE_WEBHOOK_SECRET": SEED_WEBHOOK_SECRET,
        "PAYOUT_IBAN": OUR_IBAN,
        "PAYOUT_THRESHOLD_MINOR": "1",
    }
    settings.cache_clear()
    with clock.started_at(seed_calendar.begins_at(NOW)):
        async with counterpart_running(tmp_path / "stripe.db", stripe, read_time=_read_time):
            yield


@pytest.mark.deep
async def test_twelve_months_are_lived_through_once(tmp_path: Path) -> None:
    days = seed_calendar.panel_days(NOW)
    async with in_the_past(tmp_path):
        city = generate_city(
            tmp_path / "city", seed=1, people=3_000, start=NOW.date(), days=1, panel=3_000, panel_days=days
        )
        await seed.add_people()
        await seed.open_marketplace([city], no_progress)
        await add_subscriber(seed.find_busy_line(city, days))
        for _ in range(2):  # built again, they are there already
            async with seed_releases.builder_running(NOW) as builder:
                builder.go_on()
                for _ in MONTHS:
                    await builder.built_next()
        await seed_history.make_history(NOW, no_progress, 0, 1)
        entries = await fetch_scalar(int, "SELECT count(*) FROM journal_entry")
        await seed_history.make_history(NOW, no_progress, 0, 1)
        assert await fetch_scalar(int, "SELECT count(*) FROM journal_entry") == entries, (
            "made again, it is there already"
        )
    await each_month_has_what_a_month_has()
    with clock.started_at(NOW):
        await pages_show_it()


async def each_month_has_what_a_month_has() -> None:
    """Look for a release, a sale or two, both closes and a statement in each month, and a payout in each but the first."""
    line = await find_line(SUBSCRIBER)
    for fact, value in {
        "date_trunc('month', sealed_at) FROM release WHERE state = 'sealed'": 12,
        "date_trunc('month', sold_at) FROM licence": 12,
        "date_trunc('month', split_at) FROM licence_split WHERE state = 'released'": 12,
        "month FROM share_close WHERE run IS NOT NULL AND people > 0": 12,
        "month FROM period": 12,
        "date_trunc('month', closed_at) FROM period": 12,
        "closed_on FROM bank_statement": 12,
        "date_trunc('month', created_at) FROM balance_transaction WHERE category = 'payout'": 12,
        f"date_trunc('month', ended_at) FROM payout WHERE state = 'settled' AND subscriber = {line}": 11,
        "id FROM payout WHERE state = 'failed'": 1,
        "id FROM licence": 36,
        "id FROM stripe_event WHERE webhook_at IS NULL": 0,
    }.items():
        assert (
            await fetch_scalar(int, f"SELECT count(DISTINCT found) FROM (SELECT {fact}) AS facts (found)") == value
        ), fact
    latest = await fetch_scalar(dt.datetime, "SELECT max(recorded_at) FROM journal_entry")
    assert latest is not None
    assert latest < NOW, "no entry is from the present"


async def pages_show_it() -> None:
    async with Browser() as finance:
        await finance.sign_in(FINANCE.email, PASSWORD)
        periods = page_text(await finance.get("/en/finance/periods"))
        assert "Every month that is over is closed." in periods
        assert "March 2025" in periods
        assert "February 2026" in periods
    async with Browser() as subscriber:
        await subscriber.sign_in(SUBSCRIBER.email, PASSWORD)
        earnings = page_text(await subscriber.get("/en/earnings/shares"))
        assert "February 2026" in earnings
        last = page_text(await subscriber.get("/en/earnings/shares?page=2"))
        assert any(f"{buyer}, March 2025" in last for buyer in ("”", "not stated")), "the year's first sale, of 36"


# ------------------------------------------------------------------ the clock
def test_the_clock_shows_the_instant_and_runs_on() -> None:
    with clock.started_at(NOW):
        first, second = clock.now(), clock.now()
        assert NOW <= first <= second < NOW + dt.timedelta(seconds=5)
        with clock.shifted(dt.timedelta(days=1)):
            assert clock.now() >= NOW + dt.timedelta(days=1)
    assert abs(clock.now() - dt.datetime.now(dt.UTC)) < dt.timedelta(seconds=5)


@pytest.mark.deep
@pytest.mark.parametrize("command", ["serve", "jobs"])
def test_production_can_never_shift_its_clock(command: str) -> None:
    """Each command forbids it first, before it even refuses the demo's settings."""
    program = f"""
import datetime as dt
import sys
from marketplace.core import clock
from marketplace.__main__ import main
sys.argv = ["marketplace", "{command}"]
try:
    print("ended with", main())
except SystemExit as ended:
    print("ended with", ended.code)
for shift in (lambda: clock.shifted(dt.timedelta(days=1)), lambda: clock.started_at(clock.now())):
    try:
        with shift():
            print("shifted")
    except RuntimeError as error:
        print(error)
"""
    environment = {"PATH": os.environ["PATH"], "PARTAGE_ONE_CLICK": "1", "PYTHONPATH": str(ROOT)}
    done = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-2:] == ["the clock of production is never shifted"] * 2, done.stdout + done.stderr
    assert done.stdout.startswith("ended with"), "the demo's one-click sign-in is refused"


def shifts_the_clock(tree: ast.AST) -> bool:
    """Return whether a file takes `shifted` or `started_at` of our clock, under any name."""
    shifts, clocks = {"shifted", "started_at"}, {"marketplace.core.clock"}
    for node in ast.walk(tree):
        match node:
            case ast.ImportFrom(module="marketplace.core.clock", names=names):
                if any(alias.name in {*shifts, "*"} for alias in names):
                    return True
            case ast.ImportFrom(module="marketplace.core", names=names):
                clocks |= {alias.asname or alias.name for alias in names if alias.name == "clock"}
            case ast.Import(names=names):
                clocks |= {alias.asname for alias in names if alias.name == "marketplace.core.clock" and alias.asname}
    return any(
        isinstance(node, ast.Attribute) and node.attr in shifts and ast.unparse(node.value) in clocks
        for node in ast.walk(tree)
    )


def test_only_the_demo_shifts_the_clock() -> None:
    shifting = {path for path in product_files() if shifts_the_clock(tree_of(path))}
    assert shifting == {"marketplace/demo/demo.py", "marketplace/demo/seed_history.py"}


@pytest.mark.parametrize(
    ("source", "shifts"),
    [
        ("from marketplace.core import clock\nclock.shifted(day)", True),
        ("from marketplace.core import clock as time\ntime.started_at(day)", True),
        ("import marketplace.core.clock\nmarketplace.core.clock.started_at(day)", True),
        ("import marketplace.core.clock as time\ntime.shifted(day)", True),
        ("from marketplace.core.clock import shifted", True),
        ("def f():\n    from marketplace.core.clock import now, started_at as begun", True),
        ("from marketplace.core.clock import *", True),
        ("from marketplace.core import clock\nrun.started_at = clock.now()", False),
        ("from marketplace.core.clock import now\nrun.started_at = now()", False),
    ],
)
def test_a_file_that_shifts_the_clock_is_recognised(source: str, *, shifts: bool) -> None:
    assert shifts_the_clock(ast.parse(source)) is shifts
