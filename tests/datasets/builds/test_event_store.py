"""The event store: a day's events are a set, also when some come twice, late or in pieces; and what is damaged is named."""

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from marketplace.core.errors import Conflict, Invalid
from marketplace.core.line_index import LineIndex
from marketplace.datasets.builds.event_store import Rows, Store
from marketplace.datasets.builds.event_store_writer import Writer
from marketplace.datasets.builds.ingest import ingest
from tests.datasets.builders import events_of, open_store, random_events, write_stored_events


@pytest.mark.parametrize("step_us", [1, 1_000, 1_000_000])
@pytest.mark.parametrize("most_rows", [None, 50])
def test_files_that_overlap_repeat_and_come_late_are_one_set(
    tmp_path: Path, step_us: int, most_rows: int | None
) -> None:
    events = random_events(step_us, step_us=step_us)
    one = write_stored_events(tmp_path / "1.parquet", events[:250])
    two = write_stored_events(tmp_path / "2.parquet", events[150:] + events[:20])
    late = write_stored_events(tmp_path / "3.parquet", random_events(77, 30, step_us))
    for files in ([two, one], [one], [late], [late, two]):
        ingest(open_store(tmp_path), files, tmp_path / "scratch", most_rows=most_rows)
    assert events_of(open_store(tmp_path)) == sorted(set(events) | set(random_events(77, 30, step_us)))
    assert not (tmp_path / "scratch").exists()


def test_rows_too_wide_for_a_word_are_sorted_all_the_same(tmp_path: Path) -> None:
    """Microseconds, thousands of places and of lines need 67 bits together."""
    store = open_store(tmp_path, buckets=2)
    writer = Writer(store, tmp_path / "scratch")
    writer.numbers = LineIndex(np.arange(30_000, dtype=np.int64))
    writer.places = {str(n): n for n in range(2_000)}
    events = [(29_999, 5, 1_999, 0), (4, 3_599_999_999, 7, 1), (4, 1, 7, 1), (4, 1, 7, 1), (29_999, 5, 3, 9)]
    columns = [np.array(column) for column in zip(*(events * 3), strict=True)]
    at = columns[1].astype(np.int64) + 20_000 * 86_400_000_000
    writer.kinds = {str(n): n for n in range(10)}
    file = writer.source_number("its digest")
    writer.add(columns[0].astype(np.int32), at, columns[2].astype(np.uint32), columns[3].astype(np.uint16), file)
    (day,) = writer.days()
    assert writer.write_day(day) == 4
    writer.commit({})
    kept = [tuple(map(int, row)) for bucket in (0, 1) for row in _columns(Store(store.objects).rows(day, bucket))]
    assert sorted((p, m, v, k) for p, v, m, k in kept) == sorted(set(events))
    writer.close()


def _columns(rows: Rows) -> Any:
    return zip(rows.people, rows.visit, rows.micros, rows.kind, strict=True)


def test_a_file_that_looks_the_same_is_not_read_again(tmp_path: Path) -> None:
    file = write_stored_events(tmp_path / "1.parquet", random_events(1))
    known = {str(file): "as it was"}
    assert ingest(open_store(tmp_path), [file], tmp_path / "scratch", known=known)
    file.unlink()
    assert ingest(open_store(tmp_path), [file], tmp_path / "scratch", known=known) == {}
    with pytest.raises(Invalid, match="can be read"):
        ingest(open_store(tmp_path), [file], tmp_path / "scratch", known={str(file): "otherwise"})


