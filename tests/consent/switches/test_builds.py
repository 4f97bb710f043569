"""Releases before and after each switch: planted people who all did the same, and let different parts of it count."""

import datetime as dt
import uuid
from pathlib import Path

import pytest
from msgspec import structs

from marketplace.consent.purposes import actions as consent
from marketplace.consent.purposes.queries import get_receipt
from marketplace.consent.switches import actions as switches
from marketplace.consent.switches import rules
from marketplace.consent.switches.rules import EVERYTHING, Scope, read
from marketplace.core import clock
from marketplace.core.errors import Conflict, Invalid
from marketplace.datasets.builds.own_events import read_own_events
from marketplace.datasets.releases import actions
from marketplace.datasets.releases.ingestion import ingest_events
from tests.consent.builders import PURPOSE
from tests.datasets.builders import END, LONG_AGO, START, ZONES, at, declare, kept, make_subscribers, write
from tests.support.reads import fetch_value

WENT = ((10, 0), (11, 0), (12, 1), (13, 1), (34, 2), (36, 3))
"""Hour and zone of what everyone did: twice at home on Saturday, and on Sunday elsewhere."""
PLANTED = {
    101: (structs.replace(EVERYTHING, home=False), 4),
    102: (structs.replace(EVERYTHING, places={ZONES[1]: False}), 4),
    103: (structs.replace(EVERYTHING, elsewhere=False, places={ZONES[2]: True}), 3),
    104: (structs.replace(EVERYTHING, sectors=("public",)), 0),
    105: (structs.replace(EVERYTHING, sources=("nights", "movements")), 0),
    106: (structs.replace(EVERYTHING, weekdays=(7,)), 2),
    107: (structs.replace(EVERYTHING, hours=(10, 12)), 4),
    108: (structs.replace(EVERYTHING, last_day=START.date()), 4),
    109: (EVERYTHING, 6),
    110: (structs.replace(EVERYTHING, home=False, elsewhere=False, places={ZONES[2]: True}), 1),
}
"""Line → what it lets be counted, and in how many cells that is."""
EXACT = {"epsilon_micro": 2_000_000_000, "budget_micro": 8_000_000_000, "max_cells": 20}
PERIOD = {"period_from": START, "period_to": END}


def everybody() -> list[int]:
    return [*range(1, 41), *PLANTED]


async def narrow(line: int, scope: Scope, when: dt.datetime = LONG_AGO) -> None:
    await consent.give(line, PURPOSE, at=when, covers=rules.write(scope))


async def plant_scopes(folder: Path) -> dict[str, str]:
    await make_subscribers(everybody())
    for line, (scope, _) in PLANTED.items():
        await narrow(line, scope, LONG_AGO + dt.timedelta(days=1))
    return write(folder, [(who, at(hour), ZONES[zone]) for who in everybody() for hour, zone in WENT], everybody())


async def weights(release: uuid.UUID) -> dict[int, int]:
    manifest = await kept(release, "manifest")
    return dict(zip(manifest["reference"].to_pylist(), manifest["weight"].to_pylist(), strict=True))


@pytest.mark.usefixtures("lavish_year")
async def test_a_release_has_of_each_person_what_their_words_let_it(tmp_path: Path) -> None:
    await declare(**EXACT)
    files = await plant_scopes(tmp_path)
    found = await weights(await actions.build("lyon", **files, **PERIOD))
    assert found == dict.fromkeys(range(1, 41), 6) | {line: cells for line, (_, cells) in PLANTED.items() if cells}
    # Wider words bring nothing back from before them, and a click that gives again is as narrow as the last one.
    for line in (101, 104, 106):
        await narrow(line, EVERYTHING, at(12))
    await consent.withdraw(107, PURPOSE, at=at(2))
    receipt = await consent.give(107, PURPOSE, at=at(3))
    assert read((await get_receipt(receipt, 107)).covers or "") == PLANTED[107][0]
    second = await actions.build("lyon", **files, **PERIOD, revision=2, note_fr="Encore.", note_en="Again.")
    again = await weights(second)
    assert {line: again.get(line, 0) for line in PLANTED} == {line: cells for line, (_, cells) in PLANTED.items()} | {
        104: 4,
        106: 4,
    }


