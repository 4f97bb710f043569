"""The synthetic city and the Gowalla check-ins: the same for the same seed, and dense enough to publish from."""

import datetime as dt
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest

from marketplace.consent.purposes import actions as consent
from marketplace.core import clock
from marketplace.core.database import copy_in
from marketplace.core.settings import settings
from marketplace.datasets.releases import actions, queries
from marketplace.datasets.releases.rules import DatasetTerms
from marketplace.demo import synthetic_city
from tests.support import gowalla

LONG_AGO = dt.datetime(2024, 1, 1, tzinfo=dt.UTC)


def test_the_same_seed_gives_the_same_city(tmp_path: Path) -> None:
    made = [
        synthetic_city.generate_city(tmp_path / name, seed=seed, people=500, start=dt.date(2026, 3, 2), days=2)
        for name, seed in (("a", 1), ("b", 1), ("c", 2))
    ]
    tables = [(pq.read_table(one.events), pq.read_table(one.subscribers)) for one in made]
    assert tables[0] == tables[1]
    assert tables[0][0] != tables[2][0]
    instants = tables[0][0]["at"].to_pylist()
    assert min(instants) >= dt.datetime(2026, 3, 2, tzinfo=dt.UTC)
    assert max(instants) < dt.datetime(2026, 3, 4, tzinfo=dt.UTC)
    assert set(tables[0][1]["home_zone"].to_pylist()) <= set(made[0].zones)


async def publish_city(
    city: synthetic_city.City | gowalla.Checkins, period: tuple[dt.datetime, dt.datetime], **bounds: Any
) -> float:
    """Build a release of the city in which four in five consent; return the share of the key set that is published."""
    await consent.define_purpose("presence", "statistics", title_fr="P", title_en="P")
    await consent.publish_notice("presence.statistics", text_fr="n", text_en="n", at=LONG_AGO)
    await copy_in("subscriber", ["reference"], [(int(who),) for who in city.references])
    yes = city.references[np.random.Generator(np.random.PCG64(5)).random(len(city.references)) < 0.8]
    await consent.give_many("presence.statistics", yes.tolist(), LONG_AGO)
    terms = DatasetTerms(
        code="world",
        purpose="presence.statistics",
        title_fr="t",
        title_en="t",
        description_fr="d",
        description_en="d",
        area="a",
        zones=list(city.zones),
        epsilon_micro=2_000_000,
        budget_micro=2_000_000,
        **bounds,
    )
    await actions.define(terms)
    release = await actions.build(
        "world",
        events=str(city.events),
        subscribers=str(city.subscribers),
        period_from=period[0],
        period_to=period[1],
    )
    row = await queries.get_release(release)
    assert row.state == "sealed"
    # Noise of scale 1 / 0.04 passes 500 once in five hundred million runs.
    assert abs(row.consenting - len(yes)) < 500 + len(city.references) - row.population
    return float(row.row_count / row.key_count)


@pytest.mark.long
async def test_a_quarter_of_the_citys_cells_survive(tmp_path: Path) -> None:
    start = dt.datetime(2026, 3, 2, tzinfo=dt.UTC)
    city = synthetic_city.generate_city(tmp_path, seed=1, people=40_000, start=start.date(), days=3)
    share = await publish_city(
        city,
        (start, start + dt.timedelta(days=3)),
        age_bands=list(synthetic_city.AGE_BANDS),
        h3_resolution=synthetic_city.RESOLUTION,
        grain="hour",
        max_cells=2,
        max_events=3,
    )
    assert share > 0.2


@pytest.mark.deep
async def test_a_tenth_of_the_real_check_ins_cells_survive(tmp_path: Path) -> None:
    source = settings().shared / "data" / "gowalla-nyc" / "events.parquet"
    if not source.exists():
        pytest.skip("the real check-ins are not on this machine; the synthetic city is tested instead")

    today = clock.now().date()
    city = gowalla.move_checkins(source, tmp_path, today=today, seed=1)
    share = await publish_city(
        city,
        gowalla.busiest_period(today),
        age_bands=list(gowalla.AGE_BANDS),
        h3_resolution=gowalla.RESOLUTION,
        grain="day",
        max_cells=2,
        max_events=3,
    )
    assert share > 0.1
