"""Blocks and segments: what is packed comes back, merged from anything and cut anywhere; damage is noticed."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as some

from marketplace.core.errors import Conflict
from marketplace.subscribers.earnings.blocks import Rows, blocks_of, find, merge, merge_all, pack, rows_of, unpack
from marketplace.subscribers.earnings.contribution_rules import LEVELS, Size, cube_root, level_of
from marketplace.subscribers.earnings.segments import parts_of

People = dict[int, int]
PEOPLE = some.dictionaries(some.integers(0, 2**62), some.integers(1, 2**40), min_size=1, max_size=30)
CROWDED = some.dictionaries(some.integers(0, 40), some.integers(1, 300), min_size=1, max_size=30)
RELEASES = some.lists(some.one_of(PEOPLE, CROWDED), min_size=1, max_size=6)


def one(number: int, people: People) -> Rows:
    ascending = sorted(people)
    return rows_of(number, np.array(ascending, np.int64), np.array([people[who] for who in ascending], np.int64))


def read_blocks(rows: Rows) -> dict[int, list[tuple[int, int]]]:
    """Return each person's (number, weight)."""
    found, start = {}, 0
    for who, count in zip(rows.references.tolist(), rows.counts.tolist(), strict=True):
        here = slice(start, start + count)
        found[who] = list(zip(rows.numbers[here].tolist(), rows.weights[here].tolist(), strict=True))
        start += count
    assert start == len(rows.numbers) == len(rows.weights)
    return found


def expected(releases: list[People]) -> dict[int, list[tuple[int, int]]]:
    everybody = sorted({who for people in releases for who in people})
    return {who: [(n, people[who]) for n, people in enumerate(releases) if who in people] for who in everybody}


@settings(max_examples=40)
@given(RELEASES)
def test_a_block_has_everybodys_releases_and_weights(releases: list[People]) -> None:
    block = pack(merge([one(number, people) for number, people in enumerate(releases)]))
    assert read_blocks(unpack(block)) == expected(releases)
    for who, pairs in expected(releases).items():
        numbers, weights = find(block, who)
        assert list(zip(numbers.tolist(), weights.tolist(), strict=True)) == pairs
    nobody = next(who for who in range(2**62) if who not in expected(releases))
    assert not len(find(block, nobody)[0])


@settings(max_examples=40)
@given(RELEASES, some.integers(1, 7), some.integers(1, 9))
def test_pieces_and_blocks_may_be_cut_anywhere(releases: list[People], rows: int, pairs: int) -> None:
    def pieces(whole: Rows) -> list[Rows]:
        return [whole.between(start, min(start + rows, len(whole))) for start in range(0, len(whole), rows)]

    sources = [iter(pieces(one(number, people))) for number, people in enumerate(releases)]
    blocks = list(blocks_of(merge_all(sources), pairs))
    assert all(len(block.numbers) <= pairs or len(block) == 1 for block in blocks)
    assert read_blocks(merge(blocks)) == expected(releases)
    assert list(read_blocks(merge(blocks))) == sorted(read_blocks(merge(blocks)))


def test_a_part_says_where_its_blocks_are() -> None:
    people = {who: who % 12 + 1 for who in range(0, 300_000, 3)}
    parts = list(parts_of([iter([one(7, people)])], blocks_a_part=2))
    assert len(parts) == 2
    assert sum(part.pairs for part in parts) == len(people)
    for part in parts:
        starts = [0, *part.ends[:-1]]
        blocks = [unpack(part.content[start:end]) for start, end in zip(starts, part.ends, strict=True)]
        assert [int(block.references[0]) for block in blocks] == part.firsts
        assert (part.first_reference, part.last_reference) == (part.firsts[0], int(blocks[-1].references[-1]))


def test_numbers_need_not_ascend() -> None:
    block = pack(merge([one(9, {1: 5, 2: 6}), one(3, {1: 7})]))
    assert read_blocks(unpack(block)) == {1: [(9, 5), (3, 7)], 2: [(9, 6)]}


@given(some.data())
def test_damage_is_noticed(data: some.DataObject) -> None:
    block = bytearray(pack(one(3, {who: who % 5 + 1 for who in range(200)})))
    place = data.draw(some.integers(0, len(block) - 1))
    block[place] ^= data.draw(some.integers(1, 255))
    with pytest.raises(Conflict):
        unpack(bytes(block))


def test_a_segment_cut_short_is_noticed() -> None:
    block = pack(one(3, {1: 1, 2: 1}))
    for end in range(len(block)):
        with pytest.raises(Conflict):
            unpack(block[:end])


@given(some.integers(1, 10**12))
def test_a_cube_root_is_the_largest_that_fits(number: int) -> None:
    root = cube_root(number)
    assert root**3 <= number < (root + 1) ** 3


def test_three_segments_are_enough_and_little_is_rewritten() -> None:
    segments: dict[int, Size] = {}
    written = 0
    for number in range(1, 10_001):
        level = level_of(segments, Size(1, 1000))
        replaced = [segments.pop(low) for low in range(level + 1) if low in segments]
        size = Size(1 + sum(one.releases for one in replaced), 1000 + sum(one.pairs for one in replaced))
        segments[level] = size
        written += size.releases
        assert len(segments) <= LEVELS
        assert sum(size.releases for size in segments.values()) == number
    assert written / 10_000 < 2 * cube_root(10_000)
