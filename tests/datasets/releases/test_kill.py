"""Kill -9 between any two steps: a second run ends the same way, spends once, and leaves nothing half-written."""

import asyncio
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from marketplace.core import clock, object_store
from marketplace.core.errors import NotFound
from marketplace.core.settings import settings
from marketplace.datasets.releases import actions, publishing, queries
from tests.datasets.builders import PERIOD, crowd, declare, make_subscribers, write
from tests.support.reads import fetch_value

DYING = """
import asyncio, datetime, json, os, signal, sys
from marketplace.core import database
from marketplace.datasets.releases import actions
from marketplace.core.settings import settings

arguments = json.loads(sys.argv[1])
period = {name: datetime.datetime.fromisoformat(arguments.pop(name)) for name in ("period_from", "period_to")}
last = arguments.pop("dies_at")

def say(step, share):
    if step == last:
        os.kill(os.getpid(), signal.SIGKILL)

async def story():
    await database.open_pool(settings().database_url)
    await actions.build("lyon", **arguments, **period, progress=say)

asyncio.run(story())
"""
STEPS = (
    "checking the inputs",
    "committing the privacy budget",
    "asking who consents",
    "counting",
    "drawing noise",
    "measuring coverage",
    "weighing contributions",
    "keeping the noisy cells",
    "recording the noisy cells",
    "assessing the release",
    "recording the dossier",
    "sealing",
    "making editions",
    "recording the seal",
    "done",
)
QUICK = ("recording the noisy cells",)
"""Killed in every run; the others in the deep one."""


def die(step: str, files: dict[str, str]) -> None:
    """Run the build in another process that kills itself when it says `step`."""
    arguments = files | {name: instant.isoformat() for name, instant in PERIOD.items()} | {"dies_at": step}
    ended = subprocess.run([sys.executable, "-c", DYING, json.dumps(arguments)], env=os.environ, check=False)
    assert ended.returncode == -signal.SIGKILL


async def test_every_step_is_enumerated(tmp_path: Path) -> None:
    await declare(edition_multiples=[4, 16])
    await make_subscribers(range(1, 301))
    steps: list[str] = []
    files = write(tmp_path, crowd(300), range(1, 301))
    await actions.build("lyon", **files, **PERIOD, progress=lambda step, _: steps.append(step))
    assert tuple(dict.fromkeys(steps)) == STEPS


@pytest.mark.deep
@pytest.mark.parametrize(
    "step", [step if step in QUICK else pytest.param(step, marks=pytest.mark.deep) for step in STEPS]
)
async def test_a_killed_build_ends_the_same_way_and_spends_once(tmp_path: Path, step: str) -> None:
    await declare(edition_multiples=[4, 16])
    await make_subscribers(range(1, 301))
    files = write(tmp_path, crowd(300), range(1, 301))
    await asyncio.to_thread(die, step, files)
    kept = await fetch_value("SELECT cells_sha256 FROM release WHERE cells_sha256 <> ''")
    spent = await fetch_value("SELECT spent_micro FROM dataset")
    assert spent == (0 if step in STEPS[:2] else 2_000_000)
    assert (kept is not None) == (step in STEPS[STEPS.index("assessing the release") :])
    unsealed = await fetch_value("SELECT id FROM release WHERE state <> 'sealed'")
    if unsealed and step != "recording the seal":
        with pytest.raises(NotFound):
            await object_store.get(object_store.cells_key(unsealed))
    # Once the noisy cells are kept, the second run reads no event: there are none to read.
    inputs = {"events": "/gone", "subscribers": "/gone"} if kept else files
    release = await actions.build("lyon", **inputs, **PERIOD)
    row = await queries.get_release(release)
    assert row.state == "sealed"
    assert row.sealed_at <= clock.now()
    assert kept in {None, row.cells_sha256}
    assert await fetch_value("SELECT count(*) FROM release") == 1
    assert await fetch_value("SELECT spent_micro FROM dataset") == 2_000_000
    assert (await queries.cells(release)).num_rows == row.row_count
    assert int((await queries.manifest(release)).weights.sum()) == row.total_weight
    assert kept or not list((settings().state / "builds").glob("*"))


PUBLISHING = """
import asyncio, os, signal, sys, uuid
from marketplace.core import database
from marketplace.datasets.releases import publishing
from marketplace.core.settings import settings

def say(step, share):
    if step == sys.argv[2]:
        os.kill(os.getpid(), signal.SIGKILL)

async def story():
    await database.open_pool(settings().database_url)
    await publishing.publish(uuid.UUID(sys.argv[1]), by="Ada", progress=say)

asyncio.run(story())
"""


@pytest.mark.deep
@pytest.mark.parametrize(
    "step", ["making editions", *(pytest.param(s, marks=pytest.mark.deep) for s in ("sealing", "recording the seal"))]
)
async def test_a_killed_publication_is_published_whole_by_the_next(tmp_path: Path, step: str) -> None:
    await declare(edition_multiples=[4, 16])
    await make_subscribers(range(1, 301))
    files = write(tmp_path, crowd(300), range(1, 301))
    release = await actions.build("lyon", **files, **PERIOD, publish=False)
    before = await queries.get_release(release)
    dying = [sys.executable, "-c", PUBLISHING, str(release), step]
    ended = await asyncio.to_thread(subprocess.run, dying, env=os.environ, check=False)
    assert ended.returncode == -signal.SIGKILL
    assert (await queries.get_release(release)).state == "assessed"
    assert await fetch_value("SELECT count(*) FROM edition") == 0
    await publishing.publish(release, by="Bob")
    row = await queries.get_release(release)
    assert (row.state, row.sealed_by, row.cells_sha256) == ("sealed", "Bob", before.cells_sha256)
    assert await fetch_value("SELECT count(*) FROM edition") == 2
    assert await fetch_value("SELECT spent_micro FROM dataset") == 2_000_000
    assert await fetch_value("SELECT count(*) FROM privacy_spend") == 1
    assert (await queries.cells(release)).num_rows == row.row_count
