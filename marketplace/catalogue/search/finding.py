"""Search the datasets for sale: first update changed cards, then query the cards."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from marketplace.catalogue.offers.queries import list_listings_of
from marketplace.catalogue.search.actions import refresh
from marketplace.catalogue.search.queries import find_cards, get_news
from marketplace.catalogue.search.rules import FEW
from marketplace.core.paging import PAGE_SIZE, Paged, offset

if TYPE_CHECKING:
    from marketplace.catalogue.offers.queries import ListingRow
    from marketplace.catalogue.search.queries import Found
    from marketplace.catalogue.search.rules import State


@dataclass(frozen=True, slots=True)
class Results:
    """A page of datasets for sale, and the counts of all matches."""

    listings: Paged[ListingRow]
    found: Found


async def search(state: State, page: int) -> Results:
    """Return one page of matches; it includes all committed changes, unless very many came at once."""
    found = await find(state, skip=offset(page), most=PAGE_SIZE)
    rows = {row.code: row for row in await list_listings_of(found.codes)} if found.codes else {}
    shown = [rows[code] for code in found.codes if code in rows]  # A dataset withdrawn at this instant is missing.
    return Results(Paged(shown, page, found.total > offset(page) + PAGE_SIZE), found)


async def find(state: State, *, skip: int, most: int) -> Found:
    """Return the codes of `most` datasets after the first `skip` matches, how many match, and the facets' counts."""
    news = await get_news()
    if 0 < news.unseen <= FEW:
        await refresh()
        news = await get_news()
    return await find_cards(state, news.version, skip=skip, most=most)
