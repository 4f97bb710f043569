"""The store is what each file last stated: corrections, copies, versions under other names, retractions; killed, old or new."""

from __future__ import annotations

import datetime as dt
import os
import random
import shutil
import signal
import subprocess
import sys
from typing import TYPE_CHECKING

import numpy as np
import pytest

from marketplace.builds.event_store import UNKNOWN, write_state
from marketplace.builds.event_store_writer import Writer
from marketplace.builds.ingest import ingest
from marketplace.errors import Conflict
from marketplace.instants import microseconds
from marketplace.retracted import Retracted
from marketplace.retractions.store_rewriting import retract
from tests.marketplace.builds.test_event_store import DAY, case, opened, stored, write

if TYPE_CHECKING:
    from pathlib import Path

    from tests.marketplace.builds.test_event_store import Event


def ingested(folder: Path, *files: Path, replace: bool = False, most_rows: int | None = None) -> dict[str, int]:
    return ingest(opened(folder), files, folder / "scratch", replace=replace, most_rows=most_rows)


@pytest.mark.parametrize("most_rows", [None, 40])
@pytest.mark.parametrize("seed", range(4))
def test_the_store_is_the_union_of_what_each_file_last_said(tmp_path: Path, seed: int, most_rows: int | None) -> None:
    rng = random.Random(seed)  # noqa: S311 (a case, not a secret)
    stated: dict[str, list[Event]] = {}
    for turn in range(6):
        changed = rng.sample(["a", "b", "c"], rng.randint(1, 3))
        for name in changed:
            shared = [event for other, events in stated.items() if other != name for event in events[:10]]
            count = rng.choice((0, 60, 90))
            stated[name] = case(100 * seed + 10 * turn + ord(name), count, 1_000) + shared * (count > 0)
            write(tmp_path / f"{name}.parquet", stated[name])
        ingested(tmp_path, *(tmp_path / f"{name}.parquet" for name in sorted(stated)), most_rows=most_rows)
        assert stored(opened(tmp_path)) == sorted({event for events in stated.values() for event in events})


def test_a_day_that_no_file_has_events_of_any_more_is_no_day(tmp_path: Path) -> None:
    file = write(tmp_path / "1.parquet", [(1, DAY, "a", ""), (2, DAY + dt.timedelta(days=1), "a", "")])
    assert set(ingested(tmp_path, file)) == {"2026-03-28", "2026-03-29"}
    write(file, [(1, DAY, "b", "")])
    assert ingested(tmp_path, file) == {"2026-03-28": 1}
    assert stored(opened(tmp_path)) == [(1, DAY, "b", "")]
    assert list(opened(tmp_path).state.days) == ["2026-03-28"]


def test_the_same_bytes_change_nothing_under_any_name(tmp_path: Path) -> None:
    file = write(tmp_path / "1.parquet", case(1))
    ingested(tmp_path, file)
    before = opened(tmp_path).state.days
    copy = tmp_path / "copy.parquet"
    shutil.copy(file, copy)
    assert ingested(tmp_path, copy) == ingested(tmp_path, file, copy) == {}
    assert opened(tmp_path).state.days == before
    # The copy moves on; what the first file stated is still that file's.
    write(copy, case(2))
    ingested(tmp_path, file, copy)
    assert stored(opened(tmp_path)) == sorted(set(case(1)) | set(case(2)))
    # Both say the second now: the first's own events are nobody's.
    shutil.copy(copy, file)
    ingested(tmp_path, file, copy)
    assert stored(opened(tmp_path)) == sorted(set(case(2)))


def test_files_that_exchange_names_change_nothing(tmp_path: Path) -> None:
    one, two = write(tmp_path / "1.parquet", case(1)), write(tmp_path / "2.parquet", case(2))
    ingested(tmp_path, one, two)
    write(one, case(2))
    write(two, case(1))
    assert ingested(tmp_path, one, two) == {}
    assert stored(opened(tmp_path)) == sorted(set(case(1)) | set(case(2)))


@pytest.mark.parametrize("together", [False, True])
def test_a_version_under_another_name_is_refused_and_changes_nothing(tmp_path: Path, *, together: bool) -> None:
    first = write(tmp_path / "28.parquet", case(1))
    if not together:
        ingested(tmp_path, first)
    before = stored(opened(tmp_path))
    for version in (case(1)[:-1], case(1)[:150], [*case(1)[50:], *case(3, 150)]):
        second = write(tmp_path / "28-corrected.parquet", version)
        with pytest.raises(
            Conflict, match=r"28-corrected.parquet repeats events of 2026-03-2\d that .*28.parquet gave"
        ):
            ingested(tmp_path, first, second)
        assert stored(opened(tmp_path)) == before
    ingested(tmp_path, second, replace=True)
    assert stored(opened(tmp_path)) == sorted(set(version))
    if not together:
        assert ingested(tmp_path, first, second) == {}


def test_replacing_leaves_other_days_and_is_done_at_once(tmp_path: Path) -> None:
    late = [(who, when + dt.timedelta(days=1), site, kind) for who, when, site, kind in case(4)]
    ingested(tmp_path, write(tmp_path / "1.parquet", case(1)), write(tmp_path / "2.parquet", late))
    one_day = [event for event in case(5) if event[1].date() == DAY.date()]
    assert ingested(tmp_path, write(tmp_path / "3.parquet", one_day), replace=True) == {"2026-03-28": len(one_day)}
    rest = [event for event in [*case(1), *late] if event[1].date() != DAY.date()]
    assert stored(opened(tmp_path)) == sorted({*one_day, *rest})


