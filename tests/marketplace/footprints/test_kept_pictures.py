"""Pictures are drawn once, ahead of the pages, and read by them; what is called back deletes all that depend on it."""

from __future__ import annotations

import asyncio
import contextvars
import uuid
from dataclasses import dataclass
from typing import TYPE_CHECKING

from marketplace import object_store
from marketplace import pictures as drawing
from marketplace.database import transaction
from marketplace.datasets.publishing import revoke
from marketplace.footprints.actions import keep_drawn, measure_new
from marketplace.footprints.queries import list_before, list_undrawn, list_versions
from marketplace.pictures import Picture, draw_missing, picture, pictures
from marketplace.settings import settings
from tests.attacks.test_many_weeks import week
from tests.marketplace.catalogue.shop import make_release, open_shop
from tests.marketplace.datasets.builders import ELSEWHERE
from tests.marketplace.identity.site import Browser
from tests.support.reads import fetch_value, statements_sent
from tests.support.waiting import until

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pytest

SOME = [f"count-{number:02}" for number in range(40)]
"""Datasets of one ground: more than a page draws."""
FEW = 8
WAITING = "SELECT EXISTS (SELECT FROM pg_locks WHERE locktype = 'advisory' AND NOT granted)"
WHY = {"reason_fr": "Erreur.", "reason_en": "Mistake.", "by": "Ada"}


@dataclass(frozen=True)
class Shown:
    """A release that is looked at."""

    id: uuid.UUID
    dataset: str


async def published(*datasets: str) -> list[Shown]:
    """Seal a release of each, in turn."""
    await open_shop(*datasets)
    return [Shown(await make_release(code, rows=week(0)), code) for code in datasets]


def forget() -> None:
    """Know no more than a process that begins."""
    drawing._frees.cache_clear()
    drawing._wholes.cache_clear()


async def drawn_of(shown: Sequence[Shown]) -> dict[str, Picture]:
    """Return the pictures by dataset."""
    found = await pictures(shown)
    return {one.dataset: found[one.id] for one in shown if one.id in found}


async def test_a_process_that_begins_reads_what_was_drawn_and_draws_nothing() -> None:
    shown = await published(*SOME)
    assert not await pictures(shown), "so many are too much for a page"
    async with Browser() as stranger:
        page = await stranger.get(f"/en/datasets/{SOME[-1]}")
        assert "are still to be drawn" in page.text
        assert "Nobody sees this map" not in page.text
        sample = await stranger.get(f"/en/datasets/{SOME[-1]}/sample.csv")
        assert (sample.status_code, "are still to be drawn" in sample.text) == (409, True)
    assert await draw_missing() == len(SOME)
    assert await draw_missing() == 0
    first = await drawn_of(shown)
    assert {one.repeats.dataset for one in first.values() if one.repeats} == {SOME[0]}
    forget()
    await object_store.store().delete_async([object_store.cells_key(one.id) for one in shown])
    async with statements_sent() as sent:
        again = await drawn_of(shown)
    assert again == first, "without the cells, of which alone it could be drawn"
    assert len(sent) <= FEW, sent
    async with statements_sent() as sent:
        assert await drawn_of(shown) == first
    assert len(sent) <= 2, "each version is read once a process"


async def test_what_is_called_back_deletes_the_pictures_that_depend_on_it_and_no_others() -> None:
    first, second, third = await published("lyon", "evening", "night")
    await open_shop("paris", zones=[ELSEWHERE])
    paris = Shown(await make_release("paris"), "paris")
    all_of_it = [first, second, third, paris]
    before = await drawn_of(all_of_it)
    assert before["night"].repeats == before["lyon"].drawn
    versions = await list_versions([one.dataset for one in all_of_it])
    await revoke(second.id, **WHY)
    assert (await list_versions(["lyon", "paris"])).items() <= versions.items()
    assert not await list_versions(["evening", "night"])
    await draw_missing()
    await revoke(first.id, **WHY)
    assert await list_versions([one.dataset for one in all_of_it]) == {"paris": versions["paris"]}
    after = await drawn_of(all_of_it)
    assert (after["night"].repeats, after["night"].drawn.is_called_back) == (None, False)
    assert after["night"].glance.moved, "its own map"
    assert after["lyon"].drawn.is_called_back
    later = Shown(await make_release("lyon", rows=week(0)), "lyon")
    renewed = await drawn_of([later, third])
    assert renewed["lyon"].drawn.id == later.id
    assert renewed["lyon"].repeats == after["night"].drawn, "it is drawn after what was sealed since"
    assert renewed["night"] == after["night"]


async def test_flows_are_drawn_again_after_a_map_that_comes_later() -> None:
    await open_shop("flows", product="flows")
    await make_release("flows", rows=[row | {"zone": f"{row['zone']}>{row['zone']}"} for row in week(0)])
    await draw_missing()
    versions = await list_versions(["flows"])
    assert versions
    await published("lyon")
    await measure_new()
    assert not await list_versions(["flows"])
    assert [one.dataset for one in await list_undrawn()] == ["lyon", "flows"]
    assert await draw_missing() == 2


async def test_a_picture_made_before_a_call_back_is_not_kept_after_it() -> None:
    """Neither one of what was called back, nor one that was drawn after it; nor while the call is still to commit."""
    first, second = await published("lyon", "evening")
    await drawn_of([first])
    before, versions = (await list_before(["evening"]))["evening"], await list_versions(["lyon"])
    assert [one.id for one in before] == [first.id, second.id]
    async with transaction():
        await revoke(first.id, **WHY)
        keep = keep_drawn(before, versions, uuid.uuid4(), b"drawn")
        keeping = asyncio.create_task(keep, context=contextvars.Context())
        await until(lambda: fetch_value(WAITING))
        assert not keeping.done(), "it waits for the end of the call"
    assert await keeping is False
    assert await fetch_value("SELECT count(*) FROM picture") == 0


async def test_a_map_is_not_drawn_twice_under_two_secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    (shown,) = await published("lyon")
    before = await picture(shown)
    monkeypatch.setenv("PARTAGE_SECRET", "another secret of the operator")
    settings.cache_clear()
    forget()
    assert await picture(shown) == before
