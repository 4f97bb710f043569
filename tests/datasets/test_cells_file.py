"""The file of cells is made for reading a part of it: a zone of a hundred costs a few row groups, which the footer names."""

import datetime as dt
from pathlib import Path
from zoneinfo import ZoneInfo

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from marketplace.core.errors import Invalid
from marketplace.core.local_time import midnight
from marketplace.datasets.builds.cells_file import (
    FEWEST_ROWS,
    MOST_ROWS,
    rows_a_group,
    spread,
    unpack_counts,
    write_cells,
)
from tests.datasets.builders import MEANINGS
from tests.privacy.specs import specification

ROWS, ZONES = 200_000, 100
DAY = dt.timedelta(days=1)


def cells_by_time() -> pa.Table:
    """Return cells by time, then zone: the order in which one zone is in every row group."""
    numbers = np.arange(ROWS)
    return pa.table(
        {
            "zone": pa.array([f"zone-{n % ZONES:03}" for n in numbers]),
            "starts_at": pa.array(numbers // ZONES * 3_600_000_000, pa.timestamp("us", tz="UTC")),
            "segment": pa.array(np.full(ROWS, "18-39", dtype=object), pa.string()),
            "people": pa.array(np.random.default_rng(1).integers(20, 500, ROWS)),
            "events": pa.array(numbers),
        }
    )


def test_one_zone_of_a_hundred_is_in_few_row_groups(tmp_path: Path) -> None:
    path = write_cells(cells_by_time(), tmp_path / "cells.parquet", columns=MEANINGS, about={"partage.dataset": "lyon"})
    footer = pq.read_metadata(path)
    groups = [footer.row_group(number) for number in range(footer.num_row_groups)]
    ranges = [group.column(0).statistics for group in groups]
    wanted = [group for group, of in zip(groups, ranges, strict=True) if of and of.min <= "zone-042" <= of.max]
    size = sum(sum(group.column(at).total_compressed_size for at in range(5)) for group in wanted)
    assert 0 < size <= 0.05 * path.stat().st_size
    assert all(group.column(at).has_offset_index for group in groups for at in range(5))
    table = pq.read_table(path)
    assert table.equals(cells_by_time().sort_by([("zone", "ascending"), ("starts_at", "ascending")]).cast(table.schema))
    assert table.schema.metadata[b"partage.dataset"] == b"lyon"
    field = table.schema.field("starts_at")
    assert (field.nullable, field.metadata[b"unit"]) == (False, b"UTC")
    assert (
        field.metadata[b"description"]
        == b"Start of the hour, local time of Europe/Paris. Written as an instant in UTC."
    )


def test_row_groups_grow_with_the_file() -> None:
    assert rows_a_group(10) == FEWEST_ROWS
    assert rows_a_group(2_000_000) == 15_625
    assert rows_a_group(10**9) == MOST_ROWS


@pytest.mark.parametrize(
    ("product", "grain", "hours"),
    [
        ("presence", "hour", [24, 24, 25, 24, 24, 24, 24, 24]),
        ("flows", "day", [24, 24, 25, 24, 24, 24, 24, 24]),
        ("presence", "week", [169, 168]),
    ],
)
def test_cells_are_counted_by_local_day_and_zone(product: str, grain: str, hours: list[int]) -> None:
    """Over the night that summer time ends in Paris; sums over a parent zone are of no zone."""
    first = dt.date(2026, 10, 23) if grain != "week" else dt.date(2026, 10, 19)
    last = dt.date(2026, 10, 31) if grain != "week" else dt.date(2026, 11, 2)
    s = specification(
        product=product,
        grain=grain,
        time_zone="Europe/Paris",
        period_from=midnight(first, "Europe/Paris"),
        period_to=midnight(last, "Europe/Paris"),
    )
    rng = np.random.default_rng(8)
    places, steps = rng.integers(0, s.place_count, 500), rng.integers(0, s.times, 500)
    names = s.named(places).tolist()
    instants = [dt.datetime.fromtimestamp(s.clock.bounds_us[step] / 1e6, dt.UTC) for step in steps]
    words = rng.choice(s.segments, len(names)).tolist()
    table = pa.table(
        {
            "zone": [*names, "parent"],
            "starts_at": pa.array([*instants, instants[0]], pa.timestamp("us", "UTC")),
            "segment": [*words, words[0]],
        }
    )
    found = spread(s, table)
    assert found["hours_by_day"] == hours
    paris = [instant.astimezone(ZoneInfo("Europe/Paris")).date() for instant in [*instants, instants[0]]]
    days = [(day - first).days // (7 if grain == "week" else 1) for day in paris]
    assert found["published_by_day"] == [days.count(at) for at in range(len(hours))]
    origins = [(name.split(">")[0], day) for name, day in zip(names, days, strict=False)]
    assert found["published_by_zone"] == [origins.count((zone, at)) for zone in s.zones for at in range(len(hours))]
    figures = list(zip(names, words, days, strict=False))
    assert unpack_counts(found["published_by_figure"]) == {
        place: {
            word: [figures.count((place, word, at)) for at in range(len(hours))]
            for word in {word for name, word, _ in figures if name == place}
        }
        for place in set(names)
    }, "no sum over a parent zone is a figure"
    assert sum(found["published_by_day"]) == 1 + sum(found["published_by_zone"]) == 501
    nothing = spread(s, table.slice(0, 0))
    assert set(nothing["published_by_day"]) == set(nothing["published_by_zone"]) == {0}


@pytest.mark.parametrize(
    "off",
    [
        dt.timedelta(days=-1),
        dt.timedelta(days=-3000),
        dt.timedelta(minutes=1),
        dt.timedelta(days=2),
        dt.timedelta(days=400),
    ],
)
def test_cells_that_begin_at_no_step_of_the_period_are_refused(off: dt.timedelta) -> None:
    """They would be counted on a day that they are not of."""
    start = dt.datetime(2026, 10, 23, tzinfo=dt.UTC)
    s = specification(grain="hour", period_from=start, period_to=start + 2 * DAY)
    instants = pa.array([start, start + off], pa.timestamp("us", "UTC"))
    with pytest.raises(Invalid, match="A cell begins at no hour, day or week of the period"):
        spread(s, pa.table({"zone": [s.zones[0]] * 2, "starts_at": instants, "segment": [s.segments[0]] * 2}))
    nobodys = pa.array([start, None], pa.timestamp("us", "UTC"))
    with pytest.raises(Invalid, match="A cell begins at no"):
        spread(s, pa.table({"zone": [s.zones[0]] * 2, "starts_at": nobodys, "segment": [s.segments[0]] * 2}))
