"""Pictures are drawn once, ahead of the pages, and read by them; what is called back deletes all that depend on it."""

from __future__ import annotations

import asyncio
import contextvars
import uuid
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import h3

from marketplace import clock, object_store
from marketplace import pictures as drawing
from marketplace.catalogue.actions import list_offer, withdraw_offer
from marketplace.catalogue.offers import draw_pictures
from marketplace.database import transaction
from marketplace.datasets.publishing import revoke
from marketplace.footprints.actions import NewPicture, keep_drawn, measure_new
from marketplace.footprints.queries import list_before, list_former, list_undrawn, list_versions
from marketplace.footprints.rules import Zoning, zones_shown
from marketplace.pictures import Picture, draw_missing, picture, pictures
from marketplace.privacy.geography import H3
from marketplace.settings import settings
from migrations.history import m0125_former_maps, m0128_recalls_beside_others
from tests.attacks.test_many_weeks import week
from tests.marketplace.catalogue.shop import make_release, open_shop
from tests.marketplace.datasets.builders import ELSEWHERE, ZONES
from tests.marketplace.identity.site import Browser, text_of
from tests.support.owner import as_owner
from tests.support.reads import fetch_value, statements_sent
from tests.support.waiting import until

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pytest

SOME = [f"count-{number:02}" for number in range(40)]
"""Datasets of one ground: more than a page draws."""
FEW = 8
PARIS = tuple(sorted(h3.grid_disk(ELSEWHERE, 1)))
SOUTH = tuple(sorted(h3.grid_disk(h3.latlng_to_cell(43.3, 5.4, h3.get_resolution(ELSEWHERE)), 1)))
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


def week_of(zones: Sequence[str], number: int) -> list[dict[str, object]]:
    """Return a week's cells of as many zones as Lyon has."""
    there = dict(zip(ZONES, zones, strict=True))
    return [row | {"zone": there[str(row["zone"])]} for row in week(number)]


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
        keep = keep_drawn(before, versions, [], NewPicture(uuid.uuid4(), b"drawn", []))
        keeping = asyncio.create_task(keep, context=contextvars.Context())
        await until(lambda: fetch_value(WAITING))
        assert not keeping.done(), "it waits for the end of the call"
    assert await keeping is False
    assert await fetch_value("SELECT count(*) FROM picture") == 0


async def test_a_ground_has_two_maps_at_most_however_often_they_are_called_back() -> None:
    """Maps of several weeks together rebuild what one hides. By another dataset, or after all were called back, too."""
    shown = await published("lyon", "evening", "night")
    await open_shop("paris", zones=list(PARIS))
    paris = Shown(await make_release("paris", rows=week_of(PARIS, 1)), "paris")
    first = await drawn_of([*shown, paris])
    assert first["paris"].glance.classes
    await revoke(shown[1].id, **WHY)  # it repeats the map of another: no map ends
    await revoke(shown[0].id, **WHY)
    second = await drawn_of([shown[2]])
    assert second["night"].glance.moved, "a map of its own"
    assert not second["night"].is_over
    await revoke(shown[2].id, **WHY)
    later = [Shown(await make_release(code, rows=week(number)), code) for number, code in enumerate(("lyon", "night"))]
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
    await open_shop("all", zones=[*ZONES, *PARIS])
    wider = Shown(await make_release("all", rows=[*week(0), *week_of(PARIS, 1)]), "all")
    assert set((await drawn_of([wider]))["all"].glance.classes) == set(first["paris"].glance.classes)


