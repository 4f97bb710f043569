"""Prices that move by themselves: what was no bargain when it was listed must not become one by age, floors or demand."""

from __future__ import annotations

import datetime as dt
import uuid

import pytest

from marketplace.catalogue.offers import actions
from marketplace.catalogue.offers.tables import ObservedBid
from marketplace.core import clock
from marketplace.core.errors import Conflict
from marketplace.people.identity.tables import Partner
from tests.catalogue.builders import DAY, amounts_of, list_offer, make_span, open_catalogue
from tests.datasets.builders import ZONES
from tests.support.reads import fetch_value

BIDDERS = 40


async def sell_in_parts(*, half_life: int = 30, floor: int = 1) -> None:
    """Sell a city for what its two parts cost together; the west with a half-life and a floor of its own."""
    for code, zones, days in (("west", ZONES[:3], half_life), ("east", ZONES[3:], 30), ("city", ZONES, 30)):
        await open_catalogue(code, zones=list(zones), half_life_days=days)
        await make_span(code, len(zones), 0, 7)
        await list_offer(code, 1_000_000 * len(zones), floor=floor if code == "west" else 1)


@pytest.mark.parametrize(
    ("west", "found"),
    [
        ({"half_life": 300}, r"Not listed: city .* would cost .*, but who buys (east|west) .*, (east|west) "),
        ({"floor": 50_000}, r"Not listed: west .* would cost 500\.00 EUR, but who buys city"),
    ],
    ids=["a part keeps its worth longer", "a part never costs less than its floor"],
)
async def test_a_menu_is_refused_that_could_be_undercut_once_its_data_are_old(west: dict[str, int], found: str) -> None:
    """Today nothing is cheaper in another way; in some months the whole would cost less than a part of it."""
    with pytest.raises(Conflict, match=found):
        await sell_in_parts(**west)


async def bid_for(code: str, multiplier: int) -> None:
    """Leave bids that teach an offer's demand to move to a multiplier, each of a partner of its own."""
    offer, now = await fetch_value("SELECT id FROM offer WHERE dataset = $1", code), clock.now()
    partners = [
        Partner(id=uuid.uuid4(), company=f"{code} {number}", country="FR", vat_number="", signed_up_at=now)
        for number in range(BIDDERS)
    ]
    await Partner.insert(*partners)
    await ObservedBid.insert(
        *(
            ObservedBid(
                id=uuid.uuid4(),
                offer=offer,
                auction=uuid.uuid4(),
                partner=partner.id,
                value_basis_points=multiplier,
                reserve_basis_points=5_000,
                observed_at=now,
            )
            for partner in partners
        )
    )


async def multipliers(after: int) -> list[int]:
    """Return what is posted of the city and of its parts, once demand was drawn on a day, and twice a week later."""
    for day in (after, after + 8, after + 9):
        with clock.shifted(dt.timedelta(days=day)):
            await actions.refresh_demand()
            (city,), (west,), (east,) = [await amounts_of(code) for code in ("city", "west", "east")]
            assert max(west, east) <= city <= west + east + 2, "cents are rounded three times"
    return [
        await fetch_value(
            """SELECT demand_basis_points FROM demand_draw JOIN offer ON offer.id = demand_draw.offer
               WHERE dataset = $1 ORDER BY day DESC LIMIT 1""",
            code,
        )
        for code in ("city", "west", "east")
    ]


async def test_demand_moves_no_price_beyond_what_its_parts_cost() -> None:
    """All want the city and nobody its parts: its demand waits. Once theirs rises, its own does."""
    await sell_in_parts()
    await bid_for("city", 19_000)
    assert await multipliers(0) == [10_000, 10_000, 10_000]
    await bid_for("west", 19_000)
    await bid_for("east", 19_000)
    assert min(await multipliers(10)) > 10_000


async def test_what_is_not_drawn_yet_today_is_audited_at_what_was_posted_last() -> None:
    """A steward lists before anybody looked that day: a part that is cheap today is cheap though its draw is to come."""
    await sell_in_parts()
    await bid_for("west", 5_000)
    await bid_for("east", 5_000)
    await bid_for("city", 5_000)
    await multipliers(0)
    with clock.shifted(11 * DAY), pytest.raises(Conflict, match=r"Not listed: city .* but who buys"):
        await list_offer("city", 1_100_000 * len(ZONES))
