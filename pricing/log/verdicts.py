"""Verdicts: what a log, a proof and a reader's documents show together, and where they contradict each other.

The rule this file keeps: nothing without the log's signature is believed, and what cannot be shown is said. Each check
gets content that was read elsewhere and returns sentences; the command line reads the files.
"""

import datetime as dt
import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import Any, Final, TypeAlias

from pricing.auctions.receipt import Receipt, compare
from pricing.auctions.transcript import Transcript, terms_entry, to_json
from pricing.log.documents import SignedDocument, signature_faults
from pricing.log.notes import Checkpoint, VerifierKey, cosigned_at, is_signed
from pricing.log.proofs import Proof, faults_of, read_entry
from pricing.log.tiles import Tiles
from pricing.merkle import merkle_root
from pricing.order import from_canonical
from pricing.refusals import PricingRefusal, Tampered

Entry: TypeAlias = Mapping[str, Any]
Entries: TypeAlias = Mapping[int, Entry]
"""The contents of entries of the log, by their numbers."""
LONG_AGO: Final = 7 * 24 * 3600 * 1_000_000
"""So many microseconds after its planned end any auction is closed, even with late bids and a stopped job."""
CHAINED: Final = "previous"
"""The field of a day's entry with the previous day's root; only days' entries have it."""


@dataclass(slots=True)
class Verdict:
    """What is shown, what contradicts, and what cannot be shown, a sentence each."""

    shown: list[str] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)
    cannot_show: list[str] = field(default_factory=list)

    def add(self, other: "Verdict") -> None:
        """Add another check's findings, each sentence once."""
        for mine, theirs in (
            (self.shown, other.shown),
            (self.faults, other.faults),
            (self.cannot_show, other.cannot_show),
        ):
            mine += [one for one in theirs if one not in mine]


def check_head(checkpoint: Checkpoint, key: VerifierKey, witnesses: Sequence[VerifierKey], quorum: int) -> Verdict:
    """Check that the log signed a head, and that at least `quorum` of these witnesses cosigned it."""
    found, head = Verdict(), f"the head of {checkpoint.size} entries"
    if checkpoint.origin != key.name or not is_signed(checkpoint, key):
        found.faults.append(f"{head} is not signed by {key.name}")
        return found
    found.shown.append(f"{key.name} signed {head}, root {checkpoint.root.hex()}")
    seen = 0
    for witness in witnesses:
        at = cosigned_at(checkpoint, witness)
        if at is not None:
            seen += 1
            instant = dt.datetime.fromtimestamp(at, dt.UTC).isoformat()
            found.shown.append(f"{witness.name} saw that the log only grew up to {head}, at {instant}")
    if seen < quorum:
        found.faults.append(f"{seen} of the witnesses given cosigned {head}, and {quorum} are asked for")
    if not seen:
        found.cannot_show.append("whether others are shown another history: no witness was compared with")
    return found


def check_whole(tiles: Tiles, checkpoint: Checkpoint) -> tuple[Verdict, Entries]:
    """Check that a log's files give its head, and that no subject or day is in it twice; return the contents too."""
    found = Verdict()
    try:
        written = list(tiles.entries())
    except Tampered as problem:
        return Verdict(faults=[str(problem)]), {}
    if merkle_root(written) != checkpoint.root:
        return Verdict(faults=[f"the files do not give the root of the head of {checkpoint.size} entries"]), {}
    entries: dict[int, Entry] = {}
    for number, one in enumerate(written):
        try:
            entries[number] = read_entry(one)
        except Tampered as problem:
            found.faults.append(f"entry {number}: {problem}")
    stated: dict[tuple[str, str], int] = {}
    latest: dict[str, tuple[str, str]] = {}
    for number, entry in entries.items():
        kind = entry["kind"]
        name = (kind, str(entry.get("subject", entry.get("day"))))
        if name in stated:
            found.faults.append(f"{kind} of {name[1]} is entry {stated[name]}, and again entry {number}")
        stated.setdefault(name, number)
        if CHAINED in entry:
            day, root = latest.get(kind, ("", ""))
            if entry["day"] <= day or entry[CHAINED] != root:
                found.faults.append(
                    f"{kind} of {entry['day']}, entry {number}, does not follow from {day or 'nothing'}"
                )
            latest[kind] = (entry["day"], entry["root"])
    found.shown.append(f"all {checkpoint.size} entries are those that the head is of")
    found.cannot_show += _unended(entries)
    return found, entries


