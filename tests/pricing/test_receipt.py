"""Receipts held against transcripts; Ed25519 against an implementation by others."""

import base64
import json
from dataclasses import replace
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given, settings
from hypothesis import strategies as some

from pricing.auctions.receipt import batch_statement, compare, read_receipt
from pricing.auctions.replay import replay
from pricing.auctions.transcript import Transcript, award_of, commit_bid, leaves, proxy_entry
from pricing.ed25519 import verifies
from pricing.merkle import merkle_root, root_and_paths
from pricing.refusals import Tampered

KEY = Ed25519PrivateKey.from_private_bytes(bytes(31) + b"\7")
PUBLIC = KEY.public_key().public_bytes_raw()
ORDER = 2**252 + 27742317777372353535851937790883648493
TERMS = {
    "currency": "EUR",
    "start_minor": 1_000,
    "increments_minor": [[0, 100]],
    "opens_at": 0,
    "closes_at": 1_000,
    "window": 0,
    "extension": 0,
    "most_extension": 0,
}
NAMED = leaves("a", "ascending", TERMS, ())[0].hex()
BIDS = [("B1", 5_000, 10), ("B2", 9_000, 20), ("B3", 7_000, 30)]
ANSWERS = [("leading", 1_000), ("leading", 5_100), ("outbid_at_once", 7_100)]


def test_the_standards_own_example() -> None:
    """RFC 8032, section 7.1, test 2."""
    key = bytes.fromhex("3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c")
    signature = bytes.fromhex(
        "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00"
    )
    assert verifies(b"\x72", signature, key)
    assert not verifies(b"\x73", signature, key)


@settings(max_examples=40, deadline=None)
@given(some.binary(max_size=200), some.binary(min_size=32, max_size=32), some.integers(0, 511), some.integers(0, 255))
def test_signatures_made_elsewhere_verify_and_no_changed_bit_does(
    seed: bytes, private: bytes, bit: int, key_bit: int
) -> None:
    signer = Ed25519PrivateKey.from_private_bytes(private)
    signature, public = signer.sign(seed), signer.public_key().public_bytes_raw()
    assert verifies(seed, signature, public)
    changed = (int.from_bytes(signature, "little") ^ 1 << bit).to_bytes(64, "little")
    assert not verifies(seed, changed, public)
    assert not verifies(seed + b"x", signature, public)
    assert not verifies(seed, signature, (int.from_bytes(public, "little") ^ 1 << key_bit).to_bytes(32, "little"))
    again = signature[:32] + (int.from_bytes(signature[32:], "little") + ORDER).to_bytes(32, "little")
    assert not verifies(seed, again, public), "a signature has no second form"


@pytest.mark.parametrize("size", [0, 31, 63, 65])
def test_bytes_of_another_length_are_no_signature(size: int) -> None:
    assert not verifies(b"", bytes(size), PUBLIC)
    assert not verifies(b"", bytes(64), bytes(size))


def transcript(bids: list[tuple[str, int, int]]) -> Transcript:
    entries = tuple(proxy_entry("a", *bid) for bid in bids)
    reveals = tuple({"bidder": who, "maximum_minor": most, "at": at} for who, most, at in bids)
    root = merkle_root(leaves("a", "ascending", TERMS, entries))
    return Transcript("a", "ascending", TERMS, entries, reveals, root, award_of("ascending", TERMS, reveals))


def receipt(number: int, **changes: Any) -> str:
    who, most, at = BIDS[number]
    answer, price = ANSWERS[number]
    document = {
        "kind": "bid receipt",
        "version": 1,
        "auction": "a",
        "bid": f"b{number}",
        "bidder": who,
        "received_at": at,
        "answer": answer,
        "position": number + 1,
        "commitments": [proxy_entry("a", who, most, at).hex()],
        "maximum_minor": most,
        "price_minor": price,
        "closes_at": 1_000,
        "terms": NAMED,
    } | changes
    signed = json.dumps(document, sort_keys=True, separators=(",", ":")).encode()
    return json.dumps(
        {
            "canonical": base64.b64encode(signed).decode(),
            "signature": base64.b64encode(KEY.sign(signed)).decode(),
            "public_key": PUBLIC.hex(),
        }
    )


