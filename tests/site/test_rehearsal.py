"""A rehearsal: production with a test Stripe, said on every page, never with a live key; and production without it."""

import os
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from marketplace.core.errors import Invalid
from marketplace.core.setting_checks import refuse_demo_settings
from marketplace.core.settings import LOCAL_STRIPE_KEY, read, settings
from tests.people.builders import Browser, page_text
from tests.support.production import OPERATORS_OWN

ROOT = Path(__file__).resolve().parents[2]
REHEARSAL = OPERATORS_OWN | {"PARTAGE_REHEARSAL": "1", "STRIPE_API_BASE": "http://127.0.0.1:8700"}


@pytest.mark.parametrize(
    "other",
    [
        {},
        {"STRIPE_API_KEY": LOCAL_STRIPE_KEY},
        {"STRIPE_API_BASE": ""},
        {"PARTAGE_URL": "http://127.0.0.1:8000"},
        {"PARTAGE_URL": "", "HOST": "127.0.0.1"},
    ],
)
def test_a_rehearsal_accepts_a_test_stripe(other: dict[str, str]) -> None:
    refuse_demo_settings(read(REHEARSAL | other))


@pytest.mark.parametrize(
    "other",
    [
        {"STRIPE_API_KEY": "sk_live_of_an_operator"},
        {"STRIPE_API_KEY": ""},
        {"PARTAGE_ONE_CLICK": "1"},
        {"PARTAGE_SECRET": "short"},
        {"PARTAGE_URL": "http://partage.example"},
        {"PARTAGE_REHEARSAL_DAYS": "-1"},
        {"PARTAGE_REHEARSAL": "0"},
    ],
)
def test_a_rehearsal_refuses_what_is_live_or_the_demos(other: dict[str, str]) -> None:
    with pytest.raises(Invalid):
        refuse_demo_settings(read(REHEARSAL | other))


async def test_every_page_of_a_rehearsal_says_so_in_both_languages() -> None:
    pages = ("/", "/sign-in", "/no-such-page")
    async with Browser() as visitor:
        for path in pages:
            assert "Rehearsal" not in (await visitor.get(f"/en{path}")).text
        os.environ |= {"PARTAGE_REHEARSAL": "1", "PARTAGE_REHEARSAL_DAYS": "45"}
        settings.cache_clear()
        for path in pages:
            shown = page_text(await visitor.get(f"/en{path}"))
            assert "Rehearsal: payments go to a test Stripe, and no real money moves." in shown
            assert "45 days ahead" in shown
            assert "Répétition" in (await visitor.get(f"/fr{path}")).text


def python(code: str) -> str:
    """Run code in a process of its own, and return what it prints."""
    ran = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr
    return ran.stdout


@pytest.mark.long
def test_production_imports_nothing_of_the_demo() -> None:
    python(
        "import sys, marketplace.site.app, marketplace.site.jobs.scheduler, marketplace.site.serving.server\n"
        "from marketplace.__main__ import parser\n"
        "parser().parse_args(['serve'])\n"
        "assert not [name for name in sys.modules if 'embedded' in name]"
    )


def test_a_rehearsals_clock_is_ahead_and_cannot_be_shifted_again() -> None:
    python(
        "import datetime as dt\n"
        "from marketplace.core import clock\n"
        "ahead = dt.timedelta(days=45)\n"
        "clock.rehearse(ahead)\n"
        "clock.rehearse(ahead)\n"
        "assert abs(clock.now() - dt.datetime.now(dt.UTC) - ahead) < dt.timedelta(minutes=1)\n"
        "try:\n"
        "    clock.shifted(ahead).__enter__()\n"
        "except RuntimeError:\n"
        "    pass\n"
        "else:\n"
        "    raise AssertionError\n"
    )


def test_the_counterpart_runs_by_its_command() -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "marketplace", "stripe-counterpart", "--port", "0"],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout
    with process.stdout:
        line = process.stdout.readline()
        try:
            assert line.startswith("listening on http"), line
            answer = httpx.get(f"{line.split()[-1]}/v1/balance", auth=(LOCAL_STRIPE_KEY, ""))
            assert answer.status_code == 200
            assert answer.json()["livemode"] is False
        finally:
            process.terminate()
            process.wait()