def test_a_correction_with_a_row_at_fault_leaves_the_day_as_it_was(tmp_path: Path) -> None:
    file = write(tmp_path / "1.parquet", case(1))
    ingested(tmp_path, file)
    file.write_bytes(file.read_bytes()[:-300])
    with pytest.raises(Exception, match=r"1.parquet is not a Parquet file"):
        ingested(tmp_path, file)
    assert stored(opened(tmp_path)) == sorted(set(case(1)))


def test_two_writers_at_once_do_not_lose_each_others_days(tmp_path: Path) -> None:
    ingested(tmp_path, write(tmp_path / "1.parquet", case(1)))
    slow = Writer(opened(tmp_path), tmp_path / "other")
    ingested(tmp_path, write(tmp_path / "2.parquet", case(2)))
    with pytest.raises(Conflict, match="changed meanwhile"):
        slow.commit({})
    assert stored(opened(tmp_path)) == sorted(set(case(1)) | set(case(2)))


def test_a_store_of_the_version_before_is_read_and_corrected_by_the_day(tmp_path: Path) -> None:
    """That version named no sources and kept only what files looked like."""
    file = write(tmp_path / "1.parquet", case(1))
    ingested(tmp_path, file)
    store = opened(tmp_path)
    seen = file.stat()
    store.state.files = {str(file): f"{seen.st_size} {seen.st_mtime_ns}"}
    for day in store.state.days.values():
        del day["sources"], day["sha256"]
    write_state(store, store.state)
    assert opened(tmp_path).sources(DAY.date()) == [UNKNOWN]
    assert opened(tmp_path).versions([DAY.date()]) == [
        {"day": "2026-03-28", "sha256": None, "files": [{"name": None, "sha256": None}]}
    ]
    look = f"{seen.st_size} {seen.st_mtime_ns} {seen.st_ctime_ns}"
    assert ingest(opened(tmp_path), [file], tmp_path / "scratch", known={str(file): look}) == {}
    write(file, case(2))
    with pytest.raises(Conflict, match=r"1.parquet changed, and what it gave of 2026-03-2\d before is not known"):
        ingested(tmp_path, file)
    ingested(tmp_path, file, replace=True)
    assert stored(opened(tmp_path)) == sorted(set(case(2)))


def us(hours: float) -> int:
    return microseconds(DAY + dt.timedelta(hours=hours))


@pytest.mark.parametrize("files", [1, 2])
def test_what_is_retracted_is_gone_and_a_file_does_not_bring_a_lines_back(tmp_path: Path, files: int) -> None:
    events, other = case(1), case(2) if files == 2 else []
    paths = [write(tmp_path / f"{n}.parquet", some) for n, some in enumerate([events, other][:files])]
    ingested(tmp_path, *paths)
    lines = Retracted([12, 1, 12], [0, us(5), us(30)], [us(10), us(6), us(31)])
    wanted = Retracted([12, 1, 12], [0, us(5), us(30)], [us(10), us(6), us(31)], [(us(23), us(25))])

    def is_left(event: Event, retracted: Retracted) -> bool:
        at = np.array([microseconds(event[1])])
        return not retracted.covers(np.array([event[0]]), at)[0]

    left = [event for event in {*events, *other} if is_left(event, wanted)]
    lost = retract(opened(tmp_path), tmp_path / "scratch", wanted)
    assert sum(lost.values()) == len({*events, *other}) - len(left) > 0
    assert stored(opened(tmp_path)) == sorted(left)
    assert retract(opened(tmp_path), tmp_path / "scratch", wanted) == {}
    # The corrected file has one event more: everyone's interval counts again, the lines' own stay out.
    more = [*events, (1, DAY, "c", "")]
    ingest(opened(tmp_path), [write(paths[0], more), *paths[1:]], tmp_path / "scratch", retracted=lines)
    again = {event for event in more if is_left(event, lines)} | {event for event in other if is_left(event, wanted)}
    assert stored(opened(tmp_path)) == sorted(again)


DYING = """
import os, signal, sys
from pathlib import Path
import obstore
from obstore.store import LocalStore
from marketplace.builds.event_store import Store
from marketplace.builds.ingest import ingest
from marketplace.retracted import Retracted
from marketplace.retractions.store_rewriting import retract

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
    retract(store, folder / "scratch", Retracted([12], [0], [2**62]))
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
    other = write(tmp_path / "2.parquet", case(6))
    ingested(tmp_path, write(tmp_path / "1.parquet", case(5)), other)
    before = stored(opened(tmp_path))
    if verb == "retract":
        after = [event for event in before if event[0] != 12]
    else:
        write(tmp_path / "1.parquet", case(7))
        after = sorted(set(case(7)) | set(case(6)))
    for dies_at in [step] if step else range(1, 30):
        ended = subprocess.run(
            [sys.executable, "-c", DYING, str(tmp_path), verb, str(dies_at)],
            capture_output=True,
            text=True,
            check=False,
            env=os.environ,
        )
        assert stored(opened(tmp_path)) == (after if ended.returncode == 0 else before)
        if ended.returncode == 0:
            break
        assert ended.returncode == -signal.SIGKILL, ended.stderr
    else:
        assert step, "it never ended"
