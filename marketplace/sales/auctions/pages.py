"""The auctions' pages: what is on sale, bidding, receipts, the award."""

from __future__ import annotations

import json
import secrets
import uuid
from typing import TYPE_CHECKING, Annotated, Any

from litestar import Response, get, post
from litestar.enums import RequestEncodingType
from litestar.params import Body, FromPath, QueryParameter
from litestar.response import Redirect, Template  # noqa: TC002 (Litestar reads a handler's annotations)
from msgspec import Struct

from marketplace.catalogue.offers.actions import prices_for
from marketplace.catalogue.offers.queries import list_priced_releases
from marketplace.core import clock
from marketplace.core.errors import Invalid, NotAllowed
from marketplace.core.settings import settings
from marketplace.core.signing import public_key
from marketplace.core.web import formats
from marketplace.core.web.buttons import Pressed  # noqa: TC001 (Litestar reads a handler's annotations)
from marketplace.core.web.i18n import language
from marketplace.core.web.pages import PageNumber, again, in_words, page, see
from marketplace.people.identity.guards import ActorRequest, expect, partner, vetted_partner
from marketplace.sales.auctions import eligibility, money_pages, receipts, rules, steward_pages
from marketplace.sales.auctions.actions import fixed_terms, place_bid, place_sealed_bid
from marketplace.sales.auctions.charge import pay
from marketplace.sales.auctions.debts import find_bar
from marketplace.sales.auctions.page_queries import get_activity, list_own_sales, list_requests
from marketplace.sales.auctions.queries import (
    get_auction,
    get_bid,
    get_own_state,
    list_auctions,
    list_latest,
    list_lots,
    list_outcomes,
    list_own_bids,
    list_prices,
    list_reserves,
    minimum_bid_minor,
    snapshot,
)
from marketplace.sales.auctions.registry import KINDS, get_kind
from marketplace.sales.auctions.second_chance import BARRED_FOR
from marketplace.sales.auctions.steward_pages import reserve_steps
from marketplace.sales.orders.checkout_words import checkout_words

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Sequence

    from marketplace.people.identity.actors import Actor
    from marketplace.sales.auctions.kind_rules import BidField
    from marketplace.sales.auctions.queries import LotRow
    from marketplace.sales.auctions.rows import AuctionPage

Deposit = Annotated[uuid.UUID | None, QueryParameter(name="deposit")]
Placed = Annotated[uuid.UUID | None, QueryParameter(name="bid")]


class BidForm(Struct):
    """A bid typed by a person: euros, or in a bundle auction one amount a package."""

    form_id: uuid.UUID
    amount: str = ""
    nonce: str = ""


Bidding = Annotated[BidForm, Body(media_type=RequestEncodingType.URL_ENCODED)]


def label_of(field: BidField, lots: Sequence[LotRow]) -> str:
    """Return the label of a field of the bid form; a lot's field names its dataset and period."""
    if field.lot is None:
        return in_words(field.label)
    lot = lots[field.lot]
    title = lot.title_fr if language.get() == "fr" else lot.title_en
    period = formats.period(lot.period_from, lot.period_to, lot.time_zone)
    return in_words(field.label, dataset=title, period=period)


@get("/auctions", opt=expect("anyone"))
async def auctions_page(page_number: PageNumber = 1) -> Template:
    """Show every auction, those open for bids first."""
    found = await list_auctions(page_number)
    return page("auctions/auctions.html", auctions=found, kinds=KINDS)


@get("/auctions/{auction:uuid}", opt=expect("anyone", stranger=200))
async def auction_page(
    request: ActorRequest,
    auction: FromPath[uuid.UUID],
    page_number: PageNumber = 1,
    deposit: Deposit = None,
    placed: Placed = None,
) -> Template:
    """Show one auction: its rule in words, its state, the visitor's own state, the log, the award.

    placed: the visitor's own bid that was just answered; the answer is shown at the form.
    """
    shown = await _shown(request, auction, page_number, deposit)
    answered = next((one for one in shown["own"] if one.id == placed), None)
    return page("auctions/auction.html", typed={}, error="", answered=answered, **shown)


@get("/auctions/{auction:uuid}/chart", opt=expect("anyone", stranger=200))
async def price_chart(auction: FromPath[uuid.UUID]) -> Template:
    """Show only the price curve of an open auction, for the live page's script; the same for everybody."""
    row = await get_auction(auction)
    answer = page("auctions/_chart.html", auction=row, prices=await _prices(row), paris=formats.PARIS)
    answer.headers["cache-control"] = "public, max-age=2"
    return answer


async def _prices(auction: AuctionPage) -> list[tuple[dt.datetime, int]]:
    return [] if get_kind(auction.kind).bids.is_sealed else await list_prices(auction, clock.now())


