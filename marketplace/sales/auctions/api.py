"""Auctions for machines: listing, bidding by PUT (a repeated request is one bid), receipts, transcripts, the stream."""

from __future__ import annotations

import datetime as dt
import re
import uuid
from typing import TYPE_CHECKING, Annotated, Any

from litestar import Response, get, put
from litestar.params import FromPath, HeaderParameter, JSONBody, QueryParameter
from litestar.response import Stream
from msgspec import Meta, Struct, convert, structs

from marketplace.core.errors import Invalid
from marketplace.core.instants import microseconds
from marketplace.core.settings import settings
from marketplace.core.signing import public_key
from marketplace.core.web.i18n import gettext
from marketplace.core.web.pages import PageNumber  # noqa: TC001 (Litestar reads a handler's annotations)
from marketplace.money.payments.queries import find_saved_method
from marketplace.people.identity.guards import ActorRequest, expect, partner, vetted_partner
from marketplace.sales.auctions import receipts, rules
from marketplace.sales.auctions.actions import fixed_terms, place_bid, place_sealed_bid
from marketplace.sales.auctions.live import watch
from marketplace.sales.auctions.queries import (
    Snapshot,
    get_auction,
    get_bid,
    get_transcript,
    list_auctions,
    list_lots,
    snapshot,
)
from marketplace.sales.auctions.receipts import BidReceipt, receipt_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from marketplace.people.identity.actors import Actor
    from marketplace.sales.auctions.rows import AuctionPage

After = Annotated[uuid.UUID | None, QueryParameter(name="after")]
Position = Annotated[str | None, HeaderParameter(name="last-event-id")]
Since = Annotated[str | None, QueryParameter(name="since")]
Cents = Annotated[int, Meta(ge=-(10**15), le=10**15)]


class Package(Struct, forbid_unknown_fields=True):
    """A bundle auction's XOR package: lots by position, and the worth of all of them together."""

    lots: list[int]
    amount_minor: Cents


class BidRequest(Struct, forbid_unknown_fields=True):
    """An ascending auction needs maximum_minor, a sealed one nonce and amount_minor, a bundle nonce and packages."""

    currency: str
    maximum_minor: Cents | None = None
    amount_minor: Cents | None = None
    packages: list[Package] | None = None
    nonce: str | None = None


class PaymentMethod(Struct):
    """A card or account that orders may be paid by."""

    kind: str
    """card or sepa_debit."""
    brand: str | None
    last_four: str | None
    ends_on: dt.date | None
    """The first day on which a card is no longer valid."""


class PaymentMethods(Struct):
    """An order's `pay_by` of `saved_method`, awards and subscriptions charge it: none, or the latest one saved."""

    payment_methods: list[PaymentMethod]


class PlaceInBatch(Struct):
    """The place of a receipt among those signed together: number `index` of `size`, and the hashes beside its path."""

    index: int
    size: int
    path: list[str]
    """Base64."""


class SignedReceipt(Struct, omit_defaults=True):
    """A receipt as its bidder stores it: its statements, the signed bytes (base64), and how to check them."""

    document: dict[str, Any]
    canonical: str
    signature: str
    public_key: str
    algorithm: str
    batch: PlaceInBatch | None = None


class BidAnswer(Struct):
    """The one answer to a bid: whether it counts, why (also as a sentence), and the signed receipt."""

    bid: uuid.UUID
    accepted: bool
    answer: str
    detail: str
    position: int | None
    """Its position among the accepted bids; null for a refused one."""
    repeated: bool
    """Whether the bid had been answered before."""
    receipt: SignedReceipt


class OfferedAuction(Snapshot, frozen=True, kw_only=True):
    """An auction's rule and its state: instants in milliseconds since 1970, amounts in cents before VAT."""

    id: uuid.UUID
    kind: str
    price_rule: str
    currency: str
    dataset: str
    reserve_minor: int
    unsecured_minor: int
    """The highest bid without a deposit, or null for any bid."""
    deposits_minor: list[int]
    licences: int
    opens_at: int
    steps: list[list[int]]
    """From this price on, and how much higher a bid must be."""
    window_seconds: int
    extension_seconds: int


class Lot(Struct):
    """A lot of an auction."""

    position: int
    release: uuid.UUID
    dataset: str


class AuctionWithLots(OfferedAuction, frozen=True, kw_only=True):
    """An auction with its lots, the hash of its terms, and the key that checks receipts, hex."""

    licence_terms: str
    months: int
    """How long a licence lasts that is won here."""
    terms_sha256: str
    receipt_key: str
    lots: list[Lot]


class Auctions(Struct):
    """One page of auctions, those that can still be bid in first."""

    auctions: list[OfferedAuction]
    more: bool
    after: uuid.UUID | None = None
    """Ask for the auctions after this one next; unlike pages, they do not move while auctions are announced."""


def described(receipt: BidReceipt) -> BidAnswer:
    """Return an answer in the form for machines."""
    return BidAnswer(
        bid=receipt.bid,
        accepted=receipt.accepted,
        answer=receipt.answer,
        detail=gettext(rules.SENTENCES[receipt.answer]),
        position=receipt.position,
        repeated=receipt.is_repeated,
        receipt=convert(receipts.signed(receipt), SignedReceipt),
    )


