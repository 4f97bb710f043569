"""A whole table of subscribers creates and ends lines: counted, again nothing, and a short one is refused."""

import argparse
import datetime as dt
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pytest

from marketplace.commands.ingest import arguments, described, print_unknown
from marketplace.consent.purposes import actions as consent
from marketplace.consent.purposes.in_force import consent_in_force
from marketplace.core import clock
from marketplace.core.errors import Conflict, Invalid
from marketplace.datasets.releases.ingestion import ingest_files
from marketplace.people.identity.lines import LineCounts, apply_line_table
from tests.consent.builders import PURPOSE
from tests.datasets.builders import BANDS, ZONES, declare
from tests.support.reads import fetch, fetch_value

IN_FORCE = "SELECT coalesce(array_agg(reference ORDER BY reference), '{}') FROM subscriber WHERE gone_at IS NULL"


def table(folder: Path, lines: Iterable[int], *, home: str = ZONES[0], older: Iterable[int] = ()) -> str:
    """Write a table of subscribers and return its path; those of `older` are of the second band."""
    older = set(older)
    rows = [f"{line},{BANDS[line in older]},{home}" for line in lines]
    (folder / "lines.csv").write_text("\n".join(["subscriber_id,age_band,home_zone", *rows]) + "\n")
    return str(folder / "lines.csv")


async def test_a_table_creates_ends_and_returns_lines_and_counts_them(tmp_path: Path) -> None:
    done = await ingest_files(subscribers=table(tmp_path, range(1, 101)))
    assert (done.days, done.lines, done.unknown_homes) == ({}, LineCounts(100, 100, 0, 0, 0), {})
    again = await ingest_files(subscribers=table(tmp_path, range(1, 101)))
    assert again.lines == LineCounts(100, 0, 0, 0, 0)
    assert await fetch_value("SELECT count(*) FROM line_table") == 1

    done = await ingest_files(subscribers=table(tmp_path, range(3, 104), older=[5, 6]))
    assert done.lines == LineCounts(101, 3, 0, 2, 2)
    assert await fetch_value(IN_FORCE) == list(range(3, 104))
    assert await fetch_value("SELECT count(*) FROM subscriber") == 103, "ended lines stay: they are paid"

    done = await ingest_files(subscribers=table(tmp_path, range(1, 104), older=[5, 6]))
    assert done.lines == LineCounts(103, 0, 2, 0, 0)
    tables = await fetch("SELECT new_lines, returned_lines, changed_lines, gone_lines FROM line_table ORDER BY id")
    assert [tuple(row.values()) for row in tables] == [(100, 0, 0, 0), (3, 0, 2, 2), (0, 2, 0, 0)]


async def test_a_table_that_was_cut_short_ends_nobody(tmp_path: Path) -> None:
    await ingest_files(subscribers=table(tmp_path, range(1, 101)))
    with pytest.raises(Conflict, match=r"3 of 100 lines are not in this table.* --allow-gone 3"):
        await ingest_files(subscribers=table(tmp_path, range(1, 98)))
    with pytest.raises(Conflict, match="99 of 100 lines"):
        await ingest_files(subscribers=table(tmp_path, [1]), allow_gone=98)
    with pytest.raises(Invalid, match="table of subscribers has no rows"):
        await ingest_files(subscribers=table(tmp_path, []), allow_gone=100)
    assert await fetch_value(IN_FORCE) == list(range(1, 101))
    assert await fetch_value("SELECT count(*) FROM line_table") == 1
    done = await ingest_files(subscribers=table(tmp_path, range(1, 98)), allow_gone=3)
    assert done.lines == LineCounts(97, 0, 0, 0, 3)


async def test_lines_that_no_table_brought_are_compared_with_the_first_one(tmp_path: Path) -> None:
    await declare()
    await fetch("INSERT INTO subscriber (reference) SELECT generate_series(1, 100) RETURNING reference")
    done = await ingest_files(subscribers=table(tmp_path, range(2, 103)))
    assert done.lines == LineCounts(101, 2, 0, 0, 1)


async def test_an_ended_line_consents_to_nothing_until_it_is_back(tmp_path: Path) -> None:
    await declare()
    await ingest_files(subscribers=table(tmp_path, range(1, 101)))
    await consent.give(7, PURPOSE)
    await ingest_files(subscribers=table(tmp_path, [line for line in range(1, 101) if line != 7]))
    soon = clock.now() + dt.timedelta(seconds=1)
    assert (await consent_in_force(PURPOSE, soon)).lines.tolist() == []
    with pytest.raises(Conflict, match="has ended"):
        await consent.give(7, PURPOSE)
    await consent.withdraw(7, PURPOSE)  # always
    await consent.give(8, PURPOSE)
    await ingest_files(subscribers=table(tmp_path, range(1, 101)))
    soon = clock.now() + dt.timedelta(seconds=1)
    assert (await consent_in_force(PURPOSE, soon)).lines.tolist() == [8]


async def test_home_zones_that_nobody_knows_are_named_with_their_lines(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = table(tmp_path, range(1, 4), home="Manhattan\u202e")
    with open(path, "a") as file:  # noqa: ASYNC230, PTH123 (a test's own small file)
        file.write("".join(f"{line},{BANDS[0]},place {line}\n" for line in range(10, 25)))
    done = await ingest_files(subscribers=path)
    assert done.lines
    assert list(done.unknown_homes.items())[:2] == [("Manhattan\u202e", 3), ("place 10", 1)]
    print(described(done.lines))
    print_unknown(done.unknown_homes)
    printed = capsys.readouterr().out.splitlines()
    assert printed[0] == "18 lines in force: 18 new, 0 back again, 0 changed, 0 gone."
    assert printed[1] == "No zone is called 'Manhattan\\u202e', the home of 3 lines: define it, or correct it."
    assert printed[-1] == "So it is with 6 more home zones, of 6 lines."
    assert len(printed) == 12


async def test_largest_references_are_lines_too() -> None:
    references = np.array([0, 2**63 - 1], np.int64)
    assert await apply_line_table(references, "a") == LineCounts(2, 2, 0, 0, 0)
    assert await fetch_value(IN_FORCE) == [0, 2**63 - 1]


def test_the_command_says_how_many_may_go() -> None:
    parser = argparse.ArgumentParser()
    arguments(parser)
    assert parser.parse_args(["--subscribers", "x.csv", "--allow-gone", "12"]).allow_gone == 12
