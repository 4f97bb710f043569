"""Synthetic cities, outlines of Lyon and Grenoble: people with homes, workplaces and habits, and the events of their phones.

The same arguments give the same files, byte for byte. It contains no real person. Events are located at antennas, as a
network records them. A person has some events a week, more by day than by night: at work on weekdays, out in the
evenings, at home at night.
"""

from __future__ import annotations

import datetime as dt
import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from marketplace.core.instants import microseconds
from marketplace.core.local_time import UTC, midnight

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray

TIME_ZONE = "Europe/Paris"
RESOLUTION = 7
"""H3 resolution of the cities' zones: about five square kilometres each."""
AGE_BANDS = ("18-39", "40+")
UNDER_FORTY = 0.46
EVENTS_A_DAY = 0.95
"""The rate of the median person; the others' rates are spread around it log-normally."""

BY_HOUR = np.array(
    [
        *(1.0, 0.7, 0.5, 0.5, 0.6, 1.0, 1.8, 2.9, 3.6, 3.6, 3.6, 3.9),
        *(4.3, 4.1, 3.8, 3.8, 4.1, 4.7, 4.9, 4.5, 3.9, 3.3, 2.5, 1.7),
    ]
)
BY_WEEKDAY = np.array([1.0, 1.0, 1.02, 1.04, 1.12, 1.0, 0.84])
WEEKEND = 5
BACKGROUND = 0.10
"""Density of the outskirts, as a share of the densest antenna's."""


@dataclass(frozen=True, slots=True)
class Town:
    """A city's place and layout, from which its antennas and its people's habits are drawn."""

    name: str
    latitudes: tuple[float, float]
    longitudes: tuple[float, float]
    """The extent of the lattice of antennas, from and to."""
    middle: tuple[float, float, float, float]
    """The ellipse that has antennas: latitude and longitude of its centre, then half its height and width."""
    first_reference: int
    """The first reference of its lines: two cities of one operator share no reference."""
    centres: tuple[tuple[float, float, float, float, float, float], ...]
    """Latitude, longitude, spread in degrees, and weight of homes, of workplaces, of evenings and weekends."""


LYON = Town(
    "Lyon",
    (45.700, 45.815),
    (4.765, 4.925),
    (45.760, 4.848, 0.055, 0.075),
    1_000_000_000,
    (
        (45.7640, 4.8357, 0.020, 0.24, 0.26, 0.50),  # Presqu'île
        (45.7606, 4.8600, 0.017, 0.12, 0.34, 0.14),  # Part-Dieu
        (45.7715, 4.8800, 0.026, 0.20, 0.12, 0.10),  # Villeurbanne
        (45.7300, 4.8250, 0.017, 0.07, 0.12, 0.10),  # Gerland, Confluence
        (45.7790, 4.8050, 0.022, 0.10, 0.06, 0.05),  # Vaise, Croix-Rousse
        (45.7350, 4.8780, 0.029, 0.17, 0.06, 0.04),  # Bron, Vénissieux
        (45.7850, 4.8530, 0.012, 0.02, 0.01, 0.05),  # Parc de la Tête d'Or
        (45.7580, 4.7900, 0.032, 0.08, 0.03, 0.02),  # Tassin
    ),
)
GRENOBLE = Town(
    "Grenoble",
    (45.145, 45.225),
    (5.675, 5.785),
    (45.182, 5.730, 0.038, 0.050),
    10_000_000_000,
    (
        (45.1905, 5.7285, 0.012, 0.30, 0.34, 0.52),  # Hypercentre
        (45.1910, 5.7140, 0.010, 0.06, 0.22, 0.10),  # Gare, Europole
        (45.1680, 5.7300, 0.014, 0.24, 0.12, 0.10),  # Eaux-Claires, Villeneuve
        (45.1920, 5.7640, 0.016, 0.18, 0.20, 0.14),  # Saint-Martin-d'Hères
        (45.2040, 5.7020, 0.010, 0.05, 0.08, 0.04),  # Presqu'île scientifique
        (45.1560, 5.7060, 0.018, 0.17, 0.04, 0.10),  # Échirolles, Seyssins
    ),
)


