"""What auctions decide without asking: who is called what, whether a bid counts, what a receipt says.

Pure: instants come in, as whole microseconds where `pricing` wants them. Source: RFC 8785 (canonical JSON), RFC 8032.
"""

from __future__ import annotations

import base64
import datetime as dt
import functools
import hashlib
import hmac
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import rfc8785
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from marketplace.errors import Invalid
from pricing.auctions.ascending import AscendingState, AscendingTerms, BidAnswer, ProxyBid, place
from pricing.auctions.ascending import award as ascending_award
from pricing.auctions.ascending import run as run_ascending
from pricing.auctions.award import Award, Bid
from pricing.auctions.sealed import uniform_price
from pricing.money import Money

if TYPE_CHECKING:
    import uuid
    from collections.abc import Mapping, Sequence

LARGEST_BID_MINOR: Final = 80_000_000
"""With VAT on top it is still below the most that Stripe charges at once."""
MOST_LOTS: Final = 12
MOST_PACKAGES: Final = 50
RECEIPT_VERSION: Final = 1
TRANSCRIPT_VERSION: Final = 1
EPOCH: Final = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
STEPS: Final = ((0, 100), (5_000, 250), (20_000, 500), (50_000, 1_000), (200_000, 2_500), (1_000_000, 10_000))
"""The usual increments: from this price on, by how much the next bid must be higher, in cents."""


def micros(instant: dt.datetime) -> int:
    """Return an instant as whole microseconds since 1970, exactly."""
    return (instant - EPOCH) // dt.timedelta(microseconds=1)


def instant(microseconds: int) -> dt.datetime:
    """Return the instant so many microseconds after 1970."""
    return EPOCH + dt.timedelta(microseconds=microseconds)


def pseudonym(salt: bytes, partner: uuid.UUID) -> str:
    """Return what a partner is called in one auction: nobody without the salt can tell who it is."""
    return "B" + base64.b32encode(hmac.digest(salt, partner.bytes, "sha256"))[:7].decode()


def check_amount(amount_minor: int, currency: str, held_in: str) -> None:
    """Refuse what no auction takes: another currency, nothing, or more than can be charged."""
    if currency != held_in:
        raise Invalid("This auction is held in {currency}.", currency=held_in)
    if not 1 <= amount_minor <= LARGEST_BID_MINOR:
        raise Invalid("A bid is between {least} and {most} cents.", least=1, most=LARGEST_BID_MINOR)


@dataclass(frozen=True, slots=True)
class Decision:
    """What becomes of a bid, and of its auction."""

    answer: str
    accepted: bool
    closes_at: dt.datetime
    leader: uuid.UUID | None = None
    leading_maximum_minor: int | None = None
    price_minor: int | None = None


def terms_of(auction: Mapping[str, Any]) -> AscendingTerms:
    """Return an ascending auction's rules as `pricing` takes them."""
    return AscendingTerms(
        Money(auction["reserve_minor"], auction["currency"]),
        tuple(zip(auction["steps_from_minor"], auction["steps_minor"], strict=True)),
        micros(auction["opens_at"]),
        micros(auction["scheduled_close_at"]),
        auction["window_seconds"] * 1_000_000,
        auction["extension_seconds"] * 1_000_000,
    )


def state_of(auction: Mapping[str, Any]) -> AscendingState:
    """Return where an ascending auction stands, from its row alone.

    The leader's maximum and the price are all that the next step needs: the second maximum is never above the price, and
    any bid that counts is above the price.
    """
    terms = terms_of(auction)
    if auction["leader"] is None:
        return AscendingState(terms, micros(auction["closes_at"]))
    leader, currency = str(auction["leader"]), auction["currency"]
    return AscendingState(
        terms, micros(auction["closes_at"]), leader, Money(auction["price_minor"], currency),
        (ProxyBid(leader, Money(auction["leading_maximum_minor"], currency), micros(auction["opens_at"])),),
    )  # fmt: skip


