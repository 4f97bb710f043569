"""Searching what is for sale: first what changed is looked at again, then the index of this process is asked."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from marketplace.catalogue.queries import list_listings_of
from marketplace.paging import PAGE_SIZE, Paged, offset
from marketplace.search.actions import refresh
from marketplace.search.index import Asked
from marketplace.search.queries import current, get_news, words_typed
from marketplace.search.rules import FEW

if TYPE_CHECKING:
    from marketplace.catalogue.queries import ListingRow
    from marketplace.search.index import Found
    from marketplace.search.rules import State


@dataclass(frozen=True, slots=True)
class Results:
    """A page of datasets for sale, and all that was found, counted."""

    listings: Paged[ListingRow]
    found: Found


async def search(state: State, page: int) -> Results:
    """Return one page of what matches; what was committed before is in it, unless very much changed at once."""
    found = await find(state, skip=offset(page), most=PAGE_SIZE)
    rows = {row.code: row for row in await list_listings_of(found.codes)} if found.codes else {}
    shown = [
        rows[code] for code in found.codes if code in rows
    ]  # What was withdrawn this instant is not there any more.
    return Results(Paged(shown, page, found.total > offset(page) + PAGE_SIZE), found)


async def find(state: State, *, skip: int, most: int) -> Found:
    """Return the codes of `most` datasets after the first `skip` that match, how many do, and the facets' counts."""
    news = await get_news()
    if 0 < news.unseen <= FEW:
        await refresh()
        news = await get_news()
    index = await current(news)
    words = await words_typed(state.search)
    return index.find(Asked(words, state.chosen, state.below, state.sort), skip=skip, most=most)
