"""The store is what each file last stated: corrections, copies, versions under other names, retractions; killed, old or new."""

import datetime as dt
import os
import random
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from marketplace.core.errors import Conflict
from marketplace.core.instants import microseconds
from marketplace.datasets.builds.event_store_writer import Writer
from marketplace.datasets.builds.ingest import ingest
from marketplace.datasets.builds.retracted_events import RetractedEvents
from marketplace.datasets.retractions.store_rewriting import retract
from tests.datasets.builders import FIRST_DAY, StoredEvent, events_of, open_store, random_events, write_stored_events


def ingest_files(folder: Path, *files: Path, replace: bool = False, most_rows: int | None = None) -> dict[str, int]:
    return ingest(open_store(folder), files, folder / "scratch", replace=replace, most_rows=most_rows)


@pytest.mark.parametrize("most_rows", [None, 40])
@pytest.mark.parametrize("seed", range(4))
def test_the_store_is_the_union_of_what_each_file_last_said(tmp_path: Path, seed: int, most_rows: int | None) -> None:
    rng = random.Random(seed)  # noqa: S311 (a case, not a secret)
    stated: dict[str, list[StoredEvent]] = {}
    for turn in range(6):
        changed = rng.sample(["a", "b", "c"], rng.randint(1, 3))
        for name in changed:
            shared = [event for other, events in stated.items() if other != name for event in events[:10]]
            count = rng.choice((0, 60, 90))
            stated[name] = random_events(100 * seed + 10 * turn + ord(name), count, 1_000) + shared * (count > 0)
            write_stored_events(tmp_path / f"{name}.parquet", stated[name])
        ingest_files(tmp_path, *(tmp_path / f"{name}.parquet" for name in sorted(stated)), most_rows=most_rows)
        assert events_of(open_store(tmp_path)) == sorted({event for events in stated.values() for event in events})


def test_a_day_that_no_file_has_events_of_any_more_is_no_day(tmp_path: Path) -> None:
    file = write_stored_events(
        tmp_path / "1.parquet", [(1, FIRST_DAY, "a", ""), (2, FIRST_DAY + dt.timedelta(days=1), "a", "")]
    )
    assert set(ingest_files(tmp_path, file)) == {"2026-03-28", "2026-03-29"}
    write_stored_events(file, [(1, FIRST_DAY, "b", "")])
    assert ingest_files(tmp_path, file) == {"2026-03-28": 1}
    assert events_of(open_store(tmp_path)) == [(1, FIRST_DAY, "b", "")]
    assert list(open_store(tmp_path).state.days) == ["2026-03-28"]


def test_the_same_bytes_change_nothing_under_any_name(tmp_path: Path) -> None:
    file = write_stored_events(tmp_path / "1.parquet", random_events(1))
    ingest_files(tmp_path, file)
    before = open_store(tmp_path).state.days
    copy = tmp_path / "copy.parquet"
    shutil.copy(file, copy)
    assert ingest_files(tmp_path, copy) == ingest_files(tmp_path, file, copy) == {}
    assert open_store(tmp_path).state.days == before
    # The copy moves on; what the first file stated is still that file's.
    write_stored_events(copy, random_events(2))
    ingest_files(tmp_path, file, copy)
    assert events_of(open_store(tmp_path)) == sorted(set(random_events(1)) | set(random_events(2)))
    # Both say the second now: the first's own events are nobody's.
    shutil.copy(copy, file)
    ingest_files(tmp_path, file, copy)
    assert events_of(open_store(tmp_path)) == sorted(set(random_events(2)))


def test_files_that_exchange_names_change_nothing(tmp_path: Path) -> None:
    one, two = (
        write_stored_events(tmp_path / "1.parquet", random_events(1)),
        write_stored_events(tmp_path / "2.parquet", random_events(2)),
    )
    ingest_files(tmp_path, one, two)
    write_stored_events(one, random_events(2))
    write_stored_events(two, random_events(1))
    assert ingest_files(tmp_path, one, two) == {}
    assert events_of(open_store(tmp_path)) == sorted(set(random_events(1)) | set(random_events(2)))


@pytest.mark.parametrize("together", [False, True])
def test_a_version_under_another_name_is_refused_and_changes_nothing(tmp_path: Path, *, together: bool) -> None:
    first = write_stored_events(tmp_path / "28.parquet", random_events(1))
    if not together:
        ingest_files(tmp_path, first)
    before = events_of(open_store(tmp_path))
    for version in (random_events(1)[:-1], random_events(1)[:150], [*random_events(1)[50:], *random_events(3, 150)]):
        second = write_stored_events(tmp_path / "28-corrected.parquet", version)
        with pytest.raises(
            Conflict, match=r"28-corrected.parquet repeats events of 2026-03-2\d that .*28.parquet gave"
        ):
            ingest_files(tmp_path, first, second)
        assert events_of(open_store(tmp_path)) == before
    ingest_files(tmp_path, second, replace=True)
    assert events_of(open_store(tmp_path)) == sorted(set(version))
    if not together:
        assert ingest_files(tmp_path, first, second) == {}


def test_replacing_leaves_other_days_and_is_done_at_once(tmp_path: Path) -> None:
    late = [(who, when + dt.timedelta(days=1), site, kind) for who, when, site, kind in random_events(4)]
    ingest_files(
        tmp_path,
        write_stored_events(tmp_path / "1.parquet", random_events(1)),
        write_stored_events(tmp_path / "2.parquet", late),
    )
    one_day = [event for event in random_events(5) if event[1].date() == FIRST_DAY.date()]
    assert ingest_files(tmp_path, write_stored_events(tmp_path / "3.parquet", one_day), replace=True) == {
        "2026-03-28": len(one_day)
    }
    rest = [event for event in [*random_events(1), *late] if event[1].date() != FIRST_DAY.date()]
    assert events_of(open_store(tmp_path)) == sorted({*one_day, *rest})


