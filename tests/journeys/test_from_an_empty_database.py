"""From an empty database to a sale that is paid, downloaded, shared, paid out and reconciled, by command and page alone.

What an operator has: a PostgreSQL with nothing in it, files of lines, consents and events, the manual's commands, a
browser for each person, and a test Stripe that runs as a process of its own. Days pass as they do in a rehearsal. The
events are real ones, moved to last month. Nothing of `marketplace/demo` is imported, here or in what helps here.
"""

import csv
import datetime as dt
import hashlib
import io
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pyarrow.parquet as pq
import pytest
from lxml import etree

from marketplace.core.backup.actions import new_key
from marketplace.core.settings import settings
from tests.finance.builders.statements import Entry, Statement
from tests.support import gowalla
from tests.support.installation import ROOT, Installation
from tests.support.visitor import PASSWORD, PhoneVisitor, visitors
from tests.support.waiting import wait_until

OUR_IBAN, HER_IBAN = "FR7630006000011234567890189", "FR1420041010050500013M02606"
OPERATORS_OWN = {
    "PAYOUT_IBAN": OUR_IBAN,
    "PAYOUT_THRESHOLD_MINOR": "1",
    "SELLER_NAME": "L'Opérateur",
    "SELLER_STREET": "2 rue de l'Été",
    "SELLER_POSTCODE": "69002",
    "SELLER_CITY": "Lyon",
    "SELLER_SIREN": "732829320",
    "SELLER_LEGAL": "SA au capital de 10 000 €, RCS Lyon 732 829 320",
    "STRIPE_API_KEY": "sk_test_of_an_operator",
    "CONTACT_EMAIL": "bonjour@operateur.example",
    "CONTACT_PHONE": "+33 4 00 00 00 00",
    "LEGAL_DIRECTOR": "Anne Martin",
    "LEGAL_HOST": "L'Opérateur, 2 rue de l'Été, 69002 Lyon, +33 4 00 00 00 00",
    "DPO_CONTACT": "dpo@operateur.example",
    "SHARES_EVERY_SECONDS": "2",
    "PAYOUTS_EVERY_SECONDS": "1000000000",
}
"""What only an operator knows; shares are seen to within seconds, and finance alone drafts payout runs."""
PURPOSE, DATASET, TERMS = "presence.statistics", "new-york-day", "standard-1"
MARKET = "presence-by-day"
PRIVACY = {"max_cells": "2", "max_events": "3", "epsilon": "2", "budget": "10"}
PAUSE_SECONDS = 0.25
UNTIL_A_MONTH_IS_CLOSED, UNTIL_THE_BANK_HAS_PAID = 50, 6


@dataclass(frozen=True)
class RealMonth:
    """A month of real events as the operator has it: files, the half-open period, and who agreed to be counted."""

    checkins: gowalla.Checkins
    period: tuple[dt.datetime, dt.datetime]
    consents: Path
    lucie: int
    """A line that is in the release, whatever the noise."""

    @property
    def days(self) -> dict[str, str]:
        """Return the period's first and last day as forms ask for them."""
        first, last = self.period[0], self.period[1] - dt.timedelta(days=1)
        return {"first_day": f"{first:%Y-%m-%d}", "last_day": f"{last:%Y-%m-%d}"}

    @property
    def agreed_on(self) -> dt.datetime:
        return self.period[0] - dt.timedelta(days=10)


def month_of_real_events(folder: Path) -> RealMonth:
    """Write the operator's files: lines, last month's events, and what people said in shops."""
    today = dt.datetime.now(dt.UTC).date()
    period = gowalla.busiest_period(today)
    source = gowalla.find_or_make_checkins(settings().shared, folder)
    checkins = gowalla.move_checkins(source, folder, today=today, seed=1, within=period)
    yes = checkins.references[np.random.default_rng(1).random(len(checkins.references)) < 0.8]
    consents = folder / "consents.csv"
    at = period[0] - dt.timedelta(days=9)
    rows = "".join(f"{line},{PURPOSE},1,given,{at.isoformat()},shop\n" for line in yes.tolist())
    consents.write_text(f"reference,purpose,notice_version,word,at,channel\n{rows}")
    return RealMonth(checkins, period, consents, gowalla.find_most_regular(checkins, yes))


@pytest.fixture
def empty_database(postgres: Any) -> Iterator[str]:
    """Give what the operator's PostgreSQL has on the first day: an empty database, by its address."""
    postgres.run_sql("CREATE DATABASE of_an_operator OWNER partage")
    yield postgres.url("of_an_operator")
    postgres.run_sql("DROP DATABASE of_an_operator WITH (FORCE)")