@dataclass(frozen=True, slots=True)
class City:
    """The files of a generated city, and the parameters that its datasets declare."""

    events: Path
    """A folder of Parquet files, one a day."""
    panel: Path
    """The same for the panel's days."""
    subscribers: Path
    """A folder of Parquet files, one a city."""
    references: NDArray[np.int64]
    """The subscribers' references, ascending."""
    zones: tuple[str, ...]
    """The public list of zones: those with antennas."""


def antennas(town: Town = LYON) -> NDArray[np.float64]:
    """Return the network's antennas (n × latitude, longitude): a fixed lattice, the same for every seed."""
    latitude, longitude = np.meshgrid(
        np.arange(*town.latitudes, 0.006), np.arange(*town.longitudes, 0.0085), indexing="ij"
    )
    shift = np.where(np.arange(latitude.shape[0]) % 2, 0.00425, 0.0)[:, None]
    lattice = np.stack([latitude.ravel(), (longitude + shift).ravel()], axis=1)
    north, east, height, width = town.middle
    near = np.hypot((lattice[:, 0] - north) / height, (lattice[:, 1] - east) / width) < 1
    return np.round(lattice[near], 5)


def public_zones(town: Town = LYON) -> tuple[str, ...]:
    """Return the H3 zones that have an antenna, ascending: public, and independent of the people."""
    return tuple(sorted(set(_zones_of(antennas(town)).tolist())))


def day_file(events: Path, day: dt.date, town: Town = LYON) -> Path:
    """Return the file, in the folder of events, of one day of a city."""
    return events / f"{day.isoformat()}-{town.name}.parquet"


def generate_city(
    folder: Path,
    *,
    seed: int,
    people: int,
    start: dt.date,
    days: int,
    panel: int = 0,
    panel_days: Sequence[dt.date] = (),
    time_zone: str = UTC,
    town: Town = LYON,
) -> City:
    """Write `people` subscribers of a town and their events of `days` from `start` on into `folder`; return the files.

    Days and hours are those of `time_zone`. The first `panel` people, by the lowest references, have events on each of
    `panel_days` too.
    """
    import pyarrow as pa  # noqa: PLC0415
    import pyarrow.parquet as pq  # noqa: PLC0415

    rng = np.random.Generator(np.random.PCG64(seed))
    masts = antennas(town)
    references = np.sort(rng.choice(9_000_000_000, people, replace=False) + town.first_reference).astype(np.int64)
    home, work, out = (_draw_antennas(rng, town, people, column) for column in (3, 4, 5))
    band = (rng.random(people) >= UNDER_FORTY).astype(np.int8)
    activity = EVENTS_A_DAY * rng.lognormal(0, 0.45, people)
    events, of_panel = folder / "events", folder / "panel"
    for made in (events, of_panel):
        made.mkdir(parents=True, exist_ok=True)
    in_panel = np.arange(people) < panel
    wanted = [(of_panel, day, activity * in_panel) for day in panel_days]
    wanted += [(events, start + dt.timedelta(days=day), activity) for day in range(days)]

    def write_day(into: Path, date: dt.date, rates: NDArray[np.float64]) -> None:
        rng = np.random.default_rng([seed, date.toordinal()])
        who, second = _event_times(rng, rates * BY_WEEKDAY[date.weekday()])
        mast = masts[
            _antennas_of_events(
                rng, who, second // 3600, (home, work, out), len(masts), weekend=date.weekday() >= WEEKEND
            )
        ]
        instant = microseconds(midnight(date, time_zone)) + second * 1_000_000
        table = pa.table(
            {
                "subscriber_id": references[who],
                "at": pa.array(instant, pa.timestamp("us", tz="UTC")),
                "latitude": mast[:, 0],
                "longitude": mast[:, 1],
                "kind": pa.DictionaryArray.from_arrays(
                    rng.choice(3, len(who), p=[0.62, 0.25, 0.13]).astype(np.int8), ["data", "call", "sms"]
                ).cast(pa.string()),
            }
        )
        pq.write_table(table, day_file(into, date, town), compression="zstd")

    with ThreadPoolExecutor(os.cpu_count()) as several:
        for made_day in [several.submit(write_day, *day) for day in wanted]:
            made_day.result()
    _write_subscribers(folder / "subscribers", town, references, band, _zones_of(masts)[home])
    return City(events, of_panel, folder / "subscribers", references, public_zones(town))


