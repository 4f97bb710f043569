"""Rewards over HTTP: a bill credited line by line, a gift, a benefit, money kept; and the books to the cent."""

import re
import uuid
from contextlib import AsyncExitStack
from typing import Any

import httpx
import pytest

from marketplace.core import clock
from marketplace.core.database import execute
from marketplace.core.errors import Invalid, NotAllowed
from marketplace.core.web.formats import paris_day
from marketplace.demo.bank import Bank
from marketplace.money.ledger.chart import BILL_CREDITS, GIFTS, OPERATOR_PAYABLE
from marketplace.money.ledger.periods import bounds, month_of
from marketplace.people.identity.actors import Actor
from marketplace.subscribers.payouts import actions as payouts
from marketplace.subscribers.payouts import bank_details
from marketplace.subscribers.rewards import actions
from tests.people.builders import kinds_written, token, visiting, words
from tests.subscribers.builders import sales
from tests.subscribers.builders.payees import balance_of, claim_lines, earn, paying, paying_three, write_bank_details
from tests.support.reads import fetch, fetch_value

IBAN = "FR7630006000011234567890189"
STATES = "SELECT subscriber, state FROM reward ORDER BY subscriber, state"


async def owed_on_account(code: str) -> int:
    """Return what an account owes, in cents."""
    return int(
        await fetch_value(
            """SELECT coalesce(sum(CASE WHEN credit = $1 THEN amount_minor ELSE -amount_minor END), 0)::bigint
               FROM posting WHERE $1 IN (debit, credit)""",
            code,
        )
    )