def test_every_receipt_of_an_honest_transcript_agrees() -> None:
    for number in range(3):
        assert compare(transcript(BIDS), read_receipt(receipt(number)), PUBLIC).equal
        assert compare(
            transcript(BIDS), read_receipt(json.dumps({"receipt": json.loads(receipt(number))})), PUBLIC
        ).equal
    assert compare(transcript(BIDS), read_receipt(receipt(0))).cannot_show
    moved = compare(transcript(BIDS), read_receipt(receipt(0, closes_at=2_000)), PUBLIC)
    assert moved.differences == ("bid b0 was given another end than the rule gives",)


def test_receipts_made_together_share_a_signature_and_no_other_is_in_it() -> None:
    alone = [json.loads(receipt(number)) for number in range(3)]
    documents = [base64.b64decode(one["canonical"]) for one in alone]
    root, paths = root_and_paths(documents)
    signature = base64.b64encode(KEY.sign(batch_statement(3, root))).decode()
    for index, path in enumerate(paths):
        hashes = [base64.b64encode(one).decode() for one in path]
        batch = {"index": index, "size": 3, "path": hashes}
        together = alone[index] | {"signature": signature, "batch": batch}
        assert compare(transcript(BIDS), read_receipt(json.dumps(together)), PUBLIC).equal
        for other in (
            {"index": (index + 1) % 3},
            {"size": 4},
            {"size": index},
            {"path": hashes[1:]},
            {"path": hashes[::-1] * 2},
        ):
            forged = read_receipt(json.dumps(together | {"batch": batch | other}))
            assert "does not hold" in compare(transcript(BIDS), forged, PUBLIC).differences[0], other
        assert (
            "does not hold"
            in compare(
                transcript(BIDS), read_receipt(json.dumps(alone[index] | {"signature": signature})), PUBLIC
            ).differences[0]
        )
    assert json.loads(batch_statement(3, root)) == {"kind": "bid receipts", "root": root.hex(), "size": 3, "version": 1}
    for wrong in ({}, {"index": 0.5, "size": 3, "path": []}, {"index": 0, "size": 1, "path": ["?"]}, None):
        with pytest.raises(Tampered):
            read_receipt(json.dumps(alone[0] | {"batch": wrong}))


def test_a_bid_dropped_before_the_root_shows_in_its_receipt() -> None:
    without = transcript(BIDS[:1] + BIDS[2:])
    found = compare(without, read_receipt(receipt(1)), PUBLIC).differences
    assert any("dropped before the root" in one for one in found)
    assert compare(without, read_receipt(receipt(2)), PUBLIC).differences, (
        "the third is answered otherwise, and is number two"
    )


def test_a_bid_moved_hidden_or_wrongly_refused_shows() -> None:
    moved = transcript([("B0", 1_500, 5), *BIDS])
    assert any("is number 2" in one for one in compare(moved, read_receipt(receipt(0)), PUBLIC).differences)
    whole = transcript(BIDS)
    hidden = Transcript(
        whole.auction, whole.kind, whole.terms, whole.entries, (*whole.reveals[:2], None), whole.root, whole.award
    )
    assert any("not revealed" in one for one in compare(hidden, read_receipt(receipt(2)), PUBLIC).differences)
    refused = {"answer": "refused_too_late", "position": None}
    assert any(
        "the rule says leading" in one
        for one in compare(transcript(BIDS[:1]), read_receipt(receipt(1, **refused)), PUBLIC).differences
    )
    bid = {"bidder": "B3", "maximum_minor": 7_100, "at": 40}
    rightly = {
        "answer": "refused_below_minimum",
        "position": None,
        "received_at": 40,
        "maximum_minor": 7_100,
        "price_minor": 7_100,
        "commitments": [proxy_entry("a", *bid.values()).hex()],
    }
    listed = replace(whole, refused=(bid,))
    assert compare(listed, read_receipt(receipt(2, **rightly)), PUBLIC).equal
    dropped = compare(whole, read_receipt(receipt(2, **rightly)), PUBLIC).differences
    assert ["refused for the minimum, is not in the transcript" in one for one in dropped] == [True]


