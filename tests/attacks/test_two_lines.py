"""An adversary who knows where everybody was but one person, with two lines in two releases, reads what both publish.

What is bounded is a line: no register of the operator's says which lines are one person's. So the pages say that a person
with two lines may lose twice what is stated of one; and here that holds of two releases together, by the sums of people
and of events that both publish.
"""

import math

import numpy as np
import pytest
from scipy import stats

from marketplace.privacy import drawing
from tests.privacy.specs import counts_of, specification

TRIALS = 500
FALSE_ALARM = 1e-6
RELEASES = LINES = 2
EPSILON_MICRO = 250_000
"""Of one line in one release."""
CAUGHT = 12
"""Times the stated loss: noise so much smaller is found by this attack."""


def decided(bound: int, epsilon_micro: int) -> int:
    """Return in how many of TRIALS the likelier of the two worlds is the right one, by the sums that both releases publish.

    bound: cells that each of the person's lines is in, as many as a line may be in.
    """
    s = specification(1, hours=6, bands=1, max_cells=bound, max_events=1, epsilon_micro=epsilon_micro)
    without, person = np.full(s.key_count, 5_000), np.zeros(s.key_count, np.int64)
    person[:bound] = LINES
    with_both, rng, right = without + person, np.random.default_rng(17), 0
    for trial, is_in in enumerate(rng.random(TRIALS) < 0.5):
        here, likelier = with_both if is_in else without, 0.0
        for release in range(RELEASES):
            drawn = drawing.draw(s, counts_of(s, here, here), b"%d of %d" % (release, trial)).published
            for noisy, law in ((drawn.people, s.law("people")), (drawn.events, s.law("events"))):
                apart = np.abs(noisy - without[drawn.keys]) - np.abs(noisy - with_both[drawn.keys])
                likelier += float(apart.sum()) / law.scale
        right += (likelier > 0) == is_in
    return right


@pytest.mark.deep
@pytest.mark.parametrize("bound", [1, 3])
def test_a_person_with_two_lines_in_two_releases_loses_at_most_twice_what_is_stated(bound: int) -> None:
    stated = RELEASES * LINES * EPSILON_MICRO / 1_000_000
    ceiling = math.exp(stated) / (1 + math.exp(stated))
    most = int(stats.binom.isf(FALSE_ALARM, TRIALS, ceiling))
    assert decided(bound, EPSILON_MICRO) <= most
    assert decided(bound, CAUGHT * EPSILON_MICRO) > most, "an adversary who reads less noise is found"
