"""The pages and the API of site, a file a line, in the order of the OpenAPI document."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from marketplace.site import metrics, webhooks
from marketplace.site.docs import pages as docs_pages
from marketplace.site.first_steps import pages as first_steps_pages
from marketplace.site.health import pages as health_pages
from marketplace.site.serving import api_pages
from marketplace.site.storefront import pages as storefront_pages
from marketplace.site.tour import pages as tour_pages

if TYPE_CHECKING:
    from collections.abc import Sequence

    from litestar.handlers import HTTPRouteHandler

ROUTES: Final[Sequence[HTTPRouteHandler]] = (
    *storefront_pages.ROUTES,
    *first_steps_pages.ROUTES,
    *tour_pages.ROUTES,
    *docs_pages.ROUTES,
    *api_pages.ROUTES,
    *health_pages.ROUTES,
    *webhooks.ROUTES,
    *metrics.ROUTES,
)
