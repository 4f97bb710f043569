"""Signed documents, a quote or a receipt of consent in the JSON that people keep, and a check of the signature.

The rule this file keeps: a document's content is read from the signed bytes, never from other fields of the file.

Source: RFC 8032 (the signature).
"""

import base64
import json
from dataclasses import dataclass

from pricing.ed25519 import verifies
from pricing.refusals import Tampered


@dataclass(frozen=True, slots=True)
class SignedDocument:
    """The signed bytes, the signature, and the key that the document itself names."""

    document: bytes
    signature: bytes
    key: bytes


def read_signed(text: str) -> SignedDocument:
    """Return the quote or receipt of consent in this text, its signature unchecked; refuses Tampered for other text."""
    try:
        stated = json.loads(text)
        if "canonical" in stated:
            return SignedDocument(
                *(base64.b64decode(stated[name]) for name in ("canonical", "signature", "public_key"))
            )
        return SignedDocument(
            stated["document"].encode(), bytes.fromhex(stated["signature"]), bytes.fromhex(stated["public_key"])
        )
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as problem:
        msg = "this is not a signed quote, nor a receipt"
        raise Tampered(msg) from problem


def signature_faults(name: str, kept: SignedDocument, published_key: bytes | None) -> list[str]:
    """Return the faults of a document's signature. published_key: the operator's; None: the document's own."""
    if published_key not in {None, kept.key}:
        return [f"{name} is signed with another key than the operator's"]
    if not verifies(kept.document, kept.signature, kept.key):
        return [f"the signature of {name} does not hold"]
    return []


def is_bid_receipt(text: str) -> bool:
    """Return whether this text is a bid's receipt, rather than another document."""
    try:
        stated = json.loads(text)
        signed = json.loads(base64.b64decode(stated.get("receipt", stated)["canonical"]))
        return bool(signed["kind"] == "bid receipt")
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return False