def when(condition: Callable[[], object]) -> object:
    return wait_until(condition, pause=PAUSE_SECONDS)


@pytest.mark.deep
def test_from_an_empty_database_to_a_sale_that_is_paid_out(empty_database: str, tmp_path: Path) -> None:
    month = month_of_real_events(tmp_path / "files")
    with Installation(tmp_path) as machine, visitors(5, machine.url, machine.now) as people:
        sam, nora, hugo, camille, lucie = people
        link_of = open_for_business(machine, empty_database, tmp_path)
        for person, name in ((sam, "sam"), (nora, "nora"), (hugo, "hugo")):
            person.join(link_of[name])
        assert "0 of 13 done" in sam.go("/start")
        assert "payments go to a test Stripe" in sam.page.text_content()

        bring_lines_and_consents(machine, sam, month)
        claim_line(machine, lucie, month)
        define_and_offer_by_hand(sam, month)
        cells = build_and_publish(sam, month)

        order = sign_up_and_buy(machine, camille, sam)
        key = download(machine, camille, order, cells)
        when(lambda: "Everything is matched" in nora.go("/finance/exceptions"))
        when(lambda: re.search(r"Held for subscribers €[1-9]", nora.go("/finance")))

        machine.go_on(days=UNTIL_A_MONTH_IS_CLOSED)
        machine.start_jobs()
        file = pay_out_by_hand(lucie, nora, hugo)

        machine.go_on(days=UNTIL_THE_BANK_HAS_PAID)
        import_statement(nora, file)
        machine.start_jobs()
        follow_payout(lucie, nora)
        assert httpx.get(f"{machine.url}/api/v1/entitlements", headers=key).status_code == 200
        assert "First steps" not in sam_again(sam)
        assert "0 offenders" in machine.run("check")
        assert "WRONG  backups: not set" in machine.run("doctor", role="jobs", ends_with=1)
        machine.set("jobs", PARTAGE_BACKUPS=str(tmp_path / "backups"), PARTAGE_BACKUP_KEY=new_key(tmp_path / "key"))
        for role in ("web", "jobs"):
            assert "WRONG" not in machine.run("doctor", role=role)


def open_for_business(machine: Installation, database: str, folder: Path) -> dict[str, str]:
    """Make keys and settings, the schema, Stripe's webhook and the first staff; return each one's link."""
    own = OPERATORS_OWN | {
        "DATABASE_URL": database,
        "PARTAGE_STATE": str(folder / "state"),
        "PARTAGE_URL": machine.url,
        "PORT": str(machine.port),
        "SMTP_URL": (folder / "mail").as_uri(),
    }
    assert "to be set before `serve` and `jobs` start" in machine.init(**own)
    machine.set("migrate", PARTAGE_SERVING_ROLE="partage_serving")
    machine.set(
        "web jobs",
        DATABASE_URL=f"{database}&role=partage_serving",
        PARTAGE_REHEARSAL="1",
        STRIPE_API_BASE=machine.stripe,
        VIES_URL="",
        PARTAGE_ADDRESS_LIMIT="0",
    )
    machine.start_stripe()
    printed = machine.run("stripe", "setup", ends_with=1)
    secret = re.search(r"^STRIPE_WEBHOOK_SECRET=(\S+)$", printed, re.MULTILINE)
    assert secret
    machine.set("web jobs", STRIPE_WEBHOOK_SECRET=secret[1])
    assert "nothing is missing" in machine.init()
    machine.run("migrate", role="migrate")
    links = {}
    for name, role in (("sam", "steward"), ("nora", "finance"), ("hugo", "finance")):
        printed = machine.run("staff", "add", f"{name}@operateur.example", "--name", name.title(), "--role", role)
        links[name] = printed.splitlines()[0]
    machine.start_site()
    machine.start_jobs()
    return links


def bring_lines_and_consents(machine: Installation, sam: PhoneVisitor, month: RealMonth) -> None:
    """Say what people are asked, as of the day they were asked in shops, and bring lines, events and what was said."""
    sam.go("/steward/purposes")
    sam.press(
        "Define this purpose",
        category="presence",
        use="statistics",
        title_fr="Présence",
        title_en="Presence statistics",
    )
    sam.press(
        "See what it would do",
        text_fr="Nous comptons.",
        text_en="We count.",
        since=f"{month.agreed_on:%Y-%m-%d}",
    )
    sam.press("Publish this notice")
    files = month.checkins
    printed = machine.run("ingest", "--events", str(files.events), "--subscribers", str(files.subscribers))
    assert f"{len(files.references):,} new" in printed
    assert "28 days ingested" in printed
    given = month.consents.read_text().count("given,")
    assert f"{given:,} consents and 0 withdrawals" in machine.run("consents", "import", str(month.consents))


