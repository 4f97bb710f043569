"""The log for people and machines: its description, entries, proofs to keep and to check; and its files."""

from __future__ import annotations

import json
import re
import uuid  # noqa: TC003 (Litestar reads a handler's annotations)
from typing import Annotated, Any, Final

from litestar import Response, get, post
from litestar.datastructures import UploadFile
from litestar.exceptions import ClientException
from litestar.params import FromPath, QueryParameter
from litestar.response import Template  # noqa: TC002 (Litestar reads a handler's annotations)

from marketplace.catalogue.offers.queries import get_quote
from marketplace.consent.purposes.queries import get_signed_receipt, list_receipts
from marketplace.core import object_store
from marketplace.core.errors import NotFound, existing
from marketplace.core.settings import settings
from marketplace.core.signing import public_key
from marketplace.core.web.pages import page
from marketplace.oversight.public_log import queries, rules
from marketplace.oversight.public_log.bids import CheckedBid, check_bid
from marketplace.oversight.public_log.checking import MOST_BYTES, CheckedProof, check_upload
from marketplace.oversight.public_log.day_kinds import CONSENT, JOURNAL, PRICES, TRAIL
from marketplace.oversight.public_log.proofs import prove_entry, prove_item, prove_price
from marketplace.people.identity.guards import ActorRequest, VisitorRequest, expect, partner, staff, subscriber
from pricing.log.documents import is_bid_receipt
from pricing.log.notes import Checkpoint, cosigned_at, read_checkpoint, read_key

About = Annotated[str, QueryParameter(name="about", max_length=200)]
Number = Annotated[int, QueryParameter(name="number", ge=0, le=(1 << 53) - 1)]
_TILE: Final = re.compile(
    r"tile/(entries|[0-9]|[1-5][0-9]|6[0-3])/(x[0-9]{3}/)*[0-9]{3}(\.p/[1-9][0-9]{0,2})?", re.ASCII
)
AUDITS: Final = ("auditor", "finance")
FOR_GOOD: Final = "public, max-age=31536000, immutable"
A_MOMENT: Final = "public, max-age=2"


@get("/transparency", opt=expect("anyone"))
async def log_page(request: VisitorRequest, about: About = "") -> Template:
    """Show what the log is, how far it is, its latest entries, the visitor's own ones, and a form to check a proof."""
    return await _page(request, about.strip(), None)


@post("/transparency", opt=expect("anyone"), status_code=200, request_max_body_size=MOST_BYTES + 10_000)
async def check_proof(request: VisitorRequest) -> Template:
    """Check an uploaded proof, for browsers that run no script."""
    try:
        form: Any = await request.form()
        file = form.get("proof")
    except (ClientException, ValueError):
        file = None
    data = await file.read() if isinstance(file, UploadFile) else b""
    heads, witnesses = await queries.list_keys(), rules.read_witnesses(settings().log_witnesses)
    if is_bid_receipt(text := data.decode(errors="replace")) and (shown := await _page_of_bid(request, text)):
        return shown
    return await _page(request, "", check_upload(data, [read_key(key) for key in heads], [key for key, _ in witnesses]))


async def _page_of_bid(request: VisitorRequest, text: str) -> Template | None:
    head = await queries.find_head()
    checked = await check_bid(text, await _published(head.origin) if head else None)
    return await _page(request, "", None, checked) if checked else None


async def _page(
    request: VisitorRequest, about: str, checked: CheckedProof | None, checked_bid: CheckedBid | None = None
) -> Template:
    head, actor = await queries.find_head(), request.user
    published = await _published(head.origin) if head else None
    size = published.size if published else 0
    witnesses = [key for key, _ in rules.read_witnesses(settings().log_witnesses)]
    entries = await queries.list_about(about, size) if about else await queries.list_latest(size)
    line = actor.subscriber if actor else None
    return page(
        "public_log/log.html",
        head=head,
        name=rules.name_of(head.origin) if head else "",
        published=published,
        witnesses=[(key, cosigned_at(published, key) if published else None) for key in witnesses],
        about=about,
        entries=[(entry, json.loads(entry.content)) for entry in entries],
        receipts=(await list_receipts(line)).rows[:10] if line is not None else [],
        trail_heads=await queries.list_trail_heads() if actor and actor.role in AUDITS else None,
        quotes=await queries.list_quotes_of(actor.partner) if actor and actor.partner else [],
        checked=checked,
        checked_bid=checked_bid,
        bids=await queries.list_bids_of(actor.partner) if actor and actor.partner else [],
        receipt_key=public_key(settings().signing_key).hex(),
    )


