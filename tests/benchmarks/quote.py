"""Pricing a licence and writing its canonical bytes, against signing them (Ed25519)."""

from collections.abc import Callable

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from pricing.quote import PriceInputs, canonical, price
from tests.benchmarks._peers import seconds

ROUNDS = 1_000
INPUTS = PriceInputs(
    currency="EUR",
    full_worth_minor=500_000,
    people_median_cell=800,
    population_median_cell=2_500,
    representativeness_per_mille=930,
    association_squared_per_mille=10,
    variance_micro=250_000,
    noise_variance_micro=50_000_000,
    prior_observations=400,
    age_seconds=9 * 86_400 + 77,
    half_life_days=45,
    demand_basis_points=10_400,
    floor_minor=20_000,
    cap_minor=900_000,
)


def main(peers: bool) -> None:  # noqa: FBT001 - the runner's contract.
    """Print the price, and the price with its canonical bytes, as multiples of a bare signature; it has no peers."""
    del peers
    key = Ed25519PrivateKey.generate()
    data = canonical(price(INPUTS))

    def times(work: Callable[[], object]) -> float:
        return seconds(lambda: [work() for _ in range(ROUNDS)]) / ROUNDS

    sign = times(lambda: key.sign(data))
    bare, whole = times(lambda: price(INPUTS)), times(lambda: canonical(price(INPUTS)))
    print(f"quote price {bare / sign:.1f} × a bare Ed25519 signature ({bare * 1e6:.0f} µs, {sign * 1e6:.0f} µs)")
    print(f"quote canonical {whole / sign:.1f} × a bare Ed25519 signature, canonical bytes included")
