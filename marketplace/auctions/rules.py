"""What auctions decide without asking: who is called what, whether a sealed bid counts, what a transcript says.

Pure: instants come in, as whole microseconds where `pricing` wants them. Source: RFC 8785 (canonical JSON), RFC 8032.
"""

from __future__ import annotations

import base64
import datetime as dt
import functools
import hmac
import re
from typing import TYPE_CHECKING, Any, Final, TypeAlias

import rfc8785

from marketplace.errors import Invalid
from marketplace.web.formats import read_cents
from pricing.auctions.ascending import AscendingState, AscendingTerms, BidAnswer, ProxyBid
from pricing.auctions.transcript import KINDS, Transcript, commit_bid, commit_bundle, leaves, merkle_root, proxy_entry
from pricing.money import Money, largest_remainder

if TYPE_CHECKING:
    import uuid
    from collections.abc import Sequence

LARGEST_BID_MINOR: Final = 80_000_000
"""With VAT on top it is still below the most that Stripe charges at once."""
MOST_LOTS: Final = 12
MOST_PACKAGES: Final = 50
Row: TypeAlias = Any
"""A row of the database, or a mapping like one."""
SELLER: Final = "seller-"
"""Begins the names of the seller's own bids in a bundle auction's transcript; no pseudonym does."""
SENTENCES = {
    "sealed": "Accepted and sealed: nobody reads it before the end.",
    "leading": "Accepted: you lead.",
    "outbid_at_once": "Accepted, but an earlier maximum is as high or higher: you do not lead.",
    "maximum_raised": "Accepted: your maximum is raised, the price stays.",
    "refused_too_early": "Refused: the auction is not open yet.",
    "refused_too_late": "Refused: the auction had closed when your bid was read.",
    "refused_below_minimum": "Refused: it is below the minimum.",
    "refused_not_a_raise": "Refused: you lead already, and this does not raise your maximum.",
    "refused_already_bid": "Refused: you have bid already, and a sealed bid cannot be replaced.",
}
"""What each answer to a bid means, as people and machines read it."""
EPOCH: Final = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
STEPS: Final = ((0, 100), (5_000, 250), (20_000, 500), (50_000, 1_000), (200_000, 2_500), (1_000_000, 10_000))
"""The usual increments: from this price on, by how much the next bid must be higher, in cents."""


def micros(instant: dt.datetime) -> int:
    """Return an instant as whole microseconds since 1970, exactly."""
    return (instant - EPOCH) // dt.timedelta(microseconds=1)


def instant(microseconds: int) -> dt.datetime:
    """Return the instant so many microseconds after 1970."""
    return EPOCH + dt.timedelta(microseconds=microseconds)


@functools.lru_cache(maxsize=10_000)
def pseudonym(salt: bytes, partner: uuid.UUID) -> str:
    """Return what a partner is called in one auction: nobody without the salt can tell who it is."""
    return "B" + base64.b32encode(hmac.digest(salt, partner.bytes, "sha256"))[:7].decode()


def check_amount(amount_minor: int, currency: str, held_in: str) -> None:
    """Refuse what no auction takes: another currency, nothing, or more than can be charged."""
    if currency != held_in:
        raise Invalid("This auction is held in {currency}.", currency=held_in)
    if not 1 <= amount_minor <= LARGEST_BID_MINOR:
        raise Invalid("A bid is between {least} and {most} cents.", least=1, most=LARGEST_BID_MINOR)


def terms_of(auction: Row) -> AscendingTerms:
    """Return an ascending auction's rules as `pricing` takes them."""
    return AscendingTerms(
        Money(auction["reserve_minor"], auction["currency"]),
        tuple(zip(auction["steps_from_minor"], auction["steps_minor"], strict=True)),
        micros(auction["opens_at"]),
        micros(auction["scheduled_close_at"]),
        auction["window_seconds"] * 1_000_000,
        auction["extension_seconds"] * 1_000_000,
    )


