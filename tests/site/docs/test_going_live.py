"""The afternoon of the manual, block by block, in order, on an empty database: what the page says is what happens."""

import asyncio
import datetime as dt
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from marketplace.catalogue.offers import actions as catalogue
from marketplace.consent.purposes import actions as consent
from marketplace.core import database
from marketplace.core.postgres import EmbeddedPostgres
from marketplace.core.settings import ROLES, settings
from marketplace.datasets.releases import actions as datasets
from marketplace.datasets.releases.rules import DatasetTerms
from tests.catalogue.builders import put_on_sale
from tests.consent.builders import PURPOSE
from tests.datasets.builders import BANDS, RESOLUTION, ZONES
from tests.support.blocks import Block, blocks_of
from tests.support.installation import ROOT, Installation
from tests.support.server import as_serving
from tests.support.waiting import wait_until

PAGE = "marketplace/site/docs/operator/going-live.md"
START, DAYS, PEOPLE = dt.datetime(2026, 3, 2, 8, tzinfo=dt.UTC), 7, 1_500
FILES_OF = (("web", "jobs"), ("web",), ("migrate",), ("jobs",))
"""Into which files the page has each of its blocks of settings written, in its order."""
PYTHON = """#!/bin/sh
test "$1" = marketplace && shift && exec {python} -m marketplace "$@"
exec {python} "$@"
"""
"""What `python3` is where the repository is not the working directory."""


class Afternoon:
    """An operator's shell, database and files; blocks that run until they are stopped end with it."""

    def __init__(self, machine: Installation, postgres: EmbeddedPostgres) -> None:
        self.machine, self.postgres, self.folder = machine, postgres, machine.folder
        self.written: list[str] = []
        self.printed = ""
        self.running: list[subprocess.Popen[bytes]] = []
        (self.folder / "bin").mkdir()
        (self.folder / "bin" / "python3").write_text(PYTHON.format(python=shlex.quote(sys.executable)))
        (self.folder / "bin" / "python3").chmod(0o755)

    @property
    def environment(self) -> dict[str, str]:
        return {
            "PATH": f"{self.folder / 'bin'}:{os.environ['PATH']}",
            "PYTHONPATH": str(ROOT),
            "HOME": str(self.folder),
        }

    def run(self, block: Block) -> None:
        """Do what a block says, and refuse to go on when it fails."""
        match block.language:
            case "sql":
                self.postgres.run_sql(re.sub(r"\bpartage(\w*)", r"afternoon\1", block.text))
                self.postgres.run_sql("GRANT afternoon, afternoon_serving TO partage")
            case "text":
                self.write_settings(FILES_OF[len(self.written)], block.text)
            case "shell" if re.search(r"marketplace (serve|jobs)$", block.text, re.MULTILINE):
                self.start(block.text)
            case "shell":
                text = block.text.replace("/var/backups/partage", str(self.folder / "backups"))
                ran = subprocess.run(
                    ["sh", "-ec", text],
                    cwd=self.folder,
                    env=self.environment,
                    capture_output=True,
                    text=True,
                    check=False,
                )
                is_first_init = not self.written
                is_first_setup = "stripe setup" in text and "init" not in text
                assert ran.returncode == int(is_first_init or is_first_setup), (block.line, ran.stdout, ran.stderr)
                self.printed = ran.stdout

    def start(self, text: str) -> None:
        with (self.folder / "log").open("ab") as log:
            self.running.append(
                subprocess.Popen(
                    ["sh", "-ec", text.replace("python3 marketplace", "exec python3 marketplace")],
                    cwd=self.folder,
                    env=self.environment,
                    stdout=log,
                    stderr=log,
                )
            )

    def write_settings(self, roles: tuple[str, ...], text: str) -> None:
        """Write a block's lines into files as it is, but for what is of this machine."""
        owner = f"{self.postgres.url('afternoon')}&options=-c%20role%3Dafternoon"
        of_this_machine = {
            "DATABASE_URL": owner if roles == ("migrate",) else f"{owner}_serving",
            "PARTAGE_STATE": str(self.folder / "state"),
            "PARTAGE_NOTES": str(self.folder / "erasures"),
            "PARTAGE_BACKUPS": str(self.folder / "backups"),
            "PARTAGE_URL": self.machine.url,
            "PARTAGE_SERVING_ROLE": "afternoon_serving",
            "STRIPE_API_KEY": "sk_test_of_an_operator",
            "PAYOUT_IBAN": "FR7630006000011234567890189",
            "SMTP_URL": (self.folder / "mail").as_uri(),
        }
        named = dict(line.split("=", 1) for line in text.strip().splitlines())
        for name, value in named.items():
            self.machine.set(" ".join(roles), **{name: of_this_machine.get(name) or shlex.split(value)[0]})
        self.written.append(text)

    def be_a_rehearsal(self) -> None:
        """Set what the page says of trying it first: a Stripe that moves no money, on this machine."""
        here = {"PARTAGE_REHEARSAL": "1", "STRIPE_API_BASE": self.machine.stripe, "VIES_URL": ""}
        self.machine.set("web jobs", **here)
        self.machine.set("web", PORT=str(self.machine.port))

    def stop(self) -> None:
        for process in self.running:
            process.terminate()
            process.wait(30)


