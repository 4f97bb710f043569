"""Pricing a licence and writing its canonical bytes, against signing them (Ed25519); auditing a menu of two hundred."""

from collections.abc import Callable
from dataclasses import replace

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from pricing.editions import Offer, find_arbitrage
from pricing.quote import PriceInputs, canonical, price, quality
from pricing.valuation import freshness
from tests.benchmarks._peers import seconds

ROUNDS = 1_000
INPUTS = PriceInputs(
    currency="EUR",
    full_worth_minor=500_000,
    worth_days=7,
    period_hours=28 * 24,
    published_cells=30_101,
    declared_cells=44_800,
    cells_at_once=1_600,
    people=1_280_077,
    population=4_000_123,
    representativeness_micro=930_221,
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
    """Return releases of eight weeks, each at three accuracies, priced by the rule: all days, then weeks, then longer."""
    spans = [(day, day + 1) for day in range(DAYS)] + [(7 * week, 7 * week + 7) for week in range(DAYS // 7)]
    spans += [(start, start + 14) for start in range(DAYS - 13)]
    found = []
    for number, (start, end) in enumerate(spans[: -(-offers // LEVELS)]):
        for level, noise in enumerate(NOISE_MICRO):
            inputs = replace(
                INPUTS,
                period_hours=24 * (end - start),
                age_seconds=86_400 * (DAYS - end),
                noise_variance_micro=noise + 1_000 * number,
                floor_minor=1,
                cap_minor=10**9,
            )
            loss = int((1 / quality(inputs) - 1) * 10**12)
            parts = frozenset(f"day {day}" for day in range(start, end))
            found.append(Offer(f"{number} {level}", price(inputs).amount_minor, parts, loss, str(number)))
    return found[:offers]


def main(peers: bool) -> None:  # noqa: FBT001 - the runner's contract.
    """Print the price, and the price with its canonical bytes, as multiples of a bare signature, and the audits.

    The audits are of a menu on which nothing is undercut, and of one on which a fortnight is, by its days. No peers.
    """
    del peers
    key = Ed25519PrivateKey.generate()
    data = canonical(price(INPUTS))

    def times(work: Callable[[], object]) -> float:
        return seconds(lambda: [work() for _ in range(ROUNDS)]) / ROUNDS

    sign = times(lambda: key.sign(data))
    bare, whole = times(lambda: price(INPUTS)), times(lambda: canonical(price(INPUTS)))
    print(f"quote price {bare / sign:.1f} × a bare Ed25519 signature ({bare * 1e6:.0f} µs, {sign * 1e6:.0f} µs)")
    print(f"quote canonical {whole / sign:.1f} × a bare Ed25519 signature, canonical bytes included")
    clean = menu(200)
    dear = [replace(offer, price_minor=offer.price_minor + 200 * (offer.name == "66 0")) for offer in clean]
    half_life = INPUTS.half_life_days * 86_400
    sizes = {f"day {day}": int(10**6 * freshness(86_400 * (DAYS - day), half_life)) for day in range(DAYS)}
    assert find_arbitrage(clean, sizes) is None
    assert find_arbitrage(dear, sizes) is not None
    for name, offers in (("audit", clean), ("witness", dear)):
        least = seconds(lambda offers=offers: find_arbitrage(offers, sizes), 15)
        print(f"quote {name} {1000 * least:.1f} ms for {len(offers)} offers")
