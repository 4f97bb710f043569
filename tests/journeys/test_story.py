"""The whole story over HTTP: consent, build, list, quote, buy, download, share, earnings, reconcile, withdraw, rebuild."""

import asyncio
import datetime as dt
import io
import os
import re
import subprocess
import sys
import uuid
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow.csv
import pyarrow.parquet as pq

from marketplace.catalogue.offers import actions as catalogue
from marketplace.consent.purposes import actions as consent
from marketplace.core import clock
from marketplace.core.settings import settings
from marketplace.datasets.releases import actions as datasets
from marketplace.datasets.releases.queries import manifest
from marketplace.datasets.releases.rules import DatasetTerms
from marketplace.demo import synthetic_city
from marketplace.demo.seed_sales import pay_hosted_page
from marketplace.people.identity.actions import add_subscribers
from tests.catalogue.builders import put_on_sale
from tests.support import gowalla
from tests.support.decisions import approve_waiting
from tests.support.market import Market, Visitor, activate_line, let_people_in, running
from tests.support.production import OPERATORS_OWN
from tests.support.reads import fetch_one, fetch_value

ROOT = Path(__file__).resolve().parent.parent.parent
DATASET = "presence-day"
PURPOSE = "presence.statistics"
WEEK = dt.timedelta(weeks=1)


@dataclass(frozen=True)
class StoryCity:
    """The events of the story: the real check-ins, or where they are absent the seeded city."""

    made: synthetic_city.City | gowalla.Checkins
    period: tuple[dt.datetime, dt.datetime]
    before: tuple[dt.datetime, dt.datetime]
    """Another period, that the events reach too."""
    age_bands: tuple[str, ...]
    resolution: int
    max_cells: int


def city_of(folder: Path) -> StoryCity:
    today = clock.now().date()
    real = settings().shared / "data" / "gowalla-nyc" / "events.parquet"
    start, end = gowalla.busiest_period(today)
    before = (start - WEEK, end - WEEK)
    if real.exists():
        moved = gowalla.move_checkins(real, folder, today=today, seed=1)
        return StoryCity(moved, (start, end), before, gowalla.AGE_BANDS, gowalla.RESOLUTION, 2)
    print("the real check-ins are not on this machine: the story happens in the seeded city")
    made = synthetic_city.generate_city(folder, seed=1, people=30_000, start=(start - WEEK).date(), days=35)
    return StoryCity(made, (start, end), before, synthetic_city.AGE_BANDS, synthetic_city.RESOLUTION, 14)


async def prepare_story(city: StoryCity) -> None:
    """Say what is asked of people and what is counted, have four in five consent, and list the dataset."""
    await add_subscribers(city.made.references.tolist())
    long_ago = city.before[0] - dt.timedelta(days=10)
    await consent.define_purpose("presence", "statistics", title_fr="Statistiques", title_en="Statistics")
    await consent.publish_notice(PURPOSE, text_fr="Nous comptons.", text_en="We count.", at=long_ago)
    yes = np.random.default_rng(1).random(len(city.made.references)) < 0.8
    await consent.give_many(PURPOSE, city.made.references[yes].tolist(), long_ago)
    terms = DatasetTerms(
        code=DATASET,
        purpose=PURPOSE,
        area="Somewhere",
        zones=list(city.made.zones),
        age_bands=list(city.age_bands),
        title_fr="Présence par jour",
        title_en="Presence by day",
        description_fr="Par jour.",
        description_en="By day.",
        h3_resolution=city.resolution,
        grain="day",
        max_cells=city.max_cells,
        max_events=3,
        epsilon_micro=2_000_000,
        budget_micro=10_000_000,
    )
    await datasets.define(terms)
    await catalogue.define_terms("standard-1", months=12, lines_fr="a\nb\nc\nd\ne", lines_en="a\nb\nc\nd\ne")
    await put_on_sale(DATASET)


