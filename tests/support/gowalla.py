"""Gowalla check-ins as location events, moved in time to be recent; only where the file is present.

The file is never copied into the repository. Instants move by whole weeks, so weekdays and hours stay the same. The
subscribers are the people of the file, each with a made-up age band and, as home, the zone of most of their check-ins.
"""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING

import numpy as np

from marketplace.embedded.synthetic_city import City

if TYPE_CHECKING:
    from pathlib import Path

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


def move_checkins(source: Path, folder: Path, *, today: dt.date, seed: int) -> City:
    """Write into `folder` the events of `source`, moved so that the busiest weeks end last week, and who is in them."""
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
    pq.write_table(moved, events, compression="zstd")
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
    return City(events, subscribers, references, public_zones())
