"""Bad input gets one sentence that names the file and the row, spends nothing and leaves nothing half-written."""

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from marketplace.core import object_store
from marketplace.core.errors import Invalid
from marketplace.core.settings import settings
from marketplace.datasets.builds.aggregation import Aggregation
from marketplace.datasets.builds.event_store import Store
from marketplace.datasets.releases import actions, queries
from marketplace.datasets.releases.ingestion import ingest_events, ingest_files
from tests.datasets.builders import PERIOD, ZONES, crowd, declare, events_table, kept, make_subscribers, write
from tests.support.reads import fetch_value

EVENTS = "subscriber_id,at,latitude,longitude\n"
GOOD = "1,2026-03-28T10:00:00Z,45.76,4.83\n"
PEOPLE = "subscriber_id,age_band,home_zone\n"
ONE = f"1,18-39,{ZONES[0]}\n"

LARGER_THAN_A_BUFFER = 33 << 20
"""Bytes: what the engine reads of a CSV at once, and more."""

BAD_EVENTS = [
    (EVENTS + GOOD + "x" + GOOD, "bad.csv, row 2 has no subscriber"),
    (EVENTS + GOOD + "-" + GOOD, "bad.csv, row 2 has no subscriber"),
    (EVENTS + GOOD * 2 + "," + GOOD[2:], "bad.csv, row 3 has no subscriber"),
    (EVENTS + "1,2026-03-28T10:00:00,45.76,4.83\n", "row 1 has no instant with its time zone"),
    (EVENTS + "1,2026-13-28T10:00:00Z,45.76,4.83\n", "row 1 has no instant"),
    (EVENTS + "1,2026-03-28,45.76,4.83\n", "row 1 has no instant"),
    (EVENTS + "1,,45.76,4.83\n", "row 1 has no instant"),
    (EVENTS + GOOD + "1,2026-03-28T10:00:00Z,90.1,4.83\n", "row 2 is in no zone: its latitude"),
    (EVENTS + GOOD + "1,2026-03-28T10:00:00Z,,4.83\n", "row 2 is in no zone: its latitude"),
    (EVENTS + GOOD + "1,2026-03-28T10:00:00Z,nan,4.83\n", "row 2 is in no zone: its latitude"),
    (EVENTS + GOOD + "1,2026-03-28T10:00:00Z,45,181\n", "row 2 is in no zone: its longitude"),
    (EVENTS + GOOD + "1,2026-03-28T10:00:00Z,45\n", "row 2 cannot be read as CSV"),
    (EVENTS + GOOD + "1,2026-03-28T10:00:00Z,45,4,5,6\n", "row 2 cannot be read as CSV"),
    ("subscriber_id,at,latitude\n", "has no column longitude"),
    ("subscriber_id,at,latitude,longitude,name\n", "has a column name that a build does not know"),
    ("subscriber_id,at,latitude,longitude,at\n", "has the column at twice"),
    ("", "has no column subscriber_id"),
    ("\ufeffsubscriber_id;at;latitude;longitude\r\n", "has semicolons or tabs between its columns"),
    (EVENTS.replace(",", "\t") + GOOD.replace(",", "\t"), "has semicolons or tabs between its columns"),
    (EVENTS.encode("utf-16-le").decode(), "is not a CSV file in UTF-8"),
    ("x" * 200_000 + "\n", "is not a CSV file in UTF-8"),
    (EVENTS + "1,2026-03-28T10:00:00+99:99,45.76,4.83\n", "row 1 has no instant"),
    (EVENTS + GOOD + "1,2026-03-28T10:00:00-24:00,45.76,4.83\n", "row 2 has no instant"),
    (EVENTS + GOOD + f"1,2026-03-28T10:00:00Z,45.76,{'4' * 2_100_000}", "row 2 is a line of more than a megabyte"),
]
BAD_PEOPLE = [
    (PEOPLE + ONE + ONE, "bad.csv, row 2 repeats a subscriber"),
    (PEOPLE + ONE + f"2,teen,{ZONES[0]}\n", "row 2 has an age band that the dataset does not declare"),
    (PEOPLE + ONE + f"2,,{ZONES[0]}\n", "row 2 has no age band"),
    (PEOPLE + ONE + f'2,"40\n+",{ZONES[0]}\n', "row 2 has a quote that its line does not close"),
    (PEOPLE + ONE + f"2,40\0+,{ZONES[0]}\n", "row 2 has no age band: a short text is needed"),
    (PEOPLE + ONE + f"2,{'4' * 100_000},{ZONES[0]}\n", "row 2 has no age band: a short text is needed"),
    (PEOPLE + ONE + f"2,40+,{ZONES[0]}\0\n", "row 2 has no home zone: a short text is needed"),
    (PEOPLE + ONE + "2,40+,Lyon\n", "row 2 has a home zone that is not an H3 cell"),
]


