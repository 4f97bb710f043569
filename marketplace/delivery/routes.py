"""The pages and the API of delivery, a file a line, in the order of the OpenAPI document."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from marketplace.delivery.delta_sharing import api as delta_sharing_api
from marketplace.delivery.delta_sharing import pages as delta_sharing_pages
from marketplace.delivery.downloads import api as downloads_api
from marketplace.delivery.downloads import deletion_api, deletion_pages, trial_api, trial_pages
from marketplace.delivery.downloads import pages as downloads_pages
from marketplace.delivery.links import pages as links_pages
from marketplace.delivery.outgoing import bucket_pages, notification_api, notification_pages
from marketplace.delivery.population_density import api as population_density_api

if TYPE_CHECKING:
    from collections.abc import Sequence

    from litestar.handlers import HTTPRouteHandler

ROUTES: Final[Sequence[HTTPRouteHandler]] = (
    *deletion_pages.ROUTES,
    *bucket_pages.ROUTES,
    *deletion_api.ROUTES,
    *trial_api.ROUTES,
    *trial_pages.ROUTES,
    *downloads_pages.ROUTES,
    *downloads_api.ROUTES,
    *links_pages.ROUTES,
    *delta_sharing_pages.ROUTES,
    *delta_sharing_api.ROUTES,
    *notification_pages.ROUTES,
    *notification_api.ROUTES,
    *population_density_api.ROUTES,
)
