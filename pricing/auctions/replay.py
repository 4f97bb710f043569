"""Replaying: compute an auction's award again from its transcript alone, round by round, and list the differences.

The rule this file keeps: nothing that can be computed is believed. If a winner does not pay, the same rule is applied
again as if it had never bid (`again`). Bids refused only because of its bid then count, at the instant they came, and
the auction ends when it ended. Other winners keep their lots.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from pricing.auctions.ascending import BidAnswer, run
from pricing.auctions.transcript import Transcript, ascending_terms, award_of, kind_of, proxy_bids, read
from pricing.merkle import merkle_root

BLIND_SPOT: Final = "a shill bid placed before the close cannot be detected from a transcript, nor by anyone"
"""The limit that every replay states."""
ASCENDING: Final = "ascending"


@dataclass(frozen=True, slots=True)
class ReplayResult:
    """A replay's result: the award as computed again, the differences as sentences, and what it cannot show."""

    award: Mapping[str, Any]
    differences: tuple[str, ...]
    cannot_show: tuple[str, ...]

    @property
    def equal(self) -> bool:
        """Whether all of the transcript is right."""
        return not self.differences


def replay(
    transcript: Transcript, published_root: bytes | None = None, published_terms: bytes | None = None
) -> ReplayResult:
    """Compute everything again from the transcript alone and list the differences.

    published_root: the root as published at close, if the reader has it. published_terms: the hash of the terms as
    published at opening. Refuses UnknownRule for an unknown kind, and what the auction itself refuses for terms or bids
    that could never have been accepted.
    """
    entry_of, _ = kind_of(transcript.kind)
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
        elif read(entry_of, transcript.auction, reveal) != entry:
            differences.append(f"bid {number}, revealed by {reveal.get('bidder')}, is not the one committed to")
    revealed = [reveal for reveal in transcript.reveals if reveal is not None]
    award = award_of(transcript.kind, transcript.terms, revealed)
    differences += _award_differences(transcript.award, award)
    differences += read(_refused_differences, transcript, revealed)
    of_rounds, unsold = read(_round_differences, transcript, revealed, award)
    differences += of_rounds
    cannot_show = [BLIND_SPOT]
    if transcript.rounds:
        cannot_show.append("whether who is said not to have paid did not")
    cannot_show += [f"whether {lot}, left unpaid and not sold again, was called back" for lot in unsold]
    hidden = sum(reveal is None for reveal in transcript.reveals)
    if hidden:
        cannot_show.append(f"what {hidden} unrevealed bids were")
    return ReplayResult(award, tuple(differences), tuple(cannot_show))


def _seller_differences(transcript: Transcript) -> list[str]:
    """Return where the seller's own bids, which come first, differ from the reserves in the terms."""
    reserves = transcript.terms.get("reserves_minor", [])
    stated = [reveal.get("amount_minor") for reveal in transcript.reveals[: len(reserves)] if reveal is not None]
    return [] if stated == list(reserves) else ["the seller's bids are not the reserves that the terms state"]


def again(
    transcript: Transcript, *, without: Sequence[str], kept: Sequence[str] = (), free: Sequence[str] = ()
) -> Transcript:
    """Return a transcript with one more round: the award as if the bidders who did not pay had never bid.

    without: the bidders who did not pay, of all rounds. kept: winners of earlier rounds whose award stays; the new
    award leaves them out. free: for a bundle auction, the goods that nobody has; otherwise empty.
    """
    revealed = [reveal for reveal in transcript.reveals if reveal is not None]
    award = _awarded_again(transcript, revealed, {"without": without, "kept": kept, "free": free})
    made = {
        "round": len(transcript.rounds) + 2,
        "without": sorted(without),
        "kept": sorted(kept),
        "free": sorted(free),
        "award": award,
    }
    return replace(transcript, rounds=(*transcript.rounds, made))


def _awarded_again(
    transcript: Transcript, revealed: Sequence[Mapping[str, Any]], stated: Mapping[str, Any]
) -> Mapping[str, Any]:
    gone, terms = set(stated["without"]), dict(transcript.terms)
    if _sells_several(transcript):
        free = set(stated["free"])
        shown = [
            one for one in revealed if one["bidder"] not in gone | set(stated["kept"]) and set(one["goods"]) <= free
        ]
        return award_of(transcript.kind, terms, shown)
    shown = [one for one in _with_refused(transcript, revealed) if one["bidder"] not in gone]
    if transcript.kind == ASCENDING:
        ended, _ = run(ascending_terms(terms), proxy_bids(terms, revealed))
        terms |= {"closes_at": ended.closes_at, "window": 0, "extension": 0, "most_extension": 0}
    return award_of(transcript.kind, terms, shown)


def _sells_several(transcript: Transcript) -> bool:
    return transcript.kind in ("vcg", "core")


def _with_refused(transcript: Transcript, revealed: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """Return accepted bids and those refused for the minimum, in order of arrival."""
    if not transcript.refused:
        return list(revealed)
    return sorted([*revealed, *transcript.refused], key=lambda one: one["at"])


def _refused_differences(transcript: Transcript, revealed: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return where a bid's stated refusal or acceptance differs from the rule's answer."""
    if not transcript.refused:
        return []
    if transcript.kind != ASCENDING:
        return ["bids that were refused for a minimum are listed, which this kind of auction has none of"]
    bids, refused = _with_refused(transcript, revealed), {id(one) for one in transcript.refused}
    _, answers = run(ascending_terms(transcript.terms), proxy_bids(transcript.terms, bids))
    return [
        f"the bid of {one['maximum_minor']} by {one['bidder']} is listed as refused, but the rule answers {answer}"
        for one, answer in zip(bids, answers, strict=True)
        if id(one) in refused and answer != BidAnswer.REFUSED_BELOW_MINIMUM
    ]


def _round_differences(
    transcript: Transcript, revealed: Sequence[Mapping[str, Any]], award: Mapping[str, Any]
) -> tuple[list[str], list[str]]:
    """Return where a repeated award differs from the rule's result without the bidders who did not pay.

    Also return, in order, the goods that they left and no round sells again. award: the first one, by the rule.
    """
    differences: list[str] = []
    unsold: set[str] = set()
    won = {one["bidder"]: set(one.get("goods", ())) for one in award["outcomes"] if one["units"]}
    for number, stated in enumerate(transcript.rounds, 2):
        gone, kept, free = set(stated["without"]), set(stated["kept"]), set(stated["free"])
        if stated["round"] != number or not gone or not gone | kept <= won.keys() or (gone & kept and not free):
            differences.append(f"round {number} is not about winners of the rounds before it")
        if not free <= _goods_of(gone, won) - _goods_of(kept - gone, won):
            differences.append(f"round {number} sells lots that nobody left unpaid")
        unsold = _goods_of(gone - kept, won) - _goods_of(kept, won) - free  # a bidder in both paid for some of its lots
        found = _awarded_again(transcript, revealed, stated)
        differences += [f"round {number}: {one}" for one in _award_differences(stated["award"], found)]
        won |= {
            one["bidder"]: set(one.get("goods", ()))
            for one in found["outcomes"]
            if one["units"] and one["bidder"] not in kept
        }
    return differences, sorted(unsold)


def _goods_of(bidders: set[str], won: Mapping[str, set[str]]) -> set[str]:
    return set().union(*(won.get(one, set()) for one in bidders))


def _award_differences(stated: Mapping[str, Any], found: Mapping[str, Any]) -> list[str]:
    """Return one sentence per bidder, and one for the price, where the stated award differs from the one found."""
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
