"""Planted towns: who lives and goes where, who of them consents, and what a release of presence says of them.

Nine areas of four zones, three age bands, 24 hours. Consent differs five to one between bands and five to one between
areas, and by 15 % beyond both. The operator has a fifth to a half of the lines of a stratum. Losses are those of a release
at epsilon 2, Gaussian: 68 % for people, 12 % for the mix, 6 % for the strata.
"""

import math
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from marketplace.privacy.budget import rho_nano
from marketplace.privacy.estimates.figures import Correction, make_correction
from marketplace.privacy.estimates.mix import CLASSES, MeanWeights, MixColumns, average_weights, make_columns
from marketplace.privacy.estimates.strata import StratumWeights, weigh_strata
from marketplace.privacy.noise import NANO

AREAS, ZONES_OF_AREA, BANDS, HOURS = 9, 4, 3, 24
ZONES: Final = AREAS * ZONES_OF_AREA
PARENTS: Final = np.repeat(np.arange(AREAS), ZONES_OF_AREA)
DAYPART: Final = np.repeat([0, 1, 2, 0], [7, 11, 4, 2])
"""Night, day, evening, night."""
RHO: Final = rho_nano(2_000_000, 9) / NANO
PEOPLE_SIGMA, MIX_SIGMA, STRATA_SIGMA = (
    math.sqrt(squared / (2 * RHO * part)) for squared, part in ((HOURS, 0.68), (3, 0.12), (1, 0.06))
)
THRESHOLD: Final = math.ceil(3.95 * PEOPLE_SIGMA)
ELSEWHERE: Final = np.repeat([0.06, 0.5, 0.3, 0.06], [8, 10, 4, 2])
"""Of those at home somewhere, who is elsewhere, by hour."""
MOBILE: Final = np.array([1.2, 1.0, 0.5])
"""How much each band goes out."""


@dataclass(frozen=True)
class PlantedTown:
    """People, lines and consenters of areas × bands; who is there and who of them consents: zones × hours × areas × bands.

    residents: zones × bands.
    """

    residents: NDArray[np.int64]
    population: NDArray[np.int64]
    lines: NDArray[np.int64]
    consenters: NDArray[np.int64]
    there: NDArray[np.int64]
    consenting: NDArray[np.int64]


@dataclass(frozen=True)
class TownRelease:
    """What is released of a town, and what is made of it."""

    noisy: NDArray[np.float64]
    strata: NDArray[np.float64]
    weights: StratumWeights
    columns: MixColumns
    mean: MeanWeights

    @property
    def published(self) -> NDArray[np.float64]:
        """Return the counts with NaN where they are withheld."""
        return np.where(self.noisy >= THRESHOLD, self.noisy, np.nan)

    def correction(self, defect: float = 0.0) -> Correction:
        """Return what turns its counts into estimates."""
        return make_correction(
            self.noisy, self.mean, DAYPART, noise_variance=PEOPLE_SIGMA**2, threshold=THRESHOLD, defect=defect
        )


