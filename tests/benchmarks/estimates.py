"""How far estimates of everybody are from planted truths, and how often their intervals hold.

Towns are planted with consent five to one between bands and five to one between areas, at 5, 20 and 60 % of the lines; a
release is drawn at epsilon 2, and estimated. All is over published cells: zone, hour and band. A line gives the worst of
the three levels. The width is against who knows every weight and the mix of each hour. Where consent depends on how much
somebody goes out, within a stratum, no estimator can see it by day: it is printed with the defect stated and without.
`--peers` compares the raking of strata to margins with weightipy's rim weights of the same people.
"""

from dataclasses import dataclass, field, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from marketplace.privacy.estimates.figures import DEFECT, Z95, estimate, estimate_with_variance
from marketplace.privacy.estimates.strata import rake
from tests.benchmarks._bench import Run, remark, run_peer_program
from tests.privacy.estimates.towns import BANDS, DAYPART, PlantedTown, TownRelease, plant, release, true_mean

SIZE, SMALLEST = 200, 4
"""Towns."""
LEVELS: Final = (0.05, 0.2, 0.6)
"""Of the lines, who consent."""
VILLAGE, CITY = 4_000, 12_000
"""Residents of a zone, below and above which it is one or the other; a suburb is between."""
MOVERS: Final = (1.5, 3.0)
"""How many times as often those consent who go out much."""
LEAST_CELLS: Final = 50
"""Of a group whose intervals are counted."""
FIRST_SEED: Final = 21_000
"""Seeds that nobody looked at while a constant was chosen."""

PEER: Final = """
import json, sys
import pandas as pd
import weightipy
given = json.load(sys.stdin)
people = pd.DataFrame({"area": given["area"], "band": given["band"]})
shares = {axis: {int(code): 100 * part for code, part in of.items()} for axis, of in given["shares"].items()}
scheme = weightipy.scheme_from_dict(shares, rim_params={"convcrit": 1e-12, "max_iterations": 1000, "cap": 0})
print(json.dumps(list(weightipy.weight_dataframe(people, scheme)["weights"])))
"""
PEER_PEOPLE: Final = 1_000


@dataclass
class Outcome:
    """Of all published cells of a level's towns, in one order."""

    truth: list[NDArray[np.float64]] = field(default_factory=list)
    estimate: list[NDArray[np.float64]] = field(default_factory=list)
    low: list[NDArray[np.float64]] = field(default_factory=list)
    high: list[NDArray[np.float64]] = field(default_factory=list)
    one_factor: list[NDArray[np.float64]] = field(default_factory=list)
    known_half: list[NDArray[np.float64]] = field(default_factory=list)
    """Half the width of the interval of who knows the weights."""
    residents: list[NDArray[np.float64]] = field(default_factory=list)
    band: list[NDArray[np.int64]] = field(default_factory=list)


def play(level: float, towns: int, movers: float, defect: float) -> dict[str, NDArray[np.float64]]:
    """Plant, release and estimate so many towns; return the arrays of an `Outcome`."""
    found = Outcome()
    for seed in range(FIRST_SEED, FIRST_SEED + towns):
        rng = np.random.default_rng(seed)
        town = plant(rng, level, movers=movers)
        released = release(rng, town)
        published, correction = released.published, released.correction(defect)
        figures = estimate(published, correction)
        shown = ~np.isnan(published)
        found.truth.append(town.there.sum(axis=2)[shown].astype(float))
        found.estimate.append(figures.estimate[shown])
        found.low.append(figures.low[shown])
        found.high.append(figures.high[shown])
        factor = town.population.sum() / max(released.strata.sum(), 1.0)
        found.one_factor.append(published[shown] * factor)
        found.known_half.append(_known_half(town, released)[shown])
        found.residents.append(
            np.broadcast_to(town.residents.sum(axis=1)[:, None, None], shown.shape)[shown].astype(float)
        )
        found.band.append(np.broadcast_to(np.arange(BANDS), shown.shape)[shown])
    return {name: np.concatenate(arrays) for name, arrays in vars(found).items()}


def _known_half(town: PlantedTown, released: TownRelease) -> NDArray[np.float64]:
    """Return half an interval's width for who knows every weight and the mix, and draws counts to their level as everybody does."""
    weight, effective = (
        np.stack([of_hours[:, part == DAYPART].mean(axis=1) for part in range(3)], axis=1)
        for of_hours in true_mean(town)
    )
    known = replace(released.mean, weight=weight, effective=effective, mix=0 * weight, strata=0 * weight)
    correction = replace(released, mean=known).correction()
    return Z95 * np.sqrt(estimate_with_variance(released.published, correction)[1])


