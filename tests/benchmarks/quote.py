"""Pricing a licence by its sheet and writing its canonical bytes, against signing them (Ed25519)."""

from collections.abc import Callable
from typing import Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from pricing.measure import Hours
from pricing.order import Licence, Lot, canonical, price
from pricing.sheet import MICRO, Consent, Figures, Law, Segment, Sheet, Terms, Zone, points_of
from tests.benchmarks._bench import Run, least_seconds

SIZE, SMALLEST = 1_000, 10
"""Rounds."""
MOST_SIGNATURES: Final = 6
ZONES, DAYS, AREAS = 300, 30, 5
SINCE: Final = 500_000
"""When licences begin, in hours since 1970; the data end nine days before."""
SHEET = Sheet(
    zones={
        f"zone {at}": Zone(100 + 10 * (at % 7), 900 + 13 * (at % 50), f"area {at % AREAS}", "") for at in range(ZONES)
    },
    segments={"": Segment(1, MICRO)},
    prior_observations=40,
    survey_people=3_000,
    variance_micro=250_000,
    association_squared_micro=2_500,
    unseen_squared_micro=25,
)
TERMS = Terms(
    sheet=SHEET.digest,
    worth_micro=30_000,
    half_life_hours=45 * 24,
    rights={"internal": 6_000, "publish": 8_000},
    purposes={"planning": 3_000, "retail": 5_000},
    demand={"": 10_400},
)
LAW = Law(currency="EUR", volume=((0, 10_000), (200_000, 9_000), (1_000_000, 8_000)), least_minor=900)


def month_by_the_hour(noise_micro: int) -> Figures:
    """Return thirty days of all zones by the hour, of which some figures are withheld each day."""
    there = {f"area {area}": sum(900 + 13 * (at % 50) for at in range(area, ZONES, AREAS)) for area in range(AREAS)}
    ended = SINCE - 9 * 24
    return Figures(
        days=[Hours(ended - 24 * ago, ended - 24 * ago + 24) for ago in range(DAYS, 0, -1)],
        steps=24,
        published={
            (zone, ""): [24 - (7 * day + at) % 11 for day in range(DAYS)] for at, zone in enumerate(SHEET.zones)
        },
        zones=frozenset(SHEET.zones),
        consent={area: Consent(people * 4 // 10, people) for area, people in there.items()},
        bands=((130_077, 500_123), (420_000, 1_200_000), (480_000, 1_300_000), (250_000, 1_000_000)),
        noise_micro=noise_micro,
    )


def main(run: Run) -> None:
    """Print the price, and the price with its canonical bytes, as multiples of a bare signature."""
    key = Ed25519PrivateKey.generate()
    points = points_of(SHEET, month_by_the_hour(50_123_456))
    lot = Lot("release", TERMS, Licence(SINCE, SINCE + 365 * 24, "publish"), points)
    data = canonical(price(LAW, [lot]))

    def times(work: Callable[[], object]) -> float:
        return least_seconds(lambda: [work() for _ in range(run.size)]) / run.size

    sign = times(lambda: key.sign(data))
    bare, whole = times(lambda: price(LAW, [lot])), times(lambda: canonical(price(LAW, [lot])))
    spent = f"({bare * 1e6:.0f} µs, {sign * 1e6:.0f} µs)"
    run.figure("price", f"{bare / sign:.1f}", f"× a bare Ed25519 signature {spent}")
    run.figure("canonical", f"{whole / sign:.1f}", "× a bare Ed25519 signature, canonical bytes included")
    run.require(bare <= MOST_SIGNATURES * sign, f"a price may cost {MOST_SIGNATURES} signatures, not {bare / sign:.1f}")
