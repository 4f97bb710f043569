"""Transcripts, from which anybody can check, offline and without trust, that an auction's award follows from its bids.

The rule this file keeps: the award is not believed but computed again. The terms and the commitment of every bid are
leaves of one Merkle tree, in order of arrival, the terms first. Its root is published at close, before any bid is
revealed. A bid changed, dropped or added later, or a changed reserve, no longer gives the root. `replay` computes it.

A transcript cannot show a shill bid placed before the close, because it looks like any other. A bid dropped before the
root was published shows only in its bidder's receipt. To detect a transcript rewritten with its root, compare it with
the published root.

Source: RFC 9162, Certificate Transparency 2.0, section 2.1.1 (the tree; see `pricing.merkle`).
"""

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final, TypeVar

from pricing.auctions import ascending, sealed
from pricing.auctions.award import Award, Bid, Reason
from pricing.money import Money, amount
from pricing.refusals import Mismatched, OutOfRange, PricingRefusal, Tampered, TooLarge, UnknownRule

_BID: Final = b"mkt/bid/v1\0"
_BUNDLE: Final = b"mkt/bundle/v1\0"
_COVERED_BID: Final = b"mkt/bid/v2\0"
_COVERED_BUNDLE: Final = b"mkt/bundle/v2\0"
_PROXY: Final = b"mkt/proxy/v1\0"
_TERMS: Final = b"mkt/terms/v1\0"
Result = TypeVar("Result")

_NONCE_BYTES: Final = 32
_TEXT_LIMIT: Final = 1 << 16


def commit_bid(
    auction: str, bidder: str, amount_minor: int, nonce: bytes, *, covered_minor: int | None = None
) -> bytes:
    """Return the 32-byte commitment of a sealed bid: it fixes the bid and, as the nonce is secret, hides it.

    SHA-256 of domain, u16 length and auction, u16 length and bidder, u64 amount, nonce; big-endian, text in UTF-8 of
    fewer than 65,536 bytes. nonce: 32 bytes drawn at random by the bidder. covered_minor: the most that the bid may be,
    public before it is opened. If there is such a bound, it follows the amount as u64, under its own domain. Refuses
    TooLarge, Negative, OutOfRange.
    """
    amounts, is_covered = _amounts(amount_minor, covered_minor)
    domain = _COVERED_BID if is_covered else _BID
    return _digest(domain, _text(auction), _text(bidder), amounts, _nonce(nonce))


def commit_bundle(
    auction: str,
    bidder: str,
    goods: Sequence[str],
    amount_minor: int,
    nonce: bytes,
    *,
    covered_minor: int | None = None,
) -> bytes:
    """Return the commitment of a bid on several goods: u16 count and sorted names precede the amount."""
    names = b"".join(_text(good) for good in sorted(goods))
    amounts, is_covered = _amounts(amount_minor, covered_minor)
    domain = _COVERED_BUNDLE if is_covered else _BUNDLE
    parts = (len(goods).to_bytes(2, "big"), names, amounts, _nonce(nonce))
    return _digest(domain, _text(auction), _text(bidder), *parts)


def _amounts(amount_minor: int, covered_minor: int | None) -> tuple[bytes, bool]:
    """Return a bid's amount and optional bound as bytes, and whether it has a bound."""
    if covered_minor is None:
        return _u64(amount_minor), False
    return _u64(amount_minor) + _u64(covered_minor), True


