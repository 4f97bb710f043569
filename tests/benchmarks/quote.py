"""Pricing a licence and writing its canonical bytes, against signing them (Ed25519); auditing a menu of two hundred."""

from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from pricing.audit import Offer, Part, find_arbitrage
from pricing.quote import Band, Day, PriceInputs, canonical, price, quality
from pricing.valuation import freshness
from tests.benchmarks._bench import Run, least_seconds

SIZE, SMALLEST = 1_000, 10
"""Rounds."""
INPUTS = PriceInputs(
    currency="EUR",
    full_worth_minor=500_000,
    worth_days=7,
    days=tuple(Day(24, 1_075 + at % 7, 1_600) for at in range(28)),
    bands=tuple(
        Band(people, population)
        for people, population in ((130_077, 500_123), (420_000, 1_200_000), (480_000, 1_300_000), (250_000, 1_000_000))
    ),
    cells_at_once=1_600,
    people=1_280_077,
    population=4_000_123,
    association_squared_micro=2_500,
    unseen_squared_micro=25,
    variance_micro=250_000,
    noise_variance_micro=50_123_456,
    prior_observations=40,
    survey_people=3_000,
    age_seconds=9 * 86_400 + 7 * 3_600,
    half_life_days=45,
    right_basis_points=8_000,
    term_months=12,
    demand_basis_points=10_400,
    floor_minor=20_000,
    cap_minor=900_000,
)


DAYS, LEVELS = 56, 3
NOISE_MICRO = (50_000_000, 150_000_000, 450_000_000)


def menu(offers: int) -> list[Offer]:
    """Return releases of eight weeks, each at three accuracies and some days fuller: all days, then weeks, then longer."""
    spans = [(day, day + 1) for day in range(DAYS)] + [(7 * week, 7 * week + 7) for week in range(DAYS // 7)]
    spans += [(start, start + 14) for start in range(DAYS - 13)]
    half_life = INPUTS.half_life_days * 86_400
    fresh = [freshness(86_400 * (DAYS - day), half_life) for day in range(DAYS)]
    found = []
    for number, (start, end) in enumerate(spans[: -(-offers // LEVELS)]):
        for level, noise in enumerate(NOISE_MICRO):
            inputs = replace(
                INPUTS,
                days=tuple(Day(24, 1_100 - 7 * (day % 30) - (end - start), 1_600) for day in range(start, end)),
                age_seconds=86_400 * (DAYS - end),
                noise_variance_micro=noise + 1_000 * number,
                floor_minor=1,
                cap_minor=10**9,
            )
            good = [quality(inputs, Fraction(day.published_cells, day.declared_cells)) for day in inputs.days]
            parts = {
                f"day {day}": Part(int((1 / each - 1) * 10**12), int(10**6 * each * fresh[day]))
                for day, each in zip(range(start, end), good, strict=True)
            }
            found.append(Offer(f"{number} {level}", price(inputs).amount_minor, parts, str(number)))
    return found[:offers]


def main(run: Run) -> None:
    """Print the price, and the price with its canonical bytes, as multiples of a bare signature, and the audits.

    The audits are of a menu on which nothing is undercut, and of one on which a fortnight is, by its days. No peers.
    """
    key = Ed25519PrivateKey.generate()
    data = canonical(price(INPUTS))

    def times(work: Callable[[], object]) -> float:
        return least_seconds(lambda: [work() for _ in range(run.size)]) / run.size

    sign = times(lambda: key.sign(data))
    bare, whole = times(lambda: price(INPUTS)), times(lambda: canonical(price(INPUTS)))
    spent = f"({bare * 1e6:.0f} µs, {sign * 1e6:.0f} µs)"
    run.figure("price", f"{bare / sign:.1f}", f"× a bare Ed25519 signature {spent}")
    run.figure("canonical", f"{whole / sign:.1f}", "× a bare Ed25519 signature, canonical bytes included")
    clean = menu(200)
    dear = [
        replace(offer, price_minor=offer.price_minor * (100 + 5 * (offer.name == "66 0")) // 100) for offer in clean
    ]
    assert find_arbitrage(clean) is None
    assert find_arbitrage(dear) is not None
    for name, offers in (("audit", clean), ("witness", dear)):
        least = least_seconds(lambda offers=offers: find_arbitrage(offers), 15)
        run.figure(name, f"{1000 * least:.1f}", f"ms for {len(offers)} offers")
