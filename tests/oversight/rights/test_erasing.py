"""Erasing oneself: nothing that identifies is left in any table, log or object; the books balance and invoices stay."""

import asyncio
import contextlib
import datetime as dt
import uuid

import pytest

from marketplace.core import clock
from marketplace.core.database import execute, transaction
from marketplace.core.errors import Conflict, NotFound
from marketplace.oversight.rights.copies import write_copy
from marketplace.oversight.rights.erasing import erase, foresee
from marketplace.people.identity import actions as identity
from marketplace.people.identity import vault
from marketplace.people.mail import actions as mail
from marketplace.subscribers.payouts import actions as payouts
from marketplace.subscribers.payouts import bank_details
from tests.finance.builders.banking import bank_pays
from tests.oversight.builders import EMAIL, IBAN, LINE, identifiers, places_of, somebody
from tests.people.builders import PASSWORD, Browser, make_partner, make_staff, page_text
from tests.subscribers.builders import payees
from tests.subscribers.builders.payees import file_of_run
from tests.support.reads import fetch, fetch_value


async def test_nothing_that_identifies_is_left(capfd: pytest.CaptureFixture[str]) -> None:
    async with somebody() as zoe:
        mark, now = vault.fingerprint(EMAIL), clock.now()
        await execute(
            "INSERT INTO dead_address (person, fingerprint, answer, found_at) VALUES ($1, $2, '', $3)",
            zoe.id,
            mark,
            now,
        )
        searched = [*await identifiers(zoe), str(zoe.id)]
        kinds = {place.partition(":")[0] for place in await places_of(searched)}
        assert kinds >= {"person", "session", "bank_details", "question", "authenticator", "dead_address"}, (
            "the scan finds them before"
        )
        pseudonym = {f"{table}: {str(zoe.id)[:20]}" for table in ("erasure", "staff_action")}
        invoices = await fetch_value("SELECT count(*) FROM invoice")
        page = await zoe.browser.get("/en/profile/erase")
        assert "€33.33" in page.text
        assert (await zoe.browser.submit("/en/profile/erase", {})).status_code == 422, "asked once more"
        answer = await zoe.browser.submit("/en/profile/erase", {"sure": "yes"})
        assert answer.headers["location"] == "/en/goodbye"
        assert "You are erased" in page_text(await zoe.browser.get("/en/goodbye"))
        assert (await zoe.browser.get("/en/profile")).status_code == 303
        left = await places_of(searched)
        assert left == pseudonym, left
        assert await mail.send_mail() == 1
        assert await places_of(searched) == pseudonym, "and nothing more once the last letter is sent"
        _, to, letter = zoe.office.letters[-1]
        assert (to, letter["Subject"]) == (EMAIL, "Vous n’êtes plus sur Partage")
        assert not await fetch_value(
            "SELECT bool_or(given) FROM (SELECT DISTINCT ON (purpose) given FROM consent_record "
            "WHERE subscriber = 1 ORDER BY purpose, at DESC, id DESC) AS last"
        )
        assert (
            await fetch_value(
                "SELECT count(*) FROM retraction WHERE subscriber = 1 AND ends_at <= now() + interval '1 month'"
            )
            == 1
        )
        assert await fetch_value("SELECT count(*) FROM invoice") == invoices
        assert await payees.balance_of(LINE) > 33_000_000, "what is not paid stays with the line"
        logged = capfd.readouterr()
        assert not [one for one in searched if one in logged.out + logged.err]


async def test_the_last_payout_goes_out_before_the_bank_details_do() -> None:
    async with somebody() as zoe:
        outcome = await foresee(zoe.id)
        assert outcome.may_be_paid
        searched = await identifiers(zoe)
        with payees.paying(after=dt.timedelta(), PAYOUT_THRESHOLD_MINOR="100000"):
            assert (
                await zoe.browser.submit("/en/profile/erase", {"sure": "yes", "last_payout": "yes"})
            ).status_code == 303
            await bank_details.enforce_details_retention()
            run = await payees.draft_and_send(nora=await make_staff("Nora"), paul=await make_staff("Paul"))
            paid = await fetch("SELECT subscriber, amount_minor FROM payout WHERE run = $1", run)
            assert [tuple(row) for row in paid] == [(LINE, 3333)], "below the threshold, and nobody else is"
            assert IBAN.encode() in await file_of_run(run)
            await bank_details.enforce_details_retention()
            assert await bank_pays(run)
            await bank_details.enforce_details_retention()
            left = {
                place for place in await places_of(searched) if not place.startswith(("bank_line", "bank_statement"))
            }
            assert left == set()
            assert await fetch_value("SELECT count(*) FROM payout_choice") == 0
            assert await payees.balance_of(LINE) < 10_000


