"""The pages and the API of datasets, a file a line, in the order of the OpenAPI document."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from marketplace.datasets.geography import layer_pages
from marketplace.datasets.geography import pages as geography_pages
from marketplace.datasets.releases import pages as releases_pages

if TYPE_CHECKING:
    from collections.abc import Sequence

    from litestar.handlers import HTTPRouteHandler

ROUTES: Final[Sequence[HTTPRouteHandler]] = (
    *geography_pages.ROUTES,
    *layer_pages.ROUTES,
    *releases_pages.ROUTES,
)