def proxy_entry(auction: str, bidder: str, maximum_minor: int, at: int) -> bytes:
    """Return the hashed log entry of an ascending auction's bid: it fixes the maximum and the instant."""
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
    """All data of a closed auction, as anybody may download it.

    kind: a key of `KINDS`. terms: plain JSON, `currency` among them, and by kind:
    second_price: reserve_minor. uniform_price: reserve_minor, licences. ascending: start_minor, increments_minor, window,
    extension, most_extension. vcg and core: reserves_minor, of each lot the seller's own bid. All kinds: version, opens_at,
    closes_at.

    entries: the commitment of each bid in order of arrival, 32 bytes each. reveals: the bid behind each: bidder,
    amount_minor and nonce (hex), goods too for bundles, and covered_minor if the bid is void above its deposit's cover.
    For ascending: bidder, maximum_minor and at. None for a bid that is not opened: it does not count, and a replay says
    so, as the closing job opens every bid.
    refused: ascending: bids that were refused only for the minimum, in order of arrival; they count if the bidder that
    set the minimum does not pay. root: over terms, entries, and the refused bids' entries.
    award: as announced, see `award_document`. rounds: repeated awards after winners who did not pay, see `again`.
    """

    auction: str
    kind: str
    terms: Mapping[str, Any]
    entries: tuple[bytes, ...]
    reveals: tuple[Mapping[str, Any] | None, ...]
    root: bytes
    award: Mapping[str, Any]
    refused: tuple[Mapping[str, Any], ...] = ()
    rounds: tuple[Mapping[str, Any], ...] = ()

    @property
    def leaves(self) -> tuple[bytes, ...]:
        """The leaves of the tree: the terms (with auction and kind), then every bid, then those refused for the minimum."""
        return leaves(self.auction, self.kind, self.terms, (*self.entries, *self.refused_entries))

    @property
    def refused_entries(self) -> tuple[bytes, ...]:
        """The commitments of bids that were refused for the minimum."""
        entry_of, _ = kind_of(self.kind)
        return tuple(read(entry_of, self.auction, one) for one in self.refused)


def leaves(auction: str, kind: str, terms: Mapping[str, Any], entries: Sequence[bytes]) -> tuple[bytes, ...]:
    """Return the leaves whose root is published at close or, without entries, at opening."""
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
    """Return the award document of these terms and revealed bids: the closing job announces it, and a replay finds it.

    For bundles each outcome also lists its goods. Refuses as `replay` does.
    """
    return read(kind_of(kind)[1], terms, reveals)


def to_json(transcript: Transcript) -> str:
    """Return the transcript as indented ASCII JSON, bytes in hex."""
    document: dict[str, Any] = {
        "auction": transcript.auction,
        "kind": transcript.kind,
        "terms": transcript.terms,
        "entries": [entry.hex() for entry in transcript.entries],
        "reveals": transcript.reveals,
        "root": transcript.root.hex(),
        "award": transcript.award,
    }
    if transcript.refused:
        document["refused"] = transcript.refused
    if transcript.rounds:
        document["rounds"] = transcript.rounds
    return json.dumps(document, indent=1, sort_keys=True)


def from_json(text: str) -> Transcript:
    """Return the transcript in this text; refuses Tampered for any other text."""
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
            refused=tuple(dict(one) for one in document.get("refused", ())),
            rounds=tuple(dict(one) for one in document.get("rounds", ())),
        )
    except (ValueError, TypeError, KeyError, RecursionError) as problem:
        msg = "this is not a transcript"
        raise Tampered(msg) from problem
    if not isinstance(made.auction, str) or not isinstance(made.kind, str) or set(document) - _MAY_LACK != _FIELDS:
        msg = "this is not a transcript"
        raise Tampered(msg)
    return made


_FIELDS: Final = {"auction", "kind", "terms", "entries", "reveals", "root", "award"}
_MAY_LACK: Final = {"refused", "rounds"}


def _sealed_entry(auction: str, reveal: Mapping[str, Any]) -> bytes:
    nonce, covered = bytes.fromhex(reveal["nonce"]), reveal.get("covered_minor")
    return commit_bid(auction, reveal["bidder"], reveal["amount_minor"], nonce, covered_minor=covered)


def _bundle_entry(auction: str, reveal: Mapping[str, Any]) -> bytes:
    nonce, covered = bytes.fromhex(reveal["nonce"]), reveal.get("covered_minor")
    return commit_bundle(
        auction, reveal["bidder"], reveal["goods"], reveal["amount_minor"], nonce, covered_minor=covered
    )


def _proxy_entry(auction: str, reveal: Mapping[str, Any]) -> bytes:
    return proxy_entry(auction, reveal["bidder"], reveal["maximum_minor"], reveal["at"])


