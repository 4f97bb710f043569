"""The index says what the manifests say, for everybody, however it was made: in pieces, by two workers, after a death."""

import asyncio
import datetime as dt
import os
import uuid

import numpy as np
import pytest

from marketplace.core import clock, object_store
from marketplace.core.errors import Conflict, NotFound
from marketplace.core.settings import settings
from marketplace.subscribers.earnings import contribution_actions
from marketplace.subscribers.earnings.contribution_actions import index_contributions
from marketplace.subscribers.earnings.contribution_queries import find_contributions
from marketplace.subscribers.earnings.segments import part_key
from tests.subscribers.builders import sales
from tests.subscribers.builders.sales import check_index
from tests.support.reads import fetch_value
from tests.support.s3 import bucket

HOURS_2 = dt.timedelta(hours=2)


def manifest_drawn(seed: int, people: int = 40) -> dict[int, int]:
    """Return a manifest of some of the people from 1 on: reference → weight."""
    rng = np.random.default_rng(seed)
    who = np.flatnonzero(rng.random(people) < 0.6) + 1
    return dict(zip(who.tolist(), rng.integers(1, 13, len(who)).tolist(), strict=True)) or {1: 1}


async def sell_drawn(seed: int) -> tuple[uuid.UUID, dict[int, int]]:
    """Seal and sell a release; return it with its manifest."""
    manifest = manifest_drawn(seed)
    release = await sales.seal_weights(manifest)
    await sales.write_sale(release)
    return release, manifest


@pytest.mark.long
async def test_everybodys_contributions_are_found_as_releases_are_sold() -> None:
    await sales.write_lines(range(1, 42))
    sold = {}
    for seed in range(12):
        release, manifest = await sell_drawn(seed)
        sold[release] = manifest
        if seed % 4 == 2:
            await contribution_actions.number_sold_releases()
            await check_index(sold)  # in its own manifest, before it is indexed
        assert await index_contributions() == 1
        assert await index_contributions() == 0
    await check_index(sold)
    assert await fetch_value("SELECT count(*) FROM contribution_segment WHERE state = 'live'") <= 3
    await sales.write_sale(release)
    assert await index_contributions() == 0, "a release that is sold again is in the index already"


async def test_two_workers_index_once() -> None:
    await sales.write_lines(range(1, 42))
    sold = dict([await sell_drawn(seed) for seed in range(3)])
    found = await asyncio.gather(*[index_contributions() for _ in range(3)])
    assert sorted(found) == [0, 0, 3]
    await check_index(sold)


async def test_what_was_replaced_is_readable_for_a_while_and_then_gone() -> None:
    await sales.write_lines(range(1, 42))
    sold = dict([await sell_drawn(1)])
    await index_contributions()
    old = await fetch_value("SELECT id FROM contribution_segment")
    sold |= dict([await sell_drawn(2)])
    await index_contributions()
    assert await fetch_value("SELECT state FROM contribution_segment WHERE id = $1", old) == "retired"
    assert await object_store.size(part_key(old, 0)) > 0
    with clock.shifted(HOURS_2):
        await index_contributions()
        assert await fetch_value("SELECT count(*) FROM contribution_segment WHERE id = $1", old) == 0
        with pytest.raises(NotFound):
            await object_store.size(part_key(old, 0))
    await check_index(sold)


async def test_a_segment_whose_objects_are_gone_is_made_again() -> None:
    await sales.write_lines(range(1, 42))
    sold = dict([await sell_drawn(seed) for seed in range(3)])
    await index_contributions()
    await object_store.delete(part_key(await fetch_value("SELECT id FROM contribution_segment"), 0))
    with pytest.raises(Conflict, match="being rebuilt"):
        await find_contributions(1)
    assert await index_contributions() == 3
    await check_index(sold)


@pytest.mark.long
async def test_somebody_is_found_in_three_reads_of_s3_at_most() -> None:
    await sales.write_lines(range(1, 42))
    with bucket() as s3:
        os.environ |= s3.environment
        settings.cache_clear()
        sold = {}
        for seed in range(12):
            sold |= dict([await sell_drawn(seed)])
            await index_contributions()
        assert await fetch_value("SELECT count(*) FROM contribution_segment WHERE state = 'live'") == 3
        await check_index(sold)
        for who in range(1, 41):
            s3.asked.clear()
            await find_contributions(who)
            assert s3.asked.total() == s3.asked["GET"] <= 3
