"""A price that is held under other terms than are posted now hides nothing that is posted, and stands for nothing else."""

from __future__ import annotations

import contextlib
import uuid
from typing import TYPE_CHECKING

import pytest

from marketplace.catalogue.offers import actions, menu
from marketplace.catalogue.offers.queries import get_listing
from marketplace.catalogue.offers.uses import state_use
from marketplace.core.errors import Conflict
from tests.attacks.weeks_on_sale import A_CITY, EAST, WEST, Sold, audited
from tests.catalogue.builders import DAY, PARTS, PRICED_AT, make_span, make_vetted_partner, open_catalogue

if TYPE_CHECKING:
    from collections.abc import Sequence

YEAR = {"half_life_days": 365, "months": 12}
FOR_ALL, RESEARCH, MARKETING = [YEAR | {"purposes": one} for one in ([], ["ScientificResearch"], ["Marketing"])]
PARTNER = uuid.uuid4()


def refuse_beside(sold: Sequence[Sold], *quotes: tuple[str, int, list[str]]) -> None:
    """Audit what is posted beside prices that a partner holds: of a dataset, so much lower, for some purposes."""

    def compare(items: list[menu.Item], compared: menu._Compared) -> None:
        of_dataset = {item.release.dataset: item for item in items}
        quoted = [
            menu.HeldQuote(
                PARTNER, one.release.id, 0, one.amount_minor - less, PRICED_AT + DAY, one.usage_right, 12, purposes, []
            )
            for code, less, purposes in quotes
            for one in (of_dataset[code],)
        ]
        menu._refuse_undercuts(items, quoted, compared, PRICED_AT, None)

    audited(*sold, after=compare)


@pytest.mark.parametrize("more", [[], [("west", 1, ["Marketing"])], [("west", 1, [])], [("city", 1, [])]])
def test_one_more_price_lets_no_menu_pass(more: list[tuple[str, int, list[str]]]) -> None:
    """East is held at a small part; west is posted for all, and held for marketing at a cent less, by terms of before."""
    sold = [
        Sold("city", A_CITY, 10, 10_000_000, RESEARCH),
        Sold("west", WEST, 10, 5_100_000, FOR_ALL),
        Sold("east", EAST, 10, 5_100_000, FOR_ALL),
    ]
    refuse_beside(sold)
    with pytest.raises(Conflict, match=r"^Not listed: city .* but who buys (east|west) .*, (east|west) "):
        refuse_beside(sold, ("east", 1_000_000, []), *more)


@pytest.mark.parametrize("purposes", [[], ["ScientificResearch"], ["Marketing"]])
def test_a_price_for_other_purposes_refuses_no_honest_menu(purposes: list[str]) -> None:
    """Nobody may buy one instead of the other; a partner holds the dear one, by terms of before, a cent below its price."""
    sold = [Sold("dear", A_CITY, 10, 10_000_000, RESEARCH), Sold("cheap", A_CITY, 10, 4_000_000, MARKETING)]
    refuse_beside(sold, ("dear", 1, purposes))


@pytest.mark.parametrize("with_west", [False, True])
async def test_nor_does_one_at_the_till(*, with_west: bool) -> None:
    words = {"months": 12, "lines_fr": "a\nb\nc\nd\ne", "lines_en": "v\nw\nx\ny\nz"}
    purposes = {"all-1": (), "marketing-1": ("Marketing",), "research-1": ("ScientificResearch",)}
    for terms, some in purposes.items():
        await actions.define_terms(terms, purposes=list(some), **words)
    for code, zones in PARTS.items():
        await open_catalogue(code, zones=zones)
        await make_span(code, len(zones), 0, 7)
        await actions.withdraw_offer(code)

    async def sell(code: str, worth: int, terms: str) -> None:
        prices = {"full_worth_minor": worth * len(PARTS[code]), "floor_minor": 1, "cap_minor": 10**11}
        await actions.list_offer(code, terms=terms, worth_days=7, **prices)

    await sell("west", 1_000_000, "marketing-1")
    await sell("east", 100_000, "all-1")
    await sell("city", 1_000_000, "research-1")
    partner = await make_vetted_partner()
    for terms, some in purposes.items():
        await state_use(partner, terms, purpose=next(iter(some), "ScientificResearch"))
    for code in ("east", "west") if with_west else ("east",):
        latest = (await get_listing(code)).latest
        await actions.quote(partner, latest, quote_id=uuid.uuid4(), is_held=True)
    with contextlib.suppress(Conflict):
        await sell("east", 1_000_000, "all-1")
    with pytest.raises(Conflict, match=r"^Not listed: city .* but who buys "):
        await sell("west", 1_050_000, "all-1")
