"""The public log's formats: tiles that never change, notes that refuse, days that hide what is in them."""

import random

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from pricing.ed25519 import verifies
from pricing.log.days import DEPTH, bucket_of, crown_of, item_leaf, path_of, place_of, root_from, root_of, salt_of
from pricing.log.documents import is_bid_receipt, read_signed
from pricing.log.notes import read_checkpoint, read_key, read_signatures
from pricing.log.proofs import Proof, read_entry, read_proof
from pricing.log.tiles import Tiles, grown, read_bundle, tile_path, written_bundle
from pricing.log.verdicts import check_consent, check_proof, check_whole
from pricing.merkle import inclusion_path, merkle_root, verify_inclusion
from pricing.refusals import OutOfRange, Tampered, TooLarge

GO = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"
GO_TEXT = "If you think cryptography is the answer to your problem,\nthen you don't know what your problem is.\n"
GO_LINE = (
    "— PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n"
)
ROOT = "CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I="
SIGNED = f"x.example/log\n9\n{ROOT}\n\n— x.example/log AAAAAAAA\n"


def test_paths_are_those_of_the_specification() -> None:
    assert tile_path(0, 1_234_067) == "tile/0/x001/x234/067"
    assert tile_path("entries", 0, 3) == "tile/entries/000.p/3"


@settings(max_examples=25, deadline=None)
@given(st.lists(st.integers(1, 400), min_size=1, max_size=6))
@example([256])
def test_a_log_grows_by_files_that_stay(steps: list[int]) -> None:
    files: dict[str, bytes] = {}
    entries: list[bytes] = []
    for step in steps:
        new = [b"entry %d" % (len(entries) + n) for n in range(step)]
        made = grown(files.get, len(entries), new)
        assert not made.keys() & files.keys()
        files |= made
        entries += new
        tiles = Tiles(files.get, len(entries))
        assert tiles.root() == merkle_root(entries)
        assert list(tiles.entries()) == entries
        last = len(entries) - 1
        path = inclusion_path(tiles.hash_of, last, len(entries))
        assert verify_inclusion(entries[last], last, len(entries), path, tiles.root())
    assert grown(files.get, len(entries), []) == {}
    left = {path: data for path, data in files.items() if ".p/" not in path or path.partition(".p/")[0] not in files}
    assert Tiles(left.get, len(entries)).root() == merkle_root(entries), "a partial tile is deleted once it is full"


def test_the_specifications_example_of_seventy_thousand() -> None:
    files = grown(lambda _: None, 0, [b"%d" % n for n in range(70_000)])
    levels = {level: [path for path in files if path.startswith(f"tile/{level}/")] for level in (0, 1, 2, "entries")}
    assert [len(found) for found in levels.values()] == [274, 2, 1, 274]
    assert {"tile/0/273.p/112", "tile/1/000", "tile/1/001.p/17", "tile/2/000.p/1"} <= files.keys()
    partial = Tiles({**files, "tile/0/273": files["tile/0/273.p/112"] + bytes(32)}.get, 70_000)
    assert partial.root() == Tiles(files.get, 70_000).root()
    with pytest.raises(Tampered, match="the log has no tile/0"):
        Tiles(lambda _: None, 3).root()


def test_bundles_refuse_what_does_not_fit() -> None:
    assert read_bundle(written_bundle([b"", b"ab"])) == [b"", b"ab"]
    with pytest.raises(TooLarge):
        written_bundle([bytes(65_536)])
    with pytest.raises(Tampered):
        read_bundle(b"\0\5abc")


def test_a_key_and_a_signature_of_others_are_read() -> None:
    key = read_key(GO)
    [signature] = read_signatures(GO_LINE)
    assert (key.key_id, str(key)) == (signature.key_id, GO)
    assert verifies(GO_TEXT.encode(), signature.signature, key.key)
    assert signature.line() == GO_LINE
    assert read_checkpoint(SIGNED).note() == SIGNED


@pytest.mark.parametrize("text", ["", "a+b", GO.replace("c74f", "c74e"), "a+00000000+AA==", GO.replace("+A", "+B", 1)])
def test_what_is_no_key_is_refused(text: str) -> None:
    with pytest.raises(Tampered):
        read_key(text)


