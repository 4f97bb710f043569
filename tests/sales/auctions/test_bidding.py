"""A bid is answered once: accepted or refused, in one order, with a receipt that anyone can check."""

import asyncio
import datetime as dt
import json
import secrets
import uuid

import asyncpg
import httpx
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from marketplace.core import sealing
from marketplace.core.database import DB, execute, transaction
from marketplace.core.errors import Conflict, Expired, Invalid, NotAllowed, NotFound
from marketplace.core.instants import microseconds
from marketplace.core.settings import settings
from marketplace.core.signing import public_key
from marketplace.people.identity.actors import Actor
from marketplace.people.messages.queries import list_messages
from marketplace.people.messages.rules import Recipient
from marketplace.sales.auctions import placing, rules
from marketplace.sales.auctions.actions import cancel, place_bid, place_sealed_bid
from marketplace.sales.auctions.kinds import limited
from marketplace.sales.auctions.queries import get_auction, list_log
from tests.people.builders import kinds_written
from tests.sales.builders.auctions import Bidder, bid_for, make_bidder, move_end, open_auction
from tests.support.owner import as_owner
from tests.support.reads import fetch, fetch_value, list_facts
from tests.support.sites import the_site
from tests.support.waiting import until


async def test_bidders_outbid_one_another_by_proxy() -> None:
    auction = await open_auction()
    ann, bob = await make_bidder(), await make_bidder()
    first = await place_bid(ann.actor, auction, bid=uuid.uuid4(), maximum_minor=10_000)
    assert (first.answer, first.position) == ("leading", 1)
    assert (await get_auction(auction)).price_minor == 1_000
    second = await place_bid(bob.actor, auction, bid=uuid.uuid4(), maximum_minor=8_000)
    assert (second.answer, second.position) == ("outbid_at_once", 2)
    assert (await get_auction(auction)).price_minor == 8_250
    third = await place_bid(bob.actor, auction, bid=uuid.uuid4(), maximum_minor=10_000)
    assert third.answer == "outbid_at_once"
    assert (await get_auction(auction)).price_minor == 10_000
    fourth = await place_bid(bob.actor, auction, bid=uuid.uuid4(), maximum_minor=50_000)
    assert fourth.answer == "leading"
    row = await get_auction(auction)
    assert (row.leader, row.price_minor, row.bid_count) == (bob.partner, 10_250, 4)
    assert [entry.position for entry in await list_log(auction)] == [1, 2, 3, 4]
    assert await kinds_written() == ["outbid"], "Ann once; Bob, who never led, not at all"


async def test_who_is_outbid_is_written_in_the_transaction_of_the_bid(monkeypatch: pytest.MonkeyPatch) -> None:
    auction = await open_auction()
    ann, bob, carl = [await make_bidder() for _ in range(3)]

    async def bid(*bidders: tuple[Bidder, int]) -> list[str]:
        """Place bids together, and return their ids."""
        bids = [placing.OpenBid(uuid.uuid4(), one.spender, bid_for(maximum)) for one, maximum in bidders]
        placed = await placing.place_open_bids(auction, bids)
        assert placed
        assert all(one.bid and one.bid.answer == "leading" for one in placed)
        return [str(one.id) for one in bids]

    async def written() -> set[tuple[str, str]]:
        """Return to whom it was written, by the last bid that led."""
        rows = await fetch("SELECT recipient, source_id FROM message WHERE kind = 'outbid'")
        return {(row["recipient"], row["source_id"]) for row in rows}

    [first] = await bid((ann, 10_000))
    with pytest.raises(ZeroDivisionError):
        async with transaction():
            await bid((bob, 20_000))
            assert await written() == {(str(ann.partner), first)}, "before anything else, a job included, has run"
            _ = 1 // 0
    assert await written() == set(), "both or none"
    bobs, carls = await bid((bob, 20_000), (carl, 30_000))
    both = {(str(ann.partner), first), (str(bob.partner), bobs)}
    assert await written() == both, "who led before, and who led between two bids that were decided together"
    await bid((ann, 40_000), (bob, 50_000))
    assert await written() == both | {(str(carl.partner), carls)}, "Ann was written this very second"
    monkeypatch.setattr(placing, "QUIET_FOR", dt.timedelta(0))
    monkeypatch.setattr(placing, "MOST_REMEMBERED", 2)
    [anns] = await bid((ann, 60_000))
    await bid((carl, 70_000))
    assert (str(ann.partner), anns) in await written()
    [message] = (await list_messages([Recipient("partner", str(carl.partner))], uuid.uuid4(), "fr", 1)).rows
    assert (message.subject, message.path) == ("Votre enchère est dépassée", f"/auctions/{auction}")