def _unended(entries: Entries) -> list[str]:
    """Return the auctions that were to close long before the log's latest statement, but have no later statement."""
    ended = {
        entry.get("subject") for entry in entries.values() if entry["kind"] in {"auction_closed", "auction_cancelled"}
    }
    latest = max((at for entry in entries.values() if isinstance(at := entry.get("at"), int)), default=0)
    return [
        f"what became of auction {entry['subject']}, opened by entry {number}: it was to close long ago, and the log has "
        "neither a root nor that it was cancelled"
        for number, entry in entries.items()
        if entry["kind"] == "auction_opened"
        and entry["subject"] not in ended
        and isinstance(closes_at := entry["statement"].get("closes_at"), int)
        and closes_at + LONG_AGO < latest
    ]


def compare_heads(heads: Sequence[Checkpoint], tiles: Tiles | None, witnesses: Sequence[VerifierKey]) -> Verdict:
    """Check that signed heads are of one history. tiles: of the largest head, needed for heads of other sizes."""
    found = Verdict()
    for number, one in enumerate(heads):
        for other in heads[:number]:
            small, large = sorted((one, other), key=lambda head: head.size)
            if small.size == large.size:
                same = small.root == large.root
            elif tiles is None or tiles.size < large.size or not small.size:
                found.cannot_show.append(f"whether {small.size} entries became {large.size}: give the tiles")
                continue
            else:
                same = (tiles.hash_of(0, small.size), tiles.hash_of(0, large.size)) == (small.root, large.root)
            if same:
                found.shown.append(f"the heads of {small.size} and {large.size} entries are of one history")
                continue
            found.faults.append(
                f"two histories: {large.origin} signed a head of {small.size} entries, root {small.root.hex()}, and one "
                f"of {large.size}, root {large.root.hex()}, which does not contain it"
            )
            both = [key.name for key in witnesses if None not in (cosigned_at(small, key), cosigned_at(large, key))]
            found.faults += [f"{name} cosigned both" for name in both]
    return found


def check_place(number: int, entry: Entry, others: Entries) -> Verdict:
    """Check that a proof's entry equals the one of other proofs or tiles at its place. All are under signed heads."""
    if others.get(number, entry) == entry:
        return Verdict()
    return Verdict(
        faults=[f"two histories: entry {number} is {_named(others[number])} in one, and {_named(entry)} in another"]
    )


def _named(entry: Entry) -> str:
    return f"{entry['kind']} of {entry.get('subject', entry.get('day'))}"


def check_proof(proof: Proof) -> Verdict:
    """Check that a proof's entry, and its item, are in the log of its checkpoint; signatures are checked separately."""
    found = Verdict()
    digest = hashlib.sha256(proof.item.document).digest() if proof.item else b""
    try:
        found.faults += faults_of(proof, digest)
        content = proof.content()
    except PricingRefusal as problem:
        found.faults.append(str(problem))
    if not found.faults:
        what = f"{content['kind']} of {content.get('subject', content.get('day'))} is entry {proof.index} of the log"
        found.shown.append(f"{proof.item.source} is among them: {what}" if proof.item else what)
    return found


def check_release(name: str, digest: str, entries: Entries) -> Verdict:
    """Check that these entries say that a whole file, by its SHA-256 in hex, was sealed and not called back."""
    found = Verdict()
    for number, entry in entries.items():
        stated = entry.get("statement", {})
        if entry["kind"] == "release_sealed" and digest in _files_of(stated):
            period = f"{stated.get('dataset')}, {stated.get('period_from')} to {stated.get('period_to')}"
            found.shown.append(f"{name} is release {entry['subject']} as it was sealed ({period}), entry {number}")
            found.shown += [
                f"release {entry['subject']} was called back: {other['statement'].get('reason_en', '')}, entry {later}"
                for later, other in entries.items()
                if (other["kind"], other.get("subject")) == ("release_recalled", entry["subject"])
            ]
    if not found.shown:
        found.faults.append(f"{name} is no release that was sealed in these entries: it was replaced or changed")
    return found


def _files_of(stated: Mapping[str, Any]) -> list[Any]:
    """Return the digests of a sealed release's whole files from its statement."""
    editions = stated.get("editions_sha256")
    return [stated.get("cells_sha256"), *(editions if isinstance(editions, list) else [])]


