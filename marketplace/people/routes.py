"""The pages and the API of people, a file a line, in the order of the OpenAPI document."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from marketplace.people.mail import pages as mail_pages
from marketplace.people.sandbox import pages as sandbox_pages
from marketplace.people.sign_in import (
    address_pages,
    company_pages,
    factor_pages,
    inbox_pages,
    partner_pages,
    provider_pages,
    recovery_pages,
    session_pages,
    sign_in_pages,
)
from marketplace.people.sign_in import api as sign_in_api
from marketplace.people.spending import api as spending_api
from marketplace.people.spending import pages as spending_pages

if TYPE_CHECKING:
    from collections.abc import Sequence

    from litestar.handlers import HTTPRouteHandler

ROUTES: Final[Sequence[HTTPRouteHandler]] = (
    *sign_in_pages.ROUTES,
    *inbox_pages.ROUTES,
    *mail_pages.ROUTES,
    *session_pages.ROUTES,
    *company_pages.ROUTES,
    *partner_pages.ROUTES,
    *sign_in_api.ROUTES,
    *spending_pages.ROUTES,
    *spending_api.ROUTES,
    *sandbox_pages.ROUTES,
    *factor_pages.ROUTES,
    *provider_pages.ROUTES,
    *recovery_pages.ROUTES,
    *address_pages.ROUTES,
)