async def test_a_late_bid_moves_the_end() -> None:
    auction = await open_auction(seconds=30, window_seconds=60, extension_seconds=90)
    before = await get_auction(auction)
    await place_bid((await make_bidder()).actor, auction, bid=uuid.uuid4(), maximum_minor=2_000)
    after = await get_auction(auction)
    received = (await list_log(auction))[0].received_at
    assert after.closes_at == received + dt.timedelta(seconds=90) > before.closes_at
    assert after.scheduled_close_at == before.closes_at


async def test_the_same_request_gets_the_same_answer_and_another_body_does_not() -> None:
    auction = await open_auction()
    ann, bob, bid = await make_bidder(), await make_bidder(), uuid.uuid4()
    first = await place_bid(ann.actor, auction, bid=bid, maximum_minor=5_000)
    await place_bid(bob.actor, auction, bid=uuid.uuid4(), maximum_minor=9_000)
    again = await place_bid(ann.actor, auction, bid=bid, maximum_minor=5_000)
    assert again.is_repeated
    assert (again.document, again.signature) == (first.document, first.signature)
    with pytest.raises(Conflict):
        await place_bid(ann.actor, auction, bid=bid, maximum_minor=6_000)
    with pytest.raises(NotFound):
        await place_bid(bob.actor, auction, bid=bid, maximum_minor=5_000)
    low = uuid.uuid4()
    refused = await place_bid(ann.actor, auction, bid=low, maximum_minor=1_000)
    assert (refused.answer, refused.accepted) == ("refused_below_minimum", False)
    assert (await place_bid(ann.actor, auction, bid=low, maximum_minor=1_000)).document == refused.document
    assert (await get_auction(auction)).bid_count == 2
    assert await fetch_value("SELECT count(*) FROM bid") == 3


async def test_twenty_copies_of_one_request_at_once_are_one_bid() -> None:
    auction, ann, bid = await open_auction(), await make_bidder(), uuid.uuid4()
    answers = await asyncio.gather(
        *(asyncio.create_task(place_bid(ann.actor, auction, bid=bid, maximum_minor=5_000)) for _ in range(20))
    )
    assert len({answer.document for answer in answers}) == 1
    assert sum(not answer.is_repeated for answer in answers) == 1
    assert (await get_auction(auction)).bid_count == 1


async def test_the_instant_is_read_once_the_row_is_held() -> None:
    """A bid that waits for the row across the end is too late, however early it was sent."""
    auction, ann = await open_auction(seconds=0.6, window_seconds=0), await make_bidder()
    assert DB.pool
    async with DB.pool.acquire() as other, other.transaction():
        await other.fetchval("SELECT id FROM auction WHERE id = $1 FOR UPDATE", auction)
        waiting = asyncio.create_task(place_bid(ann.actor, auction, bid=uuid.uuid4(), maximum_minor=5_000))
        over = "SELECT clock_timestamp() >= closes_at FROM auction_lead WHERE auction = $1"
        await until(lambda: other.fetchval(over, auction))
    assert (await waiting).answer == "refused_too_late"


async def test_the_receipt_is_signed_and_says_what_happened() -> None:
    auction, ann, bid = await open_auction(), await make_bidder(), uuid.uuid4()
    answer = await place_bid(ann.actor, auction, bid=bid, maximum_minor=5_000)
    key = Ed25519PublicKey.from_public_bytes(public_key(settings().signing_key))
    key.verify(answer.signature, answer.document)
    document = json.loads(answer.document)
    assert (document["bid"], document["position"], document["answer"], document["maximum_minor"]) == (
        str(bid),
        1,
        "leading",
        5_000,
    )
    stored = (await fetch("SELECT * FROM bid"))[0]
    assert microseconds(stored["received_at"]) == document["received_at"]