def test_a_damaged_file_is_named_and_loses_nothing(tmp_path: Path) -> None:
    good = write_stored_events(tmp_path / "1.parquet", random_events(1))
    ingest(open_store(tmp_path), [good], tmp_path / "scratch")
    before = events_of(open_store(tmp_path))
    bad = write_stored_events(tmp_path / "2.parquet", random_events(2))
    whole = bad.read_bytes()
    for broken, sentence in (
        (whole[: len(whole) // 2], "2.parquet is not a Parquet file"),
        (whole[:4] + bytes(byte ^ 0x55 for byte in whole[4:300]) + whole[300:], "2.parquet cannot be read"),
    ):
        bad.write_bytes(broken)
        with pytest.raises(Invalid, match=sentence):
            ingest(open_store(tmp_path), [bad], tmp_path / "scratch")
        assert events_of(open_store(tmp_path)) == before
    bad.write_bytes(whole)
    ingest(open_store(tmp_path), [bad], tmp_path / "scratch")
    assert events_of(open_store(tmp_path)) == sorted(set(random_events(1)) | set(random_events(2)))


@pytest.mark.parametrize("harm", ["gone", "shorter", "otherwise"])
def test_a_damaged_store_says_what_is_damaged(tmp_path: Path, harm: str) -> None:
    ingest(open_store(tmp_path), [write_stored_events(tmp_path / "1.parquet", random_events(1))], tmp_path / "scratch")
    store = open_store(tmp_path)
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
            events_of(store)
        victim.write_bytes(whole)
    assert events_of(store) == sorted(set(random_events(1)))
    (tmp_path / "store" / "private" / "events" / "store.json").write_text("{")
    with pytest.raises(Conflict, match=r"damaged: store.json"):
        open_store(tmp_path)


DYING = """
import json, os, signal, sys
from pathlib import Path
import obstore
from obstore.store import LocalStore
from marketplace.datasets.builds import event_store
from marketplace.datasets.builds.ingest import ingest

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
    events = random_events(5, 60)
    write_stored_events(tmp_path / "1.parquet", events)
    for dies_at in range(1, 20):
        ended = subprocess.run(
            [sys.executable, "-c", DYING, str(tmp_path), str(dies_at)],
            capture_output=True,
            text=True,
            check=False,
            env=os.environ,
        )
        assert events_of(open_store(tmp_path)) in ([], sorted(set(events)))
        if ended.returncode == 0:
            break
        assert ended.returncode == -signal.SIGKILL, ended.stderr
    else:
        pytest.fail("it never ended")
    assert dies_at > 4
    ingest(open_store(tmp_path), [], tmp_path / "scratch", tables={"sites": b"PAR1"})
    ingest(open_store(tmp_path), [], tmp_path / "scratch", tables={"sites": b"PAR1"})
    assert events_of(open_store(tmp_path)) == sorted(set(events))
    named = open_store(tmp_path).state.named() | set(open_store(tmp_path).state.former)
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
from marketplace.datasets.releases import ingestion
from marketplace.datasets.builds import event_store
from marketplace.core.errors import Conflict

for most in map(int, sys.argv[2:]):
    folder = Path(sys.argv[1]) / str(most)
    objects = LocalStore(folder / "store")
    ingestion.object_store.store = lambda: objects
    resource.setrlimit(resource.RLIMIT_FSIZE, (most, resource.RLIM_INFINITY))
    try:
        ingestion._ingest(str(folder / "2.parquet"), {}, folder / "scratch", lambda step, share: None)
    except Conflict as refusal:
        print(refusal)
    else:
        print("there was room")
"""


def test_a_full_disk_is_said_and_loses_nothing(tmp_path: Path) -> None:
    """No file may grow past a limit, which is how a process meets a full disk without filling one."""
    limits = (300, 3_000, 1_000_000)
    for folder in [tmp_path / str(most) for most in limits]:
        folder.mkdir()
        ingest(open_store(folder), [write_stored_events(folder / "1.parquet", random_events(1))], folder / "scratch")
        write_stored_events(folder / "2.parquet", random_events(2, 3_000))
    ended = subprocess.run(
        [sys.executable, "-c", FULL, str(tmp_path), *map(str, limits)],
        capture_output=True,
        text=True,
        check=False,
        env=os.environ | {"PARTAGE_STATE": str(tmp_path / "state")},
    )
    *full, roomy = ended.stdout.splitlines()
    assert len(full) == 2, ended.stderr
    assert all(refusal.startswith("The disk is full") for refusal in full)
    assert roomy == "there was room"
    both = set(random_events(1)) | set(random_events(2, 3_000))
    for most in limits[:2]:
        assert set(random_events(1)) <= set(events_of(open_store(tmp_path / str(most)))) <= both
    assert events_of(open_store(tmp_path / str(limits[2]))) == sorted(both)


def test_a_reader_keeps_its_state_while_a_later_one_is_written(tmp_path: Path) -> None:
    ingest(open_store(tmp_path), [write_stored_events(tmp_path / "1.parquet", random_events(1))], tmp_path / "scratch")
    reader = open_store(tmp_path)
    ingest(open_store(tmp_path), [write_stored_events(tmp_path / "2.parquet", random_events(2))], tmp_path / "scratch")
    assert events_of(reader) == sorted(set(random_events(1)))


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
