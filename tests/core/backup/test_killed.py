"""Killed between any two of its steps, a backup leaves nothing readable, and a restore is not served from until it has ended."""

import asyncio
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pyrage
import pytest

from marketplace.commands.restore import _restore
from marketplace.core import object_store
from marketplace.core.backup.actions import back_up, new_key, restore
from marketplace.core.backup.archive import list_objects
from marketplace.core.backup.queries import find_last_restoration
from marketplace.core.backup.unfinished import find_mark
from marketplace.core.errors import Conflict, Invalid
from marketplace.core.postgres import ROOT_STATE, EmbeddedPostgres
from marketplace.core.sealing import public_key
from marketplace.core.settings import settings
from marketplace.core.working_folders import is_abandoned
from marketplace.site.health.checks import check_database
from tests.core.backup import age_reader
from tests.core.backup.machines import empty_machine
from tests.core.builders import put_objects
from tests.finance.builders import sales
from tests.support.production import OPERATORS_OWN, key
from tests.support.reads import fetch_value
from tests.support.waiting import until

DYING = """
import json, os, signal, sys
from importlib import import_module
words, module, name, calls = json.loads(sys.argv[1])
where, left = import_module(module), calls
real = getattr(where, name)
def dies(*given, **named):
    global left
    left -= 1
    if not left:
        os.kill(os.getpid(), signal.SIGKILL)
    return real(*given, **named)
setattr(where, name, dies)
from marketplace.__main__ import parser
chosen = parser().parse_args(words)
sys.exit(chosen.run(chosen))
"""
STEPS = {
    "an object of several": ("marketplace.core.backup.archive", "_content_of", 2),
    "the mark": ("marketplace.core.backup.actions", "write_mark", 2),
    "the database": ("marketplace.core.backup.actions", "restore_dump", 1),
    "the schema": ("migrations.runner", "migrate", 1),
    "the note": ("marketplace.core.backup.actions", "note_restoration", 1),
    "the look at Stripe": ("marketplace.money.payments.outbox", "look_before_calling", 1),
    "the erasures": ("marketplace.oversight.rights.repeating", "erase_again", 1),
    "the end": ("marketplace.core.backup.unfinished", "remove_mark", 1),
}
"""What a restore is about to do when it is killed."""


def killed(words: list[str], module: str, name: str, calls: int) -> None:
    """Run a command that is killed as it calls a function for the so-manieth time."""
    command = [sys.executable, "-c", DYING, json.dumps([words, module, name, calls])]
    ran = subprocess.run(command, env=os.environ, capture_output=True, text=True, check=False)
    assert ran.returncode == -signal.SIGKILL, (ran.stdout, ran.stderr)


NOT_ENDED = "A restore of this database has not ended: give the same `marketplace restore` command again first.\n"
OF_WEB = OPERATORS_OWN | {"PARTAGE_REHEARSAL": "1"}
OF_JOBS = OPERATORS_OWN | {
    "PARTAGE_REHEARSAL": "1",
    "PARTAGE_BID_KEY": key("bids"),
    "PARTAGE_BID_PUBLIC_KEY": public_key(key("bids")),
    "PARTAGE_LOG_KEY": key("log"),
}


def printed_by_python(*words: str, **more: str) -> str:
    """Run Python to its end and return all that it printed."""
    ran = subprocess.run(
        [sys.executable, *words], env=os.environ | more, capture_output=True, text=True, timeout=60, check=False
    )
    return ran.stdout + ran.stderr


@pytest.mark.deep
@pytest.mark.parametrize(
    "step", ["the database", *(pytest.param(step, marks=pytest.mark.deep) for step in STEPS if step != "the database")]
)
async def test_a_restore_that_was_killed_is_not_served_from_and_goes_on(
    postgres: EmbeddedPostgres, tmp_path: Path, step: str
) -> None:
    await sales.write_shop()
    objects = await put_objects()
    place, manifest = await back_up(str(tmp_path / "backups"), [new_key(tmp_path / "key")])
    async with empty_machine(postgres, tmp_path / "there"):
        killed(["restore", place, "--identity", str(tmp_path / "key")], *STEPS[step])
        refused = await asyncio.to_thread(printed_by_python, "-m", "marketplace", "serve", "--rehearsal", **OF_WEB)
        assert refused == NOT_ENDED
        assert (await check_database()).problem == "A restore has not ended."
        assert await _restore(place, tmp_path / "key")
        assert await find_mark() is None
        assert {name: await object_store.get(name) for name in objects} == objects
        assert await fetch_value("SELECT count(*) FROM restoration") == 1
        found = await find_last_restoration()
        assert found is not None
        assert found.backed_up_at.isoformat() == manifest.made_at
        assert (await check_database()).problem == ""
        with pytest.raises(Conflict, match="The database is not empty"):
            await restore(place, tmp_path / "key")


