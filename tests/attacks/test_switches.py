"""One person's switches reveal nothing to others: what anybody else sees is the same for all that somebody may let be counted.

The attack: two worlds differ in one person's words alone, in what it lets count, where, when and for whom, paused in one of them and
not in the other, and publish the same cells, because noise made up the difference. Every page and answer of everybody
else must be the same to the byte. And a variant that a person refuses counts exactly what it would if that person had no
event at all: they are not in what its buyers have.
"""

import random
import re
import uuid
from pathlib import Path
from typing import Any

import pytest
from msgspec import structs

from marketplace.consent.switches import actions as switches
from marketplace.consent.switches.rules import EVERYTHING, Scope
from marketplace.core.postgres import EmbeddedPostgres
from marketplace.datasets.releases import actions as datasets
from marketplace.subscribers.earnings.actions import hold_shares
from marketplace.subscribers.operators.actions import add_key
from tests.attacks.builders import CHANCE, PUBLISHED, START, live_in
from tests.datasets import builders
from tests.people.builders import visiting
from tests.subscribers.builders import sales
from tests.support.reads import fetch_value

VICTIM, OTHERS = 77, (1, 2, 40)
NARROW = structs.replace(EVERYTHING, home=False, sectors=("public",), hours=(8, 9), places={builders.ZONES[0]: False})
WRITTEN_AT = re.compile(rb'datetime="[^"]*"')
"""The instant behind what a page shows to the minute: the clock goes on in each world."""
MY_PAGES = (
    "my-data",
    "consent",
    f"consent/choices/{sales.PURPOSE}",
    "earnings",
    "earnings/rewards",
    "earnings/payouts",
)
STEWARDS = ("steward/sectors", "steward/datasets", "steward/datasets/lyon", "steward")


async def seen_with(scope: Scope) -> dict[str, bytes]:
    """Sell a release that the victim is more or less in, and return what everybody else sees; narrow, they paused too."""
    await sales.write_lines(range(1, 100))
    for who in OTHERS:
        await switches.choose(who, sales.PURPOSE, EVERYTHING, receipt=uuid.UUID(int=who))
    await switches.choose(VICTIM, sales.PURPOSE, scope, receipt=uuid.UUID(int=VICTIM))
    weights = {who: who % 6 + 1 for who in range(1, 60)} | ({VICTIM: 6} if scope == EVERYTHING else {})
    release = await sales.seal_weights(weights, published=PUBLISHED, started_at=START - 3 * sales.MONTH)
    licence = await sales.write_sale(release, 10_001, fee=318, sold_at=START)
    await hold_shares()
    if scope == NARROW:
        await switches.pause(VICTIM, uuid.UUID(int=5))
    order, seen = await sales.order_of_licence(licence), dict[str, bytes]()

    async def look(who: str, client: Any, *paths: str) -> None:
        for path in paths:
            answer = await client.get(path)
            seen[f"{who} {path}"] = b"%d " % answer.status_code + WRITTEN_AT.sub(
                b"", CHANCE.sub(rb"\1", answer.content)
            )

    for who in OTHERS:
        async with visiting(who) as subscriber:
            await look(str(who), subscriber, *(f"/{lang}/{path}" for path in MY_PAGES for lang in ("en", "fr")))
            await look(str(who), subscriber, f"/en/earnings/shares/{licence}")
    async with visiting(partner=await fetch_value("SELECT id FROM partner WHERE company = 'Acme'")) as partner:
        await look("partner", partner, "/en/datasets/lyon", f"/en/orders/{order}", f"/en/orders/{order}/statement")
    async with visiting(role="steward") as steward:
        await look("steward", steward, *(f"/en/{path}" for path in STEWARDS))
    async with visiting() as stranger:
        await look("stranger", stranger, "/en/datasets", "/en/datasets/lyon", "/en/log", "/api/v1/datasets/lyon")
        stranger.headers["authorization"] = f"Bearer {await add_key('app', ())}"
        await look("operator", stranger, *(f"/api/v1/operator/uses/{who}" for who in OTHERS))
    return seen


@pytest.mark.long
def test_one_persons_switches_change_nothing_that_others_see(
    postgres: EmbeddedPostgres, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    both = []
    for name, scope in (("switched_on", EVERYTHING), ("switched_off", NARROW)):
        chance = random.Random(17)  # noqa: S311 (ids of a test)
        monkeypatch.setattr(uuid, "uuid4", lambda chance=chance: uuid.UUID(int=chance.getrandbits(128), version=4))

        async def seen(scope: Scope = scope) -> dict[str, bytes]:
            return await seen_with(scope)

        both.append(live_in(postgres, tmp_path, name, seen))
    assert sum(page.startswith(b"200 ") for page in both[0].values()) > 40
    on, off = both
    assert [path for path, page in on.items() if page != off[path]] == []


@pytest.mark.deep
@pytest.mark.usefixtures("lavish_year")
async def test_who_refuses_a_sector_is_in_a_variant_for_it_as_if_they_had_no_event(tmp_path: Path) -> None:
    """The same build with and without the person's events: the same people with the same weights, and the same cells."""
    exact = {"epsilon_micro": 2_000_000_000, "budget_micro": 8_000_000_000, "max_cells": 20}
    everybody = [*range(1, 41), VICTIM]
    await builders.declare(**exact)
    for code, sectors in (("lyon-insured", ["insurance"]), ("lyon-public", ["public"])):
        await builders.declare(**exact | {"code": code, "sectors": sectors, "variant_of": "lyon"})
    await builders.make_subscribers(everybody)
    await switches.choose(VICTIM, builders.PURPOSE, structs.replace(EVERYTHING, sectors=("public",)))
    went = [(who, builders.at(hour), builders.ZONES[hour % 3]) for who in everybody for hour in range(8)]
    period = {"period_from": builders.START, "period_to": builders.END}
    counted = {}
    for name, events in (("with", went), ("without", [event for event in went if event[0] != VICTIM])):
        (tmp_path / name).mkdir()
        files = builders.write(tmp_path / name, events, everybody)
        for number, code in enumerate(("lyon-insured", "lyon-public")):
            revision = {"revision": 2, "note_fr": "Encore.", "note_en": "Again."} if name == "without" else {}
            release = await datasets.build(code, **files, **period | revision)
            manifest = await builders.kept(release, "manifest")
            counted[name, number] = dict(
                zip(manifest["reference"].to_pylist(), manifest["weight"].to_pylist(), strict=True)
            )
    assert counted["with", 0] == counted["without", 0]
    assert VICTIM not in counted["with", 0]
    assert counted["with", 1] == counted["without", 1] | {VICTIM: counted["with", 1][1]}