async def test_a_sealed_bid_is_nowhere_in_the_database() -> None:
    auction, ann, bid, nonce = (
        await open_auction("limited", licences=2),
        await make_bidder(),
        uuid.uuid4(),
        secrets.token_hex(32),
    )
    answer = await place_sealed_bid(ann.actor, auction, bid=bid, nonce=nonce, packages=[([0], 7_654_321)])
    assert (answer.answer, answer.position) == ("sealed", 1)
    rows = await fetch("SELECT bid::text AS text FROM bid UNION ALL SELECT auction::text FROM auction")
    assert not any("7654321" in row["text"] or b"7654321".hex() in row["text"] for row in rows)
    stored = (await fetch("SELECT * FROM bid"))[0]
    opened = sealing.unseal(stored["sealed"], bid, settings().bid_key)
    assert opened["content"] == {"amount_minor": 7_654_321}
    row = await get_auction(auction)
    named = rules.pseudonym(row.salt, ann.partner)
    bound = limited.KIND.bids.commitments(row, named, opened["content"], opened["nonce"], stored["covered_minor"])
    assert bound == stored["commitments"] == json.loads(answer.document)["commitments"]
    with pytest.raises(sealing.UnopenableError):
        sealing.unseal(stored["sealed"], uuid.uuid4(), settings().bid_key)
    with pytest.raises(sealing.UnopenableError):
        sealing.unseal(stored["sealed"], bid, "ab" * 32)
    again = await place_sealed_bid(ann.actor, auction, bid=bid, nonce=nonce, packages=[([0], 7_654_321)])
    assert again.is_repeated
    assert again.document == answer.document
    with pytest.raises(Conflict):
        await place_sealed_bid(ann.actor, auction, bid=bid, nonce=nonce, packages=[([0], 7_654_322)])
    low = await place_sealed_bid(
        (await make_bidder()).actor, auction, bid=uuid.uuid4(), nonce=nonce, packages=[([0], 999)]
    )
    assert low.answer == "refused_below_minimum"
    sizes = await fetch("SELECT DISTINCT length(sealed) AS size FROM bid")
    assert len(sizes) == 1, "a ciphertext's length reveals nothing"


async def test_what_is_announced_never_changes() -> None:
    auction, ann = await open_auction(), await make_bidder()
    for change in (
        "reserve_minor = 1",
        "licences = 2",
        "salt = ''",
        "opens_at = now()",
        "bid_count = -1",
        "state = 'awarded'",
    ):
        with pytest.raises(asyncpg.PostgresError):
            await execute(f"UPDATE auction SET {change} WHERE id = $1", auction)
    await place_bid(ann.actor, auction, bid=uuid.uuid4(), maximum_minor=5_000)
    for statement in (
        "UPDATE bid SET maximum_minor = 1",
        "DELETE FROM bid",
        "DELETE FROM auction",
        f"DELETE FROM partner WHERE id <> '{ann.partner}'",
    ):
        with pytest.raises(asyncpg.PostgresError):
            await as_owner(statement)
    for stranger in ("partner", "auction"):
        columns = {"auction": "auction", "partner": "partner"} | {stranger: "gen_random_uuid()"}
        with pytest.raises(asyncpg.ForeignKeyViolationError):
            await as_owner(
                f"""INSERT INTO bid (auction, partner, pseudonym, received_at, maximum_minor, commitments, answer, closes_at)
                    SELECT {columns["auction"]}, {columns["partner"]}, pseudonym, received_at, 1, '{{}}', 'refused_too_late', closes_at
                    FROM bid"""
            )
    with pytest.raises(Conflict):
        await cancel(auction, "No longer for sale", by="Steward")


async def test_an_auction_nobody_bid_in_can_be_cancelled_with_a_reason() -> None:
    auction, ann = await open_auction(), await make_bidder()
    with pytest.raises(Invalid):
        await cancel(auction, "  ", by="Steward")
    await cancel(auction, "The release is withdrawn", by="Steward")
    await cancel(auction, "Twice", by="Steward")
    stated = [one for one in await list_facts() if one.kind == "auction_cancelled"]
    assert [(one.subject, one.statement) for one in stated] == [(str(auction), '{"bids": 0}')], "nobody's own words"
    with pytest.raises(Expired, match="The release is withdrawn"):
        await place_bid(ann.actor, auction, bid=uuid.uuid4(), maximum_minor=5_000)


BAD = [
    ({"currency": "USD", "maximum_minor": 5_000}, 422),
    ({"currency": "EUR", "maximum_minor": 0}, 422),
    ({"currency": "EUR", "maximum_minor": -5}, 422),
    ({"currency": "EUR", "maximum_minor": 10**13}, 422),
    ({"currency": "EUR", "maximum_minor": 10**30}, 400),
    ({"currency": "EUR", "maximum_minor": 50.5}, 400),
    ({"currency": "EUR", "maximum_minor": True}, 400),
    ({"currency": "EUR", "maximum_minor": None}, 422),
    ({"currency": "EUR"}, 422),
    ({"maximum_minor": 5_000}, 400),
    ({"currency": "EUR", "maximum_minor": 5_000, "amount_minor": 5_000}, 422),
    ({"currency": "EUR", "amount_minor": 5_000, "nonce": "ab" * 32}, 422),
    ({"currency": "EUR", "maximum_minor": 5_000, "price": 1}, 400),
]


