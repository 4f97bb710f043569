"""Kinds of auction: what each must have, and that one more file is one more kind, from its form to its transcript."""

import importlib.util
import json
import secrets
import uuid
from pathlib import Path
from typing import Any

import pytest

from marketplace.core import clock
from marketplace.core.errors import Invalid
from marketplace.core.words import french_texts
from marketplace.sales.auctions import award as ending
from marketplace.sales.auctions.actions import place_bid, place_sealed_bid
from marketplace.sales.auctions.announcing import Plan, announce
from marketplace.sales.auctions.kind_rules import AuctionKind
from marketplace.sales.auctions.queries import get_auction, get_transcript, list_outcomes
from marketplace.sales.auctions.registry import KINDS
from pricing.auctions.replay import replay
from pricing.auctions.transcript import KINDS as PRICE_RULES
from pricing.auctions.transcript import from_json
from tests.people.builders import PASSWORD, Browser, add_staff, page_text
from tests.sales.builders.auctions import DAY, make_bidder, make_offer, move_end, open_auction

TOY = '''
"""A raffle for grown-ups: sealed bids for up to three licences, and nobody knows how many others there are."""

from marketplace.sales.auctions.kind_rules import AuctionKind
from marketplace.sales.auctions.sealed_rules import OneAmount
from marketplace.core.errors import Invalid
from marketplace.core.words import Words


class RoundAmounts(OneAmount):
    def content(self, packages, lots):
        if packages[0][1] % 100:
            raise Invalid("Bid whole euros.")
        return super().content(packages, lots)


KIND = AuctionKind(
    code="trio",
    title=Words("Trio of licences"),
    summary=Words("Three licences, in whole euros."),
    price_rules={"uniform_price": "uniform_price"},
    bids=RoundAmounts(),
    rule=lambda auction: Words("{licences} licences, whole euros.").in_both(licences=str(auction.licences)),
    terms=lambda auction: {"licences": auction.licences},
    most_licences=3,
)
'''

FRENCH = {"Trio of licences": "Trio", "{licences} licences, whole euros.": "{licences} licences, euros entiers."}


@pytest.fixture
def toy_kind(tmp_path: Path, registries: pytest.MonkeyPatch) -> AuctionKind:
    """Drop one file of a kind, and list it in the registry: nothing else knows of it."""
    file = tmp_path / "trio.py"
    file.write_text(TOY)
    specification = importlib.util.spec_from_file_location("trio", file)
    assert specification
    assert specification.loader
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    kind: AuctionKind = module.KIND
    registries.setitem(KINDS, kind.code, kind)
    for english, french in FRENCH.items():
        registries.setitem(french_texts(), english, french)
    return kind


@pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)
def test_a_kind_has_words_in_both_languages_and_clears_by_rules_that_anyone_can_replay(kind: AuctionKind) -> None:
    for words in (kind.title, kind.summary):
        assert words.fr
        assert words.en
        assert words.fields() == frozenset()
    assert set(kind.price_rules.values()) <= set(PRICE_RULES)
    assert kind.usual_price_rule in kind.price_rules
    assert (kind.most_lots, kind.most_licences) >= (1, 1)


async def test_one_file_is_a_kind_from_its_form_to_its_transcript(toy_kind: AuctionKind) -> None:
    auction = await open_auction(toy_kind.code, licences=2)
    ann, bob, eve = [await make_bidder() for _ in range(3)]

    async def seal(bidder: Any, amount_minor: int) -> str:
        receipt = await place_sealed_bid(
            bidder.actor, auction, bid=uuid.uuid4(), nonce=secrets.token_hex(32), packages=[((0,), amount_minor)]
        )
        return receipt.answer

    with pytest.raises(Invalid, match="whole euros"):
        await seal(ann, 5_050)
    assert [await seal(ann, 5_000), await seal(bob, 9_000), await seal(eve, 7_000)] == ["sealed"] * 3
    assert await seal(eve, 8_000) == "refused_already_bid"
    with pytest.raises(Invalid, match="sealed bids only"):
        await place_bid(ann.actor, auction, bid=uuid.uuid4(), maximum_minor=9_900)
    async with Browser() as nobody:
        for language, title, rule in (
            ("en", "Trio of licences", "2 licences, whole euros."),
            ("fr", "Trio", "2 licences, euros entiers."),
        ):
            shown = page_text(await nobody.get(f"/{language}/auctions/{auction}"))
            assert title in shown
            assert rule in shown
            assert title in page_text(await nobody.get(f"/{language}/auctions"))
    await move_end(auction)
    assert await ending.close_auctions() == 1
    row, document = await get_auction(auction), await get_transcript(auction)
    assert row.root
    found = replay(from_json(document.decode()), bytes.fromhex(row.root))
    assert found.equal, found.differences
    assert json.loads(document)["terms"]["licences"] == 2
    outcomes = {one.partner: (one.pays_minor, one.reason) for one in await list_outcomes(auction)}
    assert outcomes == {ann.partner: (0, "outbid"), bob.partner: (5_000, "won"), eve.partner: (5_000, "won")}


async def test_a_steward_announces_a_kind_that_was_dropped_in_within_its_limits(toy_kind: AuctionKind) -> None:
    offer, [release] = await make_offer()
    now = clock.now()
    with pytest.raises(Invalid, match="up to 3 licences"):
        await announce(
            Plan(kind=toy_kind.code, offer=offer, releases=[release], opens_at=now, closes_at=now + DAY, licences=4),
            by="Sam",
        )
    await add_staff("sam@operator.example", "Sam Steward", "steward", PASSWORD)
    async with Browser() as steward:
        await steward.sign_in("sam@operator.example")
        shown = page_text(await steward.get("/en/steward/auctions/new"))
        assert "Trio of licences" in shown
        assert "Three licences, in whole euros." in shown
        form = str(uuid.uuid4())
        fields = {
            "kind": toy_kind.code,
            "offer": str(offer),
            "licences": "3",
            "opens_at": f"{now:%Y-%m-%dT%H:%M}",
            "closes_at": f"{now + DAY:%Y-%m-%dT%H:%M}",
            "reserve": "",
            "exclusive_from": "",
            "exclusive_to": "",
        }
        answer = await steward.submit("/en/steward/auctions/new", fields, form_id=form)
        assert answer.headers["location"] == f"/en/auctions/{form}", answer.text
    row = await get_auction(uuid.UUID(form))
    assert (row.kind, row.price_rule, row.licences) == (toy_kind.code, "uniform_price", 3)
