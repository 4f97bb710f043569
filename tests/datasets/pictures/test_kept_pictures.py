"""Pictures are drawn once, ahead of the pages, and read by them; what is called back deletes all that depend on it."""

from __future__ import annotations

import asyncio
import contextvars
import uuid
from typing import TYPE_CHECKING, Any

import h3

from marketplace.catalogue.offers.actions import list_offer, withdraw_offer
from marketplace.catalogue.offers.offers import draw_pictures
from marketplace.core import clock, object_store
from marketplace.core.database import transaction
from marketplace.core.settings import settings
from marketplace.datasets.pictures import pictures as drawing
from marketplace.datasets.pictures.actions import NewPicture, keep_drawn, measure_new
from marketplace.datasets.pictures.pictures import Picture, draw_missing, picture, pictures
from marketplace.datasets.pictures.queries import list_before, list_former, list_undrawn, list_versions
from marketplace.datasets.pictures.rules import Zoning, zones_shown
from marketplace.datasets.releases.publishing import revoke
from marketplace.privacy.geography import H3
from tests.catalogue.builders import cells_of_week, open_catalogue, seal_week
from tests.datasets.builders import ELSEWHERE, ZONES, ReleaseLookedAt
from tests.people.builders import Browser, page_text
from tests.support.reads import fetch_value, statements_sent
from tests.support.waiting import until

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pytest

SOME = [f"count-{number:02}" for number in range(12)]
"""Datasets of one ground: more than BATCH_SIZE, all that a page draws here, and more than FEW."""
BATCH_SIZE = 10
FEW = 8
PARIS = tuple(sorted(h3.grid_disk(ELSEWHERE, 1)))
SOUTH = tuple(sorted(h3.grid_disk(h3.latlng_to_cell(43.3, 5.4, h3.get_resolution(ELSEWHERE)), 1)))
WAITING = "SELECT EXISTS (SELECT FROM pg_locks WHERE locktype = 'advisory' AND NOT granted)"
WHY = {"reason_fr": "Erreur.", "reason_en": "Mistake.", "by": "Ada"}


async def published(*datasets: str) -> list[ReleaseLookedAt]:
    """Seal a release of each, in turn."""
    await open_catalogue(*datasets)
    return [ReleaseLookedAt(await seal_week(code, rows=cells_of_week(0)), code) for code in datasets]


def week_of(zones: Sequence[str], number: int) -> list[dict[str, object]]:
    """Return a week's cells of as many zones as Lyon has."""
    there = dict(zip(ZONES, zones, strict=True))
    return [row | {"zone": there[str(row["zone"])]} for row in cells_of_week(number)]


def forget_pictures() -> None:
    """Know no more than a process that begins."""
    drawing._frees.cache_clear()
    drawing._wholes.cache_clear()


async def drawn_of(shown: Sequence[ReleaseLookedAt]) -> dict[str, Picture]:
    """Return the pictures by dataset."""
    found = await pictures(shown)
    return {one.dataset: found[one.id] for one in shown if one.id in found}


async def test_a_process_that_begins_reads_what_was_drawn_and_draws_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(drawing, "MOST_AT_ONCE", BATCH_SIZE)
    monkeypatch.setattr(drawing, "BATCH_SIZE", BATCH_SIZE)
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
    forget_pictures()
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
    await open_catalogue("paris", zones=[ELSEWHERE])
    paris = ReleaseLookedAt(await seal_week("paris"), "paris")
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
    later = ReleaseLookedAt(await seal_week("lyon", rows=cells_of_week(0)), "lyon")
    renewed = await drawn_of([later, third])
    assert renewed["lyon"].drawn.id == later.id
    assert renewed["lyon"].repeats == after["night"].drawn, "it is drawn after what was sealed since"
    assert renewed["night"] == after["night"]


