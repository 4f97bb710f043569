"""The event store: a day's events are a set, also when some come twice, late or in pieces; and what is damaged is named."""

from __future__ import annotations

import datetime as dt
import os
import random
import signal
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from obstore.store import LocalStore

from marketplace.builds.event_store import MOST_PLACES, PLACE_BITS, Rows, Store
from marketplace.builds.event_store_writer import Writer
from marketplace.builds.ingest import ingest
from marketplace.errors import Conflict, Invalid
from marketplace.instants import HOUR_US
from marketplace.line_index import LineIndex

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

DAY = dt.datetime(2026, 3, 28, tzinfo=dt.UTC)
Event = tuple[int, dt.datetime, str, str]


def case(seed: int, count: int = 400, step_us: int = 1) -> list[Event]:
    rng = random.Random(seed)  # noqa: S311 (a case, not a secret)
    return [
        (
            rng.choice((1, 2**40 + 7, 2**62 + 5, 12)),
            DAY + dt.timedelta(microseconds=rng.randrange(0, 2 * 86_400_000_000, step_us)),
            rng.choice(("a", "b", "c")),
            rng.choice(("", "call")),
        )
        for _ in range(count)
    ]


def write(path: Path, events: list[Event]) -> Path:
    columns = list(zip(*events, strict=True)) if events else [[], [], [], []]
    kinds = {"subscriber_id": pa.int64(), "at": pa.timestamp("us", tz="UTC"), "site": pa.string(), "kind": pa.string()}
    table = pa.table({name: pa.array(c, kind) for (name, kind), c in zip(kinds.items(), columns, strict=True)})
    pq.write_table(table, path)
    return path


def opened(folder: Path, **how: Any) -> Store:
    (folder / "store").mkdir(exist_ok=True)
    return Store(LocalStore(folder / "store"), **how)


def stored(store: Store) -> list[Event]:
    """Return every event of the store, in order."""
    people, (sites, _, _) = store.people(), store.places()
    found = []
    for name in store.state.days:
        day = dt.datetime.fromisoformat(name).replace(tzinfo=dt.UTC)
        for bucket in range(store.buckets):
            rows = store.rows(day.date(), bucket)
            micros = (rows.visit >> PLACE_BITS).astype(np.int64) * HOUR_US + rows.micros
            for who, since, place, kind in zip(
                people[rows.people].tolist(),
                micros.tolist(),
                (rows.visit & (MOST_PLACES - 1)).tolist(),
                rows.kind.tolist(),
                strict=True,
            ):
                site = sites[place]
                assert site is not None
                found.append((who, day + dt.timedelta(microseconds=since), site, store.state.kinds[kind]))
    return sorted(found)


@pytest.mark.parametrize("step_us", [1, 1_000, 1_000_000])
@pytest.mark.parametrize("most_rows", [None, 50])
def test_files_that_overlap_repeat_and_come_late_are_one_set(
    tmp_path: Path, step_us: int, most_rows: int | None
) -> None:
    events = case(step_us, step_us=step_us)
    one = write(tmp_path / "1.parquet", events[:250])
    two = write(tmp_path / "2.parquet", events[150:] + events[:20])
    late = write(tmp_path / "3.parquet", case(77, 30, step_us))
    for files in ([two, one], [one], [late], [late, two]):
        ingest(opened(tmp_path), files, tmp_path / "scratch", most_rows=most_rows)
    assert stored(opened(tmp_path)) == sorted(set(events) | set(case(77, 30, step_us)))
    assert not (tmp_path / "scratch").exists()


def test_rows_too_wide_for_a_word_are_sorted_all_the_same(tmp_path: Path) -> None:
    """Microseconds, many places and many lines do not fit 64 bits together."""
    store = opened(tmp_path, buckets=2)
    writer = Writer(store, tmp_path / "scratch")
    writer.numbers = LineIndex(np.arange(3_000_000, dtype=np.int64))
    writer.places = {str(n): n for n in range(2_000_000)}
    events = [(2_999_999, 5, 1_999_999, 0), (4, 3_599_999_999, 7, 1), (4, 1, 7, 1), (4, 1, 7, 1), (2_999_999, 5, 3, 9)]
    columns = [np.array(column) for column in zip(*(events * 3), strict=True)]
    at = columns[1].astype(np.int64) + 20_000 * 86_400_000_000
    writer.kinds = {str(n): n for n in range(10)}
    writer.add(columns[0].astype(np.int32), at, columns[2].astype(np.uint32), columns[3].astype(np.uint16))
    (day,) = writer.days()
    assert writer.write_day(day) == 4
    writer.commit({})
    kept = [tuple(map(int, row)) for bucket in (0, 1) for row in _columns(Store(store.objects).rows(day, bucket))]
    assert sorted((p, m, v, k) for p, v, m, k in kept) == sorted(set(events))
    writer.close()


