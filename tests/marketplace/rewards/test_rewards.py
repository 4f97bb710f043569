"""Rewards over HTTP: a bill credited line by line, a gift, a benefit, money kept; and the books to the cent."""

from __future__ import annotations

import uuid

import pytest

from marketplace.errors import Invalid
from marketplace.ledger.chart import BILL_CREDITS, GIFTS, OPERATOR_PAYABLE
from marketplace.payouts import actions as payouts
from marketplace.payouts import bank_details
from marketplace.rewards import actions
from tests.marketplace.earnings import sales
from tests.marketplace.earnings.test_pages import token, visiting, words
from tests.marketplace.payouts.payees import balance_of, claim, give_details, paying, paying_three
from tests.support.reads import fetch, fetch_value

IBAN = "FR7630006000011234567890189"
STATES = "SELECT subscriber, state FROM reward ORDER BY subscriber, state"


async def account(code: str) -> int:
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
        owed = await account(OPERATOR_PAYABLE)

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
        await post(
            nora, books, f"{books}/benefits", code="data-5", title_fr="5 Go", title_en="5 GB", price_minor="1000"
        )
        for wrong, sentence in (({"iban": "FR00"}, "no IBAN"), ({"code": "Ä"}, "needs a name")):
            assert sentence in await post(nora, books, f"{books}/associations", 422, **listed | wrong)
        assert "needs a code" in await post(nora, books, f"{books}/benefits", 422, code="x", price_minor="0")
        for browser, way in (
            (ada, {"way": "bill"}),
            (bob, {"way": "gift", "gift_to": "sea-rescue"}),
            (eve, {"way": "kept"}),
        ):
            await post(browser, mine, mine, **way)
        for wrong in ({"way": "gold"}, {"way": "gift"}):
            assert "Choose" in await post(ada, mine, mine, 422, **wrong)
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
        assert (await account(BILL_CREDITS), await account(GIFTS)) == (3333, 3333)
        assert "Sea Rescue" in words(await nora.get(books))
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
        assert await account(BILL_CREDITS) == 0
        assert await account(OPERATOR_PAYABLE) == owed + 1000
        assert "refused, and yours again no such bill" in words(await ada.get(mine))
        await post(ada, mine, mine, way="bank")
        assert await payouts.draft(), "and she is paid by transfer again"
        await post(nora, books, f"{books}/runs", way="bill")
        assert "Où va mon argent" in words(await ada.get("/fr/earnings/rewards"))
        assert "Factures, dons et avantages" in words(await nora.get("/fr/finance/rewards"))
        with pytest.raises(Invalid, match="UTF-8"):
            await actions.record_answer(b"\xff", None)


async def test_many_lines_of_one_account_are_shown_to_a_person() -> None:
    with paying():
        await sales.open_shop(range(1, 8))
        await give_details(1)
        await claim(*range(2, 8))
        for line in range(2, 8):
            await bank_details.write_details(line, holder="Farmer", iban=IBAN, details=uuid.uuid4())
        async with visiting(role="auditor") as iris:
            shown = words(await iris.get("/en/finance/rewards"))
        assert "FR … 0189 6 " in shown
        assert "Record it" not in shown