def test_another_signature_key_or_auction_shows() -> None:
    document = json.loads(receipt(0))
    document["canonical"] = json.loads(receipt(1))["canonical"]
    assert any(
        "signature" in one for one in compare(transcript(BIDS), read_receipt(json.dumps(document)), PUBLIC).differences
    )
    assert any(
        "another key" in one for one in compare(transcript(BIDS), read_receipt(receipt(0)), bytes(32)).differences
    )
    assert any(
        "was made in auction" in one
        for one in compare(transcript(BIDS), read_receipt(receipt(0, auction="z")), PUBLIC).differences
    )
    assert any(
        "received sealed" in one
        for one in compare(transcript(BIDS), read_receipt(receipt(0, maximum_minor=None)), PUBLIC).differences
    )


@pytest.mark.parametrize(
    "changes",
    [
        {"kind": "letter"},
        {"version": 2},
        {"position": "1"},
        {"position": True},
        {"commitments": []},
        {"commitments": ["xy"]},
        {"commitments": [5]},
        {"received_at": 1.5},
        {"maximum_minor": "1"},
        {"bidder": None},
        {"position": 0},
        {"terms": None},
        {"terms": "no digest"},
    ],
)
def test_what_is_no_receipt_is_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(Tampered):
        read_receipt(receipt(0, **changes))


@pytest.mark.parametrize(
    "text", ["", "[]", "{}", "null", '{"receipt": 5}', '{"canonical": "%", "signature": "", "public_key": ""}']
)
def test_what_cannot_be_read_is_refused(text: str) -> None:
    with pytest.raises(Tampered):
        read_receipt(text)


SEALED_TERMS = {"currency": "EUR", "reserve_minor": 1, "licences": 1, "version": 1, "opens_at": 5, "closes_at": 100}


def sealed_receipt(**changes: Any) -> str:
    """Return a receipt of the only bid of a sealed auction."""
    entry = commit_bid("a", "B1", 50, bytes(32)).hex()
    named = leaves("a", "uniform_price", SEALED_TERMS, ())[0].hex()
    parts = {"terms": named, "answer": "sealed", "maximum_minor": None, "price_minor": None}
    return receipt(0, **(parts | {"commitments": [entry], "closes_at": 100, "received_at": 10} | changes))


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"reserve_minor": 2}, "under other terms"),
        ({"licences": 2}, "under other terms"),
        ({"lots": ["another"]}, "under other terms"),
        ({"closes_at": 101}, "another end than the terms"),
        ({"opens_at": 11}, "outside the auction's time"),
    ],
)
def test_terms_changed_after_a_bid_show_in_its_receipt(change: dict[str, Any], sentence: str) -> None:
    """By anyone, before the root is made: the transcript alone is flawless."""
    reveal = {"bidder": "B1", "amount_minor": 50, "nonce": "00" * 32}
    entries = (commit_bid("a", "B1", 50, bytes(32)),)

    def closed(terms: dict[str, Any]) -> Transcript:
        root = merkle_root(leaves("a", "uniform_price", terms, entries))
        award = award_of("uniform_price", terms, [reveal])
        return Transcript("a", "uniform_price", terms, entries, (reveal,), root, award)

    kept = read_receipt(sealed_receipt())
    assert compare(closed(SEALED_TERMS), kept, PUBLIC).equal
    forged = closed(SEALED_TERMS | change)
    assert replay(forged).equal
    assert any(sentence in one for one in compare(forged, kept, PUBLIC).differences)
    opening = leaves("a", "uniform_price", SEALED_TERMS, ())[0]
    assert replay(closed(SEALED_TERMS), published_terms=opening).equal
    assert "published at opening" in replay(forged, published_terms=opening).differences[0]
