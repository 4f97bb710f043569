"""The subscriber's pages over HTTP: exact to the millionth, one's own only, one row a click."""

import base64
import datetime as dt
import re
import uuid

import httpx
import pytest

from marketplace.consent.purposes import actions as consent
from marketplace.core import clock
from marketplace.core.signing import verify
from marketplace.subscribers.earnings.actions import cancel_shares, hold_shares
from tests.people.builders import token, visiting, words
from tests.subscribers.builders import sales
from tests.support.reads import fetch_value


def consent_forms(answer: httpx.Response) -> list[dict[str, str]]:
    """Return the fields of every form that switches consent."""
    found = re.findall(r'<form method="post" action="/en/consent">(.*?)</form>', answer.text, re.DOTALL)
    return [dict(re.findall(r'name="([^"]+)" value="([^"]*)"', form)) for form in found]


async def one_sale() -> uuid.UUID:
    await sales.write_lines()
    licence = await sales.write_sale(await sales.seal_weights({1: 3, 2: 3, 4: 1}), 10_001, fee=318)
    await hold_shares()
    return licence


async def test_who_is_not_signed_in_is_asked_to_sign_in() -> None:
    async with visiting() as nobody:
        for path in (
            "/earnings",
            "/consent",
            f"/earnings/shares/{uuid.uuid4()}",
            f"/consent/receipts/{uuid.uuid4()}",
        ):
            answer = await nobody.get(f"/en{path}")
            assert answer.status_code == 303
            assert "/en/sign-in" in answer.headers["location"]


async def test_staff_have_no_earnings() -> None:
    async with visiting(role="finance") as clerk:
        for path in ("/en/earnings", "/en/consent"):
            assert (await clerk.get(path)).status_code == 403


async def test_earnings_show_held_then_mine() -> None:
    await one_sale()
    async with visiting(4) as ada:
        answer = await ada.get("/en/earnings")
        assert answer.status_code == 200
        assert "Held €7.14" in words(answer)
        assert "Yours now €0.00" in words(answer)
        assert "Acme" not in answer.text
        await sales.close_month()
        assert "Yours now €7.14 Held" in words(await ada.get("/en/earnings"))
        assert "Yours now €7.144285" in words(await ada.get("/en/earnings/shares"))
        french = words(await ada.get("/fr/earnings"))
        assert "À vous dès maintenant 7,14 €" in french
        year = await fetch_value(
            "SELECT extract(year FROM at AT TIME ZONE 'Europe/Paris')::int FROM share_run WHERE kind = 'release' AND people > 0"
        )
        assert "Together €0.000000 €7.144285" in words(await ada.get(f"/en/earnings/statements/{year}"))
        assert (await ada.get("/en/earnings/statements/1999")).status_code == 404


async def test_a_share_shows_the_whole_chain() -> None:
    licence = await one_sale()
    async with visiting(4) as ada:
        shown = words(await ada.get(f"/en/earnings/shares/{licence}"))
        for step in (
            "€100.01",
            "50% of the posted price",
            "€50.01",
            "7 all the people it publishes",
            "€7.144285",
        ):
            assert step in shown, step
        assert "a vetted partner" in shown
        await sales.refund_licence(licence)
        await cancel_shares()
        assert "the sale was refunded" in words(await ada.get(f"/en/earnings/shares/{licence}"))
        assert "À vous" not in words(await ada.get(f"/fr/earnings/shares/{licence}"))


async def test_a_share_of_others_does_not_exist() -> None:
    licence = await one_sale()
    async with visiting(3) as bob:
        assert (await bob.get(f"/en/earnings/shares/{licence}")).status_code == 404
        assert (await bob.get(f"/en/earnings/shares/{uuid.uuid4()}")).status_code == 404
        assert (await bob.get("/en/earnings/shares/none")).status_code == 404
        assert "No share yet." in words(await bob.get("/en/earnings/shares"))
        assert "Nothing earned yet." in words(await bob.get("/en/earnings"))


async def test_shares_are_paged() -> None:
    await sales.write_lines()
    release = await sales.seal_weights({1: 1})
    for number in range(27):
        await sales.write_sale(release, 1000 + number)
    await hold_shares()
    async with visiting(1) as ada:
        pages = [await ada.get(f"/en/earnings/shares?page={number}") for number in (1, 2, 3)]
        assert [page.text.count('href="/en/earnings/shares/') for page in pages] == [25, 2, 0]
        assert (await ada.get("/en/earnings/shares?page=0")).status_code == 400
        assert len(pages[0].content) < 150_000


async def test_one_click_gives_and_one_withdraws_and_repeats_nothing() -> None:
    await sales.write_lines()
    async with visiting(1) as ada:
        for given in (True, False):
            (form,) = consent_forms(await ada.get("/en/consent"))
            assert form["word"] == ("give" if given else "withdraw")
            answers = [await ada.post("/en/consent", data=form) for _ in range(3)]
            assert [answer.status_code for answer in answers] == [303] * 3
            assert answers[0].headers["location"] == "/en/consent"
            assert await fetch_value("SELECT count(*) FROM consent_record") == (1 if given else 2)
        shown = words(await ada.get("/en/consent"))
        assert "You have withdrawn." in shown
        assert "first release without you: the next one." in shown


