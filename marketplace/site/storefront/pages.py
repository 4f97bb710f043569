"""A buyer's pages across the packages: datasets for sale, one dataset, own orders with invoices and downloads."""

from __future__ import annotations

import datetime as dt
import functools
import uuid
from typing import TYPE_CHECKING, Annotated, Any
from zoneinfo import ZoneInfo

from litestar import get
from litestar.params import FromPath, QueryParameter
from litestar.response import Redirect, Template
from markupsafe import Markup

from marketplace.catalogue.chosen_zones.queries import list_kept, read_choice
from marketplace.catalogue.metadata import schema_org
from marketplace.catalogue.metadata.api import preferred
from marketplace.catalogue.offers import actions as catalogue_actions
from marketplace.catalogue.offers import queries as catalogue_queries
from marketplace.catalogue.search import finding, showing
from marketplace.catalogue.search.rules import PATH, State, read_state
from marketplace.catalogue.sheets.simulated import simulated_week
from marketplace.core import clock
from marketplace.core.errors import Conflict, Invalid, NotFound
from marketplace.core.local_time import local_day
from marketplace.core.settings import settings
from marketplace.core.web.i18n import language
from marketplace.core.web.pages import LotNumber, PageNumber, in_words, page, url
from marketplace.datasets.geography.queries import get_geography
from marketplace.datasets.releases.figures import figures_of
from marketplace.datasets.releases.queries import (
    cells,
    get_published_figures,
    list_coverage,
    list_notices,
    list_revocations,
)
from marketplace.delivery.downloads.deletion_queries import find_confirmed
from marketplace.delivery.downloads.formats.registry import FORMATS
from marketplace.delivery.downloads.queries import holds_release
from marketplace.delivery.links.pages import links_of
from marketplace.money.credit.queries import find_due
from marketplace.people.identity.guards import ActorRequest, expect, partner
from marketplace.privacy.dictionary import DatasetFacts, columns
from marketplace.privacy.product_registry import PRODUCTS
from marketplace.privacy.simulated_week import NOTICE
from marketplace.sales.auctions.registry import get_kind
from marketplace.sales.orders import actions as purchases_actions
from marketplace.sales.orders import invoices
from marketplace.sales.orders.approval_queries import list_requests
from marketplace.sales.orders.queries import find_held, get_order, list_lots, list_orders
from marketplace.sales.orders.rules import TRANSFER_FROM_MINOR
from marketplace.sales.orders.settling import TIME_TO_TRANSFER
from marketplace.sales.orders.twice_queries import find_paid_before
from marketplace.site.storefront.coverage import cover
from marketplace.site.storefront.lengths import alike
from marketplace.site.storefront.maps_shown import Figures, bands_of, classes_of, draw_bought, draw_simulated, marked
from marketplace.site.storefront.programs import programs_of
from marketplace.site.storefront.quality import check
from marketplace.site.storefront.queries import find_released, list_running
from marketplace.site.storefront.steps import steps_of
from marketplace.site.storefront.viewer import name_of, read_asked, roughly, spread_of, view
from pricing.agreed import holding_of
from pricing.money import largest_remainder
from pricing.order import later

if TYPE_CHECKING:
    from collections.abc import Sequence

    from marketplace.catalogue.offers.queries import ListedRelease, Listing, ListingRow, SeriesRow
    from marketplace.catalogue.offers.rules import PricedRelease
    from marketplace.catalogue.sheets.simulated import SimulatedWeek
    from marketplace.people.identity.actors import Actor
    from marketplace.privacy.series import Break
    from pricing.order import Priced

DAY_HOURS = 24
MOST_POINTS = 120
MOST_OTHERS = 4
AGES_SHOWN = (7, 30)
REFRESH_SECONDS = "2"
MOST_VIEWED = 500_000
"""Most rows of a release that a buyer can view on its page; of a larger one the page shows the simulated week."""
COARSEST = 100
"""No edition has a higher level."""

Search = Annotated[str, QueryParameter(name="search", max_length=200)]
Hour = Annotated[int | None, QueryParameter(name="hour", ge=0, le=23)]
Band = Annotated[str, QueryParameter(name="band", max_length=63)]
OwnSet = Annotated[str, QueryParameter(name="kept", max_length=36)]
Chosen = Annotated[uuid.UUID | None, QueryParameter(name="release")]
Returned = Annotated[int, QueryParameter(name="returned", ge=0, le=1)]


