"""What attackers have: former colleagues, a gate's keys, people who live in two places."""

import asyncio
import datetime as dt
import os
import re
import uuid
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path

import pytest

from marketplace.core import clock, database
from marketplace.core.postgres import EmbeddedPostgres
from marketplace.core.settings import settings
from marketplace.datasets.builds import canary_counts
from marketplace.datasets.builds.aggregation import Aggregation
from marketplace.datasets.releases import actions as releases
from marketplace.people.identity import actions, ending
from marketplace.privacy import drawing
from marketplace.privacy.gate import findings as gate
from marketplace.privacy.specification import Specification
from tests.datasets.builders import PERIOD
from tests.people.builders import PASSWORD, make_partner, person_of
from tests.privacy.specs import gaussian, specification

EVE, FRIEND = "eve@atelier.example", "friend@elsewhere.example"


async def invite(partner: uuid.UUID, email: str, by: uuid.UUID | None = None) -> str:
    return await actions.invite_colleague(partner, email=email, name="Somebody", invitation_id=uuid.uuid4(), by=by)


async def join(partner: uuid.UUID, email: str) -> uuid.UUID:
    return await actions.accept_invitation(await invite(partner, email), PASSWORD, "en")


async def make_administrators() -> tuple[uuid.UUID, uuid.UUID, uuid.UUID]:
    """Return a partner and its two administrators, Claire and Eve."""
    partner = await make_partner()
    claire, eve = await person_of("claire@atelier.example"), await join(partner, EVE)
    await ending.set_role(partner, eve, "administrator", by=claire)
    return partner, claire, eve


KEY = bytes(range(32))


SPECIFICATIONS = {
    "presence": specification(20),
    "gaussian": gaussian(20),
    "by day": specification(20, hours=72, unit="day"),
    "flows by day": specification(20, hours=72, bands=1, product="flows", unit="day"),
    "stays": specification(20, hours=168, product="stays", unit="day", grain="day"),
    "sums over parents": specification(49, parent_resolution=7),
    "totals": specification(20, max_zones=3),
    "loud": specification(20, max_cells=48, epsilon_micro=10_000_000),
    "quiet": specification(20, max_cells=64, epsilon_micro=1_000_000),
    "table": specification(500, hours=336, bands=7, max_cells=24),
}


@pytest.fixture(autouse=True)
def _own_state(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    """Let counting look for the operator's sites where there are none."""
    monkeypatch.setenv("PARTAGE_STATE", str(tmp_path))
    settings.cache_clear()
    yield
    monkeypatch.undo()
    settings.cache_clear()


def membership(
    s: Specification, source: type[drawing.Source] = drawing.Source, counting: type[Aggregation] = Aggregation
) -> gate.Finding:
    return gate._membership(s, canary_counts.count(s, counting), KEY, source)


START = dt.datetime(2026, 10, 5, 9, 0, tzinfo=dt.UTC)


PUBLISHED = 333
"""People of all cells, as noise left them: the same in both worlds."""


CHANCE = re.compile(rb'(name="(?:_csrf_token|form_id|[a-z_]*id|form)" value=")[^"]*')
"""What a form draws afresh each time that it is shown."""


def live_in(
    postgres: EmbeddedPostgres, state: Path, name: str, seen: Callable[[], Awaitable[dict[str, bytes]]]
) -> dict[str, bytes]:
    """Return what is seen in a database of its own, at the start."""
    postgres.run_sql(f"CREATE DATABASE {name} TEMPLATE template OWNER partage STRATEGY FILE_COPY")
    before = dict(os.environ)
    os.environ |= {"DATABASE_URL": postgres.url(name), "PARTAGE_STATE": str(state / name), "VIES_URL": ""}
    settings.cache_clear()

    async def story() -> dict[str, bytes]:
        await database.open_pool(postgres.url(name))
        try:
            with clock.started_at(START):
                return await seen()
        finally:
            await database.close_pool()

    try:
        return asyncio.run(story())
    finally:
        os.environ.clear()
        os.environ |= before
        settings.cache_clear()
        postgres.run_sql(f"DROP DATABASE {name} WITH (FORCE)")


async def build_revision(revision: int = 1) -> uuid.UUID:
    notes = {"note_fr": "Corrigé.", "note_en": "Corrected."} if revision > 1 else {}
    return await releases.build("lyon", **PERIOD, revision=revision, **notes)
