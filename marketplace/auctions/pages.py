"""The auctions' pages: what is on sale, bidding, receipts, the award; a steward announces and cancels."""

from __future__ import annotations

import json
import secrets
import uuid
from typing import Annotated, Any

from litestar import Request, Response, get, post
from litestar.enums import RequestEncodingType
from litestar.params import Body, FromPath, QueryParameter
from litestar.response import Redirect, Template  # noqa: TC002 (Litestar reads a handler's annotations)
from msgspec import Struct

from marketplace import clock
from marketplace.auctions import eligibility, money_pages, receipts, rules
from marketplace.auctions.actions import PRICE_RULES, Plan, announce, answer_of, cancel, place_bid, place_sealed_bid
from marketplace.auctions.charge import pay
from marketplace.auctions.queries import (
    get_auction,
    get_bid,
    get_own_state,
    list_auctions,
    list_latest,
    list_lots,
    list_offers,
    list_outcomes,
    list_own_bids,
    list_own_sales,
    list_prices,
    minimum_bid_minor,
    snapshot,
)
from marketplace.auctions.reserves import reckon_reserve
from marketplace.errors import Invalid
from marketplace.identity.actors import Actor
from marketplace.identity.guards import partner, staff, vetted_partner
from marketplace.purchases.checkout_words import checkout_words
from marketplace.settings import settings
from marketplace.web import formats
from marketplace.web.pages import again, page, see

Asked = Request[Actor, Any, Any]
Deposit = Annotated[uuid.UUID | None, QueryParameter(name="deposit")]
Page = Annotated[int, QueryParameter(name="page", ge=1, le=1_000_000)]


class BidForm(Struct):
    """A bid typed by a person: euros, or in a bundle auction one amount a package."""

    form_id: uuid.UUID
    amount: str = ""
    nonce: str = ""


class PlanForm(Struct):
    """What a steward announces; instants are UTC, amounts euros."""

    form_id: uuid.UUID
    kind: str
    offer: uuid.UUID
    opens_at: str
    closes_at: str
    reserve: str = ""
    licences: int = 1
    exclusive_from: str = ""
    exclusive_to: str = ""


class OnceForm(Struct):
    """A form that is one button; its id makes it count once."""

    form_id: uuid.UUID


class ReasonForm(Struct):
    """Why an auction is cancelled."""

    reason: str


Bidding = Annotated[BidForm, Body(media_type=RequestEncodingType.URL_ENCODED)]
Planned = Annotated[PlanForm, Body(media_type=RequestEncodingType.URL_ENCODED)]


@get("/auctions")
async def auctions_page(page_number: Page = 1) -> Template:
    """Show every auction, those that can still be bid in first."""
    return page("auctions/auctions.html", auctions=await list_auctions(page_number))


@get("/auctions/{auction:uuid}")
async def auction_page(
    request: Asked, auction: FromPath[uuid.UUID], page_number: Page = 1, deposit: Deposit = None
) -> Template:
    """Show one auction: its rule in words, where it stands, the visitor's own state, the log, the award."""
    return page("auctions/auction.html", typed="", error="", **await _shown(request, auction, page_number, deposit))