async def _shown(
    request: ActorRequest, auction: uuid.UUID, page_number: int = 1, deposit: uuid.UUID | None = None
) -> dict[str, Any]:
    row, lots = await get_auction(auction), await list_lots(auction)
    kind, reserves = get_kind(row.kind), await list_reserves(auction)
    actor: Actor | None = request.scope.get("user")
    company = actor.partner if actor else None
    if company and deposit:
        await eligibility.refresh_deposit(company, deposit)
    refusal = await eligibility.find_refusal(company, auction) if company else "not_a_partner"
    is_awarded, is_steward = row.state == "awarded", bool(actor and actor.role == "steward")
    own = await list_own_bids(auction, company) if company else []
    return {
        "auction": row,
        "kind": kind,
        "fields": [(label_of(field, lots), field) for field in kind.bids.fields(row, reserves)],
        "lots": lots,
        "posted": await _posted(row, lots),
        "log": await list_latest(auction, page_number),
        "prices": await _prices(row),
        "paris": formats.PARIS,
        "minimum_minor": minimum_bid_minor(row),
        "live": snapshot(row),
        "own": own,
        "own_maximum_minor": max((one.maximum_minor or 0 for one in own if "refused" not in one.answer), default=0),
        "activity": await get_activity(auction) if is_steward and row.state == "open" else None,
        "requests": await list_requests(auction) if is_steward and row.state == "open" else [],
        "me": rules.pseudonym(row.salt, company) if company else "",
        "cover_minor": await eligibility.find_cover(company, auction) if company and kind.bids.is_sealed else None,
        "own_state": await get_own_state(row, company) if company else None,
        "sales": await list_own_sales(auction, company) if company and is_awarded else [],
        "outcomes": await list_outcomes(auction) if is_awarded else [],
        "nonce": secrets.token_hex(32),
        "terms_sha256": (await fixed_terms(auction)).digest,
        "receipt_key": public_key(settings().signing_key).hex(),
        "sentences": rules.SENTENCES,
        "may_bid": refusal is None,
        "steward": is_steward,
        "refusal": refusal,
        "deposit": await eligibility.find_deposit(company, auction) if company else None,
        "bar": await find_bar(company, auction) if company else None,
        "bands": rules.deposit_bands(row.unsecured_minor),
        "barred_days": BARRED_FOR.days,
        "computed": reserve_steps(row.computation, row.reserve_minor),
    }


async def _posted(auction: AuctionPage, lots: Sequence[LotRow]) -> dict[uuid.UUID, int]:
    """Return today's posted price of each lot that is also sold as usual, for as long, in cents, during the auction."""
    if auction.phase not in ("announced", "open"):
        return {}
    releases = await list_priced_releases([lot.release for lot in lots if lot.revoked_at is None])
    priced = await prices_for(releases, months=auction.months, now=clock.now())
    return {release: one.amount_minor for release, (_, one) in priced.items()}


@post(
    "/auctions/{auction:uuid}/bids",
    guards=[vetted_partner],
    opt=expect("vetted partner", stranger=200),
    status_code=303,
)
async def bid_form(request: ActorRequest, auction: FromPath[uuid.UUID], data: Bidding) -> Redirect | Template:
    """Bid once a form: its id is the bid's, so a refresh or a double click is one bid."""
    try:
        await _bid(request, auction, data)
    except (Invalid, NotAllowed) as mistake:
        typed = {name: str(value) for name, value in (await request.form()).items()}
        shown = await _shown(request, auction)
        return again("auctions/auction.html", mistake, typed=typed, answered=None, **shown)
    return see(f"/auctions/{auction}?bid={data.form_id}")


@get("/auctions/{auction:uuid}/bids", opt=expect("anyone", stranger=200), status_code=303)
async def bids_page(auction: FromPath[uuid.UUID]) -> Redirect:
    """Redirect a person who requests the address of a mistaken bid again, for example in another language."""
    return see(f"/auctions/{auction}")


async def _bid(request: ActorRequest, auction: uuid.UUID, data: BidForm) -> None:
    """Place the typed bid; for an answer that refuses it, raise Invalid at the field, and show its receipt."""
    row, lots = await get_auction(auction), await list_reserves(auction)
    bids = get_kind(row.kind).bids
    packages = bids.read(await request.form(), len(lots))
    if bids.is_sealed:
        receipt = await place_sealed_bid(request.user, auction, bid=data.form_id, nonce=data.nonce, packages=packages)
    else:
        receipt = await place_bid(request.user, auction, bid=data.form_id, maximum_minor=packages[0].amount_minor)
    if not receipt.accepted:
        raise Invalid(rules.SENTENCES[receipt.answer], field="amount")


@post(
    "/auctions/sales/{sale:uuid}/pay",
    guards=[vetted_partner],
    opt=expect("vetted partner", stranger=404),
    status_code=303,
)
async def pay_form(
    request: ActorRequest,
    sale: FromPath[uuid.UUID],
    data: Pressed,
) -> Redirect:
    """Order an award; the order's page leads to Stripe's."""
    return see(f"/orders/{await pay(request.user, sale, order_id=data.form_id, words=checkout_words())}")


@get("/bids/{bid:uuid}", guards=[partner], opt=expect("partner", stranger=404))
async def bid_page(request: ActorRequest, bid: FromPath[uuid.UUID]) -> Template:
    """Show the answer to one of the partner's own bids, with its receipt."""
    assert request.user.partner
    row = await get_bid(bid, request.user.partner)
    return page(
        "auctions/bid.html",
        bid=row,
        auction=await get_auction(row.auction),
        receipt=receipts.receipt_of(row, (await fixed_terms(row.auction)).digest, is_repeated=True),
        sentences=rules.SENTENCES,
    )


@get("/bids/{bid:uuid}/receipt", guards=[partner], opt=expect("partner", stranger=404))
async def receipt_file(request: ActorRequest, bid: FromPath[uuid.UUID]) -> Response[bytes]:
    """Hand out the signed receipt of one of the partner's own bids as the file that `python -m pricing replay` reads."""
    assert request.user.partner
    row = await get_bid(bid, request.user.partner)
    receipt = receipts.receipt_of(row, (await fixed_terms(row.auction)).digest, is_repeated=True)
    return Response(
        json.dumps(receipts.signed(receipt), indent=1).encode(),
        media_type="application/json",
        headers={"Content-Disposition": f'attachment; filename="receipt-{bid}.json"'},
    )


ROUTES = [
    auctions_page,
    auction_page,
    price_chart,
    bid_form,
    bids_page,
    bid_page,
    receipt_file,
    pay_form,
    *money_pages.ROUTES,
    *steward_pages.ROUTES,
]
