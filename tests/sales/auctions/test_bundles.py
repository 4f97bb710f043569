"""Bundles of several datasets: each lot with its own reserve, one price over them in proportion, each an order of its own offer."""

import datetime as dt
import json
import uuid
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from marketplace.core import clock
from marketplace.core.database import execute, transaction
from marketplace.core.errors import Conflict, Invalid
from marketplace.oversight.public_log.actions import keep_log
from marketplace.sales.auctions import award as ending
from marketplace.sales.auctions import charge, rules
from marketplace.sales.auctions.announcing import Plan, announce
from marketplace.sales.auctions.queries import get_auction, get_transcript, list_lots
from marketplace.sales.auctions.sealed_rules import good
from pricing.__main__ import main as pricing
from pricing.auctions.replay import again, replay
from pricing.auctions.transcript import from_json, to_json
from tests.oversight.builders import log_folder, log_key
from tests.people.builders import PASSWORD, Browser, add_staff, page_text
from tests.sales.builders.auctions import end_auction, have_it_cost, make_bidder, make_offer, seal
from tests.support.reads import fetch, fetch_value

DAY = dt.timedelta(days=1)
LYON, PARIS = 1_000, 5_000
"""What the least price of a licence is, of a cheap dataset and of a dear one."""


def plan(offer: uuid.UUID, releases: Sequence[uuid.UUID], kind: str = "bundle", **changes: Any) -> Plan:
    now, changes = clock.now(), {"unsecured_times": 100} | changes
    return Plan(kind=kind, offer=offer, releases=releases, opens_at=now - DAY, closes_at=now + DAY, **changes)


@pytest.mark.parametrize("rule", ["core", "vcg"])
async def test_two_datasets_go_to_whom_they_are_worth_most_each_above_its_own_reserve(rule: str) -> None:
    lyon, [cheap] = await make_offer(code="lyon", floor_minor=LYON)
    _, [dear] = await make_offer(code="paris")
    await have_it_cost("paris", PARIS)
    auction = await announce(plan(lyon, [cheap, dear], price_rule=rule), by="Steward")
    lots = await list_lots(auction)
    assert [(lot.dataset, lot.reserve_minor) for lot in lots] == [("lyon", LYON), ("paris", PARIS)]
    assert (await get_auction(auction)).reserve_minor == LYON
    both, single = await make_bidder(), await make_bidder()
    assert (await seal(both, auction, ([0, 1], LYON + PARIS - 1))).answer == "refused_below_minimum"
    assert (await seal(single, auction, ([1], PARIS - 1))).answer == "refused_below_minimum"
    assert (await seal(both, auction, ([0, 1], 20_000), ([1], PARIS))).answer == "sealed"
    assert (await seal(single, auction, ([0], LYON))).answer == "sealed"
    await end_auction(auction)
    [won] = await fetch("SELECT partner, lots, pays_minor FROM auction_outcome WHERE pays_minor > 0")
    assert tuple(won) == (both.partner, [0, 1], LYON + PARIS)
    await ending.settle_sales()
    sold = await fetch(
        """SELECT offer.dataset, purchase_order.net_minor FROM purchase_order
           JOIN order_lot ON order_lot.purchase_order = purchase_order.id JOIN quote ON quote.id = order_lot.quote
           JOIN offer ON offer.id = quote.offer JOIN release ON release.id = quote.release
           WHERE release.dataset = offer.dataset AND purchase_order.partner = $1 ORDER BY 1""",
        both.partner,
    )
    assert [tuple(row) for row in sold] == [("lyon", LYON), ("paris", PARIS)]


async def test_a_bundles_deposit_is_a_tenth_of_all_its_lots() -> None:
    """One bidder may win them all; the cheapest one's would cover next to nothing of that."""
    lyon, [cheap] = await make_offer(code="lyon", floor_minor=30_000)
    _, [dear] = await make_offer(code="paris")
    await have_it_cost("paris", 900_000)
    for raised, least in ((0, 30_000), (100_000, 100_000)):
        auction = await announce(plan(lyon, [cheap, dear], reserve_minor=raised), by="Steward")
        [first, second] = [lot.reserve_minor for lot in await list_lots(auction)]
        assert (first, second) == (least, pytest.approx(900_000, rel=0.001))
        assert (await get_auction(auction)).deposit_minor == (first + second) // 10


def test_a_price_is_split_exactly_and_no_lot_falls_below_its_reserve() -> None:
    assert rules.split_price(100, [1, 1, 1]) == [34, 33, 33]
    assert rules.split_price(0, []) == []
    for pays in (6_000, 6_001, 7_777, 80_000_000):
        parts = rules.split_price(pays, [LYON, PARIS])
        assert sum(parts) == pays
        assert parts[0] >= LYON
        assert parts[1] >= PARIS


