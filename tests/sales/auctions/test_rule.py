"""A bid decided from its auction's row alone, as placing decides it, equals `pricing`'s rule, step by step, at every edge."""

import datetime as dt
import random
import uuid

import msgspec

from marketplace.core.instants import instant_of, microseconds
from marketplace.sales.auctions.kind_rules import Bidding
from marketplace.sales.auctions.open_rules import ProxyBids, terms_of
from marketplace.sales.auctions.rows import AuctionNow
from pricing.auctions.ascending import AscendingState, AscendingTerms, ProxyBid, opened, place
from tests.pricing.builders import eur

AUCTIONS, BIDS = 300, 12
START = microseconds(dt.datetime(2026, 3, 1, 12, tzinfo=dt.UTC))


def draw_terms(draw: random.Random) -> AscendingTerms:
    steps, threshold, step = [], 0, draw.randrange(1, 5)
    for _ in range(draw.randrange(1, 4)):
        steps.append((threshold, step))
        threshold, step = threshold + draw.randrange(1, 40), step + draw.randrange(4)
    end = START + draw.randrange(2, 30) * 1_000_000
    return AscendingTerms(
        eur(draw.randrange(1, 30)),
        tuple(steps),
        START,
        end,
        draw.choice((0, 3, 10)) * 1_000_000,
        draw.choice((0, 2, 10)) * 1_000_000,
        draw.choice((0, 1_000_000, 5_000_000, 10**12)),
    )


def draw_bid(draw: random.Random, state: AscendingState, people: list[str], at: int) -> ProxyBid:
    """Draw a bid whose amount lies on an edge of the rule more often than not."""
    edges = [state.minimum_bid.minor, state.terms.start.minor, *(one.maximum.minor for one in state.maxima)]
    amount = draw.choice(edges) + draw.choice((-1, 0, 0, 1, 2, draw.randrange(60)))
    return ProxyBid(draw.choice(people), eur(max(1, amount)), at)


def draw_instant(draw: random.Random, state: AscendingState, last: int) -> int:
    """Draw an instant not before `last`, often on an edge: the opening, the window's first, the last and the end itself."""
    edges = [
        START - 1,
        START,
        state.closes_at - state.terms.window,
        state.closes_at - 1,
        state.closes_at,
        state.closes_at + 1,
    ]
    return max(
        last, draw.choice([*edges, last, last + 1, last + draw.randrange(3_000_000), last + draw.randrange(3_000_000)])
    )


def row_of(state: AscendingState) -> AuctionNow:
    """Return the row that an auction has after some bids: its leader's maximum and price are all that is kept of them."""
    terms = state.terms
    lead = next((one for one in state.maxima if one.bidder == state.leader), None)
    return AuctionNow(
        id=uuid.UUID(int=0),
        kind="ascending",
        offer=uuid.UUID(int=0),
        licence_terms="standard-1",
        months=12,
        currency="EUR",
        reserve_minor=terms.start.minor,
        licences=1,
        price_rule="proxy",
        steps_from_minor=[start for start, _ in terms.increments_minor],
        steps_minor=[step for _, step in terms.increments_minor],
        window_seconds=terms.window // 1_000_000,
        extension_seconds=terms.extension // 1_000_000,
        opens_at=instant_of(terms.opens_at),
        scheduled_close_at=instant_of(terms.closes_at),
        exclusive_from=None,
        exclusive_to=None,
        pay_within_hours=72,
        salt=b"",
        unsecured_minor=10**9,
        most_extension_seconds=terms.most_extension // 1_000_000,
        state="open",
        root=None,
        cancelled_reason=None,
        closes_at=instant_of(state.closes_at),
        bid_count=len(state.maxima),
        leader=uuid.UUID(state.leader) if state.leader else None,
        leading_maximum_minor=lead.maximum.minor if lead else None,
        price_minor=state.price.minor if state.price else None,
    )


def lead_of(bidding: Bidding) -> tuple[object, ...]:
    leader = str(bidding.leader) if bidding.leader else None
    return leader, bidding.leading_maximum_minor, bidding.price_minor, bidding.closes_at


def test_a_bid_is_decided_from_the_row_as_the_pure_rule_decides_it() -> None:
    draw = random.Random(6)  # noqa: S311 (a test's draws repeat)
    people = [str(uuid.UUID(int=number)) for number in range(1, 5)]
    expected, late = [], set()
    for _ in range(AUCTIONS):
        state, last = opened(draw_terms(draw)), START - 2
        in_one_batch = ProxyBids().begin(row_of(state))
        for _ in range(BIDS):
            last = draw_instant(draw, state, last) if draw.random() < 0.4 else last + draw.randrange(500_000)
            bid = draw_bid(draw, state, people, last)
            row, partner, at = row_of(state), uuid.UUID(bid.bidder), instant_of(bid.at)
            assert terms_of(row) == state.terms
            bidding = ProxyBids().begin(row)
            found = bidding.place(partner, bid.maximum.minor, at)
            closed = ProxyBids().begin(msgspec.structs.replace(row, state="closed"))
            late.add(closed.place(partner, bid.maximum.minor, at))
            state, answer = place(state, bid)
            lead = next((one.maximum.minor for one in state.maxima if one.bidder == state.leader), None)
            price = state.price.minor if state.price else None
            expected.append((str(answer), state.leader, lead, price, instant_of(state.closes_at)))
            assert (found, *lead_of(bidding)) == expected[-1], row
            assert (in_one_batch.place(partner, bid.maximum.minor, at), *lead_of(in_one_batch)) == expected[-1]
    assert late == {"refused_too_late", "refused_too_early"}, "no bid counts in an auction that a job has closed"
    counted = {one[0]: sum(other[0] == one[0] for other in expected) for one in expected}
    assert len(counted) == 7, counted
    assert min(counted.values()) >= 30, f"every answer is met often: {counted}"
