"""Transcripts: what anybody needs to check, offline and without trust, that an auction ended as its bids require.

The rule this file keeps: the award is not believed but computed again. The terms and the commitment of every bid are
leaves of one Merkle tree, in order of arrival, the terms first; its root is published at close, before any bid is
revealed. A bid changed, dropped or added after that, or a changed reserve, no longer gives the root.

What a transcript cannot show: a shill bid placed before the close looks like any other; nobody can detect it from this.
A bid dropped before the root was published shows only in the receipt its bidder holds. Against a transcript rewritten
with its root, compare with the root as published (`replay`'s `published_root`).

Source: RFC 9162, Certificate Transparency 2.0, section 2.1.1 (the tree; see `pricing.merkle`).
"""

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final, TypeVar

from pricing.auctions import ascending, sealed
from pricing.auctions.award import Award, Bid
from pricing.merkle import merkle_root
from pricing.money import Money, amount
from pricing.refusals import Mismatched, OutOfRange, PricingRefusal, Tampered, TooLarge, UnknownRule

_BID: Final = b"mkt/bid/v1\0"
_BUNDLE: Final = b"mkt/bundle/v1\0"
_PROXY: Final = b"mkt/proxy/v1\0"
_TERMS: Final = b"mkt/terms/v1\0"
Result = TypeVar("Result")

_NONCE_BYTES: Final = 32
_TEXT_LIMIT: Final = 1 << 16

BLIND_SPOT: Final = "a shill bid placed before the close cannot be detected from a transcript, nor by anyone"
"""What every replay says it cannot show."""


def commit_bid(auction: str, bidder: str, amount_minor: int, nonce: bytes) -> bytes:
    """Return the 32-byte commitment of a sealed bid: it fixes the bid and, the nonce being secret, hides it.

    SHA-256 of domain, u16 length and auction, u16 length and bidder, u64 amount, nonce; big-endian, text in UTF-8 of
    fewer than 65,536 bytes. nonce: 32 bytes drawn at random by the bidder. Refuses TooLarge, Negative, OutOfRange.
    """
    return _digest(_BID, _text(auction), _text(bidder), _u64(amount_minor), _nonce(nonce))


def commit_bundle(auction: str, bidder: str, goods: Sequence[str], amount_minor: int, nonce: bytes) -> bytes:
    """Return the commitment of a bid on several goods: u16 count and sorted names come before the amount."""
    names = b"".join(_text(good) for good in sorted(goods))
    parts = (len(goods).to_bytes(2, "big"), names, _u64(amount_minor), _nonce(nonce))
    return _digest(_BUNDLE, _text(auction), _text(bidder), *parts)


def proxy_entry(auction: str, bidder: str, maximum_minor: int, at: int) -> bytes:
    """Return the log entry of an ascending auction's bid, hashed: its maximum and instant in microseconds are bound."""
    return _digest(_PROXY, _text(auction), _text(bidder), _u64(maximum_minor), _u64(at))


def terms_entry(terms: Mapping[str, Any]) -> bytes:
    """Return the first leaf: the hash of the terms as sorted ASCII JSON, fixed before the first bid; refuses Mismatched."""
    try:
        written = json.dumps(terms, sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False)
    except (TypeError, ValueError) as problem:
        msg = "terms must be plain JSON"
        raise Mismatched(msg) from problem
    return _digest(_TERMS, written.encode())


