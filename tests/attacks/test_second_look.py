"""What a second look found, each at its smallest: nested proofs, days at their ends, names and passwords, caches, tokens."""

import uuid

import pytest

from marketplace.core.errors import Invalid
from marketplace.people.identity.rules import check_password, clean_text
from tests.finance.builders.pages import signed_in
from tests.oversight.builders import upload_proof
from tests.people.builders import Browser
from tests.sales.builders.auctions import open_auction
from tests.sales.builders.shop import make_buyer, make_sale, open_shop

ENDS = ("0001-01-01", "9999-12-31")


async def test_a_proof_of_nested_brackets_is_no_proof() -> None:
    async with Browser() as stranger:
        assert "no proof of the log" in await upload_proof(stranger, b"[" * 100_000)


@pytest.mark.parametrize("day", ENDS)
async def test_days_at_the_ends_of_the_calendar_get_a_sentence(day: str) -> None:
    month = day[:7]
    paths = [
        *(
            f"/finance/business{which}?until={day}"
            for which in ("", ".csv", "/behind", "/behind.csv", "/roles", "/roles.csv")
        ),
        f"/finance/periods?month={month}",
        f"/finance/rewards/gifts/{day}",
        f"/finance/einvoicing?month={month}",
    ]
    async with await signed_in("finance") as clerk, await signed_in("steward") as steward:
        asked = [await clerk.get(f"/en{path}") for path in paths]
        asked.append(await steward.get(f"/en/staff/funnel?until={day}"))
        token = {"_csrf_token": clerk.cookies["csrftoken"], "form_id": str(uuid.uuid4())}
        asked.append(await clerk.post("/en/finance/rewards/gifts", data=token | {"month": day}))
        token["_csrf_token"] = steward.cookies["csrftoken"]
        call = dict.fromkeys(("opens_at", "closes_at", "promise_from", "promise_to"), f"{day}T00:00")
        asked.append(await steward.post("/en/steward/calls/new", data=token | call | {"dataset": "lyon"}))
    assert not {str(one.url): one.status_code for one in asked if one.status_code >= 500}


@pytest.mark.parametrize(
    "password", ["Winter2026!!", "Summer2026!!", "Paris2026!!!", "Lyon2026!!!!", "!2026 Printemps!"]
)
def test_a_season_and_a_year_are_no_password(password: str) -> None:
    with pytest.raises(Invalid, match="easy to guess"):
        check_password(password, "zoe@line.example")


@pytest.mark.parametrize("sign", ["\u202e", "\u2066", "\u200f", "\ufeff", "\ufdd0", "\U0001fffe"])
def test_signs_that_turn_a_line_or_are_none_are_in_no_name(sign: str) -> None:
    with pytest.raises(Invalid, match="ordinary characters"):
        clean_text(f"Atelier {sign}gnp.exe")
    assert clean_text("می\u200cخواهم") == "می\u200cخواهم", "which Persian is written with"


async def test_what_any_cache_may_store_sets_nobodys_cookie() -> None:
    auction = await open_auction()
    async with Browser() as stranger:
        for path in (f"/en/auctions/{auction}/chart", f"/en/transparency/auctions/{auction}"):
            answer = await stranger.get(path)
            assert "public" in answer.headers["cache-control"] or "max-age" in answer.headers["cache-control"], path
            assert "set-cookie" not in answer.headers, path


@pytest.mark.usefixtures("stripe")
async def test_own_files_stay_in_no_cache() -> None:
    release = await open_shop()
    partner = await make_buyer()
    async with Browser() as buyer:
        await buyer.sign_in("atelier@partner.example")
        sold = await make_sale(buyer, partner, release)
        answer = await buyer.get(f"/en/quotes/{sold['quote']}/document.json")
        assert (answer.status_code, answer.headers["cache-control"]) == (200, "private, no-store")