def state_of(auction: Row) -> AscendingState:
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


def decide_sealed(auction: Row, reserves: Sequence[int], content: Row, at: dt.datetime, *, has_bid: bool) -> str:
    """Decide a sealed bid at the instant that counts; its content is known only while the request lasts.

    reserves: the least that each lot is sold for.

    One a bidder: it cannot be replaced, so nobody can choose afterwards which of two counts. Open bids are decided where
    their auction is locked, by the SQL function `decide_open_bid`, which a test holds equal to `pricing`'s rule.
    """
    offers = content.get("packages") or [([0], content["amount_minor"])]
    if at < auction["opens_at"]:
        return BidAnswer.REFUSED_TOO_EARLY
    if at >= auction["closes_at"] or auction["state"] != "standing":
        return BidAnswer.REFUSED_TOO_LATE
    if has_bid:
        return "refused_already_bid"
    if any(amount < sum(reserves[lot] for lot in lots) for lots, amount in offers):
        return BidAnswer.REFUSED_BELOW_MINIMUM
    return "sealed"


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


def commitments(auction: Row, partner: uuid.UUID, content: Row, nonce: str) -> list[str]:
    """Return what binds a sealed bid before it is shown, hex: one hash, or one for each package; see `pricing`'s transcripts."""
    named, secret = pseudonym(auction["salt"], partner), bytes.fromhex(nonce)
    if "packages" in content:
        return [
            commit_bundle(str(auction["id"]), named, [good(lot) for lot in lots], amount, secret).hex()
            for lots, amount in content["packages"]
        ]
    return [commit_bid(str(auction["id"]), named, content["amount_minor"], secret).hex()]


def commitments_of(bid: Row) -> list[str]:
    """Return what binds a bid in its auction's log, hex: as stored for a sealed one, from its row for an open one."""
    if bid["sealed"] is not None:
        return list(bid["commitments"])
    entry = proxy_entry(str(bid["auction"]), bid["pseudonym"], bid["maximum_minor"], micros(bid["received_at"]))
    return [entry.hex()]


def good(lot: int) -> str:
    """Return what a bundle auction's lot is called in transcripts."""
    return f"lot-{lot}"


# ------------------------------------------------------------------ the end
def terms_document(auction: Row, lots: Sequence[Row]) -> dict[str, Any]:
    """Return the auction's rule as its transcript states it: the first leaf under the root."""
    terms: dict[str, Any] = {
        "currency": auction["currency"],
        "lots": [str(lot["release"]) for lot in lots],
        "reserve_minor": auction["reserve_minor"],
    }
    if auction["kind"] == "limited":
        terms["licences"] = auction["licences"]
    if auction["kind"] == "exclusive":
        terms["exclusive"] = [micros(auction["exclusive_from"]), micros(auction["exclusive_to"])]
    if auction["kind"] == "ascending":
        terms |= {
            "start_minor": auction["reserve_minor"],
            "increments_minor": [
                list(step) for step in zip(auction["steps_from_minor"], auction["steps_minor"], strict=True)
            ],
            "opens_at": micros(auction["opens_at"]),
            "closes_at": micros(auction["scheduled_close_at"]),
            "window": auction["window_seconds"] * 1_000_000,
            "extension": auction["extension_seconds"] * 1_000_000,
        }
    return terms


def kind_of(auction: Row) -> str:
    """Return the name of an auction's rule in transcripts."""
    return "ascending" if auction["kind"] == "ascending" else str(auction["price_rule"])


def reserve_reveals(auction: Row, lots: Sequence[Row]) -> list[dict[str, Any]]:
    """Return the seller's own open bids in a bundle auction: the reserve on each lot, so that none is sold below it."""
    if auction["kind"] != "bundle":
        return []
    return [
        {"bidder": f"{SELLER}{at}", "goods": [good(at)], "amount_minor": lot["reserve_minor"], "nonce": "00" * 32}
        for at, lot in enumerate(lots)
    ]