@dataclass(frozen=True, slots=True)
class Transcript:
    """All of a closed auction, as anybody may download it.

    kind: a key of `KINDS`. terms: plain JSON, `currency` among them, and by kind:
    second_price: reserve_minor. uniform_price: reserve_minor, licences. ascending: start_minor, increments_minor,
    opens_at, closes_at, window, extension; most_extension where the end has a bound. vcg and core: nothing more. All kinds of
    version 2 on: version, opens_at, closes_at; for bundles reserves_minor, of each lot the seller's own bid.

    entries: the commitment of each bid in order of arrival, 32 bytes each. reveals: the bid behind each, or None for one
    that is not opened (it does not count, and a replay says so: the closing job opens every bid): bidder, amount_minor and nonce (hex); goods too for bundles;
    bidder, maximum_minor and at for ascending. root: over terms and entries. award: as announced, see `award_document`.
    """

    auction: str
    kind: str
    terms: Mapping[str, Any]
    entries: tuple[bytes, ...]
    reveals: tuple[Mapping[str, Any] | None, ...]
    root: bytes
    award: Mapping[str, Any]

    @property
    def leaves(self) -> tuple[bytes, ...]:
        """The leaves of the tree: the terms (with auction and kind), then every bid."""
        return leaves(self.auction, self.kind, self.terms, self.entries)


@dataclass(frozen=True, slots=True)
class Replayed:
    """What a replay found: the award as computed again, the differences as sentences, and what it cannot show."""

    award: Mapping[str, Any]
    differences: tuple[str, ...]
    cannot_show: tuple[str, ...]

    @property
    def equal(self) -> bool:
        """Whether the transcript is right in all it states."""
        return not self.differences


def leaves(auction: str, kind: str, terms: Mapping[str, Any], entries: Sequence[bytes]) -> tuple[bytes, ...]:
    """Return the leaves whose root is published at close; without entries, the one published at opening."""
    return (terms_entry({"auction": auction, "kind": kind, "terms": terms}), *entries)


def award_document(award: Award) -> dict[str, Any]:
    """Return an award as plain JSON: clearing_price_minor or None, and per bidder units, pays_minor and reason."""
    return {
        "clearing_price_minor": None if award.clearing_price is None else award.clearing_price.minor,
        "outcomes": [
            {"bidder": one.bidder, "units": one.units, "pays_minor": one.pays.minor, "reason": str(one.reason)}
            for one in award.outcomes
        ],
    }


def award_of(kind: str, terms: Mapping[str, Any], reveals: Sequence[Mapping[str, Any]]) -> Mapping[str, Any]:
    """Return the award document of these terms and revealed bids: what a closing job announces, and a replay finds.

    For bundles each outcome also lists its goods. Refuses as `replay` does.
    """
    return _read(_kind(kind)[1], terms, reveals)


def replay(
    transcript: Transcript, published_root: bytes | None = None, published_terms: bytes | None = None
) -> Replayed:
    """Compute everything again from the transcript alone and say where it differs.

    published_root: the root as it was published at close, where the reader has it. published_terms: the hash of the terms
    as published at opening. Refuses UnknownRule for a kind that
    is not known, and what the auction itself refuses for terms or bids that could never have been accepted.
    """
    entry_of, _ = _kind(transcript.kind)
    differences = []
    root = merkle_root(transcript.leaves)
    if root != transcript.root:
        differences.append("the terms and commitments do not give the root: something changed after it was published")
    if published_root is not None and published_root != transcript.root:
        differences.append("the root is not the one published at close")
    if published_terms is not None and published_terms != transcript.leaves[0]:
        differences.append(
            "the terms are not those published at opening: a reserve, number, rule, lot or instant differs"
        )
    differences += _seller_differences(transcript)
    if len(transcript.reveals) != len(transcript.entries):
        differences.append(f"{len(transcript.entries)} bids were committed, but {len(transcript.reveals)} are listed")
    for number, (entry, reveal) in enumerate(zip(transcript.entries, transcript.reveals, strict=False)):
        if reveal is None:
            differences.append(f"bid {number} is not opened, though the closing job can open every bid")
        elif _read(entry_of, transcript.auction, reveal) != entry:
            differences.append(f"bid {number}, revealed by {reveal.get('bidder')}, is not the one committed to")
    revealed = [reveal for reveal in transcript.reveals if reveal is not None]
    award = award_of(transcript.kind, transcript.terms, revealed)
    differences += _award_differences(transcript.award, award)
    cannot_show = [BLIND_SPOT]
    hidden = sum(reveal is None for reveal in transcript.reveals)
    if hidden:
        cannot_show.append(f"what {hidden} unrevealed bids were")
    return Replayed(award, tuple(differences), tuple(cannot_show))


