"""Transcripts: standard trees, commitments to the byte, and no change after the root that goes unnoticed."""

import hashlib
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pricing.__main__ import main
from pricing.auctions.replay import BLIND_SPOT, replay
from pricing.auctions.transcript import (
    Transcript,
    award_of,
    commit_bid,
    commit_bundle,
    from_json,
    leaves,
    proxy_entry,
    terms_entry,
    to_json,
)
from pricing.merkle import (
    consistency_proof,
    inclusion_proof,
    merkle_root,
    root_and_paths,
    verify_consistency,
    verify_inclusion,
)
from pricing.refusals import Empty, Mismatched, Negative, OutOfRange, PricingRefusal, Tampered, TooLarge, UnknownRule

Reveals = list[dict[str, Any]]


def sealed_reveals(*amounts: int) -> Reveals:
    """Return reveals of one bid per amount."""
    return [
        {"bidder": f"partner-{at}", "amount_minor": amount, "nonce": bytes([at] * 32).hex()}
        for at, amount in enumerate(amounts)
    ]


def closed_transcript(kind: str, terms: dict[str, Any], reveals: Reveals) -> Transcript:
    """Return an honest transcript."""
    entries = []
    for one in reveals:
        if kind == "ascending":
            entries.append(proxy_entry("auc-1", one["bidder"], one["maximum_minor"], one["at"]))
        elif kind in {"vcg", "core"}:
            nonce = bytes.fromhex(one["nonce"])
            entries.append(commit_bundle("auc-1", one["bidder"], one["goods"], one["amount_minor"], nonce))
        else:
            entries.append(commit_bid("auc-1", one["bidder"], one["amount_minor"], bytes.fromhex(one["nonce"])))
    root = merkle_root(leaves("auc-1", kind, terms, entries))
    return Transcript("auc-1", kind, terms, tuple(entries), tuple(reveals), root, award_of(kind, terms, reveals))


SEALED = closed_transcript("second_price", {"currency": "EUR", "reserve_minor": 100}, sealed_reveals(700, 1_000, 800))
BUNDLES = [
    {"bidder": name, "goods": list(goods), "amount_minor": amount, "nonce": "07" * 32}
    for name, goods, amount in (("A", "a", 80), ("B", "b", 60), ("G", "ab", 100))
]
ALL = [
    SEALED,
    closed_transcript(
        "uniform_price", {"currency": "EUR", "reserve_minor": 5, "licences": 2}, sealed_reveals(7, 9, 8, 1)
    ),
    closed_transcript("vcg", {"currency": "EUR"}, BUNDLES),
    closed_transcript("core", {"currency": "EUR"}, BUNDLES),
    closed_transcript(
        "ascending",
        {
            "currency": "EUR",
            "start_minor": 100,
            "increments_minor": [[0, 5], [100, 25]],
            "opens_at": 0,
            "closes_at": 99,
            "window": 9,
            "extension": 9,
            "most_extension": 18,
        },
        [
            {"bidder": "A", "maximum_minor": 900, "at": 5},
            {"bidder": "B", "maximum_minor": 800, "at": 95},
            {"bidder": "B", "maximum_minor": 1_000, "at": 103},
        ],
    ),
]


def test_commitment_and_root_to_the_byte(vectors: Callable[[str], dict[str, Any]]) -> None:
    """The published digest and the root of the published leaves."""
    document = vectors("commitments")
    case = document["bid_commitment"]
    nonce = bytes.fromhex(case["nonce_hex"])
    assert commit_bid(case["auction"], case["bidder"], case["amount_cents"], nonce).hex() == case["sha256"]
    tree = document["merkle_rfc9162"]
    assert merkle_root([bytes.fromhex(leaf) for leaf in tree["leaves_hex"]]).hex() == tree["root"]
    assert merkle_root([]) == hashlib.sha256(b"").digest()


@settings(deadline=None, max_examples=60)
@given(st.lists(st.binary(max_size=3), min_size=1, max_size=20), st.data())
def test_inclusion_is_shown_for_the_leaf_and_no_other(entries: list[bytes], data: st.DataObject) -> None:
    """The proof holds for its leaf, place, size and root, and breaks with any of them."""
    root = merkle_root(entries)
    index = data.draw(st.integers(0, len(entries) - 1))
    proof = inclusion_proof(entries, index)
    assert (root, list(proof)) == (root_and_paths(entries)[0], root_and_paths(entries)[1][index])
    assert verify_inclusion(entries[index], index, len(entries), proof, root)
    assert not verify_inclusion(entries[index] + b"x", index, len(entries), proof, root)
    assert not verify_inclusion(entries[index], index, len(entries), [*proof, root], root)
    assert not verify_inclusion(entries[index], len(entries), len(entries), proof, root)
    assert not verify_inclusion(entries[index], index, len(entries), proof, b"\0" * 32)
    if proof:
        assert not verify_inclusion(entries[index], index, len(entries), proof[1:], root)
        assert not verify_inclusion(entries[index], index, len(entries), [b"\0" * 32, *proof[1:]], root)