async def test_a_nation_keeps_its_map_when_its_cities_are_called_back(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is drawn again of a release shows what was seen of it: no map of its ground ended, and none is added."""
    monkeypatch.setenv("PARTAGE_SECRET", "another secret of the operator 5")
    settings.cache_clear()
    forget()
    for code, zones in (("paris", PARIS), ("south", SOUTH), ("nation", [*ZONES, *PARIS, *SOUTH])):
        await open_shop(code, zones=list(zones))
    paris = Shown(await make_release("paris", rows=week_of(PARIS, 5)), "paris")
    south = Shown(await make_release("south", rows=week_of(SOUTH, 7)), "south")
    rows = [*week(6), *week_of(PARIS, 6), *week_of(SOUTH, 6)]
    nation = Shown(await make_release("nation", rows=rows), "nation")
    seen = []
    for gone in (paris, south):
        await revoke(gone.id, **WHY)
        await draw_missing()
        seen.append((await drawn_of([nation]))["nation"].glance.classes)
    assert set(seen[0]) == set(seen[1]) == {*ZONES, *PARIS, *SOUTH}
    elsewhere = [{zone: drawn[zone] for zone in [*ZONES, *PARIS]} for drawn in seen]
    assert elsewhere[0] == elsewhere[1]
    await open_shop("lyon")
    later = Shown(await make_release("lyon", rows=week(6)), "lyon")
    shown = (await drawn_of([later]))["lyon"]
    assert shown.glance.classes == {zone: seen[0][zone] for zone in ZONES}, (
        "it repeats the nation's, which is as it was"
    )


async def test_a_map_of_its_own_is_as_it_was_when_a_neighbour_is_called_back() -> None:
    """Boxes that meet are not the same ground: vetted partners keep the shades by hour."""
    west, east = sorted(ZONES[:3]), sorted(ZONES[3:])
    for code, zones in (("west", west), ("east", east)):
        await open_shop(code, zones=zones)
    rows = [[row for row in week(1) if row["zone"] in zones] for zones in (west, east)]
    gone = Shown(await make_release("west", rows=rows[0]), "west")
    kept = Shown(await make_release("east", rows=rows[1]), "east")
    before = (await drawn_of([gone, kept]))["east"]
    assert before.glance.moved
    await revoke(gone.id, **WHY)
    assert not await list_versions(["east"])
    assert (await drawn_of([kept]))["east"] == before


async def test_of_a_picture_that_a_former_version_drew_zones_beside_what_it_repeats_are_its_own() -> None:
    part = sorted(ZONES[:3])
    await open_shop("part", zones=part)
    await open_shop("lyon")
    some = Shown(await make_release("part", rows=[row for row in week(0) if row["zone"] in part]), "part")
    lyon = Shown(await make_release("lyon", rows=week(0)), "lyon")
    before = (await drawn_of([some, lyon]))["lyon"]
    assert before.repeats
    assert before.glance.classes
    await as_owner("UPDATE picture SET own_zones = NULL")
    await revoke(some.id, **WHY)
    after = (await drawn_of([lyon]))["lyon"].glance.classes
    own = set(ZONES) - set(part)
    assert {zone: after[zone] for zone in own} == {zone: before.glance.classes[zone] for zone in own}


async def test_pictures_that_a_former_version_drew_are_counted_once() -> None:
    """It is not known which zones each was the first to show: of one that repeats another's, none."""
    first, second, third = await published("lyon", "evening", "night")
    await drawn_of([first, second, third])
    await as_owner("UPDATE picture SET own_zones = NULL")
    await revoke(first.id, **WHY)
    assert not (await drawn_of([second]))["evening"].is_over
    await revoke(second.id, **WHY)
    assert (await drawn_of([third]))["night"].is_over


async def test_a_dataset_that_is_renewed_is_looked_at_before_it_is_measured() -> None:
    """Its box is not known meanwhile, and what was seen of it is."""
    await open_shop("lyon", "evening")
    for number in range(2):
        shown = Shown(await make_release("lyon", rows=week(number)), "lyon")
        assert (await drawn_of([shown]))["lyon"].glance.classes
        await revoke(shown.id, **WHY)
    await make_release("evening", rows=week(3))
    await measure_new()
    await make_release("lyon", rows=week(4))
    assert len(await list_former("evening")) == 2


async def test_a_map_that_gives_way_to_one_sealed_before_it_is_counted() -> None:
    """Of two that are sealed at once, the one stamped first may come second."""
    await open_shop("lyon", "evening", "night")
    late = clock.now()
    evening = Shown(await make_release("evening", rows=week(0)), "evening")
    maps = [(await drawn_of([evening]))["evening"].glance.classes]
    lyon = Shown(await make_release("lyon", rows=week(1), sealed_at=late), "lyon")
    maps.append((await drawn_of([lyon]))["lyon"].glance.classes)
    for gone in (evening, lyon):
        await revoke(gone.id, **WHY)
    night = Shown(await make_release("night", rows=week(4)), "night")
    assert maps[0] != maps[1]
    assert (await drawn_of([night]))["night"].is_over


async def test_a_release_that_is_drawn_though_nobody_may_see_it_is_one_map() -> None:
    """A dataset of which all was called back has no page, and a picture all the same, of the release that is known."""
    part = sorted(ZONES[:3])
    await open_shop("lyon")
    await open_shop("part", zones=part)
    lyon = Shown(await make_release("lyon", rows=week(0)), "lyon")
    some = Shown(await make_release("part", rows=[row for row in week(1) if row["zone"] in part]), "part")
    await drawn_of([lyon, some])
    await revoke(lyon.id, **WHY)
    await draw_missing()
    await revoke(some.id, **WHY)
    known = await list_former("lyon")
    assert {one.release for one in known if one.dataset == "lyon"} == {lyon.id}
    geography, level = H3, h3.get_resolution(ZONES[0])
    here = Zoning(sorted(ZONES), geography, level)
    maps = [(one.release, Zoning(one.own_zones or [], geography, level)) for one in known]
    assert set(zones_shown(here, maps, 2)) <= set(part)


async def test_the_job_draws_what_is_on_sale_and_nothing_else() -> None:
    """Sealed, seen to be wrong and called back before it is on sale, a release costs its ground no map."""
    await open_shop("lyon")
    await withdraw_offer("lyon")
    for number in range(2):
        release = await make_release("lyon", rows=week(number))
        assert await draw_pictures() == 0
        await revoke(release, **WHY)
    later = Shown(await make_release("lyon", rows=week(3)), "lyon")
    worth = {"full_worth_minor": 240_000, "floor_minor": 15_000, "cap_minor": 400_000}
    await list_offer("lyon", terms="standard-1", **worth)
    assert await draw_pictures() == 1
    assert (await drawn_of([later]))["lyon"].glance.classes


async def test_what_was_called_back_before_counts_where_it_had_a_map() -> None:
    first, second, third = await published("lyon", "evening", "night")
    await draw_missing()
    await revoke(second.id, **WHY)
    await revoke(third.id, **WHY)
    fill = m0125_former_maps.SQL[m0125_former_maps.SQL.index("WITH recalled") :]
    await as_owner(fill)
    assert await fetch_value("SELECT count(*) FROM former_map") == 0, "those two repeated the first one's"
    await as_owner("ALTER TABLE picture DISABLE TRIGGER remember_map")
    await revoke(first.id, **WHY)
    await as_owner("ALTER TABLE picture ENABLE TRIGGER remember_map")
    await as_owner(fill)
    assert await fetch_value("SELECT release FROM former_map") == first.id


async def test_what_was_called_back_beside_another_ground_counts_as_well() -> None:
    """West and east share no zone, though their boxes meet: the west's map was its own."""
    west, east = sorted(ZONES[:3]), sorted(ZONES[3:])
    for code, zones in (("west", west), ("east", east), ("west-too", west)):
        await open_shop(code, zones=zones)
    await make_release("east", rows=[row for row in week(0) if row["zone"] in east])
    rows = [row for row in week(0) if row["zone"] in west]
    first, repeating = await make_release("west", rows=rows), await make_release("west-too", rows=rows)
    await draw_missing()
    await as_owner("ALTER TABLE picture DISABLE TRIGGER remember_map")
    for release in (repeating, first):
        await revoke(release, **WHY)
    await as_owner("ALTER TABLE picture ENABLE TRIGGER remember_map")
    await as_owner(m0125_former_maps.SQL[m0125_former_maps.SQL.index("WITH recalled") :])
    assert await fetch_value("SELECT count(*) FROM former_map") == 0
    for _ in range(2):
        await as_owner(m0128_recalls_beside_others.SQL)
        assert await fetch_value("SELECT array_agg(release) FROM former_map") == [first]


async def test_no_third_map_where_a_dataset_is_sealed_while_the_job_measures(monkeypatch: pytest.MonkeyPatch) -> None:
    """The job has measured, a release is sealed, the job lists it; another process measures it before the job keeps it."""
    await open_shop("lyon", "evening")
    for number in range(2):
        shown = Shown(await make_release("lyon", rows=week(number)), "lyon")
        assert (await drawn_of([shown]))["lyon"].glance.classes
        await revoke(shown.id, **WHY)
    sealed: list[uuid.UUID] = []
    measure, read = drawing.measure_new, drawing.cells

    async def measure_and_seal() -> None:
        await measure()
        sealed.extend([] if sealed else [await make_release("evening", rows=week(4))])

    async def read_and_measure(release: uuid.UUID) -> Any:
        found = await read(release)
        await measure()
        return found

    monkeypatch.setattr(drawing, "measure_new", measure_and_seal)
    monkeypatch.setattr(drawing, "cells", read_and_measure)
    assert await draw_pictures() == 0
    monkeypatch.undo()
    seen = (await drawn_of([Shown(sealed[0], "evening")]))["evening"]
    assert (seen.is_over, seen.glance.classes) == (True, {})


async def test_what_was_called_back_before_it_was_drawn_is_no_map() -> None:
    await open_shop("lyon")
    await revoke(await make_release("lyon", rows=week(0)), **WHY)
    await draw_pictures()
    for number in (1, 3):
        shown = Shown(await make_release("lyon", rows=week(number)), "lyon")
        assert (await drawn_of([shown]))["lyon"].glance.classes
        await revoke(shown.id, **WHY)
    fourth = Shown(await make_release("lyon", rows=week(4)), "lyon")
    assert (await drawn_of([fourth]))["lyon"].is_over


async def test_the_page_says_why_a_map_that_could_only_repeat_another_is_not_shown() -> None:
    await open_shop("lyon", "night")
    first = Shown(await make_release("lyon", rows=week(0)), "lyon")
    classes = (await drawn_of([first]))["lyon"].glance.classes
    unlike = [row | {"people": 100 + 300 * (2 - classes[str(row["zone"])])} for row in week(1)]
    await make_release("night", rows=unlike)
    async with Browser() as stranger:
        page = text_of(await stranger.get("/en/datasets/night"))
    assert "it could only repeat that, and it is not like it" in page
    assert "concentrated" not in page


async def test_the_page_says_why_a_part_of_the_map_is_left_out() -> None:
    await open_shop("lyon")
    for number in range(2):
        shown = Shown(await make_release("lyon", rows=week(number)), "lyon")
        await drawn_of([shown])
        await revoke(shown.id, **WHY)
    await open_shop("all", zones=[*ZONES, *PARIS])
    wider = Shown(await make_release("all", rows=[*week(0), *week_of(PARIS, 1)]), "all")
    assert set((await drawn_of([wider]))["all"].glance.classes) == set(PARIS)
    async with Browser() as stranger:
        page = text_of(await stranger.get("/en/datasets/all"))
    assert "Some zones are left out: maps of them have been called back" in page


async def test_a_map_is_not_drawn_twice_under_two_secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    (shown,) = await published("lyon")
    before = await picture(shown)
    monkeypatch.setenv("PARTAGE_SECRET", "another secret of the operator")
    settings.cache_clear()
    forget()
    assert await picture(shown) == before