def decide_open(auction: Mapping[str, Any], partner: uuid.UUID, maximum_minor: int, at: dt.datetime) -> Decision:
    """Decide an ascending auction's bid at the instant that counts."""
    if auction["state"] != "standing":
        return Decision(BidAnswer.REFUSED_TOO_LATE, False, auction["closes_at"])
    before = state_of(auction)
    after, answer = place(before, ProxyBid(str(partner), Money(maximum_minor, auction["currency"]), micros(at)))
    if answer.startswith("refused"):
        return Decision(
            answer, False, auction["closes_at"], auction["leader"], auction["leading_maximum_minor"], auction["price_minor"]
        )
    assert after.price is not None, "an accepted bid makes a price"
    leads = after.leader == str(partner)
    return Decision(
        answer, True, instant(after.closes_at), partner if leads else auction["leader"],
        maximum_minor if leads else auction["leading_maximum_minor"], after.price.minor,
    )  # fmt: skip


def decide_sealed(auction: Mapping[str, Any], highest_minor: int, at: dt.datetime) -> Decision:
    """Decide a sealed bid at the instant that counts; `highest_minor` is known only while the request lasts."""
    if at < auction["opens_at"]:
        answer: str = BidAnswer.REFUSED_TOO_EARLY
    elif at >= auction["closes_at"] or auction["state"] != "standing":
        answer = BidAnswer.REFUSED_TOO_LATE
    elif auction["kind"] != "bundle" and highest_minor < auction["reserve_minor"]:
        answer = BidAnswer.REFUSED_BELOW_MINIMUM
    else:
        return Decision("sealed", True, auction["closes_at"])
    return Decision(answer, False, auction["closes_at"])


def packages_of(packages: Sequence[tuple[Sequence[int], int]], lots: int) -> list[list[Any]]:
    """Return XOR packages as they are sealed: [[lot positions ascending], amount]; refuse what names no lot or one twice."""
    if not 1 <= len(packages) <= MOST_PACKAGES:
        raise Invalid("Bid on between 1 and {most} packages.", most=MOST_PACKAGES)
    seen = set()
    for positions, _ in packages:
        wanted = frozenset(positions)
        if not wanted or len(wanted) != len(positions) or not wanted <= set(range(lots)):
            raise Invalid("A package names one or more of the auction's lots, each once.")
        if wanted in seen:
            raise Invalid("Two packages name the same lots; only one of them can count.")
        seen.add(wanted)
    return [[sorted(positions), amount] for positions, amount in packages]


def sealed_content(kind: str, packages: Sequence[tuple[Sequence[int], int]], lots: int) -> dict[str, Any]:
    """Return a sealed bid's content: one amount, or a bundle auction's XOR packages."""
    if kind == "bundle":
        return {"packages": packages_of(packages, lots)}
    if len(packages) != 1:
        raise Invalid("A bid here is one amount.")
    return {"amount_minor": packages[0][1]}


def check_nonce(nonce: str) -> None:
    """Refuse a nonce that is not 32 bytes in hex."""
    if not re.fullmatch("[0-9a-f]{64}", nonce):
        raise Invalid("A sealed bid needs a nonce of 64 hex digits.")


def opening(
    auction: Mapping[str, Any], bid: uuid.UUID, partner: uuid.UUID, content: Mapping[str, Any], nonce: str | None
) -> dict[str, Any]:
    """Return what a commitment binds: the bid, whose it is, its content and, where it is sealed, the bidder's nonce."""
    return {
        "auction": str(auction["id"]),
        "bid": str(bid),
        "bidder": pseudonym(auction["salt"], partner),
        "content": dict(content),
        "nonce": nonce,
    }


def commitment(opening: Mapping[str, Any]) -> str:
    """Return the SHA-256, hex, that binds a bid's content before it is shown: of its canonical JSON."""
    return hashlib.sha256(rfc8785.dumps(dict(opening))).hexdigest()


