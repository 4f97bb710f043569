"""The attack: learn the secret that every process of the site holds, and compute the noise of past releases with it.

The attacker knows that secret, the code, and every event of everybody but the victim. Were noise, cells or editions drawn
with a key that follows from the secret, both hypotheses about the victim could be computed and compared with what was
published: exactly. Every build therefore draws a key of its own. False alarms: below 1e-6 each.
"""

import ctypes
import dataclasses
import datetime as dt
import hashlib
import io
import os
import resource
import subprocess
import sys
import uuid
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from marketplace.core import object_store
from marketplace.core.errors import Conflict
from marketplace.core.settings import DEMO_SECRET, settings
from marketplace.datasets.builds.aggregation import Aggregation
from marketplace.datasets.releases import actions, publishing, queries
from marketplace.privacy import drawing, editions
from marketplace.privacy.cell_choice import HASH_PRIME, hash_keys
from marketplace.privacy.specification import Specification
from tests.datasets.builders import (
    BANDS,
    END,
    PERIOD,
    START,
    ZONES,
    at,
    declare,
    events_table,
    kept,
    make_subscribers,
    write,
)
from tests.privacy.specs import MONDAY, specification
from tests.support.production import OPERATORS_OWN

HOURS, PEOPLE = 24, 60


def quiet(_step: str, _share: float) -> None:
    """Say nothing."""


def drawn_by_table() -> Specification:
    """Return a specification whose key set is so large that the keyed sampler draws, with little noise."""
    s = specification(500, hours=336, bands=7, max_cells=HOURS, epsilon_micro=20_000_000)
    assert s.key_count > drawing.SAMPLER_FROM
    return s


def crowd_of_every_hour(folder: Path, s: Specification) -> dict[str, str]:
    """Write a crowd that is in one zone at every one of the first hours."""
    folder.mkdir()
    people, hours = range(1, PEOPLE + 1), [MONDAY + dt.timedelta(hours=hour) for hour in range(HOURS)]
    pq.write_table(events_table((who, hour, s.zones[0]) for who in people for hour in hours), folder / "events.parquet")
    table = {"subscriber_id": list(people), "age_band": ["band 0"] * PEOPLE, "home_zone": [s.zones[0]] * PEOPLE}
    pq.write_table(pa.table(table), folder / "subscribers.parquet")
    return {name: str(folder / f"{name}.parquet") for name in ("events", "subscribers")}


def build_with_key(s: Specification, files: dict[str, str], folder: Path) -> tuple[drawing.Counts, dict[int, int]]:
    """Return a build's true counts, and the noisy people it keeps, by key."""
    consents = (np.arange(1, PEOPLE + 1), np.zeros(PEOPLE, np.int64), np.full(PEOPLE, 2**61))
    with Aggregation(s, folder) as build:
        build.check(**files)
        build.ask(consents, hash_keys(b"any", s.digest), s.period_to + dt.timedelta(days=1), quiet)
        noisy = pq.read_table(build.release(quiet).files["noisy.parquet"])
        return build.counts(), dict(zip(noisy["key"].to_pylist(), noisy["people"].to_pylist(), strict=True))