def claim_line(machine: Installation, lucie: PhoneVisitor, month: RealMonth) -> None:
    """Send letters, and have the holder of one line activate it with hers."""
    letters = machine.folder / "letters.csv"
    machine.run("letters", str(letters))
    code = {row["reference"]: row["code"] for row in csv.DictReader(io.StringIO(letters.read_text()))}
    lucie.go("/activate")
    lucie.press(
        "Activate",
        reference=str(month.lucie),
        code=code[str(month.lucie)],
        name="Lucie Martin",
        email="lucie@people.example",
        password=PASSWORD,
    )
    assert "You agreed on" in lucie.text
    assert "You said so in a shop" in lucie.go("/consent")
    lucie.go("/earnings/bank-details")
    lucie.press("Save", holder="Lucie Martin", iban=HER_IBAN)
    assert "•••• 2606" in lucie.text


def define_and_offer_by_hand(sam: PhoneVisitor, month: RealMonth) -> None:
    """Define the dataset from a common kind, try it on simulated people, state licence terms, and put it on sale."""
    sam.go("/steward/datasets/new?template=presence-day")
    sam.press(
        "Define it",
        code=DATASET,
        purpose=PURPOSE,
        title_fr="Présence par jour",
        title_en="Presence by day",
        description_fr="Par jour.",
        description_en="By day.",
        area="New York",
        zones="\n".join(month.checkins.zones),
        h3_resolution=str(gowalla.RESOLUTION),
        age_bands=", ".join(gowalla.AGE_BANDS),
        time_zone="UTC",
        **PRIVACY,
    )
    sam.go("/steward/terms")
    sam.press("State these terms", code=TERMS)
    state_prices_by_hand(sam)
    sam.go(f"/steward/offers/{DATASET}")
    assert "Withdraw the offer" in sam.press("Put it on sale", terms=TERMS, sheet=MARKET)
    sam.go(f"/steward/datasets/{DATASET}/dry-run")
    assert "as declared" in sam.press("Run again", consent="80", **month.days)


def state_prices_by_hand(sam: PhoneVisitor) -> None:
    """Define the dataset's market as the first steps say, state its sheet from a proposal, and the law of volume."""
    sam.go("/start")
    sam.go(sam.link(f"/steward/sheets/new.dataset={DATASET}"))
    sam.press("Define this market", code=MARKET)
    proposal = sam.http.get(sam.link("/proposal.csv")).content
    assert "Nothing is on sale on this sheet yet" in sam.upload("Preview the prices", proposal, worth="0.02")
    assert "In force" in sam.press("State this version")
    sam.go("/steward/volume")
    assert "beyond €0.00" in sam.press("State this law", steps="0; 100", least="3000")


def build_and_publish(sam: PhoneVisitor, month: RealMonth) -> int:
    """Have the job build the release, and publish what the gate let pass; return how many cells it has."""
    sam.go(f"/steward/datasets/{DATASET}")
    sam.press("Build", **month.days)
    when(lambda: "Release that passed the gate, to publish" in sam.go("/start"))
    sam.go(sam.link("/steward/releases/"))
    figures = re.search(r"Cells published ([\d,]+) / ([\d,]+)", sam.text)
    assert figures
    published, possible = (int(figure.replace(",", "")) for figure in figures.groups())
    assert published > possible / 10
    sam.go(sam.link("/publish$"))
    assert "It goes on sale at once" in sam.text
    assert "On sale" in sam.press("Publish it")
    return published


def sign_up_and_buy(machine: Installation, camille: PhoneVisitor, sam: PhoneVisitor) -> str:
    """Sign a company up, have it vetted, and buy the release on Stripe's page; return the order's path."""
    camille.go("/sign-up")
    camille.press(
        "Sign up",
        company="Atelier Urbain",
        country="FR",
        vat_number="FR14987654324",
        name="Camille Roche",
        email="camille@atelier.example",
        password=PASSWORD,
    )
    assert "What is done, and what is left before your first dataset" in camille.text
    sam.go("/partners")
    sam.press("Vet Atelier Urbain")
    camille.go("/billing")
    camille.press("Save", street="12 rue des Capucins", postcode="69001", city="Lyon")
    camille.go(f"/datasets/{DATASET}")
    camille.press("Buy")
    camille.press("Order and pay")
    when(lambda: is_at_stripe(machine, camille))
    camille.press(camille.button("Pay "), method="visa")
    order = re.search(r"/orders/[0-9a-f-]{36}", camille.path)
    assert order
    when(lambda: "Download as Parquet" in camille.go(order[0]))
    return order[0]