async def test_one_click_withdraws_from_everything_and_repeats_nothing() -> None:
    await sales.write_lines()
    other = await consent.define_purpose("trips", "statistics", title_fr="Trajets", title_en="Trips")
    await consent.publish_notice(other, text_fr="On compte.", text_en="We count.")
    async with visiting(1) as ada:
        assert "Withdraw everything" not in words(await ada.get("/en/consent")), "there is nothing to withdraw"
        for purpose in (sales.PURPOSE, other):
            await consent.give(1, purpose)
        form = token(await ada.get("/en/consent")) | {"form_id": str(uuid.uuid4())}
        answers = [await ada.post("/en/consent/withdraw-everything", data=form) for _ in range(3)]
        assert [answer.headers["location"] for answer in answers] == ["/en/consent"] * 3
        assert await fetch_value("SELECT count(*) FROM consent_record WHERE NOT given") == 2
        assert words(await ada.get("/en/consent")).count("You have withdrawn.") == 2


async def test_a_first_visit_confirms_or_withdraws_what_was_agreed_to_elsewhere() -> None:
    await sales.write_lines()
    async with visiting(1) as ada:
        assert "Nothing so far." in words(await ada.get("/en/welcome"))
        await consent.give(1, sales.PURPOSE, channel="shop")
        shown, in_french = await ada.get("/en/welcome"), words(await ada.get("/fr/welcome"))
        assert re.search(r"You agreed on [^,]+, in a shop\.", words(shown)), "when, and through which channel"
        assert ", en boutique." in in_french
        assert "de nombreuses ventes" in in_french
        asked = token(shown) | {"purpose": sales.PURPOSE, "first_visit": "true"}
        for word, sentence in (("give", "You agreed on"), ("withdraw", "You withdrew on")):
            answer = await ada.post("/en/consent", data=asked | {"word": word, "form_id": str(uuid.uuid4())})
            assert answer.headers["location"] == "/en/welcome"
            assert sentence in words(await ada.get("/en/welcome"))


async def test_a_form_that_says_something_else_changes_nothing() -> None:
    await sales.write_lines()
    async with visiting(1) as ada:
        (form,) = consent_forms(await ada.get("/en/consent"))
        for wrong, status in (
            ({"word": "sell"}, 422),
            ({"purpose": "no.such"}, 404),
            ({"form_id": "1"}, 400),
            ({"_csrf_token": "x"}, 403),
        ):
            answer = await ada.post("/en/consent", data=form | wrong)
            assert answer.status_code == status, wrong
        assert await fetch_value("SELECT count(*) FROM consent_record") == 0


async def test_withdrawal_shows_the_first_release_without_them() -> None:
    await sales.write_lines()
    now = clock.now()
    await consent.give(1, sales.PURPOSE, at=now - 6 * sales.MONTH)
    await sales.seal_weights({1: 1}, started_at=now - 3 * sales.MONTH)
    async with visiting(1) as ada:
        assert "first release without you" not in words(await ada.get("/en/consent"))
        await consent.withdraw(1, sales.PURPOSE, at=now - 2 * sales.MONTH)
        assert "Lyon by the hour" in words(await ada.get("/en/consent"))
        await sales.seal_weights({2: 1}, started_at=now - 2 * sales.MONTH)
        await sales.seal_weights({2: 1}, started_at=now - sales.MONTH)
        shown = words(await ada.get("/en/consent"))
        sealed = now - 2 * sales.MONTH + dt.timedelta(hours=1)
        from marketplace.core.web.formats import date  # noqa: PLC0415

        assert f"sealed on {date(sealed)}." in shown


async def test_the_next_release_is_expected_when_its_period_is_over() -> None:
    await sales.write_lines()
    now = clock.now()
    await consent.give(1, sales.PURPOSE, at=now - 6 * sales.MONTH)
    await sales.seal_weights({1: 1}, started_at=now - dt.timedelta(days=10))
    await consent.withdraw(1, sales.PURPOSE)
    async with visiting(1) as ada:
        assert "the next one, expected after" in words(await ada.get("/en/consent"))


async def test_a_receipt_is_signed_and_ones_own() -> None:
    await sales.write_lines()
    receipt = await consent.give(1, sales.PURPOSE)
    async with visiting(1) as ada, visiting(2) as bob:
        assert str(receipt) in (await ada.get("/en/consent")).text
        assert "We count passing by." in words(await ada.get(f"/en/consent/receipts/{receipt}"))
        signed = (await ada.get(f"/en/consent/receipts/{receipt}.json")).json()
        document, signature, key = (base64.b64decode(signed[name]) for name in ("canonical", "signature", "public_key"))
        assert verify(document, signature, key)
        assert not verify(document + b" ", signature, key)
        for suffix in ("", ".json"):
            assert (await bob.get(f"/en/consent/receipts/{receipt}{suffix}")).status_code == 404
        assert (await ada.get("/en/consent/receipts/none.json")).status_code == 404


@pytest.mark.parametrize("path", ["/earnings", "/earnings/shares", "/consent"])
async def test_french_pages_have_no_english_left(path: str) -> None:
    await one_sale()
    await consent.give(4, sales.PURPOSE)
    await consent.withdraw(4, sales.PURPOSE)
    async with visiting(4) as ada:
        shown = words(await ada.get(f"/fr{path}")) + words(await ada.get("/fr/consent"))
        assert not re.search(r"\b(your|release|share|until|consent to|withdrawn|receipt)\b", shown.lower()), shown