async def place(actor: Actor, auction: uuid.UUID, bid: uuid.UUID, request: BidRequest) -> BidReceipt:
    """Pass a request to the matching action; refuse one that matches none or two."""
    if request.maximum_minor is not None and request.amount_minor is None and request.packages is None:
        return await place_bid(actor, auction, bid=bid, maximum_minor=request.maximum_minor, currency=request.currency)
    if request.maximum_minor is not None or (request.amount_minor is None) == (request.packages is None):
        raise Invalid("State one of maximum_minor, amount_minor and packages.")
    packages: list[tuple[Sequence[int], int]] = [
        (package.lots, package.amount_minor) for package in request.packages or []
    ]
    if request.amount_minor is not None:
        packages = [((0,), request.amount_minor)]
    return await place_sealed_bid(
        actor, auction, bid=bid, nonce=request.nonce or "", packages=packages, currency=request.currency
    )


@get("/api/v1/auctions", opt=expect("anyone"))
async def auctions_api(page_number: PageNumber = 1, after: After = None) -> Auctions:
    """List auctions, those that can still be bid in first; `after` is the auction to go on after."""
    found = await list_auctions(page_number, after=after)
    if after and not found.rows:
        await get_auction(after)
    last = found.rows[-1].id if found.rows else after
    return Auctions([OfferedAuction(**_described_auction(row)) for row in found.rows], found.more, last)


@get("/api/v1/auctions/{auction:uuid}", opt=expect("anyone", stranger=200))
async def auction_api(auction: FromPath[uuid.UUID]) -> AuctionWithLots:
    """Return an auction's rule, its current state, and its lots."""
    lots, row = await list_lots(auction), await get_auction(auction)
    return AuctionWithLots(
        **_described_auction(row),
        licence_terms=row.licence_terms,
        months=row.months,
        terms_sha256=(await fixed_terms(auction)).digest,
        receipt_key=public_key(settings().signing_key).hex(),
        lots=[Lot(lot.position, lot.release, lot.dataset) for lot in lots],
    )


def _described_auction(auction: AuctionPage) -> dict[str, Any]:
    return structs.asdict(snapshot(auction)) | {
        "id": auction.id,
        "kind": auction.kind,
        "price_rule": auction.price_rule,
        "currency": auction.currency,
        "dataset": auction.dataset,
        "reserve_minor": auction.reserve_minor,
        "unsecured_minor": auction.unsecured_minor,
        "deposits_minor": rules.deposit_bands(auction.unsecured_minor),
        "licences": auction.licences,
        "opens_at": microseconds(auction.opens_at) // 1000,
        "steps": [list(step) for step in zip(auction.steps_from_minor, auction.steps_minor, strict=True)],
        "window_seconds": auction.window_seconds,
        "extension_seconds": auction.extension_seconds,
    }


@put(
    "/api/v1/auctions/{auction:uuid}/bids/{bid:uuid}",
    guards=[vetted_partner],
    opt=expect("vetted partner", stranger=404, scope="bids"),
)
async def bid_api(
    request: ActorRequest, auction: FromPath[uuid.UUID], bid: FromPath[uuid.UUID], data: JSONBody[BidRequest]
) -> BidAnswer:
    """Bid; `bid` is the request's own id, so sending it again gives the same answer."""
    return described(await place(request.user, auction, bid, data))


@get("/api/v1/bids/{bid:uuid}", guards=[partner], opt=expect("partner", stranger=404, scope="bids"))
async def receipt_api(request: ActorRequest, bid: FromPath[uuid.UUID]) -> BidAnswer:
    """Return the signed receipt of one of the partner's own bids."""
    assert request.user.partner
    row = await get_bid(bid, request.user.partner)
    return described(receipt_of(row, (await fixed_terms(row.auction)).digest, is_repeated=True))


@get("/api/v1/auctions/{auction:uuid}/transcript", opt=expect("anyone", stranger=200) | {"files": ["application/json"]})
async def transcript_api(auction: FromPath[uuid.UUID]) -> Response[bytes]:
    """Return an awarded auction's transcript, byte for byte as it was published."""
    return Response(
        await get_transcript(auction),
        media_type="application/json",
        headers={"Content-Disposition": f'attachment; filename="auction-{auction}.json"'},
    )


@get(
    ["/api/v1/auctions/{auction:uuid}/stream", "/auctions/{auction:uuid}/stream"],
    opt=expect("anyone", stranger=200) | {"files": ["text/event-stream"]},
    include_in_schema=False,
)
async def stream(auction: FromPath[uuid.UUID], last: Position = None, since: Since = None) -> Stream:
    """Stream an auction as server-sent events; a returning browser says the last position it saw, a new page what it shows."""
    await get_auction(auction)
    text = last or since
    position = int(text) if text and re.fullmatch("[0-9]{1,15}", text) else None
    return Stream(
        watch(auction, position),
        media_type="text/event-stream",
        headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"},
    )


@get("/api/v1/payment-methods", guards=[partner], opt=expect("partner", scope="orders"), tags=["purchases"])
async def list_payment_methods(request: ActorRequest) -> PaymentMethods:
    """List what orders are paid by without a page: the card or account that the company saved on the site."""
    assert request.user.partner
    saved = await find_saved_method(request.user.partner)
    found = [PaymentMethod(saved.kind or "", saved.brand, saved.last_four, saved.ends_on)] if saved else []
    return PaymentMethods(found)


ROUTES = [list_payment_methods, auctions_api, auction_api, bid_api, receipt_api, transcript_api, stream]
