"""What cannot be bid is refused in one clear sentence, in the reader's language, over HTTP; and nothing is recorded of nonsense."""

import uuid
from typing import Any

import asyncpg
import httpx
import pytest

from marketplace.core.database import execute
from marketplace.sales.auctions.actions import cancel
from marketplace.sales.auctions.queries import get_auction
from tests.sales.auctions.webs import web_processes
from tests.sales.builders.auctions import make_bidder, open_auction, until_over
from tests.support.reads import fetch_value

ABSURD = (0, -1, 80_000_001, 10**15, 10**18, 2**63, 10**40)


def bid_body(maximum_minor: object = 5_000, currency: str = "EUR") -> dict[str, Any]:
    return {"currency": currency, "maximum_minor": maximum_minor}


@pytest.mark.long
async def test_each_refusal_is_one_clear_sentence() -> None:
    async def story(url: str) -> None:
        ann, bob, new = await make_bidder(), await make_bidder(), await make_bidder(vetted=False)
        auction, ended = await open_auction(), await open_auction(seconds=0.3, window_seconds=0)
        cancelled, sealed = await open_auction(), await open_auction("limited")
        await cancel(cancelled, "The release is late", by="Sam")
        async with httpx.AsyncClient(base_url=url, timeout=60) as web:

            async def put(
                where: uuid.UUID, body: object, key: str, bid: uuid.UUID | None = None, language: str = "en"
            ) -> tuple[int, str, dict[str, Any]]:
                answer = await web.put(
                    f"/api/v1/auctions/{where}/bids/{bid or uuid.uuid4()}",
                    json=body,
                    headers={"Authorization": f"Bearer {key}", "Accept-Language": language},
                )
                document = answer.json()
                return answer.status_code, document["detail"], document

            # What no auction accepts is refused before anything is written.
            for amount in ABSURD:
                status, sentence, _ = await put(auction, bid_body(amount), ann.key)
                assert status in (400, 422), amount
                assert "A bid is between 1 and 80000000 cents." in sentence or "maximum_minor" in sentence, sentence
            for amount in (50.5, "fifty", True, [50], {"minor": 50}):
                assert (await put(auction, bid_body(amount), ann.key))[:2] == (
                    400,
                    "Missing or malformed: maximum_minor.",
                ), amount
            assert (await put(auction, bid_body(currency="USD"), ann.key))[:2] == (422, "This auction is held in EUR.")
            assert (await put(auction, bid_body(), new.key))[0] == 403
            assert "not vetted yet" in (await put(auction, bid_body(), new.key))[1]
            assert (await put(auction, bid_body(), "nobody"))[:2] == (401, "Sign in first.")
            assert (await put(uuid.uuid4(), bid_body(), ann.key))[:2] == (404, "There is no such auction.")
            assert (await put(cancelled, bid_body(), ann.key))[:2] == (
                410,
                "This auction was cancelled: The release is late (Sam)",
            )
            assert (await put(sealed, bid_body(), ann.key))[:2] == (422, "This auction accepts sealed bids only.")
            assert await fetch_value("SELECT count(*) FROM bid") == 0

            # What is merely unlucky is answered, with a receipt.
            mine = uuid.uuid4()
            assert (await put(auction, bid_body(), ann.key, mine))[1] == "Accepted: you lead."
            for body, key, answer, english, french in (
                (bid_body(4_999), ann.key, "refused_not_a_raise", "you lead already", "vous êtes déjà en tête"),
                (bid_body(5_000), ann.key, "refused_not_a_raise", "you lead already", "vous êtes déjà en tête"),
                (bid_body(1_099), bob.key, "refused_below_minimum", "below the minimum", "sous le minimum"),
            ):
                status, sentence, document = await put(auction, body, key)
                assert (status, document["accepted"], document["answer"]) == (200, False, answer)
                assert english in sentence
                assert french in (await put(auction, body, key, language="fr"))[1].lower()
                assert document["receipt"]["document"]["answer"] == answer
            await until_over(ended)
            status, sentence, document = await put(ended, bid_body(), ann.key)
            assert (status, document["answer"], sentence) == (
                200,
                "refused_too_late",
                "Refused: the auction had closed when your bid was read.",
            )

            # The same request again, and what others might make of it.
            assert (await put(auction, bid_body(), ann.key, mine))[2]["repeated"]
            assert (await put(auction, bid_body(6_000), ann.key, mine))[0] == 409
            assert (await put(ended, bid_body(), ann.key, mine))[0] == 409
            assert (await put(auction, bid_body(), bob.key, mine))[:2] == (404, "There is no such bid.")
            own, others = ({"Authorization": f"Bearer {one.key}"} for one in (ann, bob))
            assert (await web.get(f"/api/v1/bids/{mine}", headers=own)).json()["detail"] == "Accepted: you lead."
            for headers, status in ((others, 404), ({}, 401)):
                assert (await web.get(f"/api/v1/bids/{mine}", headers=headers)).status_code == status
            row = await get_auction(auction)
            assert (row.bid_count, row.leader, row.price_minor) == (1, ann.partner, 1_000)

    with web_processes(1) as webs:
        await story(webs[0].url)


@pytest.mark.parametrize(
    "change", ["reserve_minor = 1", "opens_at = now()", "scheduled_close_at = now() + interval '9 days'"]
)
async def test_no_change_before_or_after_the_first_bid(change: str) -> None:
    auction = await open_auction()
    with pytest.raises(asyncpg.PostgresError, match="fixed when it is announced"):
        await execute(f"UPDATE auction SET {change} WHERE id = $1", auction)
    for lead in ("bid_count = -1", "closes_at = closes_at - interval '1 second'"):
        with pytest.raises(asyncpg.PostgresError, match="only goes forward"):
            await execute(f"UPDATE auction_lead SET {lead} WHERE auction = $1", auction)
    with pytest.raises(asyncpg.PostgresError):
        await execute("DELETE FROM auction_lead")