async def test_money_goes_where_people_say_and_billing_answers_line_by_line() -> None:
    async with (
        paying_three(),
        visiting(role="finance") as nora,
        visiting(1) as ada,
        visiting(2) as bob,
        visiting(3) as eve,
    ):
        owed = await owed_on_account(OPERATOR_PAYABLE)

        async def post(browser: object, page: str, path: str, status: int = 303, **fields: object) -> str:
            form = token(await browser.get(page)) | {"form_id": str(uuid.uuid4())}  # type: ignore[attr-defined]
            answer = await browser.post(path, data=form | fields)  # type: ignore[attr-defined]
            assert answer.status_code == status, words(answer)
            return words(answer) if status != 303 else ""

        mine, books = "/en/earnings/rewards", "/en/finance/rewards"
        assert "no benefit" in words(await ada.get(mine))
        listed = {"code": "sea-rescue", "name": "Sea Rescue", "iban": IBAN}
        for _ in range(2):
            await post(nora, books, f"{books}/associations", **listed)
        await post(nora, books, f"{books}/benefits", code="data-5", title_fr="5 Go", title_en="5 GB", price="10,00")
        other = {"iban": "FR1420041010050500013M02606"}
        assert "Something else is listed" in await post(nora, books, f"{books}/associations", 409, **listed | other)
        benefit = {"code": "data-5", "title_fr": "5 Go", "title_en": "5 GB"}
        assert "Something else is listed" in await post(nora, books, f"{books}/benefits", 409, **benefit, price="0.09")
        await post(nora, books, f"{books}/benefits", **benefit, price="10,00")
        for wrong, sentence in (({"iban": "FR00"}, "An IBAN begins with"), ({"code": "Ä"}, "needs a name")):
            assert sentence in await post(nora, books, f"{books}/associations", 422, **listed | wrong)
        assert "needs a code" in await post(nora, books, f"{books}/benefits", 422, code="x", price="0")
        assert "in euros" in await post(nora, books, f"{books}/benefits", 422, **benefit, price="ten")
        for browser, way in (
            (ada, {"way": "bill"}),
            (bob, {"way": "gift", "gift_to": "sea-rescue"}),
            (eve, {"way": "kept"}),
        ):
            await post(browser, mine, mine, **way)
        for wrong in ({"way": "gold"}, {"way": "gift"}):
            assert "Choose" in await post(ada, mine, mine, 422, **wrong)
        pages = [words(await browser.get("/en/earnings/payouts")) for browser in (ada, bob, eve)]
        assert all("Enough to be paid" not in one and "another way than a payout" in one for one in pages)
        where = ("goes on your phone bill", "to the association that you chose", "is kept here, until you choose")
        assert [sentence in one for sentence, one in zip(where, pages, strict=True)] == [True] * 3
        assert await payouts.draft() is None, "nobody wants a transfer"
        assert "not on the list" in await post(eve, mine, f"{mine}/buy", 422, benefit="gold")
        form = token(await eve.get(mine)) | {"form_id": str(uuid.uuid4()), "benefit": "data-5"}
        for _ in range(2):
            assert (await eve.post(f"{mine}/buy", data=form)).status_code == 303
        await post(eve, mine, f"{mine}/buy", benefit="data-5")
        await post(eve, mine, f"{mine}/buy", benefit="data-5")
        assert "does not cover" in await post(eve, mine, f"{mine}/buy", 409, benefit="data-5")
        for way in ("bill", "gift", "gift"):
            await post(nora, books, f"{books}/runs", way=way)
        assert (await balance_of(1), await balance_of(2)) == (3333, 3333), "whole cents are moved, millionths stay"
        assert (await owed_on_account(BILL_CREDITS), await owed_on_account(GIFTS)) == (3333, 3333)
        assert "€33.33 to 1 association." in words(await nora.get(books))
        assert "Your gifts of" in words(await bob.get(mine))
        file = (await nora.get(f"{books}/billing.csv")).text
        lines = [line.split(",") for line in file.splitlines()]
        assert lines[0] == ["id", "reference", "what", "amount_minor", "currency"]
        assert sorted(line[1:] for line in lines[1:]) == [
            ["1", "credit", "3333", "EUR"],
            *[["3", "data-5", "1000", "EUR"]] * 3,
        ]
        bill = next(line[0] for line in lines if line[1] == "1")
        bought = [line[0] for line in lines if line[1] == "3"]
        answered = (
            f"id,status,reason\n{bill},refused,no such bill\n{bought[0]},credited,\n{bought[1]},refused,sold out\n"
        )
        for text, sentence in (
            ("", "begins with"),
            ("id,status,reason\nx,credited,\n", "Row 1"),
            (f"id,status,reason\n{bill},maybe,\n", "Row 1"),
            (f"id,status,reason\n{uuid.uuid4()},credited,\n", "not open"),
            (answered + f"{bill},credited,\n", "twice"),
        ):
            assert sentence in await post(nora, books, f"{books}/answers", 422, answer=text)
        for _ in range(2):
            await post(nora, books, f"{books}/answers", answer=answered)
        assert [(row["subscriber"], row["state"]) for row in await fetch(STATES)] == [
            (1, "refused"),
            (2, "done"),
            (3, "done"),
            (3, "open"),
            (3, "refused"),
        ]
        assert await balance_of(1) == 33_333_333
        assert await owed_on_account(BILL_CREDITS) == 0
        assert await owed_on_account(OPERATOR_PAYABLE) == owed + 1000
        assert "refused, and yours again no such bill" in words(await ada.get(mine))
        stated = words(await eve.get(f"/en/earnings/statements/{paris_day(clock.now()).year}"))
        assert re.search(r"Paid out \S?€0\.00.*Phone bill, gifts, benefits \S?€20\.00", stated), stated
        assert "It claims no category of income" in stated
        await post(ada, mine, mine, way="bank")
        assert await payouts.draft(), "and she is paid by transfer again"
        await post(nora, books, f"{books}/runs", way="bill")
        assert "Où va mon argent" in words(await ada.get("/fr/earnings/rewards"))
        assert "Forfait, dons et avantages" in words(await nora.get("/fr/finance/rewards"))
        with pytest.raises(Invalid, match="UTF-8"):
            await actions.record_answer(b"\xff", None)