@pytest.mark.usefixtures("database_url")
def test_the_sites_secret_does_not_give_the_noise(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A computation with it hits as rarely as chance; nor do two builds of one city agree, under one secret or two."""
    s = drawn_by_table()
    files = crowd_of_every_hour(tmp_path / "files", s)
    counts, first = build_with_key(s, files, tmp_path / "build")
    secret = settings().secret.encode()
    guessed = drawing.Source(s, drawing.noise_key(secret, s, counts)).noisy("people", counts.people)
    same_secret = build_with_key(s, files, tmp_path / "build")[1]
    monkeypatch.setenv("PARTAGE_SECRET", "another secret of the same operator")
    settings.cache_clear()
    another_secret = build_with_key(s, files, tmp_path / "build")[1]
    keys = counts.keys.tolist()
    assert len(keys) == HOURS
    for other in (dict(zip(keys, guessed.tolist(), strict=True)), same_secret, another_secret):
        agree = sum(first[key] == other[key] for key in keys)
        # Independent noise agrees in a fifth of the cells: in 18 of 24 with a probability below 1e-8.
        assert agree < 18, "the noise was the attacker's to compute"


def predicted_hours(s: Specification, secret: bytes, who: int, hours: range, zone: int) -> set[int]:
    """Return the hours in which the secret's hash would let this person count, were it the build's."""
    k, p = hash_keys(secret, s.digest), HASH_PRIME
    step_us = s.step // dt.timedelta(microseconds=1)

    def place_in_line(hour: int) -> int:
        x = (who % p * k[1] % p + zone * k[2] % p + hour * step_us % p * k[3] % p + k[0]) % p
        return (((x * k[4] + k[5]) % p * x + k[6]) % p * x + k[0]) % p

    return set(sorted(hours, key=place_in_line)[: s.max_cells])


@pytest.mark.long
async def test_the_sites_secret_does_not_give_the_cells_somebody_counts_in(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Almost without noise, kept cells show where three loners count: three hours each, of forty they were seen in."""
    monkeypatch.setenv("SUBSCRIBER_YEAR_EPSILON_MICRO", "100000000000")
    settings.cache_clear()
    await declare(epsilon_micro=2_000_000_000, budget_micro=8_000_000_000)
    loners = {who: place for place, who in enumerate((1, 2, 3))}
    await make_subscribers(loners)
    files = write(
        tmp_path, [(who, at(hour), ZONES[zone]) for who, zone in loners.items() for hour in range(40)], loners
    )
    release = await actions.build("lyon", **files, **PERIOD)
    s = await queries.get_specification(await queries.get_dataset("lyon"), START, END)
    cells = (await kept(release, "cells")).to_pylist()
    for who, zone in loners.items():
        seen = {(c["starts_at"] - START) // dt.timedelta(hours=1) for c in cells if c["zone"] == ZONES[zone]}
        assert len(seen) == s.max_cells
        loners[who] = int(seen == predicted_hours(s, settings().secret.encode(), who, range(40), zone))
    # One in 9,880 by chance for each of the three.
    assert not all(loners.values()), "the choice of cells was the attacker's to compute"


async def crowd_of_lyon(tmp_path: Path) -> dict[str, str]:
    await declare(max_cells=6, edition_multiples=[4])
    people = range(1, 301)
    await make_subscribers(people)
    return write(tmp_path, [(who, at(hour), ZONES[0]) for who in people for hour in range(6)], people)


async def test_the_sites_secret_does_not_give_the_noise_of_a_coarser_edition(tmp_path: Path) -> None:
    release = await actions.build("lyon", **await crowd_of_lyon(tmp_path), **PERIOD)
    s = await queries.get_specification(await queries.get_dataset("lyon"), START, END)
    finer = await object_store.get(object_store.cells_key(release))
    coarser = pq.read_table(io.BytesIO(await object_store.get(object_store.edition_key(release, 1))))
    key = editions.edition_key(settings().secret.encode(), 4, hashlib.sha256(finer).hexdigest())
    steps = [editions.step(s.law(part), editions.coarser(s.law(part), 4)) for part in ("people", "events")]
    guessed = editions.coarsen(pq.read_table(io.BytesIO(finer)), *steps, s.threshold, key)
    assert coarser.num_rows > 2 * len(BANDS)
    assert not coarser.equals(guessed), "the edition's noise was the attacker's to compute"


class StoppedError(Exception):
    """As if the process had ended there."""


def stopping_at(last: str) -> Any:
    def report(step: str, _share: float) -> None:
        if step == last:
            raise StoppedError

    return report


async def private(release: uuid.UUID, name: str) -> bytes:
    return await object_store.get(object_store.private_key(release, name))


async def test_a_build_that_was_stopped_draws_afresh_and_a_publication_that_was_ends_with_the_same_bytes(
    tmp_path: Path,
) -> None:
    files = await crowd_of_lyon(tmp_path)
    with pytest.raises(StoppedError):
        await actions.build("lyon", **files, **PERIOD, progress=stopping_at("recording the noisy cells"))
    s = await queries.get_specification(await queries.get_dataset("lyon"), START, END)
    interrupted = await queries.find_build(s)
    assert interrupted is not None
    seen_by_nobody = [await private(interrupted.id, name) for name in ("noisy.parquet", object_store.EDITIONS_KEY)]
    release = await actions.build("lyon", **files, **PERIOD, publish=False)
    assert release == interrupted.id
    kept_now = [await private(release, name) for name in ("noisy.parquet", object_store.EDITIONS_KEY)]
    assert kept_now[0] != seen_by_nobody[0]
    assert kept_now[1] != seen_by_nobody[1]
    assert len(kept_now[1]) == 32
    with pytest.raises(StoppedError):
        await publishing.publish(release, by="Ada", progress=stopping_at("recording the seal"))
    first = await object_store.get(object_store.edition_key(release, 1))
    await publishing.publish(release, by="Bob")
    assert await object_store.get(object_store.edition_key(release, 1)) == first
    sealed = (await queries.list_editions(release))[0]
    assert hashlib.sha256(first).hexdigest() == sealed.cells_sha256
    assert kept_now[1].hex() not in repr(dataclasses.asdict(s)), "nothing public says the key"


async def test_editions_are_never_drawn_a_second_time_with_another_key(tmp_path: Path) -> None:
    release = await actions.build("lyon", **await crowd_of_lyon(tmp_path), **PERIOD, publish=False)
    with pytest.raises(StoppedError):
        await publishing.publish(release, by="Ada", progress=stopping_at("recording the seal"))
    first = await object_store.get(object_store.edition_key(release, 1))
    await object_store.delete(object_store.private_key(release, object_store.EDITIONS_KEY))
    with pytest.raises(Conflict, match="is lost"):
        await publishing.publish(release, by="Bob")
    assert await object_store.get(object_store.edition_key(release, 1)) == first


@pytest.mark.parametrize("command", ["build", "ingest"])
def test_a_command_that_reads_real_events_refuses_the_demos_secret(command: str, tmp_path: Path) -> None:
    arguments = {"build": ["lyon", "--from", "2026-03-01", "--to", "2026-03-02"], "ingest": ["--events", "nowhere"]}
    nowhere = {"PARTAGE_STATE": str(tmp_path), "DATABASE_URL": "postgresql://127.0.0.1:9/none"}
    ended = subprocess.run(
        [sys.executable, "-m", "marketplace", command, *arguments[command]],
        env=os.environ | OPERATORS_OWN | nowhere | {"PARTAGE_SECRET": DEMO_SECRET},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 1
    assert "Traceback" not in ended.stderr
    sentence = ended.stderr.strip().splitlines()
    assert len(sentence) == 1
    assert "PARTAGE_SECRET" in sentence[0]
    assert not list(tmp_path.iterdir()), "refused before anything was done"


def test_no_dump_of_memory_has_the_key(tmp_path: Path) -> None:
    """A core dump and a debugger of the same user have all of a process's memory, and files and arguments are read by others."""
    of_process = ctypes.CDLL(None).prctl
    of_process(4, 1, 0, 0, 0)
    resource.setrlimit(resource.RLIMIT_CORE, (resource.getrlimit(resource.RLIMIT_CORE)[1],) * 2)
    s = drawn_by_table()
    files = crowd_of_every_hour(tmp_path / "files", s)
    consents = (np.arange(1, PEOPLE + 1), np.zeros(PEOPLE, np.int64), np.full(PEOPLE, 2**61))
    with Aggregation(s, tmp_path / "build") as build:
        assert of_process(3, 0, 0, 0, 0) == 0
        assert resource.getrlimit(resource.RLIMIT_CORE)[0] == 0
        build.check(**files)
        build.ask(consents, hash_keys(build.key, s.digest), s.period_to + dt.timedelta(days=1), quiet)
        made = build.release(quiet)
        own = (build.key, drawing.noise_key(build.key, s, build.counts()))
        kept = {path for path in (tmp_path / "build").rglob("*") if path.is_file()}
        assert set(made.files.values()) <= kept
        written = b"".join(path.read_bytes() for path in kept) + repr((made.figures, os.environ, sys.argv)).encode()
        assert not any(form in written for key in own for form in (key, key.hex().encode()))
