"""Receipts: what a bidder holds against a transcript, offline: that its bid was taken, when, as which, and with what answer.

The rule this file keeps: a receipt is believed for its signature alone; what it says is read from the bytes that were
signed. It shows what a transcript cannot: a bid dropped before the root was published, moved in the order, or, in an
ascending auction, answered otherwise than the rule answers it.

Source: RFC 8785 (canonical JSON, the bytes signed), RFC 8032 (the signature).
"""

import base64
import json
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType, NoneType
from typing import Any, Final

from pricing.auctions.ascending import ProxyBid, place, run
from pricing.auctions.transcript import Replayed, Transcript, ascending_terms
from pricing.ed25519 import verifies
from pricing.money import Money
from pricing.refusals import PricingRefusal, Tampered


@dataclass(frozen=True, slots=True)
class Receipt:
    """A signed receipt: the bytes signed, the signature, the key it claims, and what the bytes say."""

    signed: bytes
    signature: bytes
    public_key: bytes
    says: Mapping[str, Any]


def read_receipt(text: str) -> Receipt:
    """Return the receipt in this text, as downloaded or as the API answers a bid; refuses Tampered where it is none."""
    try:
        document = json.loads(text)
        document = document.get("receipt", document)
        signed = base64.b64decode(document["canonical"], validate=True)
        says = json.loads(signed)
        made = Receipt(
            signed,
            base64.b64decode(document["signature"], validate=True),
            bytes.fromhex(document["public_key"]),
            {name: _of_kind(says[name], kinds) for name, kinds in _PARTS.items()},
        )
        known = says["kind"] == "bid receipt" and says["version"] == 1
        commitments = [bytes.fromhex(one).hex() for one in made.says["commitments"]]
        if not known or (made.says["position"] is not None and (not commitments or made.says["position"] < 1)):
            msg = "this is not a bid's receipt, or of a version this package does not know"
            raise Tampered(msg)
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as problem:
        if isinstance(problem, PricingRefusal):
            raise
        msg = "this is not a receipt"
        raise Tampered(msg) from problem
    return made


_PARTS: Final[Mapping[str, tuple[type, ...]]] = MappingProxyType(
    {
        "auction": (str,),
        "bid": (str,),
        "bidder": (str,),
        "received_at": (int,),
        "answer": (str,),
        "position": (int, NoneType),
        "commitments": (list,),
        "maximum_minor": (int, NoneType),
        "price_minor": (int, NoneType),
    }
)


def _of_kind(value: object, kinds: tuple[type, ...]) -> object:
    if type(value) not in kinds:
        msg = f"{value!r} is of the wrong kind"
        raise TypeError(msg)
    return value


def compare(transcript: Transcript, receipt: Receipt, published_key: bytes | None = None) -> Replayed:
    """Hold a receipt against a transcript and say where they differ; `award` is the transcript's own.

    published_key: the key as the operator publishes it, where the reader has it.
    """
    says, bid = receipt.says, f"bid {receipt.says['bid']}"
    differences, cannot_show = [], []
    if not verifies(receipt.signed, receipt.signature, receipt.public_key):
        differences.append(f"the signature of {bid}'s receipt does not hold")
    if published_key is None:
        cannot_show.append("whether the receipt's key is the operator's: give it as published")
    elif published_key != receipt.public_key:
        differences.append(f"{bid}'s receipt is signed with another key than the operator's")
    if says["auction"] != transcript.auction:
        differences.append(f"{bid} was made in auction {says['auction']}, not in {transcript.auction}")
        return Replayed(transcript.award, tuple(differences), tuple(cannot_show))
    if says["position"] is not None:
        differences += _missing(transcript, receipt)
    elif transcript.kind != "ascending":
        cannot_show.append(
            f"whether {bid} was refused rightly ({says['answer']}): a transcript holds accepted bids alone"
        )
    if transcript.kind == "ascending":
        differences += _wrongly_answered(transcript, receipt)
    return Replayed(transcript.award, tuple(differences), tuple(cannot_show))


def _missing(transcript: Transcript, receipt: Receipt) -> list[str]:
    """Return what of an accepted bid the transcript lacks, hides or has elsewhere."""
    says, bid = receipt.says, f"bid {receipt.says['bid']}"
    entries = [entry.hex() for entry in transcript.entries]
    found = []
    for commitment in says["commitments"]:
        if commitment not in entries:
            found.append(
                f"{bid}, accepted as number {says['position']}, is not in the transcript: it was dropped before the root"
            )
        elif transcript.reveals[entries.index(commitment) :][:1] in ((), (None,)):
            found.append(f"{bid}, accepted as number {says['position']}, was not revealed and did not count")
        elif (
            len(set(entries)) == len(entries)
            and not _holds_several(transcript)
            and entries.index(commitment) != says["position"] - 1
        ):
            found.append(
                f"{bid} was accepted as number {says['position']}, but is number {entries.index(commitment) + 1}"
            )
    return found


def _holds_several(transcript: Transcript) -> bool:
    """Tell whether one bid may have several entries, and the seller some of its own."""
    return transcript.kind in {"vcg", "core"}


def _wrongly_answered(transcript: Transcript, receipt: Receipt) -> list[str]:
    """Return where an ascending auction's rule, given the bids before this one, answers otherwise than the receipt."""
    says, currency = receipt.says, transcript.terms["currency"]
    if says["maximum_minor"] is None:
        return [f"bid {says['bid']} was taken sealed, but the auction is an open one"]
    before = [
        ProxyBid(reveal["bidder"], Money(reveal["maximum_minor"], currency), reveal["at"])
        for reveal in transcript.reveals
        if reveal is not None and reveal["at"] < says["received_at"]
    ]
    state, _ = run(ascending_terms(transcript.terms), before)
    after, answer = place(state, ProxyBid(says["bidder"], Money(says["maximum_minor"], currency), says["received_at"]))
    price = None if after.price is None else after.price.minor
    if (str(answer), price) == (says["answer"], says["price_minor"]):
        return []
    return [
        f"bid {says['bid']} was answered {says['answer']} at {says['price_minor']}, but the rule says {answer} at {price}"
    ]