async def test_flows_are_drawn_again_after_a_map_that_comes_later() -> None:
    await open_catalogue("flows", product="flows")
    await seal_week("flows", rows=[row | {"zone": f"{row['zone']}>{row['zone']}"} for row in cells_of_week(0)])
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
        keep = keep_drawn(before, versions, [], NewPicture(uuid.uuid4(), b"drawn", []))
        keeping = asyncio.create_task(keep, context=contextvars.Context())
        await until(lambda: fetch_value(WAITING))
        assert not keeping.done(), "it waits for the end of the call"
    assert await keeping is False
    assert await fetch_value("SELECT count(*) FROM picture") == 0


async def test_a_ground_has_two_maps_at_most_however_often_they_are_called_back() -> None:
    """Maps of several weeks together rebuild what one hides. By another dataset, or after all were called back, too."""
    shown = await published("lyon", "evening", "night")
    await open_catalogue("paris", zones=list(PARIS))
    paris = ReleaseLookedAt(await seal_week("paris", rows=week_of(PARIS, 1)), "paris")
    first = await drawn_of([*shown, paris])
    assert first["paris"].glance.classes
    await revoke(shown[1].id, **WHY)  # it repeats the map of another: no map ends
    await revoke(shown[0].id, **WHY)
    second = await drawn_of([shown[2]])
    assert second["night"].glance.moved, "a map of its own"
    assert not second["night"].is_over
    await revoke(shown[2].id, **WHY)
    later = [
        ReleaseLookedAt(await seal_week(code, rows=cells_of_week(number)), code)
        for number, code in enumerate(("lyon", "night"))
    ]
    await draw_missing()
    third = await drawn_of([*later, paris])
    for code in ("lyon", "night"):
        seen = third[code]
        assert (seen.glance.classes, seen.glance.moved, seen.glance.curve, seen.is_over) == ({}, {}, [], True)
        assert seen.glance.sample, "a few rows"
    assert third["paris"] == first["paris"]
    async with Browser() as stranger:
        for language, words in (("en", "have been called back"), ("fr", "ont été rappelées")):
            page = await stranger.get(f"/{language}/datasets/lyon")
            assert words in page.text
            assert "so concentrated" not in page.text
    await open_catalogue("all", zones=[*ZONES, *PARIS])
    wider = ReleaseLookedAt(await seal_week("all", rows=[*cells_of_week(0), *week_of(PARIS, 1)]), "all")
    assert set((await drawn_of([wider]))["all"].glance.classes) == set(first["paris"].glance.classes)