async def refuse_build(events: Path | str, subscribers: Path | str, sentence: str) -> None:
    """Assert that the build refuses with this sentence, spends nothing and leaves no file behind."""
    with pytest.raises(Invalid) as caught:
        await actions.build("lyon", events=str(events), subscribers=str(subscribers), **PERIOD)
    assert sentence in str(caught.value)
    assert "\n" not in str(caught.value)
    assert await fetch_value("SELECT spent_micro FROM dataset") == 0
    assert await fetch_value("SELECT count(*) FROM release") == 0
    assert not [path for path in settings().state.rglob("*") if path.is_file()]


@pytest.mark.long
async def test_bad_csv_is_named_by_file_and_row(tmp_path: Path) -> None:
    """Each by the check that a build begins with; some by the whole build, which spends nothing then."""
    await declare()
    specification = await queries.get_specification(await queries.get_dataset("lyon"), **PERIOD)
    people, events, bad = tmp_path / "good.csv", tmp_path / "good_events.csv", tmp_path / "bad.csv"
    people.write_text(PEOPLE + ONE)
    events.write_text(EVENTS + GOOD)

    def check(sentence: str, given_events: Path, given_people: Path) -> None:
        with pytest.raises(Invalid) as caught, Aggregation(specification, tmp_path / "build") as build:
            build.check(str(given_events), str(given_people))
        assert sentence in str(caught.value)
        assert "\n" not in str(caught.value)
        assert not (tmp_path / "build").exists()

    for text, sentence in BAD_EVENTS:
        bad.write_text(text)
        check(sentence, bad, people)
    await refuse_build(bad, people, sentence)
    for text, sentence in BAD_PEOPLE:
        bad.write_text(text)
        check(sentence, events, bad)
    await refuse_build(events, bad, sentence)
    bad.write_bytes(b"\xff\xfe\x00")
    check("is not a CSV file in UTF-8", events, bad)
    for nobody in (PEOPLE + "1,40+,8928308280fffff\n", PEOPLE):
        bad.write_text(nobody)
        await refuse_build(events, bad, "lives in the dataset's area")