@get(["/", "/catalogue"], opt=expect("anyone"))
async def catalogue(request: ActorRequest, search: Search = "", number: PageNumber = 1) -> Template | Redirect:
    """Show the datasets for sale that the address selects, and to a stranger first what Partage is.

    A harvester that prefers data to a page is sent to the catalogue for programs.
    """
    del search  # Named so that it has a limit; the state is read from the whole address.
    if document := preferred(request.headers.get("accept", "")):
        return Redirect(f"/catalogue.{document}?page={number}", status_code=303, headers={"Vary": "Accept"})
    state = read_state(request.query_params.multi_items())
    results = await finding.search(state, number)
    listings = results.listings
    latest = await catalogue_queries.list_priced_releases([listing.release for listing in listings.rows])
    prices = await catalogue_actions.prices_now(latest, now=clock.now())
    tables = await showing.name_shown([state], results.found)
    is_stranger = request.user is None and state.is_empty and number == 1
    return page(
        "storefront/catalogue.html",
        listings=listings,
        found=results.found,
        state=state,
        facets=showing.facets(state, results.found, tables),
        chosen=showing.chosen(state, tables),
        sorts=showing.sorts(state),
        summary=showing.summary(state, tables)[:200],
        everything=url(PATH),
        prices=prices,
        coverage=await cover(listings.rows),
        is_stranger=is_stranger,
        first=await _first_map(listings.rows) if is_stranger else None,
        rates=_rates(0),
    )


@get("/datasets/{code:str}", opt=expect("anyone", stranger=200))
async def dataset(
    request: ActorRequest,
    code: FromPath[str],
    *,
    release: Chosen = None,
    number: PageNumber = 1,
    hour: Hour = None,
    band: Band = "",
    kept: OwnSet = "",
) -> Template:
    """Show a dataset: one release of it, its price, and its uses and limits.

    hour, band, kept: an hour of the day, an age band, and saved zones of the company, for the map of who bought it.
    """
    try:
        listing = await catalogue_queries.get_listing(code)
    except NotFound:
        return await _former(request.user, code)
    shown = await catalogue_queries.get_listed_release(code, release or listing.latest)
    priced = await _price(shown)
    geography, week = await get_geography(listing.zone_table), await simulated_week(code, listing.sheet)
    buyer = request.user.partner if request.user else None
    mapped = await _map_of(request.user, listing, shown, week, (hour, band, kept))
    series = await catalogue_queries.list_series(code)
    index = _index(series)
    meanings = columns(PRODUCTS[listing.product], _stated(listing, shown))
    return page(
        "storefront/dataset.html",
        breaks={row.id: found for row, found in series},
        index=index,
        broken=_labels(series, index),
        listing=listing,
        product=PRODUCTS[listing.product],
        release=shown,
        zones=week.zones,
        simulated=NOTICE,
        held=await find_held(buyer, shown.id, COARSEST, clock.now()) if buyer else None,
        **mapped,
        **await _rows_of(request, listing, shown, week, mapped),
        programs=programs_of(f"{settings().url}{url(f'/datasets/{code}/sample.csv')}"),
        priced=priced,
        evidence=await catalogue_queries.get_evidence(listing.sheet, clock.now()),
        geography=geography,
        columns=meanings,
        described=Markup(schema_org.described(listing, shown, meanings, **_said_by())),  # noqa: S704 (no `<` in it)
        **await _priced_by_length(shown, priced),
        holding_of=holding_of,
        releases=await catalogue_queries.list_listed_releases(code, number),
        notices=await list_notices(shown.id),
        rates=_rates(priced.amount_minor if priced else 0),
        vat=await catalogue_queries.find_vat(buyer, priced.amount_minor) if priced else None,
        editions=await catalogue_actions.editions_now(shown, now=clock.now()) if priced else [],
        revocation=(await list_revocations([shown.id])).get(shown.id),
        coverage=await list_coverage(shown.id),
        divided_by=await get_published_figures(shown.id),
        year_micro=settings().subscriber_year_epsilon_micro,
        auctions=[(one, get_kind(one.kind)) for one in await list_running(shown.id)],
        whole_micro=shown.epsilon_micro * _days(shown, listing.time_zone),
        zone=ZoneInfo(listing.time_zone),
    )


