"""Learning a price over 10,000 quotes: revenue against the best fixed price, and time against mabwiser.

And the price that the catalogue posts: half a year long with partners that only ever ask beside none, and a year long
with one sale that is far dearer than the others beside one that is not.
"""

from collections.abc import Callable
from functools import partial
from time import perf_counter

import numpy as np

from pricing.demand import Reaction, draw, learn, new_demand, price_grid
from tests.benchmarks._bench import Run, least_seconds, run_peer_program
from tests.support.demand_market import Other, acceptance, posted

WORTH, FLOOR, CAP = 100_000, 20_000, 400_000
SIZE, SMALLEST = 10, 1
"""Seeds."""
QUOTES, PARTNERS, STEPS = 10_000, 20, 32

_MABWISER = """
import json, sys, time
from mabwiser.mab import MAB, LearningPolicy
arms, accepted = json.load(sys.stdin)
mab = MAB(arms, LearningPolicy.ThompsonSampling())
mab.fit(arms, [0] * len(arms))
whole = bare = float("inf")
for _ in range(5):
    start = time.perf_counter()
    for answer in accepted:
        mab.partial_fit([mab.predict()], [answer])
    whole = min(whole, time.perf_counter() - start)
    start = time.perf_counter()
    for _ in accepted:
        mab.predict()
    bare = min(bare, time.perf_counter() - start)
print(json.dumps([whole / len(accepted), bare / len(accepted)]))
"""

Values = Callable[[np.random.Generator], "np.ndarray[tuple[int], np.dtype[np.float64]]"]
DEMANDS: dict[str, tuple[Values, float]] = {
    "uniform": (lambda rng: rng.uniform(0, 2 * WORTH, PARTNERS), WORTH / 2),
    "exponential": (lambda rng: rng.exponential(WORTH, PARTNERS), WORTH / np.e),
    "step": (lambda _rng: np.full(PARTNERS, 1.17 * WORTH), 1.17 * WORTH),
}


def main(run: Run) -> None:
    """Print mean revenue over some seeds as a share of the optimum, the worst demand's last; with `peers` the time."""
    shares = {}
    for name, (values, best) in DEMANDS.items():
        shares[name] = sum(_revenue(values, seed) for seed in range(run.size)) / run.size / best
        run.figure(name, f"{shares[name]:.3f}", f"× the best fixed price's revenue (mean of {run.size} seeds)")
    worst = min(shares, key=lambda name: shares[name])
    run.figure("worst", f"{shares[worst]:.3f}", f"× the best fixed price's revenue ({worst})")
    _against_the_starving(run)
    _against_the_dear(run)
    if run.peers:
        _against_mabwiser(run)


def _revenue(values: Values, seed: int) -> float:
    """Return the mean revenue per quote over all quotes, learning included; never below the floor."""
    rng = np.random.default_rng(seed)
    demand = new_demand(price_grid(WORTH, FLOOR, CAP, STEPS))
    earned = 0
    for day in range(QUOTES // PARTNERS):
        drawn = draw(demand, day, rng)
        price = WORTH * drawn.multiplier_basis_points // 10_000
        assert FLOOR <= price <= CAP
        accepts = values(rng) >= price
        earned += price * int(accepts.sum())
        demand = learn(demand, drawn, [Reaction(str(at), bool(accepted)) for at, accepted in enumerate(accepts)])
    return earned / QUOTES


def _against_the_starving(run: Run) -> None:
    """Compare the mean multiplier over 180 days with and without two partners that only ever ask, at three paces.

    The worst of them is printed, and what the posted price earns without them.
    """
    starved, earned = 1.0, []
    best = max(multiplier * acceptance(multiplier) for multiplier in range(5_000, 20_000, 50))
    asking = [Other("above 0.70"), Other("always", lambda _: True)]
    for pace in (0.2, 1.0, 3.0):
        runs = [(posted(pace, seed), posted(pace, seed, asking)) for seed in range(run.size)]
        starved = min(starved, sum(sum(beside) for _, beside in runs) / sum(sum(without) for without, _ in runs))
        earned += [multiplier * acceptance(multiplier) / best for without, _ in runs for multiplier in without]
    less = f"× the multiplier without two partners that only ask (180 days, {run.size} seeds)"
    run.figure("starved", f"{starved:.3f}", less)
    earns = sum(earned) / len(earned)
    run.figure("posted", f"{earns:.3f}", "× the best fixed price's revenue, 0.2 to 3 quotes a day")


def _against_the_dear(run: Run) -> None:
    """Compare the mean multiplier of the eleven months after a sale at 20 and 100 times the price with one at the others'."""
    means = []
    for price in (1.0, 20.0, 100.0):
        buyer = Other("dear", lambda _: True, partial(_once, price), from_day=30)
        means.append(sum(sum(posted(p, s, [buyer], days=365)[31:]) for p in (0.2, 1.0, 3.0) for s in range(run.size)))
    worst = max(means, key=lambda mean: abs(mean - means[0])) / means[0]
    usual = f"× the multiplier of eleven months with that sale at the usual price ({run.size} seeds)"
    run.figure("dear", f"{worst:.3f}", usual)


def _once(price: float, _multiplier: int, bought: int) -> float:
    return 0.0 if bought else price


def _against_mabwiser(run: Run) -> None:
    """Compare what a quote's price costs with each as it is used: ours draws and learns once a day for all partners.

    The second line is the bare draw beside the bare prediction, which no quote waits for.
    """
    rng = np.random.default_rng(0)
    demand = new_demand(price_grid(WORTH, FLOOR, CAP, STEPS))
    accepted = rng.integers(0, 2, 200).tolist()
    start = perf_counter()
    for day in range(len(accepted) // PARTNERS):
        today = accepted[day * PARTNERS : (day + 1) * PARTNERS]
        drawn = draw(demand, day, rng)
        demand = learn(demand, drawn, [Reaction(str(at), bool(answer)) for at, answer in enumerate(today)])
    ours = (perf_counter() - start) / len(accepted)
    bare = least_seconds(lambda: [draw(demand, 10_000, rng) for _ in range(1_000)]) / 1_000
    theirs, predict = run_peer_program("mabwiser", _MABWISER, [list(demand.multipliers_basis_points), accepted])
    spent = f"({ours * 1e6:.1f} µs, {theirs * 1e6:.1f} µs)"
    run.figure("decision", f"{ours / theirs:.3f}", f"× mabwiser's, learning included {spent}")
    spent = f"({bare * 1e6:.0f} µs, {predict * 1e6:.0f} µs)"
    run.figure("draw", f"{bare / predict:.2f}", f"× mabwiser's bare prediction {spent}")
