"""The pages and the API of catalogue, a file a line, in the order of the OpenAPI document."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from marketplace.catalogue.chosen_zones import api as chosen_zones_api
from marketplace.catalogue.chosen_zones import pages as chosen_zones_pages
from marketplace.catalogue.metadata import api as metadata_api
from marketplace.catalogue.offers import api as offers_api
from marketplace.catalogue.offers import pages as offers_pages
from marketplace.catalogue.offers import sheet_pages as offers_sheet_pages
from marketplace.catalogue.requests import pages as requests_pages
from marketplace.catalogue.search import routes as search_routes
from marketplace.catalogue.steward import (
    definition_pages,
    dry_run_pages,
    law_pages,
    offer_pages,
    purpose_pages,
    release_pages,
    sheet_pages,
    terms_pages,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from litestar.handlers import HTTPRouteHandler

ROUTES: Final[Sequence[HTTPRouteHandler]] = (
    *offers_pages.ROUTES,
    *offers_sheet_pages.ROUTES,
    *offers_api.ROUTES,
    *chosen_zones_api.ROUTES,
    *search_routes.ROUTES,
    *chosen_zones_pages.ROUTES,
    *requests_pages.ROUTES,
    *dry_run_pages.ROUTES,
    *definition_pages.ROUTES,
    *purpose_pages.ROUTES,
    *terms_pages.ROUTES,
    *sheet_pages.ROUTES,
    *law_pages.ROUTES,
    *offer_pages.ROUTES,
    *release_pages.ROUTES,
    *metadata_api.ROUTES,
)