@pytest.mark.parametrize(
    "note",
    [
        "",
        SIGNED[:-1],
        SIGNED.replace("\n9\n", "\n09\n"),
        SIGNED.replace("\n9\n", "\n-9\n"),
        SIGNED.replace("\n9\n", "\nnine\n"),
        SIGNED.replace(ROOT, "AAAA"),
        SIGNED.replace(ROOT, "?"),
        SIGNED.replace("—", "-"),
        SIGNED.replace(" AAAAAAAA", " AAAA"),
        SIGNED.replace(" AAAAAAAA", ""),
        SIGNED.replace("9", "\t"),
        SIGNED + "x" * 100_000 + "\n",
    ],
)
def test_what_is_no_checkpoint_is_refused(note: str) -> None:
    with pytest.raises(Tampered):
        read_checkpoint(note)


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 300), st.integers(0, 2**32))
def test_a_day_proves_its_items_and_shows_nothing_else(count: int, seed: int) -> None:
    key = random.Random(seed).randbytes(32)  # noqa: S311 (repeatable)
    placed = {place_of("k", f"{n}"): (f"{n}", bytes([n % 256]) * 32) for n in range(count)}
    items = sorted((place, item_leaf(salt_of(key, source), digest)) for place, (source, digest) in placed.items())
    crown = crown_of(key, items)
    assert (len(crown), crown) == (8192, crown_of(key, items))
    for place, (source, digest) in list(placed.items())[:5]:
        first, end = bucket_of(place)
        path = path_of(key, crown, [item for item in items if first <= item[0] < end], place)
        leaf = item_leaf(salt_of(key, source), digest)
        assert root_from(place, leaf, path) == root_of(crown)
        assert root_from(place, item_leaf(salt_of(key, "other"), digest), path) != root_of(crown)
    empty = place_of("k", "nobody")
    first, end = bucket_of(empty)
    path = path_of(key, crown, [item for item in items if first <= item[0] < end], empty)
    assert len(path) == DEPTH
    with pytest.raises(OutOfRange):
        root_from(empty, bytes(32), path[1:])


def test_what_is_no_document_is_refused() -> None:
    for text in ("", "{}", "[]", '{"canonical": "AA=="}', '{"document": "x", "signature": "zz"}'):
        with pytest.raises(Tampered):
            read_signed(text)
        assert not is_bid_receipt(text)
    for entry in (
        b"",
        b"[]",
        b'{"kind": 1}',
        b'{"kind": "a", "subject": "b"}',
        b'{"kind": "a", "day": "b", "root": "c"}',
    ):
        with pytest.raises(Tampered):
            read_entry(entry)
    with pytest.raises(Tampered):
        read_proof("c2sp.org/tlog-proof@v1\nextra e30=\nindex 0\n\n" + SIGNED)
    with pytest.raises(Tampered):
        read_proof("another heading\n\n" + SIGNED)


def test_a_log_that_says_a_thing_twice_is_found_out() -> None:
    day = '{{"kind":"k","day":"{}","root":"{}","previous":"{}"}}'
    entries = [
        b'{"kind":"auction_opened","subject":"a","statement":{}}',
        b'{"kind":"auction_opened","subject":"a","statement":{}}',
        *(day.format(*parts).encode() for parts in (("2026-01-01", "r1", ""), ("2026-01-02", "r2", "other"))),
    ]
    files = grown(lambda _: None, 0, entries)
    tiles = Tiles(files.get, 4)
    head = read_checkpoint(SIGNED.replace("\n9\n", "\n4\n"))
    assert check_whole(tiles, head)[0].faults == ["the files do not give the root of the head of 4 entries"]
    whole = type(head)(head.origin, 4, tiles.root(), head.text, head.signatures)
    faults = check_whole(tiles, whole)[0].faults
    assert [fault.split(" is ")[-1][:20] for fault in faults[:1]] == ["entry 0, and again e"]
    assert "does not follow from 2026-01-01" in faults[1]
    assert check_consent("x", b"{}", []).cannot_show
    assert check_proof(Proof(0, (), head, b"{}")).faults