@pytest.mark.deep
async def test_nothing_but_the_same_restore_goes_on_where_one_was_killed(
    postgres: EmbeddedPostgres, tmp_path: Path
) -> None:
    await put_objects()
    place, _ = await back_up(str(tmp_path / "backups"), [public := new_key(tmp_path / "key")])
    await object_store.put("later", b"later")
    other, _ = await back_up(str(tmp_path / "backups"), [public])
    async with empty_machine(postgres, tmp_path / "there"):
        killed(["restore", other, "--identity", str(tmp_path / "key")], *STEPS["the database"])
        with pytest.raises(Conflict, match="has later, which is not of this backup"):
            await restore(place, tmp_path / "key")
        killed(["restore", other, "--identity", str(tmp_path / "key")], *STEPS["the schema"])
        for words in (["migrate"], ["jobs"], ["backup", str(tmp_path / "backups"), "--key", public]):
            refused = await asyncio.to_thread(printed_by_python, "-m", "marketplace", *words, **OF_JOBS)
            assert refused == NOT_ENDED
        await object_store.delete("later")
        with pytest.raises(Conflict, match="was of another backup"):
            await restore(place, tmp_path / "key")
        os.environ["PARTAGE_OBJECTS"] = (tmp_path / "elsewhere").as_uri()
        settings.cache_clear()
        with pytest.raises(Conflict, match="set PARTAGE_OBJECTS to it"):
            await restore(other, tmp_path / "key")
        os.environ.pop("PARTAGE_OBJECTS")
        settings.cache_clear()
        assert await _restore(other, tmp_path / "key")


@pytest.mark.deep
async def test_a_refused_backup_leaves_store_and_database_empty_for_the_next(
    postgres: EmbeddedPostgres, tmp_path: Path
) -> None:
    objects = await put_objects()
    place, manifest = await back_up(str(tmp_path), [public := new_key(tmp_path / "key")])
    sealed = (tmp_path / place).read_bytes()
    payload = sealed.index(b"\n", sealed.index(b"\n--- ") + 1) + 1
    chunks = (len(sealed) - payload - 17) // age_reader.CHUNK  # whole ones before the last, which may be as long
    cuts = [0, 60, payload, payload + 16, payload + 17]
    cuts += [payload + 16 + count * age_reader.CHUNK for count in (1, chunks // 2, chunks)]
    cuts += [len(sealed) // 2, len(sealed) - 1000, len(sealed) - 1]
    damaged = [sealed[:cut] for cut in cuts] + [
        sealed[: cut - 1] + bytes([sealed[cut - 1] ^ 1]) + sealed[cut:] for cut in (*cuts[1:], len(sealed))
    ]
    damaged.append(pyrage.encrypt(os.urandom(5_000), [pyrage.x25519.Recipient.from_str(public)]))
    async with empty_machine(postgres, tmp_path / "there"):
        for content in damaged:
            (tmp_path / "damaged.age").write_bytes(content)
            with pytest.raises((Invalid, Conflict)):
                await restore(str(tmp_path / "damaged.age"), tmp_path / "key")
            assert await find_mark() is None
            assert await fetch_value("SELECT to_regclass('migration') IS NULL")
            assert not list_objects(object_store.store())
            assert not list(settings().state.glob("work-*"))
        assert await restore(place, tmp_path / "key") == manifest
        assert {name: await object_store.get(name) for name in objects} == objects


@pytest.mark.deep
async def test_a_backup_that_was_killed_leaves_nothing_that_can_be_read_and_the_next_removes_it(tmp_path: Path) -> None:
    await sales.write_shop()
    await put_objects()
    public, state = new_key(tmp_path / "key"), settings().state
    command = ["backup", str(tmp_path / "backups"), "--key", public]
    killed(command, "marketplace.core.backup.archive", "write", 1)
    assert not [path for path in state.glob("work-*/*") if path.read_bytes()], "no dump in plain"
    killed(command, "marketplace.core.backup.archive", "_pieces_at", 2)
    assert not [path for path in state.glob("work-*/*") if path.read_bytes()]
    place, _ = await back_up(str(tmp_path / "backups"), [public])
    assert [str(path) for path in (tmp_path / "backups").iterdir()] == [place]
    assert not list(state.glob("work-*"))


def leftovers() -> list[Path]:
    """Return the working folders whose process is gone: those of the state, and of the servers that root starts."""
    root = ROOT_STATE.glob("work-*") if os.geteuid() == 0 else ()
    return [folder for folder in (*settings().state.glob("work-*"), *root) if is_abandoned(folder)]


def rehearse(place: str, key: Path) -> list[str]:
    return ["restore", "--rehearse", place, "--identity", str(key)]


@pytest.mark.long
async def test_a_rehearsal_restores_all_and_leaves_nothing(tmp_path: Path) -> None:
    await sales.write_shop()
    objects = await put_objects()
    key = tmp_path / "key"
    place, _ = await back_up(str(tmp_path / "backups"), [new_key(key)])

    def run() -> subprocess.CompletedProcess[str]:
        words = [sys.executable, "-m", "marketplace", *rehearse(place, key)]
        return subprocess.run(words, env=os.environ, capture_output=True, text=True, check=False)

    ran = await asyncio.to_thread(run)
    assert ran.returncode == 0, (ran.stdout, ran.stderr)
    assert f"and {len(objects)} objects; all digests match." in ran.stdout
    assert ", 0 offenders." in ran.stdout
    assert ran.stdout.splitlines()[-1].startswith("Rehearsed in ")
    assert leftovers() == []
    assert await fetch_value("SELECT count(*) FROM restoration") == 0, "nothing is noted in the database of here"


@pytest.mark.deep
@pytest.mark.parametrize("step", ["an object of several", "the end"])
async def test_a_rehearsal_that_is_killed_leaves_nothing(tmp_path: Path, step: str) -> None:
    await put_objects()
    key = tmp_path / "key"
    place, _ = await back_up(str(tmp_path / "backups"), [new_key(key)])
    await asyncio.to_thread(killed, rehearse(place, key), *STEPS[step])
    await until(lambda: not leftovers())
