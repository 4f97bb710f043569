"""The pages and the API of oversight, a file a line, in the order of the OpenAPI document."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from marketplace.oversight.public_log import pages as public_log_pages
from marketplace.oversight.rights import pages as rights_pages
from marketplace.oversight.rights import steward_pages

if TYPE_CHECKING:
    from collections.abc import Sequence

    from litestar.handlers import HTTPRouteHandler

ROUTES: Final[Sequence[HTTPRouteHandler]] = (
    *rights_pages.ROUTES,
    *steward_pages.ROUTES,
    *public_log_pages.ROUTES,
)