def _covers(of: dict[str, NDArray[np.float64]]) -> NDArray[np.bool_]:
    return (of["truth"] >= of["low"]) & (of["truth"] <= of["high"])


def _groups(of: dict[str, NDArray[np.float64]]) -> dict[str, NDArray[np.bool_]]:
    residents, band = of["residents"], of["band"]
    return {
        "village": residents < VILLAGE,
        "suburb": (residents >= VILLAGE) & (residents < CITY),
        "city": residents >= CITY,
        "young": band == 0,
        "old": band == BANDS - 1,
    }


def _error(values: NDArray[np.float64], truth: NDArray[np.float64]) -> float:
    """Return the root mean square of relative errors."""
    return float(np.sqrt(np.mean((values / np.maximum(truth, 1) - 1) ** 2)))


def _rim_difference() -> float:
    """Return the largest relative difference between weightipy's weights of some people and those of our raking."""
    rng = np.random.default_rng(FIRST_SEED)
    area, band = rng.integers(0, 9, PEER_PEOPLE), rng.integers(0, BANDS, PEER_PEOPLE)
    table = np.zeros((9, BANDS))
    np.add.at(table, (area, band), 1.0)
    of_areas, of_bands = (rng.dirichlet(np.full(size, 20.0)) for size in table.shape)
    shares = {"area": dict(enumerate(of_areas)), "band": dict(enumerate(of_bands))}
    given = {"area": area.tolist(), "band": band.tolist(), "shares": shares}
    theirs = np.array(run_peer_program("weightipy", PEER, given))
    ours = (rake(table, of_areas, of_bands, 500) / table)[area, band] * PEER_PEOPLE
    return float(np.max(np.abs(ours / theirs - 1)))


def main(run: Run) -> None:
    """Print how far and how often, the worst of three levels, and what a defect that nobody stated costs."""
    plain = {level: play(level, run.size, 1.0, 0.0) for level in LEVELS}
    bias = {level: of["estimate"].sum() / of["truth"].sum() - 1 for level, of in plain.items()}
    covers = {level: _covers(of).mean() for level, of in plain.items()}
    groups = {
        f"{name} at {level:.0%}": _covers(of)[chosen].mean()
        for level, of in plain.items()
        for name, chosen in _groups(of).items()
        if chosen.sum() >= LEAST_CELLS
    }
    width = {
        level: np.median((of["high"] - of["low"]) / 2) / np.median(of["known_half"]) for level, of in plain.items()
    }
    peer = {
        level: _error(of["estimate"], of["truth"]) / _error(of["one_factor"], of["truth"])
        for level, of in plain.items()
    }
    for level, of in plain.items():
        remark(
            f"{level:.0%} consent: {len(of['truth']):,} published cells, bias {bias[level]:+.2%}, holds {covers[level]:.2%}, "
            f"error {_error(of['estimate'], of['truth']):.1%}, one factor {_error(of['one_factor'], of['truth']):.1%}"
        )
    worst_bias, group = max(bias.values(), key=abs), min(groups, key=groups.__getitem__)
    run.figure("bias", f"{abs(worst_bias):.3f}", f"of the truth, {run.size} towns, the worst level of consent")
    run.figure("coverage", f"{min(covers.values()):.3f}", "of published cells at the level where it is least")
    run.figure("coverage.most", f"{max(covers.values()):.3f}", "of published cells at the level where it is most")
    run.figure("worst-group", f"{groups[group]:.3f}", f"of the published cells of {group} consent")
    run.figure("width", f"{max(width.values()):.2f}", "median half-width against who knows every weight")
    run.figure("one-factor", f"{max(peer.values()):.2f}", "error against one factor for the whole town")
    run.require(abs(worst_bias) <= 0.03, "bias over 3 %")
    run.require(all(0.93 <= of <= 0.985 for of in covers.values()), "coverage outside 93 to 98.5 %")
    run.require(groups[group] >= 0.90, "a group whose intervals hold in less than 90 %")
    run.require(max(width.values()) <= 1.5, "wider than one and a half times who knows every weight")
    if run.peers:
        difference = _rim_difference()
        run.figure("weights", f"{difference:.9f}", "largest difference to weightipy, relative")
        run.require(difference < 1e-6, "weights differ from weightipy's")
    for movers in MOVERS:
        for defect in (0.0, DEFECT):
            least = min(_covers(play(level, run.size // 4 or 1, movers, defect)).mean() for level in LEVELS)
            stated = f"a defect of {defect:.0%} stated" if defect else "no defect stated"
            run.figure(
                f"movers-{movers:g}.{'stated' if defect else 'unstated'}",
                f"{least:.3f}",
                f"of published cells, {stated}",
            )
