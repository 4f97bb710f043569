"""The catalogue's list for machines: what is for sale, with the facets that it can be narrowed by."""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal

from litestar import Request, get
from litestar.params import QueryParameter

from marketplace.catalogue.api import DESCRIBED
from marketplace.identity.guards import expect
from marketplace.search.finding import search as find
from marketplace.search.index import FACETS
from marketplace.search.rules import LONGEST_SEARCH, read_state

Page = Annotated[int, QueryParameter(name="page", ge=1, le=1_000_000)]


def _several(name: str) -> dict[str, Any]:
    """Return a parameter of the document that may be given several times."""
    return {"name": name, "in": "query", "required": False, "schema": {"type": "array", "items": {"type": "string"}}}


NARROWED: Final = {"parameters": [*map(_several, FACETS)]}
"""What the whole address states, which the framework cannot see."""


@get("/api/v1/datasets", opt=expect("anyone") | NARROWED)
async def list_datasets(
    request: Request[Any, Any, Any],
    search: Annotated[str, QueryParameter(name="search", max_length=LONGEST_SEARCH)] = "",
    below: Annotated[int | None, QueryParameter(name="below", ge=0, le=999_999_999)] = None,
    sort: Annotated[Literal["fresh", "cheap", "dear", "coverage"], QueryParameter(name="sort")] = "fresh",
    number: Page = 1,
) -> dict[str, Any]:
    """List what is for sale, freshest first, with the number of datasets and of each facet's values.

    Each facet narrows it, and may be given several times: area, indicator, zones, grain, cadence, price, coverage and
    latest, with the values that the answer counts. `below`: a price in whole euros, before VAT. `sort`: fresh, cheap,
    dear or coverage. `instead`: words that nothing has, and what was looked for in their place.
    """
    del search, below, sort  # The whole address is the state; these are named to bound them.
    results = await find(read_state(request.query_params.multi_items()), number)
    return {
        "datasets": [{name: getattr(row, name) for name in (*DESCRIBED, "release")} for row in results.listings.rows],
        "page": number,
        "more": results.listings.more,
        "total": results.found.total,
        "facets": {facet: dict(counts) for facet, counts in results.found.counts.items()},
        "instead": results.found.instead,
    }


ROUTES = [list_datasets]
