"""Trouble as an operator meets it, through the public command: a full disk, damaged inputs, a store that went, two at once."""

import asyncio
import os
import resource
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from marketplace.core import object_store
from marketplace.core.errors import Conflict, NotFound
from marketplace.core.settings import settings
from marketplace.datasets.releases import actions, publishing, queries
from tests.datasets.builders import PERIOD, crowd, declare, make_subscribers, write
from tests.support.production import OPERATORS_OWN
from tests.support.reads import fetch_value


def build_by_program(
    files: dict[str, str], *, largest_file: int = 0, **environment: str
) -> subprocess.CompletedProcess[str]:
    """Run `python3 marketplace build` of `lyon`; largest_file: bytes no file may grow past, which is a full disk's way.

    It writes no bytecode: Python would keep a module's that is cut off there, and fail to import it ever after.
    """

    def limit() -> None:
        if largest_file:
            resource.setrlimit(resource.RLIMIT_FSIZE, (largest_file, largest_file))

    words = [sys.executable, "-B", "-m", "marketplace", "build", "lyon"]
    for name, value in files.items():
        words += [f"--{name}", value]
    for name, instant in (("from", PERIOD["period_from"]), ("to", PERIOD["period_to"])):
        words += [f"--{name}", instant.isoformat()]
    unmeasured = {
        name: value for name, value in os.environ.items() if not name.startswith("COVERAGE_")
    }  # it writes files
    return subprocess.run(
        words,
        env=unmeasured | OPERATORS_OWN | environment,
        preexec_fn=limit,
        capture_output=True,
        text=True,
        check=False,
    )


async def prepare_crowd(folder: Path, people: int = 300) -> dict[str, str]:
    await declare()
    await make_subscribers(range(1, people + 1))
    return write(folder, crowd(people), range(1, people + 1))


def one_sentence(ended: subprocess.CompletedProcess[str]) -> str:
    """Return what a failed command sentence; refuse a traceback."""
    assert ended.returncode == 1, ended.stdout + ended.stderr
    assert "Traceback" not in ended.stderr, ended.stderr
    return ended.stderr.strip().splitlines()[-1]


async def ends_well(files: dict[str, str]) -> None:
    """Build what failed, in this process: a command's own takes two seconds to begin."""
    release = await actions.build("lyon", **files, **PERIOD)
    assert (await queries.get_release(release)).state == "sealed"
    assert await fetch_value("SELECT spent_micro FROM dataset") == 2_000_000
    assert await fetch_value("SELECT count(*) FROM release") == 1


@pytest.mark.long
@pytest.mark.parametrize("largest", [1_000, *(pytest.param(n, marks=pytest.mark.deep) for n in (100, 4_000))])
async def test_a_full_disk_is_said_and_the_next_build_ends_the_same_way(tmp_path: Path, largest: int) -> None:
    files = await prepare_crowd(tmp_path)
    sentence = one_sentence(await asyncio.to_thread(build_by_program, files, largest_file=largest))
    assert "disk is full" in sentence
    assert await fetch_value("SELECT count(*) FROM release WHERE state = 'sealed'") == 0
    ended = await asyncio.to_thread(build_by_program, files)
    assert ended.returncode == 0, ended.stderr
    assert ended.stdout.startswith("sealed")
    await ends_well(files)


@pytest.mark.deep
@pytest.mark.parametrize("name", ["events", "subscribers"])
@pytest.mark.parametrize("harm", ["cut", "flipped", "gone"])
async def test_damaged_inputs_are_named_and_cost_nothing(tmp_path: Path, name: str, harm: str) -> None:
    files = await prepare_crowd(tmp_path)
    good = await asyncio.to_thread(damage, Path(files[name]), harm)
    sentence = one_sentence(await asyncio.to_thread(build_by_program, files))
    assert name in sentence
    assert await fetch_value("SELECT spent_micro FROM dataset") == 0
    await asyncio.to_thread(Path(files[name]).write_bytes, good)
    await ends_well(files)


def damage(path: Path, harm: str) -> bytes:
    """Cut, flip or delete a file, and return what it held."""
    good = path.read_bytes()
    if harm == "gone":
        path.unlink()
    else:
        half = len(good) // 2
        path.write_bytes(good[:half] if harm == "cut" else good[:30] + bytes(byte ^ 255 for byte in good[30:]))
    return good


@pytest.mark.deep
async def test_a_store_that_went_is_said_and_costs_one_spend(tmp_path: Path) -> None:
    """The operator's bucket is where nobody can write: a path below a file."""
    files = await prepare_crowd(tmp_path)
    (tmp_path / "no folder").write_text("a file")
    gone = {"PARTAGE_OBJECTS": f"file://{tmp_path}/no%20folder/bucket"}
    sentence = one_sentence(await asyncio.to_thread(lambda: build_by_program(files, **gone)))
    assert sentence.startswith(f"The folder {tmp_path}/no folder/bucket cannot be used: Not a directory. Compare ")
    assert await fetch_value("SELECT count(*) FROM release WHERE state <> 'spent'") == 0
    await ends_well(files)


async def test_kept_cells_that_were_damaged_or_went_are_never_published(tmp_path: Path) -> None:
    files = await prepare_crowd(tmp_path)
    release = await actions.build("lyon", **files, **PERIOD, publish=False)
    key = object_store.private_key(release, "cells.parquet")
    kept = await object_store.get(key)
    await object_store.put(key, kept[:-9] + b"x" + kept[-8:])
    with pytest.raises(Conflict, match="not the ones recorded"):
        await publishing.publish(release, by="Ada")
    assert "not the ones recorded" in one_sentence(await asyncio.to_thread(build_by_program, files))
    folder = Path(settings().objects.removeprefix("file://")) / Path(key).parent
    shutil.move(folder, tmp_path / "away")
    with pytest.raises(NotFound, match="not in the store"):
        await publishing.publish(release, by="Ada")
    assert (await queries.get_release(release)).state == "assessed"
    with pytest.raises(NotFound):
        await object_store.get(object_store.cells_key(release))
    shutil.move(tmp_path / "away", folder)
    await object_store.put(key, kept)
    await ends_well(files)


@pytest.mark.deep
async def test_two_commands_at_once_are_one_build(tmp_path: Path) -> None:
    files = await prepare_crowd(tmp_path)
    both = await asyncio.gather(*(asyncio.to_thread(build_by_program, files) for _ in range(2)))
    assert [ended.returncode for ended in both] == [0, 0], [ended.stderr for ended in both]
    assert both[0].stdout == both[1].stdout
    await ends_well(files)