@pytest.fixture
def afternoon(postgres: EmbeddedPostgres, tmp_path: Path) -> Iterator[Afternoon]:
    """Return the operator's machine; nothing of it is left afterwards."""
    before = dict(os.environ)
    with Installation(tmp_path) as machine:
        shell = Afternoon(machine, postgres)
        yield shell
        shell.stop()
    os.environ.clear()
    os.environ |= before
    settings.cache_clear()
    postgres.run_sql("DROP DATABASE IF EXISTS afternoon WITH (FORCE); DROP ROLE IF EXISTS afternoon, afternoon_serving")


@pytest.mark.deep
def test_the_afternoon_of_the_manual(afternoon: Afternoon) -> None:
    for block in blocks_of(PAGE):
        if "stripe setup" in block.text and "init" not in block.text:
            afternoon.be_a_rehearsal()
            afternoon.machine.start_stripe()
        if "consents import" in block.text:
            asyncio.run(as_a_steward(afternoon, say_what_is_counted))
            write_files(afternoon.folder)
        if "dry-run" in block.text:
            asyncio.run(as_a_steward(afternoon, define_and_offer_on_install))
        afternoon.run(block)
        look_at_what_came_of(afternoon, block)
    assert {path.name for path in (afternoon.folder / "environment").glob("*.env")} == {f"{role}.env" for role in ROLES}
    assert (afternoon.folder / "letters.csv").read_text().count("\n") == PEOPLE + 1
    assert list((afternoon.folder / "backups").glob("partage-*.age"))


def look_at_what_came_of(afternoon: Afternoon, block: Block) -> None:
    """Hold the page to what it says of a block's outcome."""
    printed = afternoon.printed
    if found := re.search(r"^STRIPE_WEBHOOK_SECRET=(\S+)$", printed, re.MULTILINE):
        afternoon.machine.set("web jobs", STRIPE_WEBHOOK_SECRET=found[1])
    if "init" in block.text and "stripe setup" in block.text:
        assert "nothing is missing" in printed
        assert "Missing" not in printed
    if "staff add" in block.text:
        assert printed.count(f"{afternoon.machine.url}/join/") == 3
    if "marketplace serve" in block.text:
        wait_until(lambda: answers(f"{afternoon.machine.url}/healthz") == 200)
    if "marketplace jobs" in block.text:
        wait_until(lambda: answers(f"{afternoon.machine.url}/readyz") == 200)
    if "consents import" in block.text:
        assert f"{PEOPLE:,} consents and 0 withdrawals" in printed
    if "doctor" in block.text:
        assert "WRONG" not in printed
        assert "0 offenders" in printed


def answers(address: str) -> int:
    """Return the status of an answer; 0 where there is none."""
    try:
        return httpx.get(address).status_code
    except httpx.TransportError:
        return 0


def write_files(folder: Path) -> None:
    """Write the operator's three files: a week of a crowd that agreed long before."""
    lines, words, events = [], [], []
    for who in range(1, PEOPLE + 1):
        lines.append(f"{who},{BANDS[who % 2]},{ZONES[0]}")
        words.append(f"{who},{PURPOSE},1,given,2026-02-10T10:00:00+01:00,shop")
        for day in range(DAYS):
            at = START + dt.timedelta(days=day, minutes=who % 600)
            events.append(f"{who},{at.isoformat()},45.764,4.8357")
    for name, header, rows in (
        ("lines.csv", "subscriber_id,age_band,home_zone", lines),
        ("words.csv", "reference,purpose,notice_version,word,at,channel", words),
        ("events.csv", "subscriber_id,at,latitude,longitude", events),
    ):
        (folder / name).write_text("\n".join([header, *rows, ""]))


async def as_a_steward(afternoon: Afternoon, act: Any) -> None:
    """Do what the page has Sam do on the site's pages."""
    os.environ["PARTAGE_STATE"] = str(afternoon.folder / "state")
    settings.cache_clear()
    await database.open_pool(
        as_serving(afternoon.postgres.url("afternoon")).replace("partage_s", "afternoon_s"), size=2
    )
    try:
        await act()
    finally:
        await database.close_pool()


async def say_what_is_counted() -> None:
    await consent.define_purpose("presence", "statistics", title_fr="Présence", title_en="Presence")
    shown = dt.datetime(2026, 2, 1, tzinfo=dt.UTC)
    await consent.publish_notice(PURPOSE, text_fr="Nous comptons.", text_en="We count.", at=shown)


async def define_and_offer_on_install() -> None:
    terms = DatasetTerms(
        code="lyon-day",
        purpose=PURPOSE,
        title_fr="Lyon par jour",
        title_en="Lyon by day",
        description_fr="Par jour.",
        description_en="By day.",
        area="Lyon",
        zones=list(ZONES),
        age_bands=list(BANDS),
        h3_resolution=RESOLUTION,
        grain="day",
        max_cells=7,
        max_events=3,
        epsilon_micro=2_000_000,
        budget_micro=10_000_000,
    )
    await datasets.define(terms)
    await catalogue.define_terms("standard-1", months=12, lines_fr="a\nb\nc\nd\ne", lines_en="a\nb\nc\nd\ne")
    await put_on_sale("lyon-day", terms="standard-1", worth_minor=240_000, least_minor=15_000)
