"""The pages and the API of finance, a file a line, in the order of the OpenAPI document."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from marketplace.finance.bank import pages as bank_pages
from marketplace.finance.bank import preview_pages, rule_pages
from marketplace.finance.bookkeeping import (
    business_pages,
    export_pages,
    funnel_pages,
    judgement_pages,
    period_pages,
    trail_pages,
    year_pages,
)
from marketplace.finance.bookkeeping import pages as bookkeeping_pages
from marketplace.finance.desk import pages as desk_pages
from marketplace.finance.einvoicing import api as einvoicing_api
from marketplace.finance.einvoicing import pages as einvoicing_pages
from marketplace.finance.reconciliation import category_pages, command_pages, queue_pages
from marketplace.finance.reconciliation import pages as reconciliation_pages

if TYPE_CHECKING:
    from collections.abc import Sequence

    from litestar.handlers import HTTPRouteHandler

ROUTES: Final[Sequence[HTTPRouteHandler]] = (
    *funnel_pages.ROUTES,
    *bank_pages.ROUTES,
    *preview_pages.ROUTES,
    *rule_pages.ROUTES,
    *business_pages.ROUTES,
    *judgement_pages.ROUTES,
    *year_pages.ROUTES,
    *reconciliation_pages.ROUTES,
    *desk_pages.ROUTES,
    *queue_pages.ROUTES,
    *command_pages.ROUTES,
    *category_pages.ROUTES,
    *einvoicing_api.ROUTES,
    *einvoicing_pages.ROUTES,
    *bookkeeping_pages.ROUTES,
    *period_pages.ROUTES,
    *trail_pages.ROUTES,
    *export_pages.ROUTES,
)