def receipt(
    auction: Mapping[str, Any], bid: uuid.UUID, named: str, *, at: dt.datetime, decision: Decision, position: int | None,
    committed: str, maximum_minor: int | None,
) -> bytes:  # fmt: skip
    """Return the canonical bytes of the answer to a bid: what the bidder keeps and can hold against the transcript."""
    return rfc8785.dumps(
        {
            "kind": "bid receipt",
            "version": RECEIPT_VERSION,
            "auction": str(auction["id"]),
            "bid": str(bid),
            "bidder": named,
            "received_at": micros(at),
            "answer": str(decision.answer),
            "position": position,
            "commitment": committed,
            "maximum_minor": maximum_minor,
            "price_minor": decision.price_minor,
            "closes_at": micros(decision.closes_at),
        }
    )


@functools.lru_cache(maxsize=4)
def _signer(signing_key: str) -> Ed25519PrivateKey:
    return Ed25519PrivateKey.from_private_bytes(bytes.fromhex(signing_key))


def sign(document: bytes, signing_key: str) -> bytes:
    """Return the Ed25519 signature of `document` under a private key of 64 hex digits."""
    return _signer(signing_key).sign(document)


def public_key(signing_key: str) -> str:
    """Return the key, 64 hex digits, with which anyone verifies what `signing_key` signs."""
    return _signer(signing_key).public_key().public_bytes_raw().hex()


# ------------------------------------------------------------------ the end
def merkle_root(commitments: Sequence[str]) -> str:
    """Return the root, hex, of the Merkle tree over these commitments in order. Source: RFC 9162, section 2.1.1."""

    def tree(leaves: Sequence[bytes]) -> bytes:
        if len(leaves) == 1:
            return leaves[0]
        half = 1 << (len(leaves) - 1).bit_length() - 1
        return hashlib.sha256(b"\x01" + tree(leaves[:half]) + tree(leaves[half:])).digest()

    if not commitments:
        return hashlib.sha256(b"").hexdigest()
    return tree([hashlib.sha256(b"\x00" + bytes.fromhex(each)).digest() for each in commitments]).hex()