async def _shown(
    request: Asked, auction: uuid.UUID, page_number: int = 1, deposit: uuid.UUID | None = None
) -> dict[str, Any]:
    row = await get_auction(auction)
    actor: Actor | None = request.scope.get("user")
    company = actor.partner if actor else None
    if company and deposit:
        await eligibility.look_for_deposit(company, deposit)
    refusal = await eligibility.find_refusal(company, auction) if company else "not_a_partner"
    steward = bool(actor and actor.role == "steward")
    return {
        "auction": row, "lots": await list_lots(auction), "log": await list_latest(auction, page_number),
        "prices": await list_prices(row, clock.now()) if row["kind"] == "ascending" else [], "paris": formats.PARIS,
        "minimum_minor": minimum_bid_minor(row) if row["kind"] == "ascending" or row["reserve_minor"] else 0,
        "live": snapshot(row), "own": await list_own_bids(auction, company) if company else [],
        "me": rules.pseudonym(row["salt"], company) if company else "",
        "standing": await get_own_state(row, company) if company else None,
        "sales": await list_own_sales(auction, company) if company and row["state"] == "awarded" else [],
        "outcomes": await list_outcomes(auction) if row["state"] == "awarded" else [],
        "nonce": secrets.token_hex(32), "receipt_key": receipts.public_key(settings().signing_key), "sentences": rules.SENTENCES,
        "may_bid": refusal is None, "steward": steward, "refusal": refusal,
        "deposit": await eligibility.find_deposit(company, auction) if company else None,
        "reckoned": json.loads(row["reckoning"]) | {"reserve_minor": row["reserve_minor"]} if row["reckoning"] else None,
    }  # fmt: skip


@post("/auctions/{auction:uuid}/bids", guards=[vetted_partner], status_code=303)
async def bid_form(request: Asked, auction: FromPath[uuid.UUID], data: Bidding) -> Redirect | Template:
    """Bid once a form: its id is the bid's, so a refresh or a double click is one bid."""
    try:
        await _bid(request, auction, data)
    except Invalid as mistake:
        shown = await _shown(request, auction)
        return again("auctions/auction.html", mistake, typed=data.amount, **shown)
    return see(f"/bids/{data.form_id}")


@get("/auctions/{auction:uuid}/bids", status_code=303)
async def bids_page(auction: FromPath[uuid.UUID]) -> Redirect:
    """Lead to the auction whoever asks for a mistaken bid's address again, in another language say."""
    return see(f"/auctions/{auction}")


async def _bid(request: Asked, auction: uuid.UUID, data: BidForm) -> None:
    row = await get_auction(auction)
    if row["kind"] == "ascending":
        await place_bid(request.user, auction, bid=data.form_id, maximum_minor=formats.read_cents(data.amount))
        return
    if row["kind"] == "bundle":
        packages = rules.typed_packages(await request.form(), len(await list_lots(auction)))
    else:
        packages = [([0], formats.read_cents(data.amount))]
    await place_sealed_bid(request.user, auction, bid=data.form_id, nonce=data.nonce, packages=packages)


@post("/auctions/sales/{sale:uuid}/pay", guards=[vetted_partner], status_code=303)
async def pay_form(
    request: Asked,
    sale: FromPath[uuid.UUID],
    data: Annotated[OnceForm, Body(media_type=RequestEncodingType.URL_ENCODED)],
) -> Redirect:
    """Order what was won; the order's page leads to Stripe's."""
    return see(f"/orders/{await pay(request.user, sale, order_id=data.form_id, words=checkout_words())}")


@get("/bids/{bid:uuid}", guards=[partner])
async def bid_page(request: Asked, bid: FromPath[uuid.UUID]) -> Template:
    """Show the answer to one of the partner's own bids, with its receipt."""
    assert request.user.partner
    row = await get_bid(bid, request.user.partner)
    return page(
        "auctions/bid.html",
        bid=row,
        auction=await get_auction(row["auction"]),
        answer=answer_of(row, repeated=True),
        sentences=rules.SENTENCES,
    )


@get("/bids/{bid:uuid}/receipt", guards=[partner])
async def receipt_file(request: Asked, bid: FromPath[uuid.UUID]) -> Response[bytes]:
    """Hand out the signed receipt of one of the partner's own bids as the file that `python -m pricing replay` reads."""
    assert request.user.partner
    answer = answer_of(await get_bid(bid, request.user.partner), repeated=True)
    return Response(
        json.dumps(receipts.signed(answer.receipt, answer.signature), indent=1).encode(), media_type="application/json",
        headers={"Content-Disposition": f'attachment; filename="receipt-{bid}.json"'},
    )  # fmt: skip