async def _former(actor: Actor | None, code: str) -> Template:
    """Show what became of a dataset that is not for sale any more, what its buyer has, and others of its area."""
    former = await catalogue_queries.find_former_listing(code)
    if former is None:
        raise NotFound("There is no dataset {dataset} in the catalogue.", dataset=code)
    buyer = actor.partner if actor else None
    found = await finding.search(State(search=former.area), 1)
    return page(
        "storefront/former.html",
        former=former,
        orders=(await list_orders(buyer, dataset=code)).rows if buyer else [],
        others=found.listings.rows[:MOST_OTHERS],
    )


def _said_by() -> dict[str, str]:
    """Return the seller, and the page's language."""
    return {"seller": settings().seller_name, "language": language.get()}


def _stated(listing: Listing, release: ListedRelease) -> DatasetFacts:
    """Return the inputs of the columns' meanings."""
    return DatasetFacts(
        listing.grain,
        listing.age_bands,
        release.threshold,
        listing.h3_resolution,
        listing.zone_table or "",
        listing.time_zone,
    )


def _days(release: ListedRelease, time_zone: str) -> int:
    """Return how many local days a release's period touches."""
    last = local_day(release.period_to - dt.timedelta(microseconds=1), time_zone)
    return (last - local_day(release.period_from, time_zone)).days + 1


def _index(series: Sequence[tuple[SeriesRow, list[Break]]]) -> list[tuple[dt.datetime, float]]:
    """Return the consenting share by period, as an index with the first at 100; the latest revision counts."""
    shares = {row.period_from: row.consenting / row.population for row, _ in series if row.population}
    shares = dict(sorted(shares.items())[-MOST_POINTS:])
    first = next(iter(shares.values()), 0.0)
    return [(start, round(100 * share / first, 1)) for start, share in shares.items()] if first else []


def _labels(
    series: Sequence[tuple[SeriesRow, list[Break]]], index: Sequence[tuple[dt.datetime, float]]
) -> dict[dt.datetime, str]:
    """Return the breaks at the points of an index in a few words, in the page's language."""
    labels: dict[dt.datetime, list[str]] = {start: [] for start, _ in index}
    for row, found in series:
        if row.period_from in labels:
            labels[row.period_from] += [in_words(one.label) for one in found]
    return {start: ", ".join(dict.fromkeys(words)) for start, words in labels.items() if words}


async def _first_map(rows: Sequence[ListingRow]) -> dict[str, Any] | None:
    """Return the simulated map of the first dataset that has one, for a stranger's first page."""
    for row in rows:
        listing = await catalogue_queries.get_listing(row.code)
        drawn = await draw_simulated(listing, await simulated_week(row.code, listing.sheet))
        if drawn.figures and drawn.area.paths:
            classes, count = classes_of(drawn.figures)
            return {
                "listing": row,
                "classes": classes,
                "count": count,
                "outlines": drawn.area,
                "over": marked(drawn.area.height),
            }
    return None


async def _map_of(
    user: Actor | None, listing: Listing, shown: ListedRelease, week: SimulatedWeek, asked: tuple[int | None, str, str]
) -> dict[str, Any]:
    """Return the page's map: a partner who may download the release today sees its figures, anybody else simulated ones."""
    buyer = user.partner if user else None
    if buyer is None or not await holds_release(buyer, shown.id, clock.now()):
        drawn = await draw_simulated(listing, week)
        return {"has_bought": False, "series": week.figures.series, "drawn": drawn, "kept": None}
    hour, band, kept = asked
    sets = await list_kept(buyer)
    its = next((one for one in sets if str(one.id) == kept), None)
    zones = None
    try:
        zones = frozenset((await read_choice(its.zones, listing.code, week.zones)).zones) if its else None
    except Invalid:  # Saved zones are stored as written: if they name no zone of this dataset, the whole map is shown.
        its = None
    return {
        "has_bought": True,
        "series": (await figures_of(shown.id, week.zones)).series,
        "drawn": await draw_bought(listing, shown.id, week.zones, Figures(hour, band, zones)),
        "bands": bands_of(listing),
        "sets": sets,
        "kept": its,
    }


async def _rows_of(
    request: ActorRequest, listing: Listing, shown: ListedRelease, week: SimulatedWeek, mapped: dict[str, Any]
) -> dict[str, Any]:
    """Return the page's rows, the result of the file's checks, and for vetted partners its spread."""
    if await list_revocations([shown.id]):
        return {"viewer": None, "quality": None, "whole_spread": []}
    names = mapped["drawn"].names or {}
    is_whole = mapped["has_bought"] and shown.row_count <= MOST_VIEWED
    rows = await cells(shown.id) if is_whole else week.table
    segments = PRODUCTS[listing.product].segments or listing.age_bands
    vetted = bool(request.user and request.user.partner and request.user.vetted)
    return {
        "viewer": await view(rows, read_asked(request.query_params), names),
        "is_whole": is_whole,
        "names": names,
        "name_of": name_of,
        "quality": await check(shown, segments),
        "whole_spread": await _spread(shown) if vetted and not is_whole and shown.row_count <= MOST_VIEWED else [],
    }