async def test_bad_input_is_refused_with_a_sentence_and_changes_nothing() -> None:
    auction, sealed, bundle = (
        await open_auction(),
        await open_auction("limited"),
        await open_auction("bundle", releases=3),
    )
    ann, bob, new = await make_bidder(), await make_bidder(), await make_bidder(vetted=False)
    transport = httpx.ASGITransport(app=the_site(), raise_app_exceptions=False)  # type: ignore[arg-type]
    async with httpx.AsyncClient(transport=transport, base_url="http://partage") as web:

        async def put(where: uuid.UUID, body: object, headers: dict[str, str], bid: object = None) -> httpx.Response:
            return await web.put(f"/api/v1/auctions/{where}/bids/{bid or uuid.uuid4()}", json=body, headers=headers)

        good = {"currency": "EUR", "maximum_minor": 5_000}
        for body, status in BAD:
            answer = await put(auction, body, ann.headers)
            assert (answer.status_code, len(answer.json()["detail"]) > 10) == (status, True), (body, answer.text)
        for body in ([], "text", None, 5):
            assert (await put(auction, body, ann.headers)).status_code == 400
        nonce = "ab" * 32
        for body in (
            {"currency": "EUR", "amount_minor": 5_000},
            {"currency": "EUR", "amount_minor": 5_000, "nonce": "short"},
            {
                "currency": "EUR",
                "packages": [{"lots": [0], "amount_minor": 1}, {"lots": [0], "amount_minor": 2}],
                "nonce": nonce,
            },
        ):
            assert (await put(sealed, body, ann.headers)).status_code == 422
        for packages in (
            [],
            [{"lots": [], "amount_minor": 5}],
            [{"lots": [3], "amount_minor": 5}],
            [{"lots": [-1], "amount_minor": 5}],
            [{"lots": [0, 0], "amount_minor": 5}],
            [{"lots": [0], "amount_minor": 5}, {"lots": [0], "amount_minor": 6}],
            [{"lots": [0], "amount_minor": 0}],
            [{"lots": [0, 1], "amount_minor": 10**14}],
            [{"lots": [0], "amount_minor": 5 + n} for n in range(60)],
        ):
            answer = await put(bundle, {"currency": "EUR", "packages": packages, "nonce": nonce}, ann.headers)
            assert answer.status_code == 422, packages
        assert (await put(auction, good, {})).status_code == 401
        assert (await put(auction, good, {"Authorization": "Bearer nobody"})).status_code == 401
        assert (await put(auction, good, new.headers)).status_code == 403
        assert (await put(uuid.uuid4(), good, ann.headers)).status_code == 404
        assert (await put(auction, good, ann.headers, bid="not-an-id")).status_code == 404
        assert await fetch_value("SELECT count(*) FROM bid") == 0

        mine = uuid.uuid4()
        assert (await put(auction, good, ann.headers, bid=mine)).json()["answer"] == "leading"
        own = await put(auction, {"currency": "EUR", "maximum_minor": 4_000}, ann.headers)
        assert (own.status_code, own.json()["answer"]) == (200, "refused_not_a_raise")
        below = await put(auction, {"currency": "EUR", "maximum_minor": 1_050}, bob.headers)
        assert below.json()["answer"] == "refused_below_minimum"
        assert (await put(auction, good, bob.headers, bid=mine)).status_code == 404, "another partner's bid by its id"
        assert (await web.get(f"/api/v1/bids/{mine}", headers=bob.headers)).status_code == 404
        assert (await web.get(f"/api/v1/bids/{mine}", headers=ann.headers)).json()["bid"] == str(mine)
        replayed = await put(auction, good, ann.headers, bid=mine)
        assert replayed.json()["repeated"]
        assert (
            await put(sealed, {"currency": "EUR", "amount_minor": 5_000, "nonce": nonce}, ann.headers, bid=mine)
        ).status_code == 409
        ended = await open_auction(window_seconds=0)
        await move_end(ended)
        late = await put(ended, good, ann.headers)
        assert late.json()["answer"] == "refused_too_late"
        assert (await web.get(f"/api/v1/auctions/{auction}/transcript")).status_code == 404
    with pytest.raises(NotAllowed):
        await place_bid(Actor(name="x", subscriber=1), auction, bid=uuid.uuid4(), maximum_minor=5_000)