# ------------------------------------------------------------------ the steward
@get("/steward/auctions/new", guards=[staff("steward")])
async def new_auction_page() -> Template:
    """Ask a steward what to announce."""
    return page("auctions/new.html", offers=await list_offers(), typed=None, chosen=[], reckoned=None)


@post("/steward/auctions/new", guards=[staff("steward")], status_code=303)
async def announce_form(request: Asked, data: Planned) -> Redirect:
    """Announce an auction of an offer's latest release, or in a bundle of those chosen, once a form."""
    offer, releases = await _typed_sale(data, await request.form())
    await announce(
        Plan(
            kind=data.kind, offer=offer, releases=releases,
            opens_at=formats.read_instant(data.opens_at), closes_at=formats.read_instant(data.closes_at),
            reserve_minor=formats.read_cents(data.reserve) if data.reserve.strip() else 0, licences=data.licences,
            exclusive_from=formats.read_instant(data.exclusive_from) if data.exclusive_from else None,
            exclusive_to=formats.read_instant(data.exclusive_to) if data.exclusive_to else None,
        ),
        by=request.user.name, auction=data.form_id,
    )  # fmt: skip
    return see(f"/auctions/{data.form_id}")


@post("/steward/auctions/reserve", guards=[staff("steward")], status_code=200)
async def reckon_form(request: Asked, data: Planned) -> Template:
    """Show what pricing reckons the reserve of a plan is, and why, before anything is announced."""
    if data.kind not in PRICE_RULES:
        raise Invalid("There is no auction of the kind {kind}.", kind=data.kind)
    window = [formats.read_instant(text) if text else None for text in (data.exclusive_from, data.exclusive_to)]
    if data.kind == "exclusive" and (None in window or window[0] >= window[1]):  # type: ignore[operator]
        raise Invalid("The exclusive window begins once the auction is closed and ends later.")
    offer, releases = await _typed_sale(data, await request.form())
    found = await reckon_reserve(data.kind, offer, releases, opens_at=window[0], ends_at=window[1], now=clock.now())
    return page(
        "auctions/new.html", offers=await list_offers(), typed=data, chosen=releases if data.kind == "bundle" else [],
        reckoned=json.loads(found.document) | {"reserve_minor": found.reserve_minor},
    )  # fmt: skip


async def _typed_sale(data: PlanForm, fields: Any) -> tuple[uuid.UUID, list[uuid.UUID]]:  # noqa: ANN401 (Litestar's form)
    """Return what a plan sells, and the offer it bears the name of: the offer's latest release, or a bundle of those ticked.

    A bundle of which nothing is ticked is of the offer's latest ones.
    """
    offers = {row["id"]: row for row in await list_offers()}
    if data.kind == "bundle" and (ticked := set(fields.getall("release", []))):
        chosen = [(offer, one) for offer, row in offers.items() for one in row["releases"] if str(one) in ticked]
        if len(chosen) < len(ticked):
            raise Invalid("Only sealed releases of the offer that were not called back can be auctioned.")
        return chosen[0][0], [one for _, one in chosen]
    if data.offer not in offers:
        raise Invalid("Choose an offer with a sealed release.")
    latest: list[uuid.UUID] = offers[data.offer]["releases"]
    return data.offer, latest[: rules.MOST_LOTS] if data.kind == "bundle" else latest[:1]


@post("/auctions/{auction:uuid}/cancel", guards=[staff("steward")], status_code=303)
async def cancel_form(
    request: Asked,
    auction: FromPath[uuid.UUID],
    data: Annotated[ReasonForm, Body(media_type=RequestEncodingType.URL_ENCODED)],
) -> Redirect:
    """Cancel an auction that nobody has bid in."""
    await cancel(auction, data.reason, by=request.user.name)
    return see(f"/auctions/{auction}")


ROUTES = [
    auctions_page, auction_page, bid_form, bids_page, bid_page, receipt_file, pay_form, new_auction_page, announce_form, cancel_form,
    reckon_form, *money_pages.ROUTES,
]  # fmt: skip