def _seller_differences(transcript: Transcript) -> list[str]:
    """Return where the seller's own bids, which come first, are not the reserves that the terms state."""
    reserves = transcript.terms.get("reserves_minor", [])
    stated = [reveal.get("amount_minor") for reveal in transcript.reveals[: len(reserves)] if reveal is not None]
    return [] if stated == list(reserves) else ["the seller's bids are not the reserves that the terms state"]


def to_json(transcript: Transcript) -> str:
    """Return the transcript as indented ASCII JSON, bytes in hex."""
    document = {
        "auction": transcript.auction,
        "kind": transcript.kind,
        "terms": transcript.terms,
        "entries": [entry.hex() for entry in transcript.entries],
        "reveals": transcript.reveals,
        "root": transcript.root.hex(),
        "award": transcript.award,
    }
    return json.dumps(document, indent=1, sort_keys=True)


def from_json(text: str) -> Transcript:
    """Return the transcript in this text; refuses Tampered where it is not one."""
    try:
        document = json.loads(text)
        made = Transcript(
            auction=document["auction"],
            kind=document["kind"],
            terms=dict(document["terms"]),
            entries=tuple(bytes.fromhex(entry) for entry in document["entries"]),
            reveals=tuple(None if reveal is None else dict(reveal) for reveal in document["reveals"]),
            root=bytes.fromhex(document["root"]),
            award=dict(document["award"]),
        )
    except (ValueError, TypeError, KeyError, RecursionError) as problem:
        msg = "this is not a transcript"
        raise Tampered(msg) from problem
    if not isinstance(made.auction, str) or not isinstance(made.kind, str) or set(document) != _FIELDS:
        msg = "this is not a transcript"
        raise Tampered(msg)
    return made


_FIELDS: Final = {"auction", "kind", "terms", "entries", "reveals", "root", "award"}


def _award_differences(stated: Mapping[str, Any], found: Mapping[str, Any]) -> list[str]:
    """Return one sentence per bidder, and for the price, where the stated award is not the one found."""
    try:
        announced = {outcome["bidder"]: outcome for outcome in stated["outcomes"]}
    except (KeyError, TypeError):
        return ["the announced award cannot be read"]
    differences = []
    if stated.get("clearing_price_minor") != found["clearing_price_minor"]:
        differences.append(
            f"the clearing price is {found['clearing_price_minor']}, not {stated.get('clearing_price_minor')}"
        )
    differences += [
        f"{outcome['bidder']} should have: {outcome}"
        for outcome in found["outcomes"]
        if announced.pop(outcome["bidder"], None) != outcome
    ]
    differences += [f"{bidder} did not bid, but is in the award" for bidder in announced]
    if not differences and stated != found:
        differences.append("the announced award says more than an award, or in another order")
    return differences


def _sealed_entry(auction: str, reveal: Mapping[str, Any]) -> bytes:
    return commit_bid(auction, reveal["bidder"], reveal["amount_minor"], bytes.fromhex(reveal["nonce"]))


def _bundle_entry(auction: str, reveal: Mapping[str, Any]) -> bytes:
    nonce = bytes.fromhex(reveal["nonce"])
    return commit_bundle(auction, reveal["bidder"], reveal["goods"], reveal["amount_minor"], nonce)


def _proxy_entry(auction: str, reveal: Mapping[str, Any]) -> bytes:
    return proxy_entry(auction, reveal["bidder"], reveal["maximum_minor"], reveal["at"])


