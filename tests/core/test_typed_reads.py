"""Typed reads: rows come as the Struct that was asked for, and a Struct that is not its statement's columns fails."""

import datetime as dt
import uuid

import msgspec
import pytest

from marketplace.core.database import fetch_row, fetch_rows, fetch_scalar, select
from marketplace.site.jobs.tables import JobRun

AT = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)


class RunRow(msgspec.Struct, frozen=True):
    job: str
    slot: dt.datetime
    finished_at: dt.datetime | None


class Finished(msgspec.Struct, frozen=True):
    job: str
    slot: dt.datetime
    finished_at: dt.datetime


class Thing(msgspec.Struct, frozen=True):
    id: uuid.UUID
    codes: list[str]
    amount_minor: int | None


async def test_rows_are_read_by_sql_or_by_a_piccolo_query() -> None:
    run_ = JobRun(job="invoices", slot=AT, missed=0, started_at=AT, finished_at=None, error=None, found=None)
    await JobRun.insert(run_)
    expected = RunRow("invoices", AT, None)
    assert await fetch_rows(RunRow, "SELECT job, slot, finished_at FROM job_run WHERE job = $1", "invoices") == [
        expected
    ]
    assert await fetch_row(RunRow, select(RunRow, JobRun).where(JobRun.job == "invoices")) == expected
    assert await fetch_row(RunRow, select(RunRow, JobRun).where(JobRun.job == "none")) is None
    assert await fetch_scalar(int, "SELECT count(*) FROM job_run") == 1
    assert await fetch_scalar(dt.datetime, JobRun.select(JobRun.finished_at)) is None
    with pytest.raises(AssertionError, match="returns int, not str"):
        await fetch_scalar(str, "SELECT 1")


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT gen_random_uuid() AS id, ARRAY['a'] AS codes",
        "SELECT ARRAY['a'] AS codes, gen_random_uuid() AS id, 1 AS amount_minor",
        "SELECT gen_random_uuid() AS id, ARRAY['a'] AS codes, 'one' AS amount_minor",
        "SELECT gen_random_uuid() AS id, 'a' AS codes, 1 AS amount_minor",
    ],
)
async def test_a_row_that_is_not_its_statements_columns_fails_even_without_a_value(sql: str) -> None:
    with pytest.raises(AssertionError, match="Thing"):
        await fetch_rows(Thing, f"{sql} WHERE false")


async def test_a_null_in_a_field_that_has_none_fails() -> None:
    sql = "SELECT 'invoices' AS job, now() AS slot, NULL::timestamptz AS finished_at"
    assert (await fetch_rows(RunRow, sql))[0].finished_at is None
    with pytest.raises(msgspec.ValidationError, match="finished_at"):
        await fetch_rows(Finished, sql)