def is_void(reveal: Mapping[str, Any]) -> bool:
    """Return whether an opened bid is above its deposit's cover, so that it does not count."""
    covered_minor = reveal.get("covered_minor")
    return covered_minor is not None and bool(reveal["amount_minor"] > covered_minor)


def _with_void(document: dict[str, Any], reveals: Sequence[Mapping[str, Any]], **more: Any) -> dict[str, Any]:  # noqa: ANN401 (JSON)
    """Add to an award the bidders who have only void bids; `more` is added to their outcomes."""
    named = {outcome["bidder"] for outcome in document["outcomes"]}
    void = dict.fromkeys(reveal["bidder"] for reveal in reveals if reveal["bidder"] not in named)
    nothing = {"units": 0, "pays_minor": 0, "reason": str(Reason.BEYOND_DEPOSIT)}
    document["outcomes"] += [{"bidder": bidder} | nothing | more for bidder in void]
    return document


def _uniform_award(terms: Mapping[str, Any], reveals: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    counted = [reveal for reveal in reveals if not is_void(reveal)]
    bids = [Bid(reveal["bidder"], Money(reveal["amount_minor"], terms["currency"])) for reveal in counted]
    reserve = Money(terms["reserve_minor"], terms["currency"])
    return _with_void(award_document(sealed.uniform_price(bids, terms["licences"], reserve)), reveals)


def _second_price_award(terms: Mapping[str, Any], reveals: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    return _uniform_award({**terms, "licences": 1}, reveals)


def ascending_terms(terms: Mapping[str, Any]) -> ascending.AscendingTerms:
    """Return an ascending auction's rule from its transcript."""
    return ascending.AscendingTerms(
        start=Money(terms["start_minor"], terms["currency"]),
        increments_minor=tuple((threshold, step) for threshold, step in terms["increments_minor"]),
        opens_at=terms["opens_at"],
        closes_at=terms["closes_at"],
        window=terms["window"],
        extension=terms["extension"],
        most_extension=terms["most_extension"],
    )


def proxy_bids(terms: Mapping[str, Any], reveals: Sequence[Mapping[str, Any]]) -> list[ascending.ProxyBid]:
    """Return an ascending auction's bids from its transcript."""
    return [
        ascending.ProxyBid(reveal["bidder"], Money(reveal["maximum_minor"], terms["currency"]), reveal["at"])
        for reveal in reveals
    ]


def _ascending_award(terms: Mapping[str, Any], reveals: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    return award_document(ascending.award(ascending.run(ascending_terms(terms), proxy_bids(terms, reveals))[0]))


def _bundle_award(rule: str, terms: Mapping[str, Any], reveals: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    # Imported here because the solver takes over a second to load, which the other kinds do not need.
    from pricing.auctions import bundles  # noqa: PLC0415

    currency = terms["currency"]
    bids = [
        bundles.BundleBid(reveal["bidder"], frozenset(reveal["goods"]), Money(reveal["amount_minor"], currency))
        for reveal in reveals
        if not is_void(reveal)
    ]
    made = bundles.vcg(bids, currency) if rule == "vcg" else bundles.core_selecting(bids, currency)
    document = award_document(made.award)
    for outcome in document["outcomes"]:
        outcome["goods"] = sorted(made.goods.get(outcome["bidder"], ()))
    return _with_void(document, reveals, goods=[])


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
"""The kinds of auction of transcripts: how a reveal becomes its entry, and how reveals become an award."""


def read(reader: Callable[..., Result], *parts: object) -> Result:
    """Return the reader's result for untrusted parts; refuses Tampered if the reader cannot read them."""
    try:
        return reader(*parts)
    except PricingRefusal:
        raise
    except (KeyError, TypeError, ValueError, AttributeError) as problem:
        msg = "the transcript's terms or bids lack a part or have one of the wrong kind"
        raise Tampered(msg) from problem


def kind_of(kind: str) -> tuple[EntryOf, AwardOf]:
    """Return how a kind's reveals become entries, and its award; refuses UnknownRule."""
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