def check_quote(name: str, document: bytes, proofs: Sequence[Proof]) -> Verdict:
    """Check a quote's document against the price inputs of its offer and day, which one of these proofs has.

    Refuses Tampered for malformed documents.
    """
    try:
        quote = json.loads(document)
        day = dt.datetime.fromisoformat(quote["quoted_at"]).astimezone(dt.UTC).date().isoformat()
        priced = quote["price"]
        from_canonical(json.dumps(quote["price"], separators=(",", ":"), sort_keys=True).encode())
        logged = [
            (json.loads(proof.item.document), proof.content())
            for proof in proofs
            if proof.item and _kind(proof) == "price_inputs"
        ]
        same = [(one, entry) for one, entry in logged if (one["offer"], one["day"]) == (quote["offer"], day)]
        lot = int(quote.get("lot", 0))
        differences = [contradictions(name, priced, one, lot) + _late(name, day, entry) for one, entry in same]
    except PricingRefusal as problem:
        return Verdict(faults=[f"{name}: {problem}"])
    except (ValueError, TypeError, LookupError) as problem:
        msg = f"{name} is not a quote, or a proof does not have the inputs of a price"
        raise Tampered(msg) from problem
    if not logged:
        return Verdict(cannot_show=[f"the price inputs of {day}: give the proof of them with {name}"])
    if not same:
        return Verdict(
            faults=[f"{name} is of {day}, but the logged price is of another day or offer: it was back-dated"]
        )
    if [] not in differences:
        return Verdict(faults=[sentence for found in differences for sentence in found])
    _, entry = same[differences.index([])]
    unseen = [f"whether others were quoted from other inputs on {day}: compare your proofs"]
    if entry["day"] != day:
        unseen.append(f"whether {name} was so on {day}: the log begins with {entry['day']}, and has it from then on")
    return Verdict(shown=[f"{name} was computed from what the log has for {day}"], cannot_show=unseen)


def is_late(day: str, entry: Entry) -> bool:
    """Return whether a day's price is in another day's entry; the log's first entry may have earlier days."""
    return bool(entry["day"] != day and not (entry["day"] > day and not entry[CHAINED]))


def _late(name: str, day: str, entry: Entry) -> list[str]:
    """Return the sentence that a day's price was stated after that day. entry: its day's."""
    if not is_late(day, entry):
        return []
    return [f"{name} is of {day}, but the log has its inputs from {entry['day']} on alone: they were back-dated"]


def contradictions(name: str, price: Mapping[str, Any], logged: Mapping[str, Any], lot: int = 0) -> list[str]:
    """Return where a quote's price, as JSON, differs from what was logged for the day and the offer of one of its lots."""
    _, terms, *_ = price["lots"][lot]
    rates = ("worth_micro", "half_life_hours", "rights", "purposes")
    stated = dict(price["law"]) | {name: terms[name] for name in ("sheet", *rates)}
    stated["demand_basis_points"] = max(terms["demand"].values())
    return [
        f"{name} says {one} {value}, but the log of {logged['day']} says {logged[one]}: it was back-dated"
        for one, value in stated.items()
        if value != logged[one]
    ]


def check_signature(name: str, kept: SignedDocument, key: bytes | None) -> Verdict:
    """Check that a quote or a receipt of consent is signed, by the operator if its key is given."""
    unseen = [] if key else [f"whether the key of {name} is the operator's: give it as published"]
    return Verdict(faults=signature_faults(name, kept, key), cannot_show=unseen)


def check_consent(name: str, document: bytes, proofs: Sequence[Proof]) -> Verdict:
    """Check that one of these proofs is of this receipt of consent, byte for byte."""
    of_receipts = [proof for proof in proofs if proof.item and _kind(proof) == "consent_receipts"]
    items = [proof.item.document for proof in of_receipts if proof.item]
    if document in items:
        day = of_receipts[items.index(document)].content().get("day")
        return Verdict(
            shown=[f"{name} is the receipt that the proof is of: the log has it from {day} on"],
            cannot_show=[f"whether {name}, if it says an earlier day than {day}, was there before"],
        )
    if items:
        return Verdict(faults=[f"{name} is not the receipt that the log has: it was dropped or changed"])
    return Verdict(cannot_show=[f"whether {name} is in the log: give its proof"])


