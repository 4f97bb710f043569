"""A country's phone events for the benchmarks, seeded: Parquet by day, a table of subscribers, and their consents."""

import datetime as dt
import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

START = dt.datetime(2026, 3, 2, tzinfo=dt.UTC)
BANDS = ("under 18", "18-24", "25-34", "35-44", "45-54", "55-64", "65 and over")
SHARES = (0.05, 0.12, 0.2, 0.2, 0.18, 0.13, 0.12)
HAUNTS = 6
"""Places a person is usually at: home, work, and four more."""
HOUR_WEIGHTS = np.array(
    [3, 2, 1, 1, 1, 2, 5, 10, 14, 15, 15, 16, 16, 15, 14, 14, 15, 17, 17, 16, 14, 11, 8, 5], dtype=float
)
WEEK_WEIGHTS = np.array([1.0, 1.0, 1.0, 1.05, 1.1, 0.85, 0.75])
MACHINES = 0.01
"""Share of lines that are machines, forty times as busy as people."""


@dataclass(frozen=True)
class Country:
    """How large the country is."""

    events: int
    subscribers: int
    side: int = 100
    """Its zones are a square of side × side."""
    days: int = 14
    seed: int = 4

    @property
    def zones(self) -> int:
        return self.side * self.side


def write_country(country: Country, folder: Path) -> Path:
    """Write the country below `folder` unless it is there already, and return its own folder."""
    own = folder / f"{country.events}-{country.subscribers}-{country.side}-{country.days}-{country.seed}"
    done = own / "done.json"
    if done.exists():
        return own
    (own / "events").mkdir(parents=True, exist_ok=True)
    rng = np.random.Generator(np.random.SFC64(country.seed))
    people, haunts, activity = _people(country, own, rng)
    week = WEEK_WEIGHTS[np.arange(country.days) % 7]
    counts = np.floor(country.events * week / week.sum()).astype(int)
    counts[0] += country.events - counts.sum()
    for day, count in enumerate(counts):
        _day(own / "events", (country, day, int(count)), (people, haunts, activity), rng)
    done.write_text(json.dumps({"events": country.events}))
    return own


def _people(country: Country, own: Path, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Write subscribers and consents; return their pseudonyms, haunts and the running sum of their activity."""
    n, side = country.subscribers, country.side
    people = np.unique(rng.integers(0, 2**63 - 1, n + n // 1000 + 16))
    people = rng.permutation(people)[:n]
    y, x = np.divmod(np.arange(country.zones), side)
    density = np.full(country.zones, 0.05)
    for _ in range(15):
        cx, cy, spread = rng.uniform(0, side), rng.uniform(0, side), rng.uniform(2, 10)
        density += rng.pareto(1.5) * np.exp(-((x - cx) ** 2 + (y - cy) ** 2) / (2 * spread**2))
    running = np.cumsum(density) / density.sum()

    def anywhere(count: int) -> np.ndarray:
        return np.minimum(np.searchsorted(running, rng.random(count)), country.zones - 1)

    haunts = np.empty((HAUNTS, n), np.int32)
    haunts[0], haunts[1] = anywhere(n), anywhere(n)
    for place in range(2, HAUNTS):
        step = rng.integers(-4, 5, (2, n))
        home_y, home_x = np.divmod(haunts[0], side)
        near = np.clip(home_y + step[0], 0, side - 1) * side + np.clip(home_x + step[1], 0, side - 1)
        haunts[place] = np.where(rng.random(n) < 0.7, near, anywhere(n))
    band = rng.choice(len(BANDS), n, p=SHARES).astype(np.int8)
    pq.write_table(
        pa.table(
            {
                "subscriber_id": people,
                "age_band": pa.DictionaryArray.from_arrays(band, pa.array(BANDS)).cast(pa.string()),
                "home_zone": pa.array(haunts[0]).cast(pa.string()),
            }
        ),
        own / "subscribers.parquet",
    )
    _consents(country, own, people, rng)
    activity = rng.lognormal(0, 1, n)
    activity[rng.random(n) < MACHINES] *= 40
    return people, haunts, np.cumsum(activity) / activity.sum()


def _consents(country: Country, own: Path, people: np.ndarray, rng: np.random.Generator) -> None:
    """Write who consents at the end: most all along, some since an instant within; the others do not."""
    length = country.days * 86_400_000_000
    start = int(START.timestamp()) * 1_000_000
    kind = rng.choice(3, len(people), p=(0.8, 0.08, 0.12))
    since = np.where(kind == 1, start + rng.integers(0, length, len(people)), 0)
    valid = kind < 2
    pq.write_table(
        pa.table(
            {
                "subscriber_id": people[valid],
                "valid_from_us": since[valid],
                "valid_to_us": np.full(valid.sum(), 2**62),
            }
        ),
        own / "consent.parquet",
    )


def _day(
    folder: Path,
    what: tuple[Country, int, int],
    lines: tuple[np.ndarray, np.ndarray, np.ndarray],
    rng: np.random.Generator,
) -> None:
    """Write one day's events in the order of their instants, as an operator's probes do."""
    (country, day, count), (people, haunts, activity) = what, lines
    hour = np.repeat(np.arange(24), rng.multinomial(count, HOUR_WEIGHTS / HOUR_WEIGHTS.sum()))
    second = np.sort(hour * 3600 + rng.integers(0, 3600, count))
    who = np.searchsorted(activity, np.sort(rng.random(count)))
    who = rng.permutation(np.minimum(who, len(people) - 1))
    at_work = (second >= 8 * 3600) & (second < 18 * 3600) & (rng.random(count) < 0.55)
    haunt = np.where(at_work, 1, np.minimum(rng.exponential(1.4, count).astype(np.int64), HAUNTS - 1))
    site = haunts[haunt, who]
    roams = rng.random(count) < 0.05
    site[roams] = rng.integers(0, country.zones, int(roams.sum()))
    date = START + dt.timedelta(days=day)
    instant = (int(date.timestamp()) + second) * 1_000_000
    target = folder / f"day={date:%Y-%m-%d}"
    target.mkdir(exist_ok=True)
    pq.write_table(
        pa.table(
            {
                "subscriber_id": people[who],
                "at": pa.array(instant, pa.timestamp("us", tz="UTC")),
                "site": site.astype(np.int32),
                "kind": rng.choice(np.array([0, 0, 0, 0, 1, 1, 2], np.uint8), count),
            }
        ),
        target / "events.parquet",
        compression="zstd",
        row_group_size=1_000_000,
    )
