"""Receipts: the signed answer to a bid for its bidder, to compare with the transcript.

A receipt is not stored: it is the content of the bid's row in canonical form, and the row is never edited. The same bid
thus gets the same document at any time, and nothing is signed while an auction's row is locked. Bids that were decided
together are answered under one signature, of the root of their documents' tree, because a signature costs twenty times
a hash; a document that is requested again is signed by itself. Source: RFC 8785 (canonical JSON), RFC 8032 (Ed25519),
RFC 9162 section 2.1 (the tree).
"""

from __future__ import annotations

import base64
import json
import uuid
from typing import TYPE_CHECKING, Any, Final

import msgspec
from msgspec import Struct

from marketplace.core.instants import microseconds
from marketplace.core.settings import settings
from marketplace.core.signing import public_key, sign
from marketplace.sales.auctions import rules
from pricing.auctions.receipt import Batch, batch_statement
from pricing.merkle import root_and_paths

if TYPE_CHECKING:
    from collections.abc import Sequence

    from marketplace.sales.auctions.rows import Bid

RECEIPT_VERSION: Final = 1
_ENCODER: Final = msgspec.json.Encoder(order="deterministic")


class BidReceipt(Struct, frozen=True):
    """The one answer to a bid, however often it is sent, and the signed document that proves it.

    It is signed with others the first time, and by itself when requested again. answer: a key of `rules.SENTENCES`.
    position: the bid's place among the accepted ones, None for a refused one. batch: its place among the receipts under
    the signature, None if the signature is of this document.
    """

    bid: uuid.UUID
    answer: str
    position: int | None
    document: bytes
    signature: bytes
    is_repeated: bool = False
    batch: Batch | None = None

    @property
    def accepted(self) -> bool:
        """Whether the bid counts."""
        return self.position is not None


def receipt_of(bid: Bid, terms_sha256: str, *, is_repeated: bool) -> BidReceipt:
    """Return the receipt of a bid, signed with this process's key. is_repeated: the bid was answered before.

    terms_sha256: the hash of the auction's terms, hex, as stated in the public log before the first bid.
    """
    document = document_of(bid, terms_sha256)
    signature = sign(document, settings().signing_key)
    return BidReceipt(bid.id, bid.answer, bid.position, document, signature, is_repeated)


def receipts_of(bids: Sequence[Bid], terms_sha256: str) -> list[BidReceipt]:
    """Return the receipts of new bids of one auction, under one signature; see `receipt_of`."""
    if len(bids) <= 1:
        return [receipt_of(bid, terms_sha256, is_repeated=False) for bid in bids]
    documents, size = [document_of(bid, terms_sha256) for bid in bids], len(bids)
    root, paths = root_and_paths(documents)
    signature = sign(batch_statement(size, root), settings().signing_key)
    return [
        BidReceipt(bid.id, bid.answer, bid.position, document, signature, batch=Batch(index, size, tuple(path)))
        for index, (bid, document, path) in enumerate(zip(bids, documents, paths, strict=True))
    ]


def document_of(bid: Bid, terms_sha256: str) -> bytes:
    """Return the canonical bytes of the answer to a bid, from its row and its auction's terms."""
    stated = {
        "answer": bid.answer,
        "auction": bid.auction,
        "bid": bid.id,
        "bidder": bid.pseudonym,
        "closes_at": microseconds(bid.closes_at),
        "commitments": rules.commitments_of(bid),
        "kind": "bid receipt",
        "maximum_minor": bid.maximum_minor,
        "position": bid.position,
        "price_minor": bid.price_minor,
        "received_at": microseconds(bid.received_at),
        "terms": terms_sha256,
        "version": RECEIPT_VERSION,
    }
    if bid.covered_minor is not None:
        stated["covered_minor"] = bid.covered_minor
    # Sorted keys without spaces, ASCII text and whole numbers below 2**53, nothing to escape: RFC 8785's form.
    return _ENCODER.encode(stated)


def signed(receipt: BidReceipt) -> dict[str, Any]:
    """Return a receipt for people and machines: its statements, the signed bytes, how to check them."""
    described = {
        "document": json.loads(receipt.document),
        "canonical": base64.b64encode(receipt.document).decode(),
        "signature": base64.b64encode(receipt.signature).decode(),
        "public_key": public_key(settings().signing_key).hex(),
        "algorithm": "Ed25519 over `canonical` (RFC 8785)",
    }
    if receipt.batch is None:
        return described
    path = [base64.b64encode(one).decode() for one in receipt.batch.path]
    return described | {
        "algorithm": "Ed25519 over the size and root of `batch`, the tree (RFC 9162) in which `canonical` is a leaf",
        "batch": {"index": receipt.batch.index, "size": receipt.batch.size, "path": path},
    }
