"""Receipts, which a bidder compares with a transcript offline: when its bid arrived, as which number, and the answer.

The rule this file keeps: only a receipt's signature is trusted, and its content is read from the signed bytes. It shows
what a transcript cannot: a bid dropped before the root was published, moved in the order, or, in an ascending auction,
answered against the rule. Receipts made together may share a signature of the root of the tree whose leaves are their
documents; each has its path.

Source: RFC 8785 (canonical JSON, the bytes signed), RFC 8032 (the signature), RFC 9162 section 2.1 (the tree).
"""

import base64
import json
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType, NoneType
from typing import Any, Final

from pricing.auctions.ascending import ProxyBid, place, run
from pricing.auctions.replay import ReplayResult
from pricing.auctions.transcript import Transcript, ascending_terms
from pricing.ed25519 import verifies
from pricing.merkle import root_from
from pricing.money import Money
from pricing.refusals import PricingRefusal, Tampered


@dataclass(frozen=True, slots=True)
class Batch:
    """The place of a receipt among those signed together: number `index` of `size`, and the hashes of its path."""

    index: int
    size: int
    path: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class Receipt:
    """A signed receipt: its bytes, signature, claimed key and content; its batch, None if it was signed alone."""

    signed: bytes
    signature: bytes
    public_key: bytes
    content: Mapping[str, Any]
    batch: Batch | None = None

    def is_signed(self) -> bool:
        """Return whether the signature under the claimed key is of these bytes, or of a batch that contains them."""
        if self.batch is None:
            return verifies(self.signed, self.signature, self.public_key)
        root = root_from(self.signed, self.batch.index, self.batch.size, self.batch.path)
        if root is None:
            return False
        return verifies(batch_statement(self.batch.size, root), self.signature, self.public_key)


def batch_statement(size: int, root: bytes) -> bytes:
    """Return the signed statement on receipts made together, their number and tree's root, as canonical JSON."""
    return f'{{"kind":"bid receipts","root":"{root.hex()}","size":{size},"version":1}}'.encode("ascii")


def read_receipt(text: str) -> Receipt:
    """Return the receipt in this text, as downloaded or from the API; refuses Tampered for any other text."""
    try:
        document = json.loads(text)
        document = document.get("receipt", document)
        signed = base64.b64decode(document["canonical"], validate=True)
        content = json.loads(signed)
        made = Receipt(
            signed,
            base64.b64decode(document["signature"], validate=True),
            bytes.fromhex(document["public_key"]),
            {name: _of_kind(content[name], kinds) for name, kinds in _PARTS.items()},
            _read_batch(document["batch"]) if "batch" in document else None,
        )
        known = content["kind"] == "bid receipt" and content["version"] == 1
        position, commitments = made.content["position"], made.content["commitments"]
        for digest in (made.content["terms"], *commitments):
            bytes.fromhex(digest)
        if not known or (position is not None and (not commitments or position < 1)):
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
        "closes_at": (int,),
        "terms": (str,),
    }
)


def _read_batch(stated: Mapping[str, Any]) -> Batch:
    path = tuple(base64.b64decode(one, validate=True) for one in stated["path"])
    return Batch(_of_kind(stated["index"], (int,)), _of_kind(stated["size"], (int,)), path)


def _of_kind(value: Any, kinds: tuple[type, ...]) -> Any:  # noqa: ANN401 (as JSON has it)
    if type(value) not in kinds:
        msg = f"{value!r} is of the wrong kind"
        raise TypeError(msg)
    return value