async def test_a_months_gifts_are_one_payment_each_and_a_receipt() -> None:
    async with (
        paying_three(),
        visiting(role="finance") as nora,
        visiting(role="finance") as paul,
        visiting(role="auditor") as iris,
        visiting(1) as ada,
        visiting(2) as bob,
        visiting(3) as eve,
    ):
        mine, books = "/en/earnings/rewards", "/en/finance/rewards"

        async def post(browser: Any, page: str, path: str, status: int = 303, **fields: object) -> str:
            form = token(await browser.get(page)) | {"form_id": str(uuid.uuid4())}
            answer = await browser.post(path, data=form | fields)
            assert answer.status_code == status, words(answer)
            return words(answer) if status != 303 else ""

        for code in ("sea-rescue", "red-cross"):
            await post(nora, books, f"{books}/associations", code=code, name=f"The {code}", iban=IBAN)
        for browser, code in ((ada, "sea-rescue"), (bob, "sea-rescue"), (eve, "red-cross")):
            await post(browser, mine, mine, way="gift", gift_to=code)
        await post(nora, books, f"{books}/runs", way="gift")
        now = clock.now()
        month = month_of(now)
        assert (await iris.get(f"{books}/gifts/{month}")).status_code == 404, "nothing is paid yet"
        assert "once it is over" in await post(paul, books, f"{books}/gifts", 409, month=str(month))
        assert "once it is over" in await post(paul, books, f"{books}/gifts", 409, month=str(month.replace(day=2)))
        with clock.started_at(bounds(month)[1]):
            async with visiting(role="finance") as later:
                for _ in range(2):
                    await post(later, books, f"{books}/gifts", month=str(month))
                nora_again = await fetch_value("SELECT listed_by FROM association LIMIT 1")
                with pytest.raises(NotAllowed, match="somebody else"):
                    await actions.pay_gifts(month, Actor("Nora", person=nora_again, role="finance"))
                shown = words(await later.get(books))
                assert "The sea-rescue" in shown
                file = (await later.get(f"{books}/gifts/{month}")).content
                assert file == (await later.get(f"{books}/gifts/{month}")).content
                assert b"GrpSts>ACCP" in Bank(IBAN).submit(file)
        assert file.count(b"<CdtTrfTxInf>") == 2, "one payment each"
        assert b'<InstdAmt Ccy="EUR">66.66</InstdAmt>' in file
        assert await owed_on_account(GIFTS) == 3 * 3333, "until the bank's line is explained"
        receipt = await ada.get(f"{mine}/gifts/{paris_day(now).year}")
        assert receipt.content.startswith(b"%PDF")
        assert (await ada.get(f"{mine}/gifts/1999")).status_code == 404
        await execute("UPDATE session SET device = 'Firefox', network = '192.0.2.0'")
        assert "Firefox, 192.0.2.0" not in words(await iris.get(books)), "three are a family"


async def test_what_waits_for_a_person_waits_at_another_account_too_but_not_for_the_next_holder() -> None:
    own, waiting = (
        "FR1420041010050500013M02606",
        "SELECT array_agg(subscriber ORDER BY subscriber) FROM bank_details WHERE ended_at IS NULL AND held_at IS NOT NULL",
    )
    with paying():
        await sales.write_lines(range(1, 5))
        await claim_lines(*range(1, 5))
        for line in range(1, 5):
            await bank_details.write_details(line, holder="Farmer", iban=IBAN, details=uuid.uuid4())
        assert await bank_details.mark_held([1, 2, 3], clock.now()) == [1, 2, 3]
        await bank_details.remove_details(2)
        await execute("UPDATE subscriber SET claimed_at = $1 WHERE reference = 3", clock.now())
        for line in range(1, 5):
            await bank_details.write_details(line, holder="Farmer", iban=own, details=uuid.uuid4())
        assert await fetch_value(waiting) == [1, 2], (
            "moving, or removing first, decides nothing; the next holder is another person"
        )
        async with visiting(role="auditor") as iris:
            assert "FR … 2606 4 lines" in words(await iris.get("/en/finance/rewards")), "and is there to be decided"