@pytest.mark.parametrize("size", range(1, 18))
def test_consistency_is_shown_for_every_prefix_and_no_other(size: int) -> None:
    """Every earlier size; not for a tree whose first leaves differ, nor with a proof cut, lengthened or changed."""
    entries = [bytes([at]) for at in range(size)]
    other = [b"x", *entries[1:]]
    new = merkle_root(entries)
    for index, entry in enumerate(entries):
        assert verify_inclusion(entry, index, size, inclusion_proof(entries, index), new)
    for earlier in range(1, size + 1):
        old = merkle_root(entries[:earlier])
        proof = consistency_proof(entries, earlier)
        assert verify_consistency(earlier, size, proof, old, new)
        assert not verify_consistency(earlier, size, proof, merkle_root(other[:earlier]), new)
        assert not verify_consistency(earlier, size, proof, old, merkle_root(other))
        assert not verify_consistency(earlier, size, [*proof, old], old, new)
        if proof:
            assert not verify_consistency(earlier, size, proof[:-1], old, new)
            assert not verify_consistency(earlier, size, [], old, new)
    assert not verify_consistency(0, size, [], new, new)


@pytest.mark.parametrize("transcript", ALL, ids=lambda one: one.kind)
def test_an_honest_transcript_replays_to_the_same_award(transcript: Transcript) -> None:
    """From its text alone; and it always says what it cannot show."""
    found = replay(from_json(to_json(transcript)), transcript.root)
    assert found.equal, found.differences
    assert found.award == transcript.award
    assert found.cannot_show == (BLIND_SPOT,)


def tampered(transcript: Transcript, **changes: object) -> Transcript:
    """Return the transcript with these fields changed and its root left as published."""
    return replace(transcript, **changes)


@pytest.mark.parametrize(
    ("transcript", "sentence"),
    [
        (tampered(SEALED, terms={"currency": "EUR", "reserve_minor": 900}), "do not give the root"),
        (tampered(SEALED, kind="uniform_price", terms={**SEALED.terms, "licences": 1}), "do not give the root"),
        (tampered(SEALED, auction="auc-2"), "do not give the root"),
        (tampered(SEALED, entries=SEALED.entries[:2], reveals=SEALED.reveals[:2]), "do not give the root"),
        (
            tampered(SEALED, entries=(*SEALED.entries, b"\0" * 32), reveals=(*SEALED.reveals, None)),
            "do not give the root",
        ),
        (tampered(SEALED, entries=SEALED.entries[::-1], reveals=SEALED.reveals[::-1]), "do not give the root"),
        (tampered(SEALED, reveals=(*SEALED.reveals[:2], sealed_reveals(1, 1, 900)[2])), "bid 2, revealed by partner-2"),
        (tampered(SEALED, reveals=SEALED.reveals[:2]), "3 bids were committed, but 2"),
        (tampered(SEALED, award={**SEALED.award, "clearing_price_minor": 799}), "the clearing price is 800, not 799"),
        (tampered(SEALED, award={**SEALED.award, "outcomes": SEALED.award["outcomes"][:2]}), "partner-2 should have"),
        (tampered(SEALED, award={**SEALED.award, "outcomes": SEALED.award["outcomes"][::-1]}), "another order"),
        (
            tampered(SEALED, award={**SEALED.award, "outcomes": [*SEALED.award["outcomes"], {"bidder": "friend"}]}),
            "friend did not bid",
        ),
        (tampered(SEALED, award={}), "cannot be read"),
    ],
)
def test_every_change_after_the_root_is_noticed(transcript: Transcript, sentence: str) -> None:
    """Reserve, rule, auction, a bid dropped, added, moved, changed or hidden, and the award itself."""
    found = replay(transcript)
    assert not found.equal
    assert any(sentence in difference for difference in found.differences), found.differences


def test_a_rewritten_transcript_needs_the_published_root() -> None:
    """Consistent with itself, but not with what was published; and the bidder's receipt shows a dropped bid."""
    rewritten = closed_transcript("second_price", {"currency": "EUR", "reserve_minor": 100}, sealed_reveals(700, 1_000))
    assert replay(rewritten).equal
    found = replay(rewritten, SEALED.root)
    assert found.differences == ("the root is not the one published at close",)
    receipt, place = SEALED.entries[2], 3
    proof = inclusion_proof(SEALED.leaves, place)
    assert verify_inclusion(receipt, place, 4, proof, SEALED.root)
    assert receipt not in rewritten.leaves