async def run_marketplace(*arguments: str) -> str:
    """Run the command line as an operator would, and return what it says."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "marketplace",
        *arguments,
        cwd=ROOT,
        env=os.environ | OPERATORS_OWN,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    out, err = await process.communicate()
    assert process.returncode == 0, err.decode()
    return out.decode()


async def build_by_command(city: StoryCity, period: tuple[dt.datetime, dt.datetime]) -> uuid.UUID:
    printed = await run_marketplace(
        "build",
        DATASET,
        "--events",
        str(city.made.events),
        "--subscribers",
        str(city.made.subscribers),
        "--from",
        period[0].isoformat(),
        "--to",
        period[1].isoformat(),
    )
    assert printed.startswith("sealed")
    release: uuid.UUID = await fetch_value(
        "SELECT id FROM release WHERE dataset = $1 AND period_to = $2 AND state = 'sealed'", DATASET, period[1]
    )
    return release


async def buy_in_browser(partner: Visitor, market: Market, release: uuid.UUID) -> str:
    """Ask for a quote, order it, pay on Stripe's page and come back; return the order's path."""
    form = partner.form(await partner.see(f"/datasets/{DATASET}?release={release}"), f"/datasets/{DATASET}/quotes")
    quoted = await partner.resend(form)
    again = await partner.resend(form)
    assert again.url == quoted.url, "a double click is one quote"
    action, hidden = partner.form(quoted.text, "/orders")
    order_form = (action, hidden | {"street": "1 rue Longue", "city": "Lyon", "reason": "Once more."})
    partner.http.follow_redirects = False
    to_stripe, twice = await partner.resend(order_form, status=303), await partner.resend(order_form, status=303)
    partner.http.follow_redirects = True
    assert to_stripe.headers["location"] == twice.headers["location"], "a double click is one order"
    shown = await pay_hosted_page(to_stripe.headers["location"])
    path = re.search(r"/orders/[0-9a-f-]{36}", shown)
    assert path
    await market.work()
    return path[0]


SHARES_HELD = "SELECT sum(shares_micro) FROM licence_split WHERE state = 'held'"


async def test_the_whole_story(tmp_path: Path) -> None:
    city = city_of(tmp_path / "events")
    async with running() as market:
        await prepare_story(city)
        release = await build_by_command(city, city.period)
        sold = await fetch_one("SELECT * FROM release WHERE id = $1", release)
        assert sold
        assert sold["epsilon_micro"] <= 2_000_000
        assert sold["row_count"] >= sold["key_count"] / 10

        visitors = await let_people_in(market)
        partner, finance = visitors["partner"], visitors["finance"]
        in_it = await manifest(release)
        lucie = await activate_line(market, int(in_it.references[in_it.weights.argmax()]), "lucie@people.example")

        # Buy, and hold the file in hand.
        order = await buy_in_browser(partner, market, release)
        page = await partner.see(order)
        files = {
            kind: (await partner.http.get(found[0].replace("&amp;", "&"))).content
            for kind in ("parquet", "csv")
            if (found := re.search(rf"/en/entitlements/[0-9a-f-]+/download\?format={kind}", page))
        }
        table = pq.read_table(io.BytesIO(files["parquet"]))
        text = pyarrow.csv.read_csv(io.BytesIO(files["csv"]))
        assert table.num_rows == sold["row_count"] == text.num_rows
        assert table["people"].to_pylist() == text["people"].to_pylist()
        assert "subscriber" not in " ".join(table.column_names)

        # Shares: exact, explained, and matched by finance.
        split = await fetch_one("SELECT * FROM licence_split")
        assert split
        shares_held = await fetch_value(SHARES_HELD)
        assert shares_held == split["shares_micro"]
        assert split["denominator"] >= sold["published_people"] > 0
        earnings = await lucie.see("/earnings/shares")
        share = re.search(r"/earnings/shares/[0-9a-f-]{36}", earnings)
        assert share
        chain = await lucie.see(share[0])
        assert re.search(r"€0\.\d{6}", chain)
        assert "Everything is matched" in await finance.see("/finance/exceptions")
        assert "0.00" in await finance.see("/finance/trial-balance")

        # Withdraw: one click, and the next release is without her.
        await lucie.submit("/consent", "/consent")
        assert "You have withdrawn" in await lucie.see("/consent")
        rebuilt = await manifest(await build_by_command(city, city.before))
        assert int(in_it.references[in_it.weights.argmax()]) not in rebuilt.references

        # A second sale is refunded before its hold ends: its shares are cancelled, the first sale's are not.
        second = await buy_in_browser(partner, market, release)
        assert await fetch_value(SHARES_HELD) > shares_held
        await finance.submit(f"/finance{second}", "/refund", reason="ordered twice")
        await approve_waiting()
        await market.work()
        assert await fetch_value(SHARES_HELD) == shares_held
        assert "refunded" in (await partner.see(second)).lower()
        gone = await fetch_one("SELECT id FROM entitlement WHERE revoked_at IS NOT NULL")
        assert gone
        await partner.see(f"/entitlements/{gone['id']}/download?format=csv", status=410)

        # The hold passes, and its month: what was held is theirs.
        with clock.shifted(dt.timedelta(days=settings().hold_days + 32)):
            await market.work()
        assert await fetch_value(SHARES_HELD) is None
        assert await fetch_value("SELECT sum(payable_micro) FROM payable_movements()") == shares_held
        assert "0 offenders" in await run_marketplace("check")