async def test_many_lines_of_one_account_are_shown_to_a_person_whose_decision_is_recorded_and_sent() -> None:
    with paying():
        await sales.write_lines(range(1, 9))
        await earn(dict.fromkeys(range(1, 9), 1), 80_000)
        await write_bank_details(1)
        await claim_lines(*range(2, 9))
        for line in range(2, 8):
            await bank_details.write_details(line, holder="Farmer", iban=IBAN, details=uuid.uuid4())
        books = "/en/finance/rewards"
        async with AsyncExitStack() as open_:
            two, *_ = [await open_.enter_async_context(visiting(line)) for line in range(2, 7)]
            iris, nora = [await open_.enter_async_context(visiting(role=role)) for role in ("auditor", "finance")]
            await execute("UPDATE session SET device = 'Firefox', network = '192.0.2.0'")
            shown = words(await iris.get(books))
            assert "FR … 0189 6 lines" in shown
            assert "Firefox, 192.0.2.0 5 lines" in shown
            assert "Decide" not in shown

            async def decide(kind: str, status: int = 303, **choice: str) -> httpx.Response:
                page = (await nora.get(books)).text
                form = next(one for one in re.findall(r"<form.*?</form>", page, re.DOTALL) if f'value="{kind}"' in one)
                fields = dict(re.findall(r'type="hidden" name="(\w+)" value="([^"]*)"', form))
                for _ in range(2):
                    answer = await nora.post(f"{books}/farms", data=fields | choice)
                    assert answer.status_code == status, words(answer)
                return answer

            await decide("account", 422, decision="wait", reason=" ")
            await decide("account", 422, decision="punish", reason="a farm")
            await decide("account", 404, decision="wait", reason="a farm", key="0" * 64)
            await decide("account", decision="wait", reason="six strangers, one account")
            assert (await kinds_written()).count("payouts_wait") == 6
            assert "Your payouts wait since" in words(await two.get("/en/earnings/bank-details"))
            assert "once a person of finance has checked" in words(await two.get("/en/earnings/payouts"))
            run = await payouts.draft()
            paid = await fetch("SELECT subscriber FROM payout WHERE run = $1", run)
            assert [row["subscriber"] for row in paid] == [1], "others are paid"
            shown = words(await iris.get(books))
            assert re.search(r"Payouts wait Ada, .*: six strangers, one account", shown), shown
            await bank_details.write_details(8, holder="Farmer", iban=IBAN, details=uuid.uuid4())
            assert "It had 6 lines then." in words(await iris.get(books)), "it grew, so it is for a person again"
            for line, iban in ((2, IBAN), (3, "FR1420041010050500013M02606"), (3, IBAN)):
                await bank_details.write_details(line, holder="Farmeur", iban=iban, details=uuid.uuid4())
            await bank_details.remove_details(4)
            await bank_details.write_details(4, holder="Farmer", iban=IBAN, details=uuid.uuid4())
            waiting = "SELECT count(*) FROM bank_details WHERE held_at IS NOT NULL AND ended_at IS NULL"
            assert await fetch_value(waiting) == 6, (
                "the same account waits beside another name, or removed and written again"
            )
            await decide("browser", decision="fine", reason="a home for the elderly; the director called")
            assert (await kinds_written()).count("payouts_go_on") == 5, "those of the browser; 7 waits"
            await decide("account", decision="fine", reason="the same home")
            assert (await kinds_written()).count("payouts_go_on") == 6
            await decide("browser", decision="wait", reason="no such home")
            await execute("UPDATE session SET device = ''")
            for line in range(4, 9):
                await bank_details.remove_details(line)
            shown = words(await nora.get(books))
            assert "FR … 0189 2 lines" in shown, "what waits is there to be decided, however few they are by now"
            assert "Payouts wait Nothing wrong Ada" in shown
            assert "Have payouts wait" not in shown
            await decide("account", decision="fine", reason="a letter of the mayor")
            assert "FR … 0189" not in words(await nora.get(books))
        trail = await fetch("SELECT reason, person FROM staff_action WHERE verb = 'farm_decided' ORDER BY id")
        assert [row["reason"][:3] for row in trail] == ["six", "a h", "the", "no ", "a l"]
        assert await fetch_value(waiting) == 0
        with pytest.raises(Exception, match="farm_decision"):
            await execute("DELETE FROM farm_decision")
