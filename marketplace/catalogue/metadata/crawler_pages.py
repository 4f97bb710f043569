"""Files for search engines: which pages they may read, and the addresses of all datasets for sale in both languages."""

from __future__ import annotations

import datetime as dt
from typing import Final
from urllib.parse import quote
from xml.sax.saxutils import escape

from litestar import Response, get
from litestar.params import FromPath  # noqa: TC002 (Litestar reads a handler's annotations)
from msgspec import Struct

from marketplace.catalogue.metadata.queries import SQL
from marketplace.core.database import fetch_rows, fetch_scalar
from marketplace.core.errors import NotFound
from marketplace.core.settings import settings
from marketplace.core.web.i18n import LANGUAGES
from marketplace.people.identity.guards import expect

FILE_SIZE: Final = 10_000
"""Datasets in one file: a sitemap has at most 50,000 addresses."""
PAGES: Final = ("/", "/catalogue", "/auctions", "/docs", "/transparency", "/help", "/sign-up", "/legal/notice")
"""Public pages, without those of datasets."""
PERSONAL: Final = (
    *("sign-in", "sign-out", "orders", "quotes", "subscriptions", "subscribe", "requests", "private-offers", "trial"),
    *("keys", "billing", "payment-method", "inbox", "profile", "earnings", "consent", "calls", "my-data", "start"),
    *("steward", "staff", "finance", "partners", "reset", "shared", "activate"),
)
"""The first parts of paths to private pages, which search engines must not read."""
SHARED: Final = {"Cache-Control": "public, max-age=3600"}
NAMESPACE: Final = "http://www.sitemaps.org/schemas/sitemap/0.9"


class OnSale(Struct, frozen=True):
    """A dataset on sale, and when its latest release was published."""

    code: str
    sealed_at: dt.datetime


@get("/robots.txt", opt=expect("anyone"))
async def robots() -> Response[str]:
    """Say which pages search engines may read, and where the list of them is."""
    closed = [f"/{code}/{name}" for code in LANGUAGES for name in PERSONAL]
    lines = ["User-agent: *", *(f"Disallow: {path}" for path in ("/api/", "/files/", "/delta-sharing/", *closed))]
    text = "\n".join([*lines, "", f"Sitemap: {settings().url}/sitemap.xml", ""])
    return Response(text, media_type="text/plain; charset=utf-8", headers=SHARED)


@get("/sitemap.xml", opt=expect("anyone"))
async def sitemap() -> Response[str]:
    """List the files that list the pages for search engines."""
    many = await fetch_scalar(int, SQL["count_on_sale"]) or 0
    files = [f"{settings().url}/sitemaps/{number}" for number in range(-(-many // FILE_SIZE) + 1)]
    return _xml("sitemapindex", "".join(f"<sitemap><loc>{escape(each)}</loc></sitemap>" for each in files))


@get("/sitemaps/{number:int}", opt=expect("anyone", stranger=200))
async def sitemap_part(number: FromPath[int]) -> Response[str]:
    """List the pages for everybody where the number is 0, else one part of the datasets on sale."""
    if number < 0:
        raise NotFound("There is no such page.")
    if not number:
        return _xml("urlset", "".join(_page(path) for path in PAGES))
    rows = await fetch_rows(OnSale, SQL["list_on_sale"], FILE_SIZE, (number - 1) * FILE_SIZE)
    return _xml("urlset", "".join(_page(f"/datasets/{quote(row.code)}", row.sealed_at) for row in rows))


def _page(path: str, changed_at: dt.datetime | None = None) -> str:
    """Return a page's entry in each language; each names the others."""
    addresses = {code: escape(f"{settings().url}/{code}{path}") for code in LANGUAGES}
    others = "".join(
        f'<xhtml:link rel="alternate" hreflang="{code}" href="{address}"/>' for code, address in addresses.items()
    )
    changed = f"<lastmod>{changed_at:%Y-%m-%dT%H:%M:%SZ}</lastmod>" if changed_at else ""
    return "".join(f"<url><loc>{address}</loc>{changed}{others}</url>" for address in addresses.values())


def _xml(root: str, inside: str) -> Response[str]:
    text = f'<?xml version="1.0" encoding="UTF-8"?>\n<{root} xmlns="{NAMESPACE}" xmlns:xhtml="http://www.w3.org/1999/xhtml">'
    return Response(f"{text}{inside}</{root}>\n", media_type="application/xml", headers=SHARED)


ROUTES = [robots, sitemap, sitemap_part]