def written_city(folder: Path, town: Town) -> City:
    """Return the files of a town that `generate_city` wrote into a folder."""
    import pyarrow.parquet as pq  # noqa: PLC0415

    people = pq.read_table(_subscribers_file(folder / "subscribers", town), columns=["subscriber_id"])
    references = people["subscriber_id"].to_numpy()
    return City(folder / "events", folder / "panel", folder / "subscribers", references, public_zones(town))


def _subscribers_file(folder: Path, town: Town) -> Path:
    return folder / f"{town.name}.parquet"


def _write_subscribers(
    folder: Path,
    town: Town,
    references: NDArray[np.int64],
    band: NDArray[np.int8],
    home: NDArray[np.object_],
) -> None:
    """Write a town's n subscribers: reference, number of the age band, home zone."""
    import pyarrow as pa  # noqa: PLC0415
    import pyarrow.parquet as pq  # noqa: PLC0415

    folder.mkdir(exist_ok=True)
    table = pa.table(
        {
            "subscriber_id": references,
            "age_band": pa.DictionaryArray.from_arrays(band, list(AGE_BANDS)).cast(pa.string()),
            "home_zone": pa.array(home, pa.string()),
        }
    )
    pq.write_table(table, _subscribers_file(folder, town), compression="zstd")


def _zones_of(masts: NDArray[np.float64]) -> NDArray[np.object_]:
    import h3  # noqa: PLC0415

    return np.array([h3.latlng_to_cell(*mast, RESOLUTION) for mast in masts.tolist()], dtype=object)


def _draw_antennas(rng: np.random.Generator, town: Town, people: int, column: int) -> NDArray[np.int64]:
    """Return an antenna for each person, drawn from the centres weighted by `column`."""
    masts = antennas(town)
    density = np.zeros(len(masts))
    for centre in town.centres:
        squared = ((masts[:, 0] - centre[0]) ** 2 + ((masts[:, 1] - centre[1]) * 0.7) ** 2) / centre[2] ** 2
        density += centre[column] * np.exp(-squared / 2) / centre[2] ** 2
    density += BACKGROUND * density.max()
    return np.searchsorted(np.cumsum(density / density.sum()), rng.random(people)).clip(max=len(masts) - 1)


def _event_times(rng: np.random.Generator, rate: NDArray[np.float64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return each event's person (an index) and second of the day, in order of time."""
    who = np.repeat(np.arange(len(rate)), rng.poisson(rate))
    hour = np.searchsorted(np.cumsum(BY_HOUR / BY_HOUR.sum()), rng.random(len(who))).clip(max=23)
    second = hour * 3600 + rng.integers(0, 3600, len(who))
    order = np.argsort(second, kind="stable")
    return who[order], second[order]


def _antennas_of_events(
    rng: np.random.Generator,
    who: NDArray[np.int64],
    hour: NDArray[np.int64],
    habits: tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]],
    masts: int,
    *,
    weekend: bool,
) -> NDArray[np.int64]:
    """Return each event's antenna: home at night, work on weekdays, out in the evening, rarely anywhere."""
    home, work, out = habits
    at_work = np.where((hour >= 9) & (hour < 18), 0.08 if weekend else 0.68, 0.05)  # noqa: PLR2004 (office hours)
    at_large = np.where((hour >= 18) & (hour < 23), 0.38, 0.14) + (0.22 if weekend else 0.0)  # noqa: PLR2004 (evenings)
    at_large = np.where((hour < 6), 0.06, at_large)  # noqa: PLR2004 (nights)
    draw = rng.random(len(who))
    place = np.where(draw < at_work, work[who], np.where(draw < at_work + at_large, out[who], home[who]))
    stray = rng.random(len(who)) < 0.04  # noqa: PLR2004 (one in twenty-five is on the way)
    return np.where(stray, rng.integers(0, masts, len(who)), place)
