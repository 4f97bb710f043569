"""The pages and the API of sales, a file a line, in the order of the OpenAPI document."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from marketplace.sales.agreed import basket_pages, private_pages
from marketplace.sales.auctions import api as auctions_api
from marketplace.sales.auctions import pages as auctions_pages
from marketplace.sales.auctions import reverse_pages
from marketplace.sales.orders import api as orders_api
from marketplace.sales.orders import claim_api, claim_pages
from marketplace.sales.orders import pages as orders_pages
from marketplace.sales.subscriptions import api as subscriptions_api
from marketplace.sales.subscriptions import pages as subscriptions_pages

if TYPE_CHECKING:
    from collections.abc import Sequence

    from litestar.handlers import HTTPRouteHandler

ROUTES: Final[Sequence[HTTPRouteHandler]] = (
    *claim_api.ROUTES,
    *claim_pages.ROUTES,
    *basket_pages.ROUTES,
    *private_pages.ROUTES,
    *orders_pages.ROUTES,
    *orders_api.ROUTES,
    *auctions_pages.ROUTES,
    *auctions_api.ROUTES,
    *reverse_pages.ROUTES,
    *subscriptions_api.ROUTES,
    *subscriptions_pages.ROUTES,
)