@pytest.mark.usefixtures("lavish_year")
async def test_a_variant_has_those_who_accept_its_sectors_and_spends_from_the_one_budget(tmp_path: Path) -> None:
    await declare(**EXACT)
    files = await plant_scopes(tmp_path)
    public = {"code": "lyon-public", "sectors": ["public"], "variant_of": "lyon"}
    await declare(**EXACT | public)
    for wrong, why in (
        ({"max_cells": 19}, "nothing else may differ"),
        ({"variant_of": "lyon-public"}, "nothing else may differ"),
        ({"sectors": ["retail", "public"]}, "in the order"),
        ({"sectors": ["spies"]}, "not one of those listed"),
    ):
        with pytest.raises(Invalid, match=why):
            await declare(**EXACT | public | {"code": "lyon-other"} | wrong)
    for n in (2, 3):
        await declare(**EXACT | public | {"code": f"lyon-{n}"})
    with pytest.raises(Invalid, match="3 variants"):
        await declare(**EXACT | public | {"code": "lyon-4"})
    for_all = await weights(await actions.build("lyon", **files, **PERIOD))
    for_public = await weights(await actions.build("lyon-public", **files, **PERIOD))
    assert 104 not in for_all
    assert for_public == for_all | {104: 6}
    assert await fetch_value("SELECT spent_micro FROM dataset WHERE code = 'lyon'") == 2 * EXACT["epsilon_micro"]
    for hour in (24, 47):
        await actions.build("lyon", **files, period_from=START, period_to=at(hour))
    with pytest.raises(Conflict, match="budget of lyon is spent"):
        await actions.build("lyon-2", **files, **PERIOD)


async def test_what_nothing_may_count_is_not_even_stored(tmp_path: Path) -> None:
    await declare()
    files = await plant_scopes(tmp_path)
    await ingest_events(**files)

    def stored(line: int) -> set[dt.datetime]:
        return {dt.datetime.fromisoformat(event["at"]) for event in read_own_events(line, LONG_AGO) or ()}

    everything = {at(hour) for hour, _ in WENT}
    assert stored(1) == stored(109) == stored(104) == stored(105) == everything, (
        "what a dataset may use is its own matter"
    )
    assert stored(101) == everything - {at(10), at(11)}
    assert stored(102) == everything - {at(12), at(13)}
    assert stored(103) == everything, "what is next to home may be home where zones are larger"
    assert stored(110) == {at(34)}
    assert stored(106) == {at(34), at(36)}
    assert stored(107) == {at(10), at(12), at(34), at(36)}
    assert stored(108) == {at(hour) for hour, _ in WENT if hour < 24}
    await ingest_events(**files)
    assert stored(101) == everything - {at(10), at(11)}


async def test_a_pause_withdraws_everything_and_gives_it_back_as_narrow_as_it_was() -> None:
    await declare()
    await make_subscribers([1, 2])
    await switches.choose(1, PURPOSE, PLANTED[101][0])
    form = uuid.uuid4()
    assert await switches.pause(1, form) == 1
    assert await switches.pause(1, form) == 0
    given = "SELECT given FROM consent_record WHERE subscriber = 1 ORDER BY at DESC, id DESC LIMIT 1"
    assert await fetch_value(given) is False
    with clock.started_at(clock.now() + dt.timedelta(days=1)):
        assert await switches.resume(1, uuid.uuid4()) == 1
    assert await switches.resume(1, uuid.uuid4()) == 0
    assert await switches.pause(1, form) == 0, "a form is sent once"
    last = "SELECT covers FROM consent_record WHERE subscriber = 1 ORDER BY at DESC, id DESC LIMIT 1"
    assert read(await fetch_value(last)) == PLANTED[101][0]
    # A scope that allows nothing is a withdrawal; what is not named is off.
    await switches.choose(2, PURPOSE, Scope())
    assert (
        await fetch_value("SELECT bool_or(given) FROM consent_record WHERE subscriber = 2 AND at > $1", START) is False
    )
    assert read("{}") == Scope()
    assert not read('{"sources": ["presence"], "home": true}').allows_something
    for wrong in ('{"sources": ["spying"]}', '{"hours": [24]}', "[]", '{"places": {"": true}}', '{"more": 1}'):
        with pytest.raises(Invalid):
            read(wrong)