async def test_a_payout_under_way_is_paid_even_if_its_run_is_cancelled() -> None:
    async with somebody() as zoe:
        nora, paul = await make_staff("Nora"), await make_staff("Paul")
        run = await payouts.draft(nora)
        assert run
        assert not (await foresee(zoe.id)).may_be_paid, "all of it is under way already"
        await erase(zoe.id)
        await payouts.cancel(run, nora, reason="a wrong day")
        await bank_details.enforce_details_retention()
        again = await payees.draft_and_send(nora=nora, paul=paul)
        assert await fetch_value("SELECT amount_minor FROM payout WHERE run = $1", again) == 3333


async def test_erasing_is_all_or_nothing_and_asks_who_it_is() -> None:
    async with somebody() as zoe:
        with pytest.raises(RuntimeError):
            async with transaction():
                await erase(zoe.id)
                raise RuntimeError
        assert (await zoe.browser.get("/en/profile")).status_code == 200
        assert await fetch_value("SELECT given FROM consent_record WHERE subscriber = 1 ORDER BY id DESC LIMIT 1")
        await bank_details.remove_details(LINE)
        with pytest.raises(Conflict, match="no account"):
            await erase(zoe.id, last_payout=True)
        await execute("UPDATE session SET proved_at = $1", clock.now() - payees.DAYS_15)
        assert (await zoe.browser.get("/en/profile/erase")).headers["location"].startswith("/en/confirm")


async def test_two_clicks_at_once_erase_once_and_a_copy_under_way_ends() -> None:
    async with somebody() as zoe:
        writing = asyncio.create_task(write_copy(zoe.id))
        clicks = (zoe.browser.submit("/en/profile/erase", {"sure": "yes", "last_payout": "yes"}) for _ in range(3))
        answers = await asyncio.gather(*clicks)
        done = [answer.headers["location"] for answer in answers if answer.is_redirect]
        assert set(done) == {"/en/goodbye"}
        late = [answer.status_code for answer in answers if not answer.is_redirect]
        assert set(late) <= {401, 403}, "a click that comes once it is done is nobody's any more"
        with contextlib.suppress(NotFound):  # it may have been the first
            (await writing).close()
        await erase(zoe.id)
        with pytest.raises(NotFound):
            await write_copy(zoe.id)
        assert await fetch_value("SELECT count(*) FROM message WHERE kind = 'goodbye'") == 1
        verbs = await fetch("SELECT verb FROM staff_action WHERE person = $1 ORDER BY id", zoe.id)
        assert [row["verb"] for row in verbs][-1] == "person_erased", "nothing is noted of them after it"


async def test_a_colleague_leaves_and_the_company_stays() -> None:
    partner = await make_partner()
    code = await identity.invite_colleague(
        partner, email="nadia@atelier.example", name="Nadia Roux", invitation_id=uuid.uuid4()
    )
    person = await identity.accept_invitation(code, PASSWORD, "fr")
    async with Browser() as nadia:
        await nadia.sign_in("nadia@atelier.example")
        await nadia.submit("/en/keys", {"label": "Import of Nadia Roux", "scopes": "downloads", "days": "30"})
        assert await places_of(["Nadia Roux"]), "in the label of a key"
        assert (await nadia.submit("/en/profile/erase", {"sure": "yes"})).status_code == 303
    assert await places_of(["nadia@atelier.example", "Nadia Roux"]) == set()
    assert str(person) not in str(await fetch("SELECT * FROM person"))
    assert await fetch_value("SELECT count(*) FROM partner") == 1
