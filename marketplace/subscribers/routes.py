"""The pages and the API of subscribers, a file a line, in the order of the OpenAPI document."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from marketplace.subscribers.earnings import pages as earnings_pages
from marketplace.subscribers.earnings import statement_pages as earnings_statement_pages
from marketplace.subscribers.legal import pages as legal_pages
from marketplace.subscribers.my_data import api as my_data_api
from marketplace.subscribers.my_data import link_pages
from marketplace.subscribers.my_data import pages as my_data_pages
from marketplace.subscribers.operators import api as operators_api
from marketplace.subscribers.payouts import pages as payouts_pages
from marketplace.subscribers.payouts import run_pages
from marketplace.subscribers.payouts import statement_pages as payouts_statement_pages
from marketplace.subscribers.rewards import pages as rewards_pages

if TYPE_CHECKING:
    from collections.abc import Sequence

    from litestar.handlers import HTTPRouteHandler

ROUTES: Final[Sequence[HTTPRouteHandler]] = (
    *earnings_pages.ROUTES,
    *earnings_statement_pages.ROUTES,
    *operators_api.ROUTES,
    *payouts_pages.ROUTES,
    *payouts_statement_pages.ROUTES,
    *run_pages.ROUTES,
    *rewards_pages.ROUTES,
    *legal_pages.ROUTES,
    *my_data_pages.ROUTES,
    *link_pages.ROUTES,
    *my_data_api.ROUTES,
)