def _uniform_award(terms: Mapping[str, Any], reveals: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    bids = [Bid(reveal["bidder"], Money(reveal["amount_minor"], terms["currency"])) for reveal in reveals]
    reserve = Money(terms["reserve_minor"], terms["currency"])
    return award_document(sealed.uniform_price(bids, terms["licences"], reserve))


def _second_price_award(terms: Mapping[str, Any], reveals: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    return _uniform_award({**terms, "licences": 1}, reveals)


def ascending_terms(terms: Mapping[str, Any]) -> ascending.AscendingTerms:
    """Return an ascending auction's rule as its transcript states it."""
    return ascending.AscendingTerms(
        start=Money(terms["start_minor"], terms["currency"]),
        increments_minor=tuple((threshold, step) for threshold, step in terms["increments_minor"]),
        opens_at=terms["opens_at"],
        closes_at=terms["closes_at"],
        window=terms["window"],
        extension=terms["extension"],
        most_extension=terms.get("most_extension"),
    )


def _ascending_award(terms: Mapping[str, Any], reveals: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    rules = ascending_terms(terms)
    bids = [
        ascending.ProxyBid(reveal["bidder"], Money(reveal["maximum_minor"], terms["currency"]), reveal["at"])
        for reveal in reveals
    ]
    return award_document(ascending.award(ascending.run(rules, bids)[0]))


def _bundle_award(rule: str, terms: Mapping[str, Any], reveals: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    # Imported here because the solver takes over a second to load, which the other kinds need not wait for.
    from pricing.auctions import bundles  # noqa: PLC0415

    currency = terms["currency"]
    bids = [
        bundles.BundleBid(reveal["bidder"], frozenset(reveal["goods"]), Money(reveal["amount_minor"], currency))
        for reveal in reveals
    ]
    made = bundles.vcg(bids, currency) if rule == "vcg" else bundles.core_selecting(bids, currency)
    document = award_document(made.award)
    for outcome in document["outcomes"]:
        outcome["goods"] = sorted(made.goods.get(outcome["bidder"], ()))
    return document


def _vcg_award(terms: Mapping[str, Any], reveals: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    return _bundle_award("vcg", terms, reveals)


def _core_award(terms: Mapping[str, Any], reveals: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    return _bundle_award("core", terms, reveals)


EntryOf = Callable[[str, Mapping[str, Any]], bytes]
AwardOf = Callable[[Mapping[str, Any], Sequence[Mapping[str, Any]]], dict[str, Any]]

KINDS: Final[Mapping[str, tuple[EntryOf, AwardOf]]] = MappingProxyType(
    {
        "second_price": (_sealed_entry, _second_price_award),
        "uniform_price": (_sealed_entry, _uniform_award),
        "ascending": (_proxy_entry, _ascending_award),
        "vcg": (_bundle_entry, _vcg_award),
        "core": (_bundle_entry, _core_award),
    }
)
"""The kinds of auction a transcript can hold: how a reveal becomes its entry, and reveals an award."""


def _read(reader: Callable[..., Result], *parts: object) -> Result:
    """Return what the reader makes of untrusted parts; refuses Tampered where they are not what it reads."""
    try:
        return reader(*parts)
    except PricingRefusal:
        raise
    except (KeyError, TypeError, ValueError, AttributeError) as problem:
        msg = "the transcript's terms or bids lack a part or have one of the wrong kind"
        raise Tampered(msg) from problem


def _kind(kind: str) -> tuple[EntryOf, AwardOf]:
    if kind not in KINDS:
        msg = f"this package replays {sorted(KINDS)}, not {kind}"
        raise UnknownRule(msg)
    return KINDS[kind]


def _digest(*parts: bytes) -> bytes:
    return hashlib.sha256(b"".join(parts)).digest()


def _text(text: str) -> bytes:
    encoded = text.encode()
    if len(encoded) >= _TEXT_LIMIT:
        msg = f"a name must be under {_TEXT_LIMIT} bytes"
        raise TooLarge(msg)
    return len(encoded).to_bytes(2, "big") + encoded


def _u64(value: int) -> bytes:
    return amount(value, "an amount or instant").to_bytes(8, "big")


def _nonce(nonce: bytes) -> bytes:
    if len(nonce) != _NONCE_BYTES:
        msg = f"a nonce is {_NONCE_BYTES} bytes, not {len(nonce)}"
        raise OutOfRange(msg)
    return nonce
