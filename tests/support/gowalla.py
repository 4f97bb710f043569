"""Gowalla check-ins as location events, moved in time to be recent; only where the file is present.

The file is never copied into the repository. Instants move by whole weeks, so weekdays and hours stay the same. The
subscribers are the people of the file, each with a made-up age band and, as home, the zone of most of their check-ins.
"""

import datetime as dt
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

NAME = "New York"
RESOLUTION = 5
"""H3 resolution of the zones: about 250 square kilometres each."""
AGE_BANDS = ("18-34", "35+")
UNDER_THIRTY_FIVE = 0.6
CORNERS = ((40.47, -74.26), (40.92, -73.70))
"""The area's south-west and north-east."""
BUSIEST_DAYS = 28
BUSIEST_START = dt.date(2010, 9, 20)
"""Monday of the file's busiest four weeks."""
WEEK = dt.timedelta(weeks=1)


@dataclass(frozen=True, slots=True)
class Checkins:
    """The files of the moved check-ins, and what a dataset of them declares."""

    events: Path
    subscribers: Path
    references: NDArray[np.int64]
    """The subscribers' references, ascending."""
    zones: tuple[str, ...]
    """The public list of zones."""


def public_zones() -> tuple[str, ...]:
    """Return the zones whose centres lie within the corners, ascending: a rectangle of the map, independent of the people."""
    import h3  # noqa: PLC0415

    (south, west), (north, east) = CORNERS
    ring = h3.LatLngPoly([(south, west), (south, east), (north, east), (north, west)])
    return tuple(sorted(h3.polygon_to_cells(ring, RESOLUTION)))


def busiest_period(today: dt.date) -> tuple[dt.datetime, dt.datetime]:
    """Return the four weeks that end on the last Monday up to `today`, at midnight UTC: the busiest, once moved."""
    end = dt.datetime.combine(today - dt.timedelta(days=today.weekday()), dt.time(), dt.UTC)
    return end - dt.timedelta(days=BUSIEST_DAYS), end


def move_checkins(
    source: Path,
    folder: Path,
    *,
    today: dt.date,
    seed: int,
    within: tuple[dt.datetime, dt.datetime] | None = None,
) -> Checkins:
    """Write into `folder` the events of `source`, moved so that the busiest weeks end last week, and who is in them.

    within: the half-open period whose events alone are written; everyone of the file is a subscriber all the same.
    """
    import h3.api.basic_str as h3  # noqa: PLC0415
    import pyarrow as pa  # noqa: PLC0415
    import pyarrow.compute as pc  # noqa: PLC0415
    import pyarrow.parquet as pq  # noqa: PLC0415

    read = pq.read_table(source)
    weeks = (busiest_period(today)[0].date() - BUSIEST_START) // WEEK
    seconds = pc.cast(read["at"], pa.timestamp("us", tz="UTC")).cast(pa.int64()).to_numpy() + weeks * 7 * 86_400_000_000
    folder.mkdir(parents=True, exist_ok=True)
    events, subscribers = folder / "events.parquet", folder / "subscribers.parquet"
    moved = pa.table(
        {
            "subscriber_id": read["subscriber_id"],
            "at": pa.array(seconds, pa.timestamp("us", tz="UTC")),
            "latitude": read["latitude"],
            "longitude": read["longitude"],
        }
    )
    pq.write_table(moved if within is None else _between(moved, *within), events, compression="zstd")
    who = read["subscriber_id"].to_numpy()
    places = zip(read["latitude"].to_pylist(), read["longitude"].to_pylist(), strict=True)
    zones, zone = np.unique([h3.latlng_to_cell(*place, RESOLUTION) for place in places], return_inverse=True)
    pairs, counts = np.unique(who * len(zones) + zone, return_counts=True)
    order = np.lexsort((pairs, -counts, pairs // len(zones)))
    references, first = np.unique(pairs[order] // len(zones), return_index=True)
    band = np.random.Generator(np.random.PCG64(seed)).random(len(references)) >= UNDER_THIRTY_FIVE
    people = pa.table(
        {
            "subscriber_id": references,
            "age_band": np.array(AGE_BANDS, dtype=object)[band.astype(int)],
            "home_zone": zones[pairs[order][first] % len(zones)].astype(object),
        }
    )
    pq.write_table(people, subscribers, compression="zstd")
    return Checkins(events, subscribers, references, public_zones())


def _between(table: pa.Table, start: dt.datetime, end: dt.datetime) -> pa.Table:
    """Return the events of a half-open period."""
    import pyarrow.compute as pc  # noqa: PLC0415

    return table.filter((pc.field("at") >= start) & (pc.field("at") < end))


def find_most_regular(checkins: Checkins, among: NDArray[np.int64]) -> int:
    """Return who of these lines, ascending, was at the busiest zone on the most days, and nowhere else."""
    import h3.api.basic_str as h3  # noqa: PLC0415
    import pyarrow.parquet as pq  # noqa: PLC0415

    seen = pq.read_table(checkins.events)
    who, day = (seen[name].to_numpy() for name in ("subscriber_id", "at"))
    places = zip(seen["latitude"].to_pylist(), seen["longitude"].to_pylist(), strict=True)
    zone = np.unique([h3.latlng_to_cell(*place, RESOLUTION) for place in places], return_inverse=True)[1]
    is_busiest = zone == np.bincount(zone).argmax()
    only_there = np.setdiff1d(among, who[~is_busiest])
    days = np.unique(np.stack([who, day.astype("datetime64[D]").astype(np.int64)])[:, is_busiest], axis=1)[0]
    lines, counts = np.unique(days[np.isin(days, only_there)], return_counts=True)
    return int(lines[counts.argmax()])


def find_or_make_checkins(shared: Path, folder: Path) -> Path:
    """Return the real check-ins; where they are not on this machine, say so and write made-up ones of the same shape."""
    real = shared / "data" / "gowalla-nyc" / "events.parquet"
    if real.exists():
        return real
    print("the real check-ins are not on this machine: made-up ones of the same shape stand in for them")
    return _make_checkins(folder / "made-up.parquet")


def _make_checkins(path: Path, people: int = 6_000, days: int = 35) -> Path:
    """Write events of people who move about near their homes, all within the file's busiest weeks and the one after."""
    import pyarrow as pa  # noqa: PLC0415
    import pyarrow.parquet as pq  # noqa: PLC0415

    rng = np.random.Generator(np.random.PCG64(5))
    who = np.sort(rng.integers(0, people, 20 * people))
    second = rng.integers(0, days * 86_400, len(who))
    start = int(dt.datetime.combine(BUSIEST_START, dt.time(), dt.UTC).timestamp())
    homes = rng.normal((40.74, -73.98), 0.05, (people, 2))
    places = homes[who] + rng.normal(0, 0.01, (len(who), 2))
    events = pa.table(
        {
            "subscriber_id": who,
            "at": pa.array(start + second, pa.timestamp("s", tz="UTC")),
            "latitude": places[:, 0],
            "longitude": places[:, 1],
        }
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(events.sort_by("at"), path)
    return path