async def _spread(shown: ListedRelease) -> list[tuple[int, int, int]]:
    """Return the shares of a release's figures by their counts of people, to the nearest five percent."""
    known = _spreads().get(shown.id)
    if known is None:
        known = _spreads()[shown.id] = roughly(spread_of((await cells(shown.id))["people"].to_numpy()))
    return known


@functools.cache
def _spreads() -> dict[uuid.UUID, list[tuple[int, int, int]]]:
    return {}


async def _price(release: PricedRelease) -> Priced | None:
    """Return today's price, or None if the release is not for sale."""
    if await list_revocations([release.id]):
        return None
    try:
        return await catalogue_actions.price_now(release, now=clock.now())
    except Conflict:
        return None


async def _priced_by_length(release: PricedRelease, priced: Priced | None) -> dict[str, Any]:
    """Return the prices of a release's lengths, which of them are alike, and today's price at later dates."""
    lengths = await catalogue_actions.prices_by_length(release, now=clock.now()) if priced else []
    return {"lengths": lengths, "alike": alike(lengths), "later": _later(priced)}


def _later(priced: Priced | None) -> list[tuple[int, int]]:
    """Return the same price after some days, all else equal: (days, amount)."""
    if priced is None:
        return []
    return [(days, later(priced, days * DAY_HOURS).amount_minor) for days in AGES_SHOWN]


def _rates(amount_minor: int) -> list[tuple[str, int, int]]:
    """Return the division of a posted price: (who, basis points, how much), exact in sum."""
    chosen = settings()
    parts = {
        "subscribers": chosen.subscribers_basis_points,
        "operator": chosen.operator_basis_points,
        "platform": chosen.platform_basis_points,
    }
    shares = largest_remainder(amount_minor, list(parts.values()))
    return [(who, rate, share) for (who, rate), share in zip(parts.items(), shares, strict=True)]


@get("/orders", guards=[partner], opt=expect("partner"))
async def orders(request: ActorRequest, number: PageNumber = 1) -> Template:
    """List the partner's orders, and above them what waits for an approval."""
    of = request.user.partner
    assert of
    waiting = await list_requests(of, clock.now())
    return page("storefront/orders.html", orders=await list_orders(of, number), requests=waiting)


@get("/orders/{order:uuid}", guards=[partner], opt=expect("partner", stranger=404))
async def show_order(
    request: ActorRequest, order: FromPath[uuid.UUID], returned: Returned = 0, lot: LotNumber = 1
) -> Template:
    """Show one order with one of its lots; on the way back from paying, refresh its payment until the money has come."""
    assert request.user.partner
    row = await get_order(request.user.partner, order, lot)
    if returned and row.state == "awaiting_payment":
        await purchases_actions.refresh_payment(order)
        row = await get_order(request.user.partner, order, lot)
    waits = returned and row.state == "awaiting_payment" and row.payment_state != "processing"
    documents, now = await invoices.list_invoices(order), clock.now()
    quote = await catalogue_queries.get_quote(row.quote, request.user.partner)
    released_at = await find_released(row.licence) if row.licence else None
    answer = page(
        "storefront/order.html",
        order=row,
        lots=await list_lots(request.user.partner, order) if row.lots > 1 else [],
        waits=waits,
        steps=steps_of(row, quote, documents, released_at, now),
        documents=documents,
        billing=await invoices.find_billing(request.user.partner),
        now=now,
        pay_until=row.ordered_at + TIME_TO_TRANSFER,
        is_large=row.total_minor >= TRANSFER_FROM_MINOR and not quote.auction,
        formats=FORMATS,
        deleted_at=await find_confirmed(row.entitlement) if row.recalled_at and row.entitlement else None,
        due=await find_due(order),
        paid_before=await find_paid_before(request.user.partner, order),
        shown_links=await links_of(request.user, row.entitlement) if row.entitlement else None,
    )
    if waits:
        answer.headers["refresh"] = REFRESH_SECONDS
    return answer


ROUTES = [catalogue, dataset, orders, show_order]