async def test_a_nation_keeps_its_map_when_its_cities_are_called_back(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is drawn again of a release shows what was seen of it: no map of its ground ended, and none is added."""
    monkeypatch.setenv("PARTAGE_SECRET", "another secret of the operator 5")
    settings.cache_clear()
    forget_pictures()
    for code, zones in (("paris", PARIS), ("south", SOUTH), ("nation", [*ZONES, *PARIS, *SOUTH])):
        await open_catalogue(code, zones=list(zones))
    paris = ReleaseLookedAt(await seal_week("paris", rows=week_of(PARIS, 5)), "paris")
    south = ReleaseLookedAt(await seal_week("south", rows=week_of(SOUTH, 7)), "south")
    rows = [*cells_of_week(6), *week_of(PARIS, 6), *week_of(SOUTH, 6)]
    nation = ReleaseLookedAt(await seal_week("nation", rows=rows), "nation")
    seen = []
    for gone in (paris, south):
        await revoke(gone.id, **WHY)
        await draw_missing()
        seen.append((await drawn_of([nation]))["nation"].glance.classes)
    assert set(seen[0]) == set(seen[1]) == {*ZONES, *PARIS, *SOUTH}
    elsewhere = [{zone: drawn[zone] for zone in [*ZONES, *PARIS]} for drawn in seen]
    assert elsewhere[0] == elsewhere[1]
    await open_catalogue("lyon")
    later = ReleaseLookedAt(await seal_week("lyon", rows=cells_of_week(6)), "lyon")
    shown = (await drawn_of([later]))["lyon"]
    assert shown.glance.classes == {zone: seen[0][zone] for zone in ZONES}, (
        "it repeats the nation's, which is as it was"
    )


async def test_a_map_of_its_own_is_as_it_was_when_a_neighbour_is_called_back() -> None:
    """Boxes that meet are not the same ground: vetted partners keep the shades by hour."""
    west, east = sorted(ZONES[:3]), sorted(ZONES[3:])
    for code, zones in (("west", west), ("east", east)):
        await open_catalogue(code, zones=zones)
    rows = [[row for row in cells_of_week(1) if row["zone"] in zones] for zones in (west, east)]
    gone = ReleaseLookedAt(await seal_week("west", rows=rows[0]), "west")
    kept = ReleaseLookedAt(await seal_week("east", rows=rows[1]), "east")
    before = (await drawn_of([gone, kept]))["east"]
    assert before.glance.moved
    await revoke(gone.id, **WHY)
    assert not await list_versions(["east"])
    assert (await drawn_of([kept]))["east"] == before


async def test_a_dataset_that_is_renewed_is_looked_at_before_it_is_measured() -> None:
    """Its box is not known meanwhile, and what was seen of it is."""
    await open_catalogue("lyon", "evening")
    for number in range(2):
        shown = ReleaseLookedAt(await seal_week("lyon", rows=cells_of_week(number)), "lyon")
        assert (await drawn_of([shown]))["lyon"].glance.classes
        await revoke(shown.id, **WHY)
    await seal_week("evening", rows=cells_of_week(3))
    await measure_new()
    await seal_week("lyon", rows=cells_of_week(4))
    assert len(await list_former("evening")) == 2


async def test_a_map_that_gives_way_to_one_sealed_before_it_is_counted() -> None:
    """Of two that are sealed at once, the one stamped first may come second."""
    await open_catalogue("lyon", "evening", "night")
    late = clock.now()
    evening = ReleaseLookedAt(await seal_week("evening", rows=cells_of_week(0)), "evening")
    maps = [(await drawn_of([evening]))["evening"].glance.classes]
    lyon = ReleaseLookedAt(await seal_week("lyon", rows=cells_of_week(1), sealed_at=late), "lyon")
    maps.append((await drawn_of([lyon]))["lyon"].glance.classes)
    for gone in (evening, lyon):
        await revoke(gone.id, **WHY)
    night = ReleaseLookedAt(await seal_week("night", rows=cells_of_week(4)), "night")
    assert maps[0] != maps[1]
    assert (await drawn_of([night]))["night"].is_over


async def test_a_release_that_is_drawn_though_nobody_may_see_it_is_one_map() -> None:
    """A dataset of which all was called back has no page, and a picture all the same, of the release that is known."""
    part = sorted(ZONES[:3])
    await open_catalogue("lyon")
    await open_catalogue("part", zones=part)
    lyon = ReleaseLookedAt(await seal_week("lyon", rows=cells_of_week(0)), "lyon")
    some = ReleaseLookedAt(
        await seal_week("part", rows=[row for row in cells_of_week(1) if row["zone"] in part]), "part"
    )
    await drawn_of([lyon, some])
    await revoke(lyon.id, **WHY)
    await draw_missing()
    await revoke(some.id, **WHY)
    known = await list_former("lyon")
    assert {one.release for one in known if one.dataset == "lyon"} == {lyon.id}
    geography, level = H3, h3.get_resolution(ZONES[0])
    here = Zoning(sorted(ZONES), geography, level)
    maps = [(one.release, Zoning(one.own_zones, geography, level)) for one in known]
    assert set(zones_shown(here, maps, 2)) <= set(part)


async def test_the_job_draws_what_is_on_sale_and_nothing_else() -> None:
    """Sealed, seen to be wrong and called back before it is on sale, a release costs its ground no map."""
    await open_catalogue("lyon")
    await withdraw_offer("lyon")
    for number in range(2):
        release = await seal_week("lyon", rows=cells_of_week(number))
        assert await draw_pictures() == 0
        await revoke(release, **WHY)
    later = ReleaseLookedAt(await seal_week("lyon", rows=cells_of_week(3)), "lyon")
    worth = {"full_worth_minor": 240_000, "floor_minor": 15_000, "cap_minor": 400_000}
    await list_offer("lyon", terms="standard-1", **worth)
    assert await draw_pictures() == 1
    assert (await drawn_of([later]))["lyon"].glance.classes


async def test_no_third_map_where_a_dataset_is_sealed_while_the_job_measures(monkeypatch: pytest.MonkeyPatch) -> None:
    """The job has measured, a release is sealed, the job lists it; another process measures it before the job keeps it."""
    await open_catalogue("lyon", "evening")
    for number in range(2):
        shown = ReleaseLookedAt(await seal_week("lyon", rows=cells_of_week(number)), "lyon")
        assert (await drawn_of([shown]))["lyon"].glance.classes
        await revoke(shown.id, **WHY)
    sealed: list[uuid.UUID] = []
    measure, read = drawing.measure_new, drawing.cells

    async def measure_and_seal() -> None:
        await measure()
        sealed.extend([] if sealed else [await seal_week("evening", rows=cells_of_week(4))])

    async def read_and_measure(release: uuid.UUID) -> Any:
        found = await read(release)
        await measure()
        return found

    monkeypatch.setattr(drawing, "measure_new", measure_and_seal)
    monkeypatch.setattr(drawing, "cells", read_and_measure)
    assert await draw_pictures() == 0
    monkeypatch.undo()
    seen = (await drawn_of([ReleaseLookedAt(sealed[0], "evening")]))["evening"]
    assert (seen.is_over, seen.glance.classes) == (True, {})


async def test_what_was_called_back_before_it_was_drawn_is_no_map() -> None:
    await open_catalogue("lyon")
    await revoke(await seal_week("lyon", rows=cells_of_week(0)), **WHY)
    await draw_pictures()
    for number in (1, 3):
        shown = ReleaseLookedAt(await seal_week("lyon", rows=cells_of_week(number)), "lyon")
        assert (await drawn_of([shown]))["lyon"].glance.classes
        await revoke(shown.id, **WHY)
    fourth = ReleaseLookedAt(await seal_week("lyon", rows=cells_of_week(4)), "lyon")
    assert (await drawn_of([fourth]))["lyon"].is_over


async def test_the_page_says_why_a_map_that_could_only_repeat_another_is_not_shown() -> None:
    await open_catalogue("lyon", "night")
    first = ReleaseLookedAt(await seal_week("lyon", rows=cells_of_week(0)), "lyon")
    classes = (await drawn_of([first]))["lyon"].glance.classes
    unlike = [row | {"people": 100 + 300 * (2 - classes[str(row["zone"])])} for row in cells_of_week(1)]
    await seal_week("night", rows=unlike)
    async with Browser() as stranger:
        page = page_text(await stranger.get("/en/datasets/night"))
    assert "it could only repeat that, and it is not like it" in page
    assert "concentrated" not in page


async def test_the_page_says_why_a_part_of_the_map_is_left_out() -> None:
    await open_catalogue("lyon")
    for number in range(2):
        shown = ReleaseLookedAt(await seal_week("lyon", rows=cells_of_week(number)), "lyon")
        await drawn_of([shown])
        await revoke(shown.id, **WHY)
    await open_catalogue("all", zones=[*ZONES, *PARIS])
    wider = ReleaseLookedAt(await seal_week("all", rows=[*cells_of_week(0), *week_of(PARIS, 1)]), "all")
    assert set((await drawn_of([wider]))["all"].glance.classes) == set(PARIS)
    async with Browser() as stranger:
        page = page_text(await stranger.get("/en/datasets/all"))
    assert "Some zones are left out: maps of them have been called back" in page


async def test_a_map_is_not_drawn_twice_under_two_secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    (shown,) = await published("lyon")
    before = await picture(shown)
    monkeypatch.setenv("PARTAGE_SECRET", "another secret of the operator")
    settings.cache_clear()
    forget_pictures()
    assert await picture(shown) == before
