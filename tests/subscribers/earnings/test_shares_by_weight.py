"""What splits earn ranges of people is what each person's own share says, to the millionth, however the ranges are cut."""

import itertools
import uuid
from typing import Any

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as some

from marketplace.subscribers.earnings.manifests import Contributions
from marketplace.subscribers.earnings.rules import SplitFigures
from marketplace.subscribers.earnings.shares_by_weight import SharesOfRelease, looked_up_together, places_in

TERMS = [uuid.UUID(int=number) for number in range(3)]


def split_of(pool: int, denominator: int, terms: list[uuid.UUID]) -> SplitFigures:
    """Return a split; what it owes in all does not matter here."""
    return SplitFigures(pool, 0, terms, 0, 0, denominator, 0, 0)


@some.composite
def any_release(draw: some.DrawFn) -> tuple[list[int], list[int], list[tuple[int, int, list[uuid.UUID]]]]:
    """Draw references, their weights, and splits: pool, denominator, terms."""
    references = sorted(draw(some.sets(some.integers(0, 200), min_size=1, max_size=60)))
    largest = draw(some.sampled_from([12, 10_000, 2**21]))
    weights = [draw(some.integers(1, largest)) for _ in references]
    split = some.tuples(
        some.integers(0, 10**9),
        some.integers(1, 10**9),
        some.lists(some.sampled_from(TERMS), unique=True, max_size=2),
    )
    return references, weights, draw(some.lists(split, min_size=1, max_size=4))


@settings(max_examples=80, deadline=None)
@given(
    any_release(),
    some.dictionaries(some.sampled_from(TERMS), some.dictionaries(some.integers(0, 200), some.integers(1, 10**8))),
    some.lists(some.integers(0, 200), max_size=4),
)
def test_ranges_pay_what_each_share_says(
    made: tuple[list[int], list[int], list[tuple[int, int, list[uuid.UUID]]]],
    promised: dict[uuid.UUID, dict[int, int]],
    cuts: list[int],
) -> None:
    references, weights = np.array(made[0], np.int64), np.array(made[1], np.int64)

    def to(who: int, terms: list[uuid.UUID]) -> int:
        return max((promised.get(term, {}).get(who, 0) for term in terms), default=0)

    splits = [split_of(*one) for one in made[2]]
    expected = [
        sum(max(split.share_of(weight), to(who, split.terms)) for split in splits)
        for who, weight in zip(made[0], made[1], strict=True)
    ]
    ready = SharesOfRelease(splits, int(weights.max()))
    earned: list[int] = []
    bounds = [0, *sorted(set(cuts) - {0}), 201]
    for first, end in itertools.pairwise(bounds):
        here = slice(*np.searchsorted(references, [first, end]))
        kept: dict[object, Any] = {
            term: (
                np.array([who for who in of_term if first <= who < end], np.int64),
                np.array([micro for who, micro in of_term.items() if first <= who < end], np.int64),
            )
            for term, of_term in promised.items()
        }
        earned += ready.earned(Contributions(references[here], weights[here]), kept).tolist()
    assert earned == expected


def test_a_reference_finds_its_line_with_gaps_or_without() -> None:
    for lines in (np.arange(10, 20), np.array([10, 12, 13, 19])):
        for references in ([10], [13, 19], [10, 12, 13, 19]):
            places = places_in(lines, np.array(references))
            assert places is not None
            assert lines[places].tolist() == references
        for strangers in ([9], [20], [9, 12], [13, 20]):
            assert places_in(lines, np.array(strangers)) is None
    assert places_in(np.array([10, 12, 13, 19]), np.array([10, 11])) is None
    assert places_in(np.zeros(0, np.int64), np.array([1])) is None


def test_releases_looked_up_together_pay_what_each_would() -> None:
    random = np.random.default_rng(5)
    sizes = [13, 13, 1, 13, 13, 13, 60_000, 2, 65_535, 256, 255]
    tables = [random.integers(0, 10**12, size) for size in sizes]
    weights = [random.integers(0, size, 50).astype(np.uint16) for size in sizes]
    sets = looked_up_together(tables)
    assert [these for these, _ in sets] == [
        slice(0, 5),
        slice(5, 6),
        slice(6, 7),
        slice(7, 8),
        slice(8, 9),
        slice(9, 11),
    ]
    for these, table in sets:
        numbers = np.zeros(50, np.uint16)
        for of, size in zip(weights[these], sizes[these], strict=True):
            numbers *= size
            numbers += of
        each = [of[weight] for of, weight in zip(tables[these], weights[these], strict=True)]
        assert np.array_equal(np.take(table, numbers), np.sum(each, axis=0))
