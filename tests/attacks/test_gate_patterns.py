"""The attack: noise as large as promised, and yet little of a promise. The gate must convict that, too.

Noise that ends early, that cells or releases share, that goes one way only, or that is added to a rounded count has the
right size, or nearly. Each is planted in what draws; the audit convicts each, and not honest noise. False alarms: below
1e-6 a release, with those of all other tests.
"""

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from marketplace.privacy import drawing, noise, sampler
from marketplace.privacy.gate import patterns
from tests.attacks.builders import SPECIFICATIONS, _own_state, membership

__all__ = ["_own_state"]

KEY = bytes(range(32))
SHARED: dict[tuple[str, int], NDArray[np.int64]] = {}


class Changed(drawing.Source):
    """Draws as it should, and changes that."""

    def noisy(self, what: str, counts: NDArray[np.int64], report: Any = None) -> NDArray[np.int64]:
        counts = np.asarray(counts, np.int64)
        return counts + self.change(what, super().noisy(what, counts, report) - counts)

    def change(self, what: str, drawn: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return other noises than were drawn."""
        raise NotImplementedError


class CutShort(Changed):
    """No noise is beyond four times its scale."""

    def change(self, what: str, drawn: NDArray[np.int64]) -> NDArray[np.int64]:
        most = int(4 * self.specification.law(what).scale)
        return np.clip(drawn, -most, most)


class CutShortAtSix(Changed):
    """No noise is beyond six times its scale: one cell in four hundred would rule a neighbour out."""

    def change(self, what: str, drawn: NDArray[np.int64]) -> NDArray[np.int64]:
        most = int(6 * self.specification.law(what).scale)
        return np.clip(drawn, -most, most)


class DrawnAgainAtSix(Changed):
    """What would be beyond six times its scale is another noise: no value is found too often."""

    def change(self, what: str, drawn: NDArray[np.int64]) -> NDArray[np.int64]:
        is_far = np.abs(drawn) > 6 * self.specification.law(what).scale
        return np.where(is_far, np.roll(drawn, 1) // 2, drawn)


class OnlyEven(Changed):
    """Noise is a multiple of two: it reveals whether a count is even."""

    def change(self, what: str, drawn: NDArray[np.int64]) -> NDArray[np.int64]:
        del what
        return drawn // 2 * 2


class SharedByTwo(Changed):
    """Both bands of a zone and hour have one noise: their difference is exact."""

    def change(self, what: str, drawn: NDArray[np.int64]) -> NDArray[np.int64]:
        del what
        drawn[1::2] = drawn[: 2 * (len(drawn) // 2) : 2]
        return drawn


class FewNoises(Changed):
    """Ninety-seven noises, again and again."""

    def change(self, what: str, drawn: NDArray[np.int64]) -> NDArray[np.int64]:
        del what
        return np.resize(drawn[:97], len(drawn))


class TheSameEachTime(Changed):
    """Every release of this size has the noise of the first."""

    def change(self, what: str, drawn: NDArray[np.int64]) -> NDArray[np.int64]:
        return SHARED.setdefault((what, len(drawn)), drawn)


class Correlated(Changed):
    """Each cell's noise is partly the one's before."""

    def change(self, what: str, drawn: NDArray[np.int64]) -> NDArray[np.int64]:
        del what
        mixed = 0.94 * drawn
        mixed[1:] += 0.34 * drawn[:-1]
        return np.rint(mixed).astype(np.int64)


class Flat(Changed):
    """As large on the whole, but of another law: all of it within a bound."""

    def change(self, what: str, drawn: NDArray[np.int64]) -> NDArray[np.int64]:
        most = int(2 * self.specification.law(what).scale)
        return np.random.default_rng(abs(int(drawn[:9].sum()))).integers(-most, most + 1, len(drawn))


class HalfOfEvents(Changed):
    """Events have half of their noise."""

    def change(self, what: str, drawn: NDArray[np.int64]) -> NDArray[np.int64]:
        return np.rint(drawn / 2).astype(np.int64) if what == "events" else drawn


class OneForBoth(Changed):
    """A cell's events have the noise of its people, made as large as events need: their difference is nearly exact."""

    def change(self, what: str, drawn: NDArray[np.int64]) -> NDArray[np.int64]:
        if what == "people":
            SHARED["people", 0] = drawn
        if what != "events" or len(SHARED["people", 0]) < len(drawn):
            return drawn
        law = self.specification.law
        return np.rint(SHARED["people", 0][: len(drawn)] * law("events").scale / law("people").scale).astype(np.int64)


class RoundedFirst(drawing.Source):
    """Adds noise to counts that were rounded to tens: a person may change one by ten."""

    def noisy(self, what: str, counts: NDArray[np.int64], report: Any = None) -> NDArray[np.int64]:
        return super().noisy(what, (np.asarray(counts, np.int64) + 5) // 10 * 10, report)


class RoundedToTwos(drawing.Source):
    """Adds noise to counts that were rounded to twos: a person may change one by two, twice what the noise is made for."""

    def noisy(self, what: str, counts: NDArray[np.int64], report: Any = None) -> NDArray[np.int64]:
        return super().noisy(what, (np.asarray(counts, np.int64) + 1) // 2 * 2, report)


class OneBelow(drawing.Source):
    """Publishes from one below the threshold."""

    def reaching(self, what: str, counts: drawing.Counts, threshold: int, report: Any) -> Any:
        return super().reaching(what, counts, threshold - 1, report)


FAULTS = (
    CutShort,
    CutShortAtSix,
    DrawnAgainAtSix,
    OnlyEven,
    SharedByTwo,
    FewNoises,
    TheSameEachTime,
    Correlated,
    Flat,
    HalfOfEvents,
    OneForBoth,
    RoundedFirst,
    RoundedToTwos,
    OneBelow,
)
GAUSSIAN_ENDS = {CutShort, CutShortAtSix, DrawnAgainAtSix}
"""Gaussian noise hardly ever goes so far anyway: to end there takes nothing from its promise."""


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("name", ["presence", pytest.param("gaussian", marks=pytest.mark.deep)])
def test_noise_of_the_right_size_that_keeps_no_promise_is_convicted(name: str, fault: type[drawing.Source]) -> None:
    if name == "gaussian" and fault in GAUSSIAN_ENDS:
        return
    SHARED.clear()
    assert not membership(SPECIFICATIONS[name], fault).passed


@pytest.mark.parametrize(
    ("kind", "scale"),
    [
        ("laplace", 4.0),
        *(
            pytest.param(*noise, marks=pytest.mark.deep)
            for noise in (("laplace", 0.6), ("laplace", 50.0), ("gaussian", 3.0))
        ),
    ],
)
def test_honest_noise_is_never_convicted_of_a_pattern(kind: str, scale: float) -> None:
    """Two hundred releases' worth: a test that is wrong by a factor of ten thousand would show."""
    law, rng = noise.Law(kind, scale), np.random.default_rng(7)
    drawn = sampler.table(kind, scale).draw(KEY, "patterns", 200 * 2 * patterns.DRAWS).astype(np.int64)
    for people, events in drawn.reshape(200, 2, patterns.DRAWS):
        counts = rng.integers(100, 100 + patterns.COUNTS, len(people))
        assert not patterns.is_cut_short(int(np.abs(people).max()), len(people), law)
        assert not patterns.is_on_a_lattice(people, law)
        assert not patterns.moves_together(people)
        assert not patterns.moves_together(people, events)
        assert not patterns.follows_counts(people, counts)


@pytest.mark.parametrize("distance", [1, 2, 7, 49, 1_999])
def test_one_value_in_eight_that_is_shared_shows_at_any_distance(distance: int) -> None:
    drawn = sampler.table("laplace", 4.0).draw(KEY, "shared", 4 * 4_000).astype(np.int64)
    first = np.arange(0, len(drawn) - distance, 8)
    drawn[first + distance] = drawn[first]
    assert patterns.moves_together(drawn)
    assert patterns.moves_together(drawn, -np.roll(drawn, distance)), "and where another part goes the other way"
