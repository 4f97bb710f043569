"""The public read of a market's price sheet: everything that a price needs besides a release's points, for anybody."""

from __future__ import annotations

import contextlib
import heapq
import json
from typing import TYPE_CHECKING, Any, Final

from litestar import Response, get
from litestar.params import FromPath  # noqa: TC002 (Litestar reads a handler's annotations)
from litestar.response import Template  # noqa: TC002 (Litestar reads a handler's annotations)
from msgspec import Struct

from marketplace.catalogue.offers.demand import find_draw
from marketplace.catalogue.sheets import rules
from marketplace.catalogue.sheets.queries import (
    HistoryRow,
    SheetRow,
    VersionRow,
    get_law,
    get_sheet,
    get_version,
    get_version_of,
    list_history,
)
from marketplace.consent.vocabulary import PURPOSES
from marketplace.core import clock
from marketplace.core.errors import NotFound
from marketplace.core.web.pages import download, page
from marketplace.datasets.geography.queries import find_titles, get_geography
from marketplace.people.identity.guards import expect
from marketplace.privacy.geography import OwnZones
from marketplace.privacy.product_registry import PRODUCTS
from pricing.demand import NEUTRAL_BASIS_POINTS
from pricing.order import RULE
from pricing.sheet import FULL_RATE, Law

if TYPE_CHECKING:
    import datetime as dt

MOST_SHOWN: Final = 20
DIGEST_LENGTH: Final = 64
"""Digits of a SHA-256: longer than any sheet's code."""


class Shown(Struct, frozen=True):
    """A version of a sheet, and what a price by it needs besides at an instant."""

    sheet: SheetRow
    version: VersionRow
    document: rules.Document
    demand: dict[str, int]
    """Group → multiplier of the day, in basis points."""
    law: Law | None
    """None: no law of volume is stated in the currency yet."""

    @property
    def point_micro(self) -> int:
        """Return the worth of a point in millionths of a unit of the currency, rounded."""
        return round(self.document.worth_micro / 100)


@get("/sheets/{name:str}", opt=expect("anyone", stranger=200))
async def show(name: FromPath[str]) -> Template:
    """Show a market's price sheet: the version in force of its code, or the one with a digest."""
    now = clock.now()
    shown = await _found(name, now)
    geography = await get_geography(shown.sheet.zone_table)
    heaviest = heapq.nsmallest(MOST_SHOWN, shown.document.zones.items(), key=lambda one: (-one[1][0], one[0]))
    titles = await find_titles([shown.sheet.zone_table] if shown.sheet.zone_table else [])
    history = await list_history(shown.sheet.code)
    return page(
        "offers/sheet.html",
        shown=shown,
        product=PRODUCTS[shown.sheet.product],
        table=titles.get(shown.sheet.zone_table or ""),
        heaviest=heaviest,
        names=geography.names if isinstance(geography, OwnZones) else {},
        now=now,
        purposes=PURPOSES,
        whole=FULL_RATE,
        in_force=_in_force(history, now),
        later=[one for one in history if one.starts_at > now],
    )


@get("/sheets/{name:str}/sheet.json", opt=expect("anyone", stranger=200))
async def as_json(name: FromPath[str]) -> Response[bytes]:
    """Send a sheet with its demand of the day and the law of volume; its digest is that of `document` by RFC 8785."""
    shown = await _found(name, clock.now())
    law = shown.law
    stated: dict[str, Any] = {
        "rule": RULE,
        "sheet": shown.sheet.code,
        "version": shown.version.number,
        "sha256": shown.version.sha256,
        "starts_at": shown.version.starts_at.isoformat(),
        "currency": shown.sheet.currency,
        "document": json.loads(shown.version.document),
        "demand_basis_points": shown.demand,
        "law": {"currency": law.currency, "volume": law.volume, "least_minor": law.least_minor} if law else None,
    }
    body = json.dumps(stated, indent=1, ensure_ascii=False).encode()
    return download(f"{shown.sheet.code}-{shown.version.number}.json", body, "application/json")


@get("/sheets/{name:str}/constants.csv", opt=expect("anyone", stranger=200))
async def as_csv(name: FromPath[str]) -> Response[bytes]:
    """Send the constants of a sheet's zones, as a steward states them."""
    shown = await _found(name, clock.now())
    body = rules.constants_file(shown.document.zones)
    return download(f"{shown.sheet.code}-{shown.version.number}.csv", body, "text/csv")


async def _found(name: str, now: dt.datetime) -> Shown:
    """Return the version with a digest, or the one in force of a code."""
    version = await (get_version_of(name) if len(name) == DIGEST_LENGTH else get_version(name, now))
    sheet, document = await get_sheet(version.sheet), rules.read(version.document)
    demand = await find_draw(sheet.code, now) or NEUTRAL_BASIS_POINTS
    law = None
    with contextlib.suppress(NotFound):
        law = await get_law(sheet.currency, now)
    return Shown(sheet, version, document, dict.fromkeys(document.groups, demand), law)


def _in_force(history: list[HistoryRow], now: dt.datetime) -> HistoryRow | None:
    """Return the version in force: the last to start of those that have."""
    started = [one for one in history if one.starts_at <= now]
    return max(started, key=lambda one: (one.starts_at, one.number)) if started else None


ROUTES = [show, as_json, as_csv]