def is_at_stripe(machine: Installation, camille: PhoneVisitor) -> bool:
    """Return whether Stripe's page is open; where Stripe was slow, the order's page has a button that leads there."""
    if not camille.path.startswith(machine.stripe):
        camille.press(camille.button("Pay "))
    return camille.path.startswith(machine.stripe)


def download(machine: Installation, camille: PhoneVisitor, order: str, cells: int) -> dict[str, str]:
    """Make a key, and fetch what was bought as a program does; return the header that has the key."""
    camille.go("/keys")
    camille.press("Make a key", label="import", scopes="downloads")
    key = {"Authorization": "Bearer " + camille.read("//code[@class='secret']")}
    [bought] = httpx.get(f"{machine.url}/api/v1/entitlements", headers=key).json()["entitlements"]
    assert bought["purchase_order"] in order
    file = httpx.get(f"{machine.url}/api/v1/entitlements/{bought['id']}/download", headers=key)
    assert hashlib.sha256(file.content).hexdigest() == bought["cells_sha256"]
    table = pq.read_table(io.BytesIO(file.content))
    assert table.num_rows == bought["row_count"] == cells
    assert "subscriber" not in " ".join(table.column_names)
    stranger = httpx.get(f"{machine.url}/api/v1/entitlements/{bought['id']}/download")
    assert stranger.status_code == 401
    return key


def pay_out_by_hand(lucie: PhoneVisitor, nora: PhoneVisitor, hugo: PhoneVisitor) -> bytes:
    """Once the month is closed, have one person prepare a run and another approve and send it; return the bank's file."""
    lucie.sign_in("lucie@people.example")
    when(lambda: "Yours since" in lucie.go("/earnings/shares") or "Yours now €0.000000" not in lucie.text)
    lucie.go(lucie.link("/earnings/shares/"))
    assert "Yours since" in lucie.text
    for person, name in ((nora, "nora"), (hugo, "hugo")):
        person.sign_in(f"{name}@operateur.example")
        person.go("/finance/payout-runs")
    nora.press("Draft a SEPA run")
    assert "somebody else of finance approves it" in nora.text
    hugo.go(nora.path)
    hugo.press(hugo.button("Approve €"), reason="Compared with the trial balance")
    hugo.press(hugo.button("Send €"))
    return hugo.http.get(hugo.link("/download$")).content


def import_statement(nora: PhoneVisitor, file: bytes) -> None:
    """Import what the bank says of the day it paid the run: one debit, of the whole batch."""
    paid = etree.fromstring(file)
    batch, total, day = (
        str(paid.findtext(f".//{{*}}PmtInf/{{*}}{name}")) for name in ("PmtInfId", "CtrlSum", "ReqdExctnDt/{*}Dt")
    )
    booked = dt.date.fromisoformat(day)
    entry = Entry(-round(100 * float(total)), "B1", batch=batch, day=booked)
    statement = Statement([entry], opening=1_000_000, iban=OUR_IBAN, day=booked)
    nora.sign_in("nora@operateur.example")
    nora.go("/finance/bank")
    nora.upload("Import", statement.xml(), new_account="yes")
    assert "1 statement with 1 line" in nora.text


def follow_payout(lucie: PhoneVisitor, nora: PhoneVisitor) -> None:
    """See the payout arrive, and every movement matched four ways."""
    nora.go("/finance/payout-runs")
    run = nora.link("/finance/payout-runs/[0-9a-f-]{36}")
    when(lambda: "Settled" in nora.go(run))
    when(lambda: "Everything is matched" in nora.go("/finance/exceptions"))
    nora.go("/finance/reconciliation")
    nora.press("Compare now")
    assert nora.go("/finance").count("To the cent.") == 2
    lucie.sign_in("lucie@people.example")
    assert "Paid out" in lucie.go("/earnings/payouts")


def sam_again(sam: PhoneVisitor) -> str:
    sam.sign_in("sam@operateur.example")
    return sam.go("/start")


def test_it_imports_nothing_of_the_demo() -> None:
    code = "import sys, tests.journeys.test_from_an_empty_database; print(*(n for n in sys.modules if 'embedded' in n))"
    ran = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert not ran.stdout.strip()