async def test_what_cannot_be_sold_together_is_refused() -> None:
    lyon, [cheap] = await make_offer(code="lyon")
    paris, [dear] = await make_offer(code="paris")
    now = clock.now()
    for wrong in (
        plan(lyon, [dear, cheap]),
        plan(lyon, [cheap, dear], "limited"),
        plan(lyon, [cheap, uuid.uuid4()]),
    ):
        with pytest.raises(Invalid):
            await announce(wrong, by="Steward")
    single = {"exclusive_from": now + 2 * DAY, "exclusive_to": now + 9 * DAY}
    await announce(plan(paris, [dear], "exclusive", **single), by="Steward")
    with pytest.raises(Conflict, match="inside an exclusive window"):
        await announce(plan(lyon, [cheap, dear]), by="Steward")
    await announce(plan(lyon, [cheap]), by="Steward")
    await execute(
        "INSERT INTO licence_terms (code, lines_fr, lines_en, months, usage_right) VALUES ('other-1', 'l', 'l', 12, 'publish')"
    )
    await execute("UPDATE offer SET terms = 'other-1' WHERE id = $1", paris)
    with pytest.raises(Invalid, match="one licence’s terms"):
        await announce(plan(lyon, [cheap, dear]), by="Steward")
    assert await fetch_value("SELECT count(*) FROM auction") == 2


async def test_no_window_is_opened_over_a_bundles_second_dataset() -> None:
    lyon, [cheap] = await make_offer(code="lyon")
    paris, [dear] = await make_offer(code="paris")
    now = clock.now()
    await announce(plan(lyon, [cheap, dear]), by="Steward")
    with pytest.raises(Conflict, match="inside an exclusive window"):
        await announce(
            plan(paris, [dear], "exclusive", exclusive_from=now + 2 * DAY, exclusive_to=now + 9 * DAY), by="Steward"
        )


async def test_a_steward_ticks_the_lots() -> None:
    _, [cheap, other] = await make_offer(2, code="lyon", floor_minor=LYON)
    _, [dear] = await make_offer(code="paris")
    await have_it_cost("paris", PARIS)
    await add_staff("sam@operator.example", "Sam Steward", "steward", PASSWORD)
    now, form = clock.now(), str(uuid.uuid4())
    fields: dict[str, Any] = {
        "kind": "bundle",
        "offer": str(await fetch_value("SELECT id FROM offer WHERE dataset = 'paris'")),
        "opens_at": f"{now:%Y-%m-%dT%H:%M}",
        "closes_at": f"{now + DAY:%Y-%m-%dT%H:%M}",
        "licences": "1",
        "reserve": "",
        "exclusive_from": "",
        "exclusive_to": "",
        "release": [str(cheap), str(dear)],
    }
    async with Browser() as steward:
        await steward.sign_in("sam@operator.example")
        assert str(other) in (await steward.get("/en/steward/auctions/new")).text
        computed = await steward.submit("/en/steward/auctions/reserve", fields)
        assert computed.text.count(" checked") == 2
        answer = await steward.submit("/en/steward/auctions/new", fields, form_id=form)
        assert answer.headers["location"] == f"/en/auctions/{form}", answer.text
        lots = await list_lots(uuid.UUID(form))
        assert [(lot.release, lot.reserve_minor) for lot in lots] == [(cheap, LYON), (dear, PARIS)]
        shown = page_text(await steward.get(f"/en/auctions/{form}"))
        assert "reserve €10.00" in shown
        assert "reserve €50.00" in shown
        raised = await steward.submit("/en/steward/auctions/new", fields | {"reserve": "20"})
        lots = await list_lots(uuid.UUID(raised.headers["location"].rpartition("/")[2]))
        assert [lot.reserve_minor for lot in lots] == [2_000, PARIS]
        strange = fields | {"release": [str(cheap), str(uuid.uuid4())]}
        assert (await steward.submit("/en/steward/auctions/new", strange)).status_code == 422


