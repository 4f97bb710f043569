"""Pricing a whole menu of a sheet in one call, against as many bare signatures (Ed25519)."""

from itertools import islice, product
from typing import Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from pricing.order import Licence, Lot, amounts, price
from pricing.sheet import points_of
from tests.benchmarks._bench import Run, least_seconds
from tests.benchmarks.quote import LAW, SHEET, SINCE, TERMS, month_by_the_hour

SIZE, SMALLEST = 10_000, 100
"""Things on the menu."""
MOST_SIGNATURES: Final = 3
MONTHS = (1, 3, 6, 12, 24, 36)
PURPOSES = ((), ("planning",), ("retail",), ("planning", "retail"))


def menu(size: int) -> list[Lot]:
    """Return things on one sheet: months at several accuracies, each with one day less, for each length, right and use."""
    licences = [
        Licence(SINCE, SINCE + 730 * months, right, purposes)
        for months, right, purposes in product(MONTHS, TERMS.rights, PURPOSES)
    ]
    published = [points_of(SHEET, month_by_the_hour(noise)) for noise in (50_123_456, 150_000_000, 450_000_000)]
    releases = [
        (f"release {number} {level}", whole._replace(spans=whole.spans[:number] + whole.spans[number + 1 :]))
        for number, (level, whole) in product(range(len(published[0].spans)), enumerate(published))
    ]
    repeats = -(-size // (len(releases) * len(licences)))
    things = (
        Lot(f"{name} {repeat}", TERMS, licence, points)
        for repeat, (name, points), licence in product(range(repeats), releases, licences)
    )
    return list(islice(things, size))


def main(run: Run) -> None:
    """Print a menu's amounts, computed in one call, as a multiple of as many bare signatures."""
    key, things = Ed25519PrivateKey.generate(), menu(run.size)
    data = bytes(3_000)
    found = amounts(LAW, things)
    some = range(0, len(things), max(len(things) // 50, 1))
    assert [found[at] for at in some] == [price(LAW, [things[at]]).amount_minor for at in some]
    sign = least_seconds(lambda: [key.sign(data) for _ in things])
    spent = least_seconds(lambda: amounts(LAW, things))
    against = f"({spent * 1e3:.0f} ms for {len(things)} things, {sign * 1e3:.0f} ms)"
    run.figure("menu", f"{spent / sign:.2f}", f"× as many bare Ed25519 signatures {against}")
    run.require(
        spent <= MOST_SIGNATURES * sign, f"a menu may cost {MOST_SIGNATURES} signatures a thing, not {spent / sign:.2f}"
    )
