"""Auctions for machines: what is on sale, bidding by PUT (the same request twice is one bid), receipts, transcripts, the stream."""

from __future__ import annotations

import re
import uuid  # noqa: TC003 (Litestar reads a handler's annotations)
from typing import Annotated, Any

from litestar import Request, Response, get, put
from litestar.params import FromPath, HeaderParameter, JSONBody, QueryParameter
from litestar.response import Stream
from msgspec import Meta, Struct

from marketplace.auctions import receipts, rules
from marketplace.auctions.actions import Answer, answer_of, place_bid, place_sealed_bid
from marketplace.auctions.live import watch
from marketplace.auctions.queries import get_auction, get_bid, get_transcript, list_auctions, list_lots, snapshot
from marketplace.errors import Invalid
from marketplace.identity.actors import Actor
from marketplace.identity.guards import partner, vetted_partner
from marketplace.settings import settings
from marketplace.web.i18n import gettext

Asked = Request[Actor, Any, Any]
Page = Annotated[int, QueryParameter(name="page", ge=1, le=1_000_000)]
Position = Annotated[str | None, HeaderParameter(name="last-event-id")]
Since = Annotated[str | None, QueryParameter(name="since")]
Cents = Annotated[int, Meta(ge=-(10**15), le=10**15)]


class Package(Struct, forbid_unknown_fields=True):
    """A bundle auction's XOR package: lots by position, and what all of them together are worth."""

    lots: list[int]
    amount_minor: Cents


class BidRequest(Struct, forbid_unknown_fields=True):
    """An ascending auction takes maximum_minor, a sealed one a nonce and amount_minor, a bundle auction a nonce and packages."""

    currency: str
    maximum_minor: Cents | None = None
    amount_minor: Cents | None = None
    packages: list[Package] | None = None
    nonce: str | None = None


def described(answer: Answer) -> dict[str, Any]:
    """Return an answer as machines read it: whether it counts, why, in a sentence too, and the signed receipt."""
    return {
        "bid": str(answer.bid), "accepted": answer.accepted, "answer": answer.answer,
        "detail": gettext(rules.SENTENCES[answer.answer]), "position": answer.position,
        "repeated": answer.repeated, "receipt": receipts.signed(answer.receipt, answer.signature),
    }  # fmt: skip


async def take(actor: Actor, auction: uuid.UUID, bid: uuid.UUID, asked: BidRequest) -> Answer:
    """Hand a request to the verb it means; refuse one that means none or two."""
    if asked.maximum_minor is not None and asked.amount_minor is None and asked.packages is None:
        return await place_bid(actor, auction, bid=bid, maximum_minor=asked.maximum_minor, currency=asked.currency)
    if asked.maximum_minor is not None or (asked.amount_minor is None) == (asked.packages is None):
        raise Invalid("State one of maximum_minor, amount_minor and packages.")
    packages = (
        [([0], asked.amount_minor)] if asked.amount_minor is not None
        else [(package.lots, package.amount_minor) for package in asked.packages or []]
    )  # fmt: skip
    return await place_sealed_bid(
        actor, auction, bid=bid, nonce=asked.nonce or "", packages=packages, currency=asked.currency
    )


@get("/api/v1/auctions")
async def auctions_api(page_number: Page = 1) -> dict[str, Any]:
    """List auctions, those that can still be bid in first."""
    found = await list_auctions(page_number)
    return {"auctions": [_described_auction(row) for row in found.rows], "more": found.more}


@get("/api/v1/auctions/{auction:uuid}")
async def auction_api(auction: FromPath[uuid.UUID]) -> dict[str, Any]:
    """Return an auction's rule, where it stands, and its lots."""
    lots = await list_lots(auction)
    return _described_auction(await get_auction(auction)) | {
        "receipt_key": receipts.public_key(settings().signing_key),
        "lots": [
            {"position": lot["position"], "release": str(lot["release"]), "dataset": lot["dataset"]} for lot in lots
        ],
    }


def _described_auction(row: Any) -> dict[str, Any]:  # noqa: ANN401 (a row)
    return snapshot(row) | {
        "id": str(row["id"]), "kind": row["kind"], "price_rule": row["price_rule"], "currency": row["currency"],
        "dataset": row["dataset"], "reserve_minor": row["reserve_minor"], "licences": row["licences"],
        "opens_at": rules.micros(row["opens_at"]) // 1000,
        "steps": [list(step) for step in zip(row["steps_from_minor"], row["steps_minor"], strict=True)],
        "window_seconds": row["window_seconds"], "extension_seconds": row["extension_seconds"],
    }  # fmt: skip


@put("/api/v1/auctions/{auction:uuid}/bids/{bid:uuid}", guards=[vetted_partner])
async def bid_api(
    request: Asked, auction: FromPath[uuid.UUID], bid: FromPath[uuid.UUID], data: JSONBody[BidRequest]
) -> dict[str, Any]:
    """Bid; `bid` is the request's own id, so sending it again gives the same answer."""
    return described(await take(request.user, auction, bid, data))


@get("/api/v1/bids/{bid:uuid}", guards=[partner])
async def receipt_api(request: Asked, bid: FromPath[uuid.UUID]) -> dict[str, Any]:
    """Return the signed receipt of one of the partner's own bids."""
    assert request.user.partner
    return described(answer_of(await get_bid(bid, request.user.partner), repeated=True))


@get("/api/v1/auctions/{auction:uuid}/transcript")
async def transcript_api(auction: FromPath[uuid.UUID]) -> Response[bytes]:
    """Return an awarded auction's transcript, byte for byte as it was published."""
    return Response(
        await get_transcript(auction), media_type="application/json",
        headers={"Content-Disposition": f'attachment; filename="auction-{auction}.json"'},
    )  # fmt: skip


@get(["/api/v1/auctions/{auction:uuid}/stream", "/auctions/{auction:uuid}/stream"], include_in_schema=False)
async def stream(auction: FromPath[uuid.UUID], last: Position = None, since: Since = None) -> Stream:
    """Stream an auction as server-sent events; a returning browser says the last position it saw, a new page what it shows."""
    await get_auction(auction)
    asked = last or since
    position = int(asked) if asked and re.fullmatch("[0-9]{1,15}", asked) else None
    return Stream(
        watch(auction, position), media_type="text/event-stream",
        headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"},
    )  # fmt: skip


ROUTES = [auctions_api, auction_api, bid_api, receipt_api, transcript_api, stream]