async def test_lots_that_were_not_paid_go_to_the_next_and_the_others_stay(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Of three lots two are left by who does not pay: the rule is applied to them alone, among those who won nothing."""
    offer, lots = await make_offer(3, floor_minor=LYON)
    auction = await announce(plan(offer, lots), by="Steward")
    pair, kept, next_one, too_wide = [await make_bidder(name) for name in ("pair", "kept", "next", "wide")]
    assert (await seal(pair, auction, ([0, 1], 20_000))).answer == "sealed"
    assert (await seal(kept, auction, ([2], 6_000))).answer == "sealed"
    assert (await seal(next_one, auction, ([0], 3_000), ([2], 5_000))).answer == "sealed"
    assert (await seal(too_wide, auction, ([1, 2], 4_000))).answer == "sealed"
    await end_auction(auction)
    await charge.charge_sales()
    await execute("UPDATE purchase_order SET state = 'lapsed' WHERE partner = $1", pair.partner)
    await execute("UPDATE auction_sale SET due_at = now() WHERE release <> $1", lots[2])
    await ending.settle_sales()
    won = await fetch("SELECT round, partner, lots, pays_minor FROM auction_outcome WHERE round > 1 AND pays_minor > 0")
    assert [tuple(row) for row in won] == [(2, next_one.partner, [0], LYON)], (
        "lot 2 is another's; nobody else wants lot 1 alone"
    )
    [owed] = await fetch("SELECT partner, owed_minor FROM auction_default")
    paid = await fetch_value("SELECT sum(net_minor) FROM auction_sale WHERE state = 'defaulted'")
    assert tuple(owed) == (pair.partner, paid - 2 * LYON)
    await a_changed_round_shows(auction, tmp_path, capsys)


async def test_a_winner_owes_for_each_lot_that_it_does_not_pay() -> None:
    """Of three lots one is not paid, then another, and a bank reverses the third."""
    offer, lots = await make_offer(3, floor_minor=LYON)
    auction = await announce(plan(offer, lots), by="Steward")
    winner, rival = await make_bidder("winner"), await make_bidder("rival")
    assert (await seal(winner, auction, ([0, 1, 2], 40_000))).answer == "sealed"
    assert (await seal(rival, auction, ([0, 1, 2], 30_000))).answer == "sealed"
    await end_auction(auction)
    await charge.charge_sales()
    orders = [
        await fetch_value("SELECT purchase_order FROM auction_sale WHERE release = $1", release) for release in lots
    ]
    with pytest.raises(InterruptedError, match="undone"):  # an order paid by hand alone has no payment, nor books
        async with transaction():
            await owes_more_and_more(auction, orders)
            raise InterruptedError("undone")


async def owes_more_and_more(auction: uuid.UUID, orders: Sequence[uuid.UUID]) -> None:
    await execute("UPDATE auction_sale SET due_at = now()")
    await execute("UPDATE purchase_order SET state = 'paid', paid_at = now() WHERE id = $1", orders[2])

    async def owed() -> list[int]:
        await ending.settle_sales()
        return [row["owed_minor"] for row in await fetch("SELECT owed_minor FROM auction_default")]

    for times, order in enumerate(orders[:2], 1):
        await execute("UPDATE purchase_order SET state = 'lapsed' WHERE id = $1", order)
        assert await owed() == [times * (10_000 - LYON)]
    assert replay(from_json((await get_transcript(auction)).decode())).equal
    await execute(
        """WITH dispute AS (
               INSERT INTO dispute (id, charge_id, amount_minor, reason, status, state, opened_at)
               VALUES ('du', 'ch', 100, 'fraudulent', 'lost', 'lost', now()) RETURNING id
           )
           INSERT INTO order_return (id, purchase_order, kind, dispute, net_minor, vat_minor, total_minor, lots_minor, at)
           SELECT gen_random_uuid(), $1, 'dispute', id, 100, 0, 100, ARRAY[100], now() FROM dispute""",
        orders[2],
    )
    assert await owed() == [3 * (10_000 - LYON)]


async def a_changed_round_shows(auction: uuid.UUID, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Change each part of a round: neither the public log, which has its transcript, nor the rule then agrees."""
    await keep_log()
    document, tiles, key = (await get_transcript(auction)).decode(), await log_folder(), await log_key()
    place = folder / "transcript.json"
    command = ["verify", "--key", key, "--tiles", str(tiles), "--transcript", str(place)]

    def printed_of(made: Any) -> tuple[int, int, str]:
        """Return what `verify` and `replay` end with, and all they print."""
        place.write_text(made if isinstance(made, str) else json.dumps(made, separators=(",", ":")))
        status = pricing(command), pricing(["replay", str(place)])
        return *status, capsys.readouterr().out

    verified, replayed, printed = printed_of(document)
    assert (verified, replayed) == (0, 0), printed
    assert "whether who is said not to have paid did not" in printed
    assert "was called back" not in printed
    made = from_json(document)
    [second] = made.rounds
    [pair], [kept], free = second["without"], second["kept"], second["free"]
    loser = next(one["bidder"] for one in second["award"]["outcomes"] if not one["units"])
    for without, keeps, frees, sentence in (
        ([pair], [kept], [*free, good(2)], "sells lots that nobody left unpaid"),
        ([pair, loser], [kept], free, "is not about winners"),
        ([kept], [pair], [good(2)], ""),
        ([pair], [pair, kept], free[:1], ""),
        ([pair], [kept], free[:1], "left unpaid and not sold again, was called back"),
    ):
        other = again(replace(made, rounds=()), without=without, kept=keeps, free=frees)
        verified, replayed, printed = printed_of(to_json(other))
        assert verified == 1, "the log has another transcript"
        assert sentence in printed, printed
        assert replayed == (0 if sentence == "" or "called back" in sentence else 1)
    for tamper in (
        lambda one: one["award"]["outcomes"].pop(),
        lambda one: one["award"]["outcomes"][0].update(pays_minor=one["award"]["outcomes"][0]["pays_minor"] + 1),
        lambda one: one.update(round=3),
        lambda one: one["free"].pop(),
        lambda one: one["without"].clear(),
    ):
        changed = json.loads(document)
        tamper(changed["rounds"][0])
        assert printed_of(changed)[:2] == (1, 1), "neither the log nor the rule agrees"
    verified, _, printed = printed_of(to_json(replace(made, rounds=())))
    assert verified == 0, "the first transcript is the one that was published first"
    assert "what was awarded again, by entry" in printed, "a round left out is named"