async def _published(origin: str) -> Checkpoint | None:
    try:
        return read_checkpoint((await object_store.get(rules.object_key(origin, rules.CHECKPOINT))).decode())
    except NotFound:
        return None


@get("/transparency/entries/{number:int}", opt=expect("anyone", stranger=200))
async def entry_proof(number: FromPath[int]) -> Response[bytes]:
    """Hand out the proof of an entry."""
    if not 0 <= number < 1 << 53:
        raise NotFound("The log has no such entry.")
    return _proof(f"entry-{number}", await prove_entry(number))


@get("/transparency/auctions/{auction:uuid}", opt=expect("anyone", stranger=200))
async def auction_proofs(auction: FromPath[uuid.UUID]) -> Response[bytes]:
    """Hand out the proofs of all that the log has of an auction, as JSON: what a bid's receipt is held against."""
    head = await queries.find_head()
    published = await _published(head.origin) if head else None
    entries = await queries.list_about(str(auction), published.size if published else 0)
    proofs = [await prove_entry(entry.number) for entry in entries]
    return Response(
        json.dumps({"proofs": proofs}).encode(), media_type="application/json", headers={"Cache-Control": A_MOMENT}
    )


@get("/transparency/receipts/{receipt:uuid}", guards=[subscriber], opt=expect("subscriber", stranger=404))
async def receipt_proof(receipt: FromPath[uuid.UUID], request: ActorRequest) -> Response[bytes]:
    """Hand out to a subscriber the proof that a receipt of consent of theirs is in the log."""
    document, _ = await get_signed_receipt(receipt, request.user.subscriber)
    return _proof(f"consent-{receipt}", await prove_item(CONSENT, str(receipt), document))


@get("/transparency/quotes/{quote:uuid}", guards=[partner], opt=expect("partner", stranger=404))
async def quote_proof(quote: FromPath[uuid.UUID], request: ActorRequest) -> Response[bytes]:
    """Hand out to a partner the proof of what a quote's price depended on that day."""
    assert request.user.partner
    row = await get_quote(quote, request.user.partner)
    return _proof(f"price-{quote}", await prove_price(PRICES, row.document))


@get("/transparency/books", guards=[staff("auditor", "finance")], opt=expect("auditor", "finance"))
async def books_proof(number: Number = 0) -> Response[bytes]:
    """Hand out to an auditor the proof that a journal entry is in the log as it is in the books."""
    document = existing(await queries.find_journal_document(number), NotFound("The log has no such entry."))
    return _proof(f"journal-{number}", await prove_item(JOURNAL, str(number), document.encode()))


@get("/transparency/trail", guards=[staff("auditor", "finance")], opt=expect("auditor", "finance"))
async def trail_proof(number: Number = 0) -> Response[bytes]:
    """Hand out to an auditor the proof of a day's head of the audit trail, to compare with an exported trail."""
    document = existing(await queries.find_trail_document(number), NotFound("The log has no such entry."))
    return _proof(f"trail-{number}", await prove_item(TRAIL, str(number), document.encode()))


def _proof(name: str, text: str) -> Response[bytes]:
    headers = {"Content-Disposition": f'attachment; filename="{name}.tlog-proof"', "Cache-Control": "private, no-store"}
    return Response(text.encode(), media_type="text/plain", headers=headers)


@get("/log/{name:str}/{path:path}", opt=expect("anyone", stranger=200))
async def log_file(name: FromPath[str], path: FromPath[str]) -> Response[bytes]:
    """Hand out a file of the log (C2SP tlog-tiles): tiles for good, the head for a moment."""
    path = path.removeprefix("/")
    is_head = path == rules.CHECKPOINT
    if not re.fullmatch("[a-z0-9-]{1,40}", name) or not (is_head or _TILE.fullmatch(path)):
        raise NotFound("There is nothing at this address.")
    data = await object_store.get(f"log/{name}/{path}")
    return Response(
        data,
        media_type="text/plain" if is_head else "application/octet-stream",
        headers={"Cache-Control": A_MOMENT if is_head else FOR_GOOD, "Access-Control-Allow-Origin": "*"},
    )


ROUTES = [
    log_page,
    check_proof,
    entry_proof,
    auction_proofs,
    receipt_proof,
    quote_proof,
    books_proof,
    trail_proof,
    log_file,
]