def _columns(rows: Rows) -> Any:
    return zip(rows.people, rows.visit, rows.micros, rows.kind, strict=True)


def test_a_file_that_looks_the_same_is_not_read_again(tmp_path: Path) -> None:
    file = write(tmp_path / "1.parquet", case(1))
    known = {str(file): "as it was"}
    assert ingest(opened(tmp_path), [file], tmp_path / "scratch", known=known)
    file.unlink()
    assert ingest(opened(tmp_path), [file], tmp_path / "scratch", known=known) == {}
    with pytest.raises(Invalid, match="can be read"):
        ingest(opened(tmp_path), [file], tmp_path / "scratch", known={str(file): "otherwise"})


def test_a_damaged_file_is_named_and_loses_nothing(tmp_path: Path) -> None:
    good = write(tmp_path / "1.parquet", case(1))
    ingest(opened(tmp_path), [good], tmp_path / "scratch")
    before = stored(opened(tmp_path))
    bad = write(tmp_path / "2.parquet", case(2))
    whole = bad.read_bytes()
    for broken, sentence in (
        (whole[: len(whole) // 2], "2.parquet is not a Parquet file"),
        (whole[:4] + bytes(byte ^ 0x55 for byte in whole[4:300]) + whole[300:], "2.parquet cannot be read"),
    ):
        bad.write_bytes(broken)
        with pytest.raises(Invalid, match=sentence):
            ingest(opened(tmp_path), [bad], tmp_path / "scratch")
        assert stored(opened(tmp_path)) == before
    bad.write_bytes(whole)
    ingest(opened(tmp_path), [bad], tmp_path / "scratch")
    assert stored(opened(tmp_path)) == sorted(set(case(1)) | set(case(2)))


@pytest.mark.parametrize("harm", ["gone", "shorter", "otherwise"])
def test_a_damaged_store_says_what_is_damaged(tmp_path: Path, harm: str) -> None:
    ingest(opened(tmp_path), [write(tmp_path / "1.parquet", case(1))], tmp_path / "scratch")
    store = opened(tmp_path)
    victims = [path for path in (tmp_path / "store").rglob("*") if path.is_file() and path.name != "store.json"]
    for victim in victims:
        whole = victim.read_bytes()
        if harm == "gone":
            victim.unlink()
        elif harm == "shorter":
            victim.write_bytes(whole[:-1])
        else:
            victim.write_bytes(bytes([*whole[:-1], whole[-1] ^ 1]))
        with pytest.raises(Conflict, match=f"damaged: .*{victim.name}"):
            stored(store)
        victim.write_bytes(whole)
    assert stored(store) == sorted(set(case(1)))
    (tmp_path / "store" / "private" / "events" / "store.json").write_text("{")
    with pytest.raises(Conflict, match=r"damaged: store.json"):
        opened(tmp_path)


DYING = """
import json, os, signal, sys
from pathlib import Path
import obstore
from obstore.store import LocalStore
from marketplace.builds import event_store
from marketplace.builds.ingest import ingest

folder, dies_at = Path(sys.argv[1]), int(sys.argv[2])
done = [0]

def dying(put):
    def one(*given, **named):
        done[0] += 1
        if done[0] == dies_at:
            os.kill(os.getpid(), signal.SIGKILL)
        return put(*given, **named)
    return one

obstore.put = dying(obstore.put)
(folder / "store").mkdir(exist_ok=True)
ingest(event_store.Store(LocalStore(folder / "store")), sorted(folder.glob("*.parquet")), folder / "scratch", known={})
print("ended")
"""


@pytest.mark.deep
def test_killed_before_any_write_an_ingestion_ends_the_same_way(tmp_path: Path) -> None:
    """Every object it puts is one place to die at; what it left is nothing or all, and what it had not named is deleted."""
    events = case(5, 60)
    write(tmp_path / "1.parquet", events)
    for dies_at in range(1, 20):
        ended = subprocess.run(
            [sys.executable, "-c", DYING, str(tmp_path), str(dies_at)],
            capture_output=True,
            text=True,
            check=False,
            env=os.environ,
        )
        assert stored(opened(tmp_path)) in ([], sorted(set(events)))
        if ended.returncode == 0:
            break
        assert ended.returncode == -signal.SIGKILL, ended.stderr
    else:
        pytest.fail("it never ended")
    assert dies_at > 4
    ingest(opened(tmp_path), [], tmp_path / "scratch", tables={"sites": b"PAR1"})
    ingest(opened(tmp_path), [], tmp_path / "scratch", tables={"sites": b"PAR1"})
    assert stored(opened(tmp_path)) == sorted(set(events))
    named = opened(tmp_path).state.named() | set(opened(tmp_path).state.former)
    lies = {
        str(path.relative_to(tmp_path / "store" / "private" / "events"))
        for path in (tmp_path / "store").rglob("*")
        if path.is_file()
    }
    assert lies == named | {"store.json"}


FULL = """
import resource, sys
from pathlib import Path
from obstore.store import LocalStore
from marketplace.datasets import ingestion
from marketplace.builds import event_store
from marketplace.errors import Conflict

folder, most = Path(sys.argv[1]), int(sys.argv[2])
objects = LocalStore(folder / "store")
ingestion.object_store.store = lambda: objects
resource.setrlimit(resource.RLIMIT_FSIZE, (most, most))
try:
    ingestion._ingest(str(folder / "2.parquet"), {}, folder / "scratch", lambda step, share: None)
except Conflict as refusal:
    print(refusal)
else:
    print("there was room")
"""


@pytest.mark.parametrize("most", [300, 3_000, 1_000_000])
def test_a_full_disk_is_said_and_loses_nothing(tmp_path: Path, most: int) -> None:
    """No file may grow past a limit, which is how a process meets a full disk without filling one."""
    ingest(opened(tmp_path), [write(tmp_path / "1.parquet", case(1))], tmp_path / "scratch")
    write(tmp_path / "2.parquet", case(2, 3_000))
    ended = subprocess.run(
        [sys.executable, "-c", FULL, str(tmp_path), str(most)],
        capture_output=True,
        text=True,
        check=False,
        env=os.environ | {"PARTAGE_STATE": str(tmp_path / "state")},
    )
    if most == 1_000_000:
        assert ended.stdout == "there was room\n", ended.stderr
        assert stored(opened(tmp_path)) == sorted(set(case(1)) | set(case(2, 3_000)))
    else:
        assert ended.stdout.startswith("The disk is full"), ended.stderr
        assert set(case(1)) <= set(stored(opened(tmp_path))) <= set(case(1)) | set(case(2, 3_000))


def test_a_reader_keeps_its_state_while_a_later_one_is_written(tmp_path: Path) -> None:
    ingest(opened(tmp_path), [write(tmp_path / "1.parquet", case(1))], tmp_path / "scratch")
    reader = opened(tmp_path)
    ingest(opened(tmp_path), [write(tmp_path / "2.parquet", case(2))], tmp_path / "scratch")
    assert stored(reader) == sorted(set(case(1)))


@settings(max_examples=50, deadline=None)
@given(st.lists(st.lists(st.integers(0, 2**63 - 1), max_size=30), max_size=5))
def test_lines_are_numbered_once(parts: list[list[int]]) -> None:
    numbers = LineIndex(np.empty(0, np.int64))
    for part in parts:
        given_numbers = numbers.number(np.array(part, np.int64))
        assert numbers.references[given_numbers].tolist() == part
    everyone = {reference for part in parts for reference in part}
    assert sorted(numbers.references.tolist()) == sorted(everyone)
    assert numbers.find(np.array([2**63 - 1, 5], np.int64)).tolist() == [
        numbers.references.tolist().index(one) if one in everyone else -1 for one in (2**63 - 1, 5)
    ]


def test_many_lines_are_found() -> None:
    rng = np.random.default_rng(8)
    references: NDArray[np.int64] = np.unique(rng.integers(0, 2**63 - 1, 300_000))
    numbers = LineIndex(references[:1000])
    found = numbers.number(references)
    assert np.array_equal(numbers.references[found], references)
    assert numbers.count == len(references)