def check_bid(
    name: str, receipt: Receipt, transcripts: Sequence[Transcript], entries: Entries, key: bytes | None
) -> Verdict:
    """Check a bid's receipt against the log's terms and its auction's transcript, which is checked separately."""
    if not receipt.is_signed() or key not in {None, receipt.public_key}:
        return Verdict(faults=[f"{name} is not signed by the operator"])
    found = _bid_in_log(name, receipt, entries)
    if key is None:
        found.cannot_show.append("whether the receipt's key is the operator's: give it as published")
    counted = Verdict()
    for transcript in transcripts:
        if transcript.auction == receipt.content["auction"]:
            compared = compare(transcript, receipt, key)
            counted.faults += compared.differences
            counted.cannot_show += compared.cannot_show
            if not compared.differences:
                counted.shown.append(f"{name} agrees with the transcript of auction {transcript.auction}")
    if not counted.shown and not counted.faults:
        counted.cannot_show.append(
            f"whether {name} counted: give the transcript of auction {receipt.content['auction']}"
        )
    found.add(counted)
    return found


def _bid_in_log(name: str, receipt: Receipt, entries: Entries) -> Verdict:
    """Check a bid's receipt against the log: its auction's terms, and no cancellation that includes the bid."""
    found, content = Verdict(), receipt.content
    for number, entry in entries.items():
        if "terms" in content and _is_about(entry, "auction_opened", content["auction"]):
            if entry["statement"].get("terms_sha256") == content["terms"]:
                found.shown.append(f"{name} was received under the terms that the log has, entry {number}")
            else:
                found.faults.append(f"{name} was received under other terms than the log has, entry {number}")
        elif content["position"] is not None and _is_about(entry, "auction_cancelled", content["auction"]):
            found.faults.append(
                f"{name} was accepted as number {content['position']}, but the log has its auction as cancelled before any "
                f"bid, entry {number}: it was dropped"
            )
    return found


def _kind(proof: Proof) -> str:
    return str(proof.content()["kind"])


def check_transcript(transcript: Transcript, digest: str, entries: Entries) -> Verdict:
    """Check a transcript, and the SHA-256 of its file in hex, against the log's statements on the auction."""
    found, auction, name = Verdict(), transcript.auction, f"auction {transcript.auction}"
    terms = {"auction": auction, "kind": transcript.kind, "terms": transcript.terms}
    other = "this is not the transcript that was published"
    published = [*(_digest_before(transcript, number) for number in range(len(transcript.rounds))), digest]
    expected = [
        (
            "auction_opened",
            auction,
            "terms_sha256",
            terms_entry(terms).hex(),
            "its terms were changed after it was opened",
        ),
        (
            "auction_closed",
            auction,
            "root",
            transcript.root.hex(),
            "its bids are not those that the root at close is of",
        ),
        ("auction_awarded", auction, "transcript_sha256", published[0], other),
        *(
            ("auction_awarded_again", f"{auction} {number}", "transcript_sha256", one, other)
            for number, one in enumerate(published[1:], 2)
        ),
    ]
    for kind, subject, part, value, fault in expected:
        numbers = [number for number, entry in entries.items() if _is_about(entry, kind, subject)]
        if not numbers:
            found.cannot_show.append(f"{kind} of {name}: it is not in the entries given")
        for number in numbers:
            if entries[number]["statement"].get(part) == value:
                found.shown.append(f"{name}: {kind} is entry {number}, and the transcript agrees")
            else:
                found.faults.append(f"{name}: {fault} ({kind}, entry {number})")
    found.faults += _out_of_order(name, expected, entries)
    later = f"{auction} {len(published) + 1}"
    found.cannot_show += [
        f"what was awarded again, by entry {number}: give the later transcript of {name}"
        for number, entry in entries.items()
        if _is_about(entry, "auction_awarded_again", later)
    ]
    return found


def _out_of_order(name: str, expected: Sequence[tuple[str, str, str, str, str]], entries: Entries) -> list[str]:
    """Return wrong orders of publication: terms must precede the root, and the root the opening of bids."""
    first = [
        (kind, min(numbers))
        for kind, subject, *_ in expected
        if (numbers := [number for number, entry in entries.items() if _is_about(entry, kind, subject)])
    ]
    return [
        f"{name}: {kind} is entry {number}, after {later}, entry {other}"
        for (kind, number), (later, other) in pairwise(first)
        if number > other
    ]


def _digest_before(transcript: Transcript, rounds: int) -> str:
    """Return the SHA-256, in hex, of the transcript as published with this many rounds after the first."""
    return hashlib.sha256(to_json(replace(transcript, rounds=transcript.rounds[:rounds])).encode()).hexdigest()


def _is_about(entry: Mapping[str, Any], kind: str, subject: str) -> bool:
    return (entry["kind"], entry.get("subject")) == (kind, subject)