def plant(rng: np.random.Generator, consent: float, *, movers: float = 1.0) -> PlantedTown:
    """Make a town in which a share of the lines consents; who goes out much consents `movers` times as often as who does not."""
    sizes = rng.lognormal(math.log(9000), 0.9, ZONES)
    residents = rng.poisson(sizes[:, None] * rng.dirichlet([8, 10, 6], AREAS)[PARENTS])
    population = _by_area(residents)
    lines = rng.binomial(population, rng.uniform(0.2, 0.5, (AREAS, BANDS)))
    willing = rng.permutation(np.geomspace(1, 5, AREAS))[:, None] * rng.permutation(np.geomspace(1, 5, BANDS))
    willing = willing * np.exp(rng.normal(0, 0.15, willing.shape))
    consenters = rng.binomial(lines, np.minimum(0.95, _scale(willing, lines, consent) * willing))
    drawn = _attract(rng)
    halves = [_go_out(rng, residents // 2, drawn, 0.6), _go_out(rng, residents - residents // 2, drawn, 1.4)]
    there = halves[0] + halves[1]
    if movers == 1.0:
        consenting = _draw(rng, there, consenters)
    else:
        rate = consenters / np.maximum(population, 1) / ((1 + movers) / 2)
        consenting = sum(
            rng.binomial(half, np.minimum(0.98, rate * lean)) for half, lean in zip(halves, (1.0, movers), strict=True)
        )
    return PlantedTown(residents, population, lines, consenters, there, np.asarray(consenting))


def release(
    rng: np.random.Generator, town: PlantedTown, *, classes: int = CLASSES, strata_sigma: float = STRATA_SIGMA
) -> TownRelease:
    """TownRelease a town's presence with its mix and strata, with noise, and weigh them."""
    noisy = _with_noise(rng, town.consenting.sum(axis=2), PEOPLE_SIGMA)
    strata = _with_noise(rng, town.consenters, strata_sigma)
    variance = np.full(strata.shape, strata_sigma**2)
    weights = weigh_strata(strata, np.maximum(town.lines, 1.0), town.population, variance)
    columns = make_columns(weights, classes)
    mix = _with_noise(rng, count_mix(town, columns), MIX_SIGMA)
    return TownRelease(noisy, strata, weights, columns, average_weights(mix, columns, PARENTS, MIX_SIGMA**2))


def count_mix(town: PlantedTown, columns: MixColumns) -> NDArray[np.float64]:
    """Count whose consenters a zone has at a moment of each daypart: zones × dayparts × columns × bands."""
    mix = np.zeros((ZONES, 3, columns.weight.shape[1], BANDS))
    for part in range(3):
        moment = town.consenting[:, part == DAYPART].mean(axis=1)  # zones × areas × bands
        for zone, own in enumerate(PARENTS):
            mix[zone, part, 0] = moment[zone, own]
            for column in range(1, mix.shape[2]):
                is_in = columns.class_of == column
                is_in[own] = False
                mix[zone, part, column] = np.where(is_in, moment[zone], 0).sum(axis=0)
    return np.rint(mix)


def true_mean(town: PlantedTown) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return each cell's true mean weight of consenters, and of people: what who knows every weight would use."""
    weight = town.population / np.maximum(town.consenters, 1)
    expected = town.there / weight
    people = town.there.sum(axis=2)
    return people / np.maximum(expected.sum(axis=2), 1e-9), (town.there * weight).sum(axis=2) / np.maximum(people, 1)


def _scale(willing: NDArray[np.float64], lines: NDArray[np.int64], consent: float) -> float:
    scales = np.geomspace(1e-3, 10, 4000)
    shares = [(lines * np.minimum(0.95, scale * willing)).sum() / lines.sum() for scale in scales]
    return float(scales[np.searchsorted(shares, consent)])


def _by_area(of_zones: NDArray[np.int64]) -> NDArray[np.int64]:
    return of_zones.reshape(AREAS, ZONES_OF_AREA, -1).sum(axis=1)


def _attract(rng: np.random.Generator) -> NDArray[np.float64]:
    """Return the chances of those who go out, zones × zones: near places and attractive ones."""
    corner = np.stack(
        [2 * (PARENTS // 3) + np.arange(ZONES) % 4 // 2, 2 * (PARENTS % 3) + np.arange(ZONES) % 2], axis=1
    )
    far = np.abs(corner[:, None] - corner).sum(axis=2)
    drawn = np.exp(-far / 1.5) * rng.lognormal(0, 1, ZONES)
    return drawn / drawn.sum(axis=1, keepdims=True)


def _go_out(
    rng: np.random.Generator, residents: NDArray[np.int64], drawn: NDArray[np.float64], moves: float
) -> NDArray[np.int64]:
    """Return where residents (zones × bands) are: zones × hours × home areas × bands."""
    out = np.clip(ELSEWHERE[:, None, None] * MOBILE * moves * rng.uniform(0.8, 1.2, (1, ZONES, 1)), 0, 0.9)[..., None]
    chance = out * drawn[:, None] + (1 - out) * np.eye(ZONES)[:, None]  # hours × homes × bands × zones
    there = rng.multinomial(residents, chance)
    return there.reshape(HOURS, AREAS, ZONES_OF_AREA, BANDS, ZONES).sum(axis=2).transpose(3, 0, 1, 2)


def _draw(rng: np.random.Generator, there: NDArray[np.int64], consenters: NDArray[np.int64]) -> NDArray[np.int64]:
    """Draw who of those in each zone are a stratum's consenters, hour by hour, without replacement."""
    found = np.zeros_like(there)
    others, left = there.sum(axis=0), np.broadcast_to(consenters, there.shape[1:]).copy()
    for zone, here in enumerate(there):
        found[zone] = rng.hypergeometric(here, others - here, left)
        others, left = others - here, left - found[zone]
    return found


def _with_noise(rng: np.random.Generator, counts: NDArray[np.number], sigma: float) -> NDArray[np.float64]:
    return counts + np.rint(rng.normal(0, sigma, counts.shape))