def split_price(pays_minor: int, lots: int) -> list[int]:
    """Return a package's price over its lots, as evenly as whole cents go, the first ones a cent more."""
    return [pays_minor // lots + (at < pays_minor % lots) for at in range(lots)] if lots else []


def transcript(auction: Mapping[str, Any], releases: Sequence[str], openings: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return everything from which anyone re-computes the award: the rule, the root, every accepted bid, the award."""
    return {
        "version": TRANSCRIPT_VERSION,
        "auction": str(auction["id"]),
        "kind": auction["kind"],
        "price_rule": auction["price_rule"],
        "currency": auction["currency"],
        "reserve_minor": auction["reserve_minor"],
        "licences": auction["licences"],
        "steps": [list(step) for step in zip(auction["steps_from_minor"], auction["steps_minor"], strict=True)],
        "opens_at": micros(auction["opens_at"]),
        "scheduled_close_at": micros(auction["scheduled_close_at"]),
        "window_seconds": auction["window_seconds"],
        "extension_seconds": auction["extension_seconds"],
        "lots": list(releases),
        "root": auction["root"],
        "bids": [dict(opening) for opening in openings],
        "award": awarded(auction, releases, openings),
    }


def signed_transcript(document: Mapping[str, Any], signing_key: str) -> bytes:
    """Return a transcript as it is published: canonical bytes of the document with its signature and the key to check it."""
    signature = sign(rfc8785.dumps(dict(document)), signing_key).hex()
    return rfc8785.dumps({"document": dict(document), "signature": signature, "public_key": public_key(signing_key)})


def awarded(auction: Mapping[str, Any], releases: Sequence[str], openings: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return the award of the auction's rule: each bidder's lots, price and reason, in the order of their bids that count."""
    currency = auction["currency"]
    if auction["kind"] == "ascending":
        bids = [
            ProxyBid(each["opening"]["bidder"], Money(each["opening"]["content"]["maximum_minor"], currency), each["received_at"])
            for each in openings
        ]
        return _plain(ascending_award(run_ascending(terms_of(auction), bids)[0]))
    latest: dict[str, Mapping[str, Any]] = {}
    for each in openings:
        latest.pop(each["opening"]["bidder"], None)
        latest[each["opening"]["bidder"]] = each["opening"]["content"]
    if auction["kind"] != "bundle":
        sealed = [Bid(bidder, Money(content["amount_minor"], currency)) for bidder, content in latest.items()]
        return _plain(uniform_price(sealed, auction["licences"], Money(auction["reserve_minor"], currency)))
    return _bundled(auction, releases, latest)


def _bundled(auction: Mapping[str, Any], releases: Sequence[str], latest: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """Award packages that offer at least the reserve for each of their lots; a bidder with none is below it."""
    # OR-tools takes a second to import, and only bundle auctions need it.
    from pricing.auctions.bundles import BundleBid, core_selecting, vcg  # noqa: PLC0415

    bids = [
        BundleBid(bidder, frozenset(str(lot) for lot in lots), Money(amount, auction["currency"]))
        for bidder, content in latest.items()
        for lots, amount in content["packages"]
        if amount >= auction["reserve_minor"] * len(lots)
    ]
    found = (vcg if auction["price_rule"] == "vcg" else core_selecting)(bids, auction["currency"])
    outcomes: list[dict[str, Any]] = []
    for bidder in latest:
        lots = sorted(int(lot) for lot in found.goods.get(bidder, frozenset()))
        if lots:
            # Without a rival a package's price may be nothing; the reserve of its lots is owed all the same.
            pays = max(found.award.of(bidder).pays.minor, auction["reserve_minor"] * len(lots))
            outcomes.append({"bidder": bidder, "lots": lots, "pays_minor": pays, "reason": "won"})
        else:
            counted = any(bid.bidder == bidder for bid in bids)
            outcomes.append({"bidder": bidder, "lots": [], "pays_minor": 0, "reason": "outbid" if counted else "below_reserve"})
    return {"clearing_price_minor": None, "outcomes": outcomes}


def _plain(found: Award) -> dict[str, Any]:
    return {
        "clearing_price_minor": found.clearing_price.minor if found.clearing_price else None,
        "outcomes": [
            {"bidder": each.bidder, "lots": [0] * bool(each.units), "pays_minor": each.pays.minor, "reason": str(each.reason)}
            for each in found.outcomes
        ],
    }


# ------------------------------------------------------------------ what people type
def cents(text: str) -> int:
    """Return an amount typed in euros as cents: 1 234,50 or 1234.5; refuse anything else."""
    plain = re.sub(r"[\s\u00a0\u202f€]", "", text).replace(",", ".")
    if not re.fullmatch(r"[0-9]{1,9}(\.[0-9]{1,2})?", plain):
        raise Invalid("Write an amount in euros, such as 1250.00.")
    whole, _, part = plain.partition(".")
    return int(whole) * 100 + int(part.ljust(2, "0") or 0)


def typed_instant(text: str) -> dt.datetime:
    """Return an instant typed as UTC: 2026-11-24T18:00; refuse anything else."""
    try:
        return dt.datetime.fromisoformat(text).replace(tzinfo=dt.UTC)
    except ValueError:
        raise Invalid("Write an instant in UTC, such as 2026-11-24T18:00.") from None


def typed_packages(fields: Mapping[str, Any], lots: int) -> list[tuple[list[int], int]]:
    """Return the packages a person typed: fields `lot-N` one lot's worth, `all` everything's; empty ones are skipped."""
    typed = [([lot], str(fields.get(f"lot-{lot}", ""))) for lot in range(lots)]
    if lots > 1:
        typed.append((list(range(lots)), str(fields.get("all", ""))))
    return [(positions, cents(text)) for positions, text in typed if text.strip()]