def entries_of(auction: Row, lots: Sequence[Row], bids: Sequence[Row]) -> list[bytes]:
    """Return the leaves after the terms: the seller's bids, then each accepted bid's commitments in order."""
    seller = [
        commit_bundle(str(auction["id"]), one["bidder"], one["goods"], one["amount_minor"], bytes(32))
        for one in reserve_reveals(auction, lots)
    ]
    return seller + [bytes.fromhex(each) for bid in bids for each in commitments_of(bid)]


def root_of(auction: Row, lots: Sequence[Row], bids: Sequence[Row]) -> bytes:
    """Return the root that is published at close. lots: in order, each with its release and reserve."""
    terms = terms_document(auction, lots)
    return merkle_root(leaves(str(auction["id"]), kind_of(auction), terms, entries_of(auction, lots, bids)))


def reveals_of(bid: Row, content: Row, nonce: str) -> list[dict[str, Any]]:
    """Return a bid as transcripts show it, one line for each of its commitments."""
    if "maximum_minor" in content:
        return [
            {"bidder": bid["pseudonym"], "maximum_minor": content["maximum_minor"], "at": micros(bid["received_at"])}
        ]
    if "packages" in content:
        return [
            {"bidder": bid["pseudonym"], "goods": [good(lot) for lot in lots], "amount_minor": amount, "nonce": nonce}
            for lots, amount in content["packages"]
        ]
    return [{"bidder": bid["pseudonym"], "amount_minor": content["amount_minor"], "nonce": nonce}]


def transcript(auction: Row, lots: Sequence[Row], bids: Sequence[Row], reveals: Sequence[Row]) -> Transcript:
    """Return everything from which anyone re-computes the award, the award itself as `pricing` computes it."""
    terms, kind = terms_document(auction, lots), kind_of(auction)
    shown = (*reserve_reveals(auction, lots), *reveals)
    return Transcript(
        str(auction["id"]), kind, terms, tuple(entries_of(auction, lots, bids)), shown,
        bytes.fromhex(auction["root"]), awarded(auction, lots, shown),
    )  # fmt: skip


def awarded(auction: Row, lots: Sequence[Row], reveals: Sequence[Row]) -> dict[str, Any]:
    """Return the award of an auction's rule for these bids."""
    return KINDS[kind_of(auction)][1](terms_document(auction, lots), reveals)


def award_document(sale: Row) -> bytes:
    """Return canonical bytes of what set an awarded price: the auction, its root, the bidder, the round, the amount."""
    return rfc8785.dumps(
        {
            "kind": "auction award",
            "auction": str(sale["auction"]),
            "root": sale["root"],
            "bidder": sale["pseudonym"],
            "round": sale["round"],
            "release": str(sale["release"]),
            "amount_minor": sale["net_minor"],
        }
    )


def lots_of(outcome: Row) -> list[int]:
    """Return the positions of the lots an outcome gives."""
    if "goods" in outcome:
        return sorted(int(name.rpartition("-")[2]) for name in outcome["goods"])
    return [0] * bool(outcome["units"])


def split_price(pays_minor: int, reserves: Sequence[int]) -> list[int]:
    """Return a package's price over its lots in proportion to their reserves, exactly: none is sold below its own."""
    return largest_remainder(pays_minor, reserves) if reserves else []


# ------------------------------------------------------------------ what people type
def typed_packages(fields: Row, lots: int) -> list[tuple[list[int], int]]:
    """Return the packages a person typed: fields `lot-N` one lot's worth, `all` everything's; empty ones are skipped."""
    typed = [([lot], str(fields.get(f"lot-{lot}", ""))) for lot in range(lots)]
    if lots > 1:
        typed.append((list(range(lots)), str(fields.get("all", ""))))
    return [(positions, read_cents(text)) for positions, text in typed if text.strip()]