def test_a_correction_with_a_row_at_fault_leaves_the_day_as_it_was(tmp_path: Path) -> None:
    file = write_stored_events(tmp_path / "1.parquet", random_events(1))
    ingest_files(tmp_path, file)
    file.write_bytes(file.read_bytes()[:-300])
    with pytest.raises(Exception, match=r"1.parquet is not a Parquet file"):
        ingest_files(tmp_path, file)
    assert events_of(open_store(tmp_path)) == sorted(set(random_events(1)))


def test_two_writers_at_once_do_not_lose_each_others_days(tmp_path: Path) -> None:
    ingest_files(tmp_path, write_stored_events(tmp_path / "1.parquet", random_events(1)))
    slow = Writer(open_store(tmp_path), tmp_path / "other")
    ingest_files(tmp_path, write_stored_events(tmp_path / "2.parquet", random_events(2)))
    with pytest.raises(Conflict, match="changed meanwhile"):
        slow.commit({})
    assert events_of(open_store(tmp_path)) == sorted(set(random_events(1)) | set(random_events(2)))


def us(hours: float) -> int:
    return microseconds(FIRST_DAY + dt.timedelta(hours=hours))


@pytest.mark.parametrize("files", [1, 2])
def test_what_is_retracted_is_gone_and_a_file_does_not_bring_a_lines_back(tmp_path: Path, files: int) -> None:
    events, other = random_events(1), random_events(2) if files == 2 else []
    paths = [write_stored_events(tmp_path / f"{n}.parquet", some) for n, some in enumerate([events, other][:files])]
    ingest_files(tmp_path, *paths)
    lines = RetractedEvents([12, 1, 12], [0, us(5), us(30)], [us(10), us(6), us(31)])
    wanted = RetractedEvents([12, 1, 12], [0, us(5), us(30)], [us(10), us(6), us(31)], [(us(23), us(25))])

    def is_left(event: StoredEvent, retracted: RetractedEvents) -> bool:
        at = np.array([microseconds(event[1])])
        return not retracted.covers(np.array([event[0]]), at)[0]

    left = [event for event in {*events, *other} if is_left(event, wanted)]
    lost = retract(open_store(tmp_path), tmp_path / "scratch", wanted)
    assert sum(lost.values()) == len({*events, *other}) - len(left) > 0
    assert events_of(open_store(tmp_path)) == sorted(left)
    assert retract(open_store(tmp_path), tmp_path / "scratch", wanted) == {}
    # The corrected file has one event more: everyone's interval counts again, the lines' own stay out.
    more = [*events, (1, FIRST_DAY, "c", "")]
    ingest(
        open_store(tmp_path), [write_stored_events(paths[0], more), *paths[1:]], tmp_path / "scratch", retracted=lines
    )
    again = {event for event in more if is_left(event, lines)} | {event for event in other if is_left(event, wanted)}
    assert events_of(open_store(tmp_path)) == sorted(again)


DYING = """
import os, signal, sys
from pathlib import Path
import obstore
from obstore.store import LocalStore
from marketplace.datasets.builds.event_store import Store
from marketplace.datasets.builds.ingest import ingest
from marketplace.datasets.builds.retracted_events import RetractedEvents
from marketplace.datasets.retractions.store_rewriting import retract

folder, verb, dies_at = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])
done = [0]

def dying(call):
    def one(*given, **named):
        done[0] += 1
        if done[0] == dies_at:
            os.kill(os.getpid(), signal.SIGKILL)
        return call(*given, **named)
    return one

obstore.put, obstore.delete = dying(obstore.put), dying(obstore.delete)
store = Store(LocalStore(folder / "store"))
if verb == "retract":
    retract(store, folder / "scratch", RetractedEvents([12], [0], [2**62]))
else:
    ingest(store, sorted(folder.glob("*.parquet")), folder / "scratch", replace=verb == "replace")
"""


@pytest.mark.parametrize(
    ("verb", "step"),
    [
        ("correct", 3),
        ("retract", 3),
        *(pytest.param(verb, 0, marks=pytest.mark.deep) for verb in ("correct", "replace", "retract")),
    ],
)
def test_killed_anywhere_the_store_is_as_before_or_as_after(tmp_path: Path, verb: str, step: int) -> None:
    """Every object put or deleted is one place to die at (0: each in its turn); the days change together or not at all."""
    other = write_stored_events(tmp_path / "2.parquet", random_events(6))
    ingest_files(tmp_path, write_stored_events(tmp_path / "1.parquet", random_events(5)), other)
    before = events_of(open_store(tmp_path))
    if verb == "retract":
        after = [event for event in before if event[0] != 12]
    else:
        write_stored_events(tmp_path / "1.parquet", random_events(7))
        after = sorted(set(random_events(7)) | set(random_events(6)))
    for dies_at in [step] if step else range(1, 30):
        ended = subprocess.run(
            [sys.executable, "-c", DYING, str(tmp_path), verb, str(dies_at)],
            capture_output=True,
            text=True,
            check=False,
            env=os.environ,
        )
        assert events_of(open_store(tmp_path)) == (after if ended.returncode == 0 else before)
        if ended.returncode == 0:
            break
        assert ended.returncode == -signal.SIGKILL, ended.stderr
    else:
        assert step, "it never ended"