def test_terms_published_at_opening_bind_the_close() -> None:
    """The root at opening holds the terms alone, and the root at close is shown to extend it."""
    opening = merkle_root(leaves(SEALED.auction, SEALED.kind, SEALED.terms, ()))
    proof = consistency_proof(SEALED.leaves, 1)
    assert verify_consistency(1, 4, proof, opening, SEALED.root)
    assert terms_entry({"b": 1, "a": 2}) == terms_entry({"a": 2, "b": 1}) != terms_entry({"a": 2, "b": 2})


def test_a_bid_that_is_not_opened_does_not_count_and_is_a_difference() -> None:
    """Whose loss sets the price would be hidden; the rest is replayed."""
    hidden = replace(
        SEALED,
        reveals=(SEALED.reveals[0], SEALED.reveals[1], None),
        award=award_of("second_price", SEALED.terms, [dict(one) for one in SEALED.reveals[:2] if one]),
    )
    found = replay(hidden)
    assert found.differences == ("bid 2 is not opened, though the closing job can open every bid",)
    assert found.cannot_show[1] == "what 1 unrevealed bids were"


def test_bundle_commitments_bind_the_goods() -> None:
    """In any order given, and nothing moved from one name to the next."""
    nonce = bytes(32)
    assert commit_bundle("x", "y", ["b", "a"], 1, nonce) == commit_bundle("x", "y", ["a", "b"], 1, nonce)
    assert commit_bundle("x", "y", ["ab"], 1, nonce) != commit_bundle("x", "y", ["a", "b"], 1, nonce)
    assert commit_bid("xy", "z", 1, nonce) != commit_bid("x", "yz", 1, nonce)


def test_the_command_says_equal_or_where_it_differs(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Exit status 0, 1 and 2; and as people call it, in a process of its own."""
    path = tmp_path / "auction.json"
    path.write_text(to_json(SEALED), encoding="utf-8")
    assert main(["replay", str(path), "--root", SEALED.root.hex()]) == 0
    printed = capsys.readouterr().out
    assert "partner-1: won, 1 for 800" in printed
    assert BLIND_SPOT in printed
    assert printed.endswith("equal\n")
    process = subprocess.run(
        [sys.executable, "-m", "pricing", "replay", str(path)],
        capture_output=True,
        text=True,
        check=False,
        cwd=Path(__file__).parents[2],
    )
    assert (process.returncode, process.stdout) == (0, printed)
    path.write_text(to_json(tampered(SEALED, auction="auc-2")), encoding="utf-8")
    assert main(["replay", str(path)]) == 1
    assert "differs: the terms and commitments" in capsys.readouterr().out
    for text in ("", "[]", "{}"):
        path.write_text(text, encoding="utf-8")
        assert main(["replay", str(path)]) == 2
        assert "not a transcript" in capsys.readouterr().err
    assert main(["replay", str(tmp_path / "absent.json")]) == 2


@pytest.mark.parametrize(
    ("made", "refusal"),
    [
        (lambda: commit_bid("a", "b", -1, bytes(32)), Negative),
        (lambda: commit_bid("a", "b", 10**18, bytes(32)), TooLarge),
        (lambda: commit_bid("a", "b", 1, bytes(31)), OutOfRange),
        (lambda: commit_bid("a" * 65_536, "b", 1, bytes(32)), TooLarge),
        (lambda: inclusion_proof([b""], 1), OutOfRange),
        (lambda: consistency_proof([b""], 0), OutOfRange),
        (lambda: root_and_paths([]), Empty),
        (lambda: terms_entry({"a": float("nan")}), Mismatched),
        (lambda: terms_entry({"a": object()}), Mismatched),
        (lambda: replay(tampered(SEALED, kind="lottery")), UnknownRule),
        (lambda: replay(tampered(SEALED, terms={})), Tampered),
        (lambda: replay(tampered(SEALED, reveals=({"bidder": "x"}, None, None))), Tampered),
        (lambda: replay(tampered(SEALED, terms={"currency": "EUR", "reserve_minor": -1})), Negative),
        (lambda: from_json(to_json(SEALED).replace('"auc-1"', "7")), Tampered),
        (lambda: from_json(to_json(SEALED).replace('"root"', '"more": 1, "root"')), Tampered),
    ],
)
def test_what_has_no_right_answer_is_refused_by_name(made: Callable[[], object], refusal: type[PricingRefusal]) -> None:
    """A named refusal, never a wrong award."""
    with pytest.raises(refusal):
        made()