async def test_a_last_row_larger_than_the_readers_buffer_is_refused_not_left_out(tmp_path: Path) -> None:
    await declare()
    events, people = tmp_path / "events.csv", tmp_path / "subscribers.csv"
    events.write_text(EVENTS + GOOD)
    people.write_text(PEOPLE + ONE + f"2,{'4' * LARGER_THAN_A_BUFFER},{ZONES[0]}\n")
    await refuse_build(events, people, "subscribers.csv, row 2 is a line of more than a megabyte")
    some = "40+\n" * (LARGER_THAN_A_BUFFER // 4)
    people.write_text(PEOPLE + ONE + f'2,"{some}",{ZONES[0]}\n')
    await refuse_build(events, people, "subscribers.csv")


async def test_a_few_kilobytes_that_say_gigabytes_are_refused(tmp_path: Path) -> None:
    await declare()
    events, people = tmp_path / "events.csv", tmp_path / "subscribers.parquet"
    events.write_text(EVENTS + GOOD)
    lines = 20_000
    long = pa.DictionaryArray.from_arrays(pa.array([0] * lines, pa.int32()), pa.array(["4" * (4 << 20)]))
    home = pa.array(ZONES[:1] * lines)
    table = pa.table({"subscriber_id": range(lines), "age_band": long, "home_zone": home})
    pq.write_table(table, people, compression="zstd", dictionary_pagesize_limit=1 << 30)
    await refuse_build(
        events, people, "subscribers.parquet: the column age_band has texts longer than any that are known"
    )


@pytest.mark.long
async def test_bad_parquet_is_named_by_file_and_row(tmp_path: Path) -> None:
    await declare()
    people = tmp_path / "people.csv"
    people.write_text(PEOPLE + ONE)
    folder = tmp_path / "events"
    folder.mkdir()
    good = events_table(crowd(5))
    pq.write_table(good, folder / "1.parquet")
    bad = folder / "2.parquet"
    instants = good["at"].combine_chunks()
    for column, values, sentence in (
        ("latitude", pa.array([45.0, 45.0, 91.0, 45.0, 99.0]), "2.parquet, row 3 is in no zone"),
        ("latitude", pa.array([45.0, float("nan"), 1.0, 45.0, 9.0]), "2.parquet, row 2 is in no zone"),
        ("subscriber_id", pa.array([1, 2, 3, None, 5]), "2.parquet, row 4 has no subscriber"),
        ("subscriber_id", pa.array([1.0, 2, 3, 4, 5]), "2.parquet: the column subscriber_id is of type DOUBLE"),
        ("at", instants.cast(pa.timestamp("us")), "2.parquet: the column at has no time zone"),
        ("at", instants.cast(pa.int64()), "2.parquet: the column at is of type BIGINT"),
        ("at", pa.array([*instants[:4], None], instants.type), "2.parquet, row 5 has no instant"),
    ):
        pq.write_table(good.set_column(good.schema.get_field_index(column), column, values), bad)
        await refuse_build(folder, people, sentence)
    pq.write_table(good, bad)
    whole = bad.read_bytes()
    bad.write_bytes(whole[: len(whole) // 2])
    await refuse_build(folder, people, "2.parquet is not a Parquet file that can be read")
    bad.write_bytes(whole[:4] + bytes(byte ^ 0x55 for byte in whole[4:200]) + whole[200:])
    await refuse_build(folder, people, "2.parquet cannot be read")
    await refuse_build(tmp_path / "nothing", people, "There is no file or folder")
    await refuse_build(tmp_path / "empty", people, "There is no file or folder")
    (tmp_path / "empty").mkdir()
    await refuse_build(tmp_path / "empty", people, "holds no .parquet and no .csv file")
    await refuse_build("nowhere://bucket/events", people, "cannot be read")


@pytest.mark.usefixtures("lavish_year")
async def test_csv_and_parquet_of_one_folder_count_together_and_duplicates_once(tmp_path: Path) -> None:
    await declare(max_events=5, epsilon_micro=2_000_000_000, budget_micro=2_000_000_000)
    await make_subscribers(range(1, 5))
    files = write(tmp_path, [], range(1, 5))
    folder = tmp_path / "events"
    folder.mkdir()
    table = events_table(crowd(4))
    pq.write_table(table, folder / "a.parquet")
    (folder / "b.csv").write_text(
        "longitude,at,subscriber_id,latitude\n"
        + "".join(
            f"{table['longitude'][0].as_py()!r},2026-03-28{instant},{who},{table['latitude'][0].as_py()!r}\n"
            for who in (1, 2)
            for instant in ("T10:00:00Z", "T11:00:00+01:00", " 10:00:00+00", "T10:30:00Z")
        )
    )
    release = await actions.build("lyon", events=folder.as_uri(), subscribers=files["subscribers"], **PERIOD)
    cells = (await kept(release, "cells")).to_pylist()
    assert [(cell["segment"], cell["people"], cell["events"]) for cell in cells] == [("18-39", 2, 3), ("40+", 2, 3)]


@pytest.mark.parametrize("suffix", ["csv", "parquet"])
@pytest.mark.parametrize("name", ["sites", "subscribers"])
async def test_a_table_without_rows_is_refused_and_the_one_before_stays(name: str, suffix: str, tmp_path: Path) -> None:
    """Counted with it, nobody would be anywhere, for the price of a build."""
    await declare()
    await make_subscribers(range(1, 4))
    people = write(tmp_path, [], range(1, 4))["subscribers"]
    (tmp_path / "sites.csv").write_text(f"site,zone\n7,{ZONES[2]}\n")
    await ingest_files(subscribers=people, sites=str(tmp_path / "sites.csv"))
    before = Store(object_store.store()).state
    header = ("site,zone" if name == "sites" else PEOPLE).strip()
    file = tmp_path / f"empty.{suffix}"
    if suffix == "csv":
        file.write_text(header + "\n")
    else:
        kind = pa.int64() if name == "subscribers" else pa.string()
        columns = header.split(",")
        empty = {columns[0]: pa.array([], kind)} | {column: pa.array([], pa.string()) for column in columns[1:]}
        pq.write_table(pa.table(empty), file)
    for receive in (ingest_files, ingest_events):
        with pytest.raises(Invalid, match=f"^The table of {name} has no rows: ") as caught:
            await receive(**{name: str(file)})
        assert "\n" not in str(caught.value)
    assert Store(object_store.store()).state == before
    assert await fetch_value("SELECT spent_micro FROM dataset") == 0
