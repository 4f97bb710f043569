"""How long what is kept: each table declares it, one job enforces it, one screen shows it."""

import datetime as dt
import uuid

import asyncpg
import pytest

from marketplace.core import clock
from marketplace.core.database import execute, transaction
from marketplace.core.errors import Expired
from marketplace.core.personal_data import EVERYBODY, Erasure, Of, PersonalData
from marketplace.core.web.formats import PARIS, paris_day
from marketplace.core.web.i18n import gettext, language
from marketplace.finance.bank.camt import read_notices
from marketplace.finance.bank.notices import import_notices
from marketplace.money.ledger import chart
from marketplace.money.ledger.actions import record
from marketplace.oversight.rights.activities import ACTIVITIES
from marketplace.oversight.rights.declarations import declared, list_tables, name_of, package_of
from marketplace.oversight.rights.retention import count_overdue, enforce_retention
from marketplace.people.identity import actions as identity
from marketplace.sales.orders.invoices import change_billing, get_invoice_file, render_pending_invoices
from marketplace.site.jobs.timetable import jobs
from tests.finance.builders import sales
from tests.finance.builders.statements import Entry, announces, bank_says
from tests.oversight.builders import somebody
from tests.people.builders import PASSWORD, Browser, add_staff, make_partner
from tests.support.owner import as_owner
from tests.support.reads import fetch, fetch_value

SUMS = "SELECT debit, credit, sum(amount_minor) FROM posting GROUP BY 1, 2 ORDER BY 1, 2"


async def overdue() -> dict[str, int]:
    """Return the tables with rows that should be gone, and how many."""
    counted = {name_of(table): await count_overdue(table, clock.now()) for table in list_tables()}
    return {name: count for name, count in counted.items() if count}


async def test_one_job_deletes_what_is_over() -> None:
    async with somebody() as zoe:
        partner = await make_partner()
        await identity.invite_colleague(
            partner, email="nadia@atelier.example", name="Nadia", invitation_id=uuid.uuid4()
        )
        await zoe.browser.sign_in("nobody@atelier.example")
        await zoe.browser.submit("/en/reset", {"email": "claire@atelier.example"})
        await execute(
            "INSERT INTO passkey_challenge (session_hash, person, challenge, created_at) VALUES ('s', $1, 'x', $2)",
            zoe.id,
            clock.now(),
        )
        await execute("UPDATE bank_details SET ended_at = $1", clock.now())
        with clock.shifted(dt.timedelta(days=2)):
            assert set(await overdue()) == {"passkey_challenge", "reset_link", "sign_in_attempt"}
            await enforce_retention()
            assert await overdue() == {}
            assert await fetch_value("SELECT count(*) FROM question") == 2, "their time is not over"
        with clock.shifted(dt.timedelta(days=398)):
            over = {"session", "invitation", "letter", "question", "bank_details", "message"}
            assert set(await overdue()) == over
            await enforce_retention()
            assert await overdue() == {}
            assert await fetch_value("SELECT count(*) FROM message_to_mail") == 0
        assert await fetch_value("SELECT count(*) FROM consent_record WHERE subscriber = 1") == 1, (
            "for good is for good"
        )
        assert [row["last_four"] for row in await fetch("SELECT last_four FROM bank_details")] != ["0000"]
    assert jobs()["enforce-retention"][1] is enforce_retention


def test_every_kind_of_data_is_for_an_activity_and_says_in_french_how_long() -> None:
    named = [package for activity in ACTIVITIES for package in activity.packages]
    assert len(named) == len(set(named))
    personal = {package_of(table) for table in list_tables() if declared(table).of}
    assert personal == set(named)
    token = language.set("fr")
    try:
        texts = [declared(table).kept for table in list_tables()]
        texts += [one.value for one in (*Of, *Erasure)]
        assert [text for text in dict.fromkeys(texts) if gettext(text) == text] == []
    finally:
        language.reset(token)
    with pytest.raises(AssertionError, match="says when it ends"):
        PersonalData(EVERYBODY, "3 days", exported=False, erasure=Erasure.EXPIRES)


async def test_steward_and_auditor_see_it() -> None:
    for role in ("steward", "auditor"):
        await add_staff(f"{role}@partage.example", role.title(), role, PASSWORD)
        async with Browser() as browser:
            await browser.sign_in(f"{role}@partage.example")
            page = await browser.get("/fr/staff/retention")
            assert page.status_code == 200
            assert "13 mois" in page.text


async def test_documents_are_emptied_ten_years_after_their_year_and_the_books_stay() -> None:
    await sales.write_shop()
    await sales.write_sold_order()
    await render_pending_invoices()
    await change_billing(sales.PARTNER, street="1 rue", postcode="69001", city="Lyon", reference="")
    [line] = await bank_says(Entry(12, "B1", "VIR DE ZOE", name="ZOE LEFEVRE"))
    data = announces([Entry(12, "B2", "VIR DE ZOE", name="ZOE LEFEVRE")])
    await import_notices(read_notices(data), data, person=None)
    await execute(
        """INSERT INTO stripe_event (id, type, payload, came_by, received_at, created_at, handled_at)
           VALUES ('evt_1', 'x', 'zoe@x.example', 'webhook', $1, $1, $1)""",
        clock.now(),
    )
    invoice = await fetch_value("SELECT id FROM invoice")
    number, file = await get_invoice_file(invoice)
    assert file.startswith(b"%PDF")
    last_day = dt.datetime(paris_day(clock.now()).year + 11, 1, 1, tzinfo=PARIS) - dt.timedelta(days=1)
    with clock.shifted(last_day - clock.now()):
        await enforce_retention()
        assert (await get_invoice_file(invoice))[1] == file, "ten years are not over before their last day is"
        assert await fetch_value("SELECT payload FROM stripe_event") == "", "what was said to Stripe is over for long"
    with clock.shifted(last_day + dt.timedelta(days=2) - clock.now()):
        with pytest.raises(asyncpg.RestrictViolationError, match="nine years"):
            await enforce_retention()
        async with transaction():
            moved = [(chart.BANK_CHARGES, chart.DIFFERENCES_GAINED, 1)]
            await record("any", "of a later year", at=clock.now(), text="-", postings=moved)
        sums = await fetch(SUMS)
        await enforce_retention()
        with pytest.raises(Expired, match=f"{number} was kept for ten years"):
            await get_invoice_file(invoice)
        await render_pending_invoices()  # draws nothing anew
        assert await fetch_value("SELECT counterparty || remittance FROM bank_line WHERE id = $1", line) == ""
        assert await fetch_value("SELECT counterparty || remittance FROM bank_notice") == ""
        assert await fetch_value("SELECT count(*) FROM billing_details") == 0
        assert await overdue() == {}
        assert await fetch(SUMS) == sums
    for rewriting in (
        "UPDATE invoice SET document = 'x'",
        "UPDATE invoice SET document = '', total_minor = 1",
        "DELETE FROM invoice_file",
        "UPDATE bank_line SET remittance = 'x'",
        "UPDATE bank_notice SET remittance = 'x'",
        "DELETE FROM bank_notice",
    ):
        with pytest.raises(asyncpg.RestrictViolationError):
            await as_owner(rewriting)
