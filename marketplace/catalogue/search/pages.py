"""Compare datasets, or releases of one, side by side."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any, Final

from litestar import Request, get
from litestar.params import QueryParameter
from litestar.response import Template  # noqa: TC002 (Litestar reads a handler's annotations)

from marketplace.catalogue.offers import queries as catalogue
from marketplace.catalogue.offers.actions import prices_now
from marketplace.catalogue.search.showing import label, name_tables
from marketplace.core import clock
from marketplace.core.errors import Invalid
from marketplace.core.web.pages import page
from marketplace.datasets.releases.queries import list_revocations
from marketplace.people.identity.guards import expect
from marketplace.privacy.product_registry import PRODUCTS

if TYPE_CHECKING:
    from marketplace.catalogue.offers.queries import ListedRelease, Listing

MOST_COMPARED: Final = 4
LONGEST_CODE: Final = 63
Codes = Annotated[list[Annotated[str, QueryParameter(max_length=LONGEST_CODE)]] | None, QueryParameter(name="dataset")]
Releases = Annotated[list[uuid.UUID] | None, QueryParameter(name="release")]


@dataclass(frozen=True, slots=True)
class ComparedDataset:
    """One column: a dataset, its compared release, and its price today in cents, or None."""

    listing: Listing
    release: ListedRelease
    price_minor: int | None


@get("/compare", opt=expect("anyone"))
async def compare(request: Request[Any, Any, Any], codes: Codes = None, releases: Releases = None) -> Template:
    """Show up to four datasets side by side, each by its latest release, or the named releases."""
    del request
    pairs = [
        (listing, listing.latest)
        for listing in [await catalogue.get_listing(code) for code in dict.fromkeys(codes or [])]
    ]
    for named in dict.fromkeys(releases or []):
        found = await catalogue.find_listed_release(named)
        if found is not None:
            pairs.append((await catalogue.get_listing(found.dataset), named))
    if not 1 < len(pairs) <= MOST_COMPARED:
        raise Invalid("Choose two to {most} datasets to compare.", most=MOST_COMPARED)
    rows = [(listing, await catalogue.get_listed_release(listing.code, which)) for listing, which in pairs]
    recalled = await list_revocations([release.id for _, release in rows])
    prices = await prices_now([release for _, release in rows if release.id not in recalled], now=clock.now())
    columns = [
        ComparedDataset(listing, release, prices[release.id].amount_minor if release.id in prices else None)
        for listing, release in rows
    ]
    tables = await name_tables([listing.zone_table for listing, _ in rows if listing.zone_table])
    return page("search/compare.html", columns=columns, products=PRODUCTS, label=partial(label, tables=tables))


ROUTES = [compare]