def compare(transcript: Transcript, receipt: Receipt, published_key: bytes | None = None) -> ReplayResult:
    """Compare a receipt with a transcript and return their differences; `award` is the transcript's own.

    published_key: the operator's published key, if the reader has it.
    """
    content, bid = receipt.content, f"bid {receipt.content['bid']}"
    differences, cannot_show = [], []
    if not receipt.is_signed():
        differences.append(f"the signature of {bid}'s receipt does not hold")
    if published_key is None:
        cannot_show.append("whether the receipt's key is the operator's: give it as published")
    elif published_key != receipt.public_key:
        differences.append(f"{bid}'s receipt is signed with another key than the operator's")
    if content["auction"] != transcript.auction:
        differences.append(f"{bid} was made in auction {content['auction']}, not in {transcript.auction}")
        return ReplayResult(transcript.award, tuple(differences), tuple(cannot_show))
    if content["terms"] != transcript.leaves[0].hex():
        differences.append(
            f"{bid} was received under other terms: a reserve, number, rule, lot or instant was changed after it"
        )
    differences += _out_of_time(transcript, receipt)
    if content["position"] is not None:
        differences += _missing(transcript, receipt)
    elif transcript.kind != "ascending":
        cannot_show.append(
            f"whether {bid} was refused rightly ({content['answer']}): a transcript holds accepted bids alone"
        )
    if transcript.kind == "ascending":
        differences += _wrongly_answered(transcript, receipt)
        differences += _not_among_refused(transcript, receipt)
    return ReplayResult(transcript.award, tuple(differences), tuple(cannot_show))


def _missing(transcript: Transcript, receipt: Receipt) -> list[str]:
    """Return the differences of an accepted bid: missing, hidden or misplaced in the transcript."""
    content, bid = receipt.content, f"bid {receipt.content['bid']}"
    entries = [entry.hex() for entry in transcript.entries]
    found = []
    for commitment in content["commitments"]:
        if commitment not in entries:
            found.append(
                f"{bid}, accepted as number {content['position']}, is not in the transcript: it was dropped before the root"
            )
        elif transcript.reveals[entries.index(commitment) :][:1] in ((), (None,)):
            found.append(f"{bid}, accepted as number {content['position']}, was not revealed and did not count")
        elif (
            len(set(entries)) == len(entries)
            and not _holds_several(transcript)
            and entries.index(commitment) != content["position"] - 1
        ):
            found.append(
                f"{bid} was accepted as number {content['position']}, but is number {entries.index(commitment) + 1}"
            )
    return found


def _not_among_refused(transcript: Transcript, receipt: Receipt) -> list[str]:
    """Return that a bid refused for the minimum is missing: it counts if the bidder above it does not pay."""
    content, listed = receipt.content, {entry.hex() for entry in transcript.refused_entries}
    if content["answer"] != "refused_below_minimum" or set(content["commitments"]) <= listed:
        return []
    return [f"bid {content['bid']}, refused for the minimum, is not in the transcript: it was dropped before the root"]


def _out_of_time(transcript: Transcript, receipt: Receipt) -> list[str]:
    """Return whether an accepted bid is outside the auction's time, or has another end than the terms."""
    content, terms = receipt.content, transcript.terms
    if content["position"] is None or transcript.kind == "ascending":
        return []
    found = []
    if not terms["opens_at"] <= content["received_at"] < terms["closes_at"]:
        found.append(f"bid {content['bid']} was accepted outside the auction's time")
    if content["closes_at"] != terms["closes_at"]:
        found.append(f"bid {content['bid']} was given another end than the terms have")
    return found


def _holds_several(transcript: Transcript) -> bool:
    """Return whether one bid may have several entries, and the seller some of its own."""
    return transcript.kind in {"vcg", "core"}


def _wrongly_answered(transcript: Transcript, receipt: Receipt) -> list[str]:
    """Return where an ascending auction's rule, given the earlier bids, answers differently from the receipt."""
    content, currency = receipt.content, transcript.terms["currency"]
    if content["maximum_minor"] is None:
        return [f"bid {content['bid']} was received sealed, but the auction is an open one"]
    before = [
        ProxyBid(reveal["bidder"], Money(reveal["maximum_minor"], currency), reveal["at"])
        for reveal in transcript.reveals
        if reveal is not None and reveal["at"] < content["received_at"]
    ]
    state, _ = run(ascending_terms(transcript.terms), before)
    after, answer = place(
        state, ProxyBid(content["bidder"], Money(content["maximum_minor"], currency), content["received_at"])
    )
    price = None if after.price is None else after.price.minor
    if (str(answer), price) == (content["answer"], content["price_minor"]):
        moved = after.closes_at != content["closes_at"]
        return [f"bid {content['bid']} was given another end than the rule gives"] if moved else []
    return [
        f"bid {content['bid']} was answered {content['answer']} at {content['price_minor']}, but the rule says {answer} at {price}"
    ]
