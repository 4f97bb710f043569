"""Ranges and tags by the standard: which part is meant, by a slow reading of the same words."""

import datetime as dt
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as some

from marketplace.core.errors import NotFound
from marketplace.core.object_store import public_object
from marketplace.delivery.downloads.rules import (
    ByteRange,
    entity_tag,
    file_name,
    http_date,
    is_known,
    may_send_part,
    wanted_part,
)

SIZES = some.integers(0, 40)


def bytes_of_part(part: ByteRange | None, size: int) -> Sequence[int]:
    """Return which of the bytes 0, 1, … a part is."""
    return range(size) if part is None else range(size)[part.start : part.end]


@given(SIZES, some.integers(0, 50), some.integers(0, 50))
def test_a_closed_range_is_its_bytes_both_ends_included(size: int, first: int, last: int) -> None:
    part = wanted_part(f"bytes={first}-{last}", size)
    if last < first:
        assert part is None
    else:
        assert [*bytes_of_part(part, size)] == [n for n in range(size) if first <= n <= last]
        assert part is not None
        assert part.is_empty == (first >= size)


@given(SIZES, some.integers(0, 50))
def test_open_ended_and_suffix_ranges(size: int, count: int) -> None:
    assert [*bytes_of_part(wanted_part(f"bytes={count}-", size), size)] == [*range(count, size)]
    suffix = wanted_part(f"bytes=-{count}", size)
    assert suffix is not None
    assert [*bytes_of_part(suffix, size)] == [*range(size)][max(size - count, 0) :]
    assert suffix.is_empty == (min(count, size) == 0)


@pytest.mark.parametrize(
    "header",
    [
        "",
        "bytes",
        "bytes=",
        "bytes=-",
        "bytes=a-b",
        "lines=0-1",
        "bytes=0-1,4-5",
        "bytes=5-2",
        "bytes=1-2x",
        "bytes=--1",
        "bytes=-1-",
        "bytes=٣-٤",
        "bytes=0-" + "9" * 5000,
        "0-1",
    ],
)
def test_what_is_no_single_range_is_ignored(header: str) -> None:
    assert wanted_part(header, 100) is None


@given(some.text(max_size=30), SIZES)
def test_no_header_reaches_outside_the_file(header: str, size: int) -> None:
    for text in (header, f"bytes={header}"):
        part = wanted_part(text, size)
        assert part is None or part.is_empty or 0 <= part.start < part.end <= size


def test_tags_are_compared_as_the_standard_says() -> None:
    tag, modified = entity_tag("ab", "csv"), http_date(dt.datetime(2026, 3, 1, 12, 0, 0, 999, tzinfo=dt.UTC))
    assert (tag, entity_tag("ab", "parquet"), modified) == ('"ab.csv"', '"ab"', "Sun, 01 Mar 2026 12:00:00 GMT")
    assert is_known(tag, tag)
    assert is_known(f'"x", W/{tag}', tag)
    assert is_known("*", tag)
    assert not is_known('"ab"', tag)
    assert not is_known("", tag)
    assert may_send_part("", tag, modified)
    assert may_send_part(tag, tag, modified)
    assert may_send_part(modified, tag, modified)
    assert not may_send_part(f"W/{tag}", tag, modified)
    assert not may_send_part('"other"', tag, modified)


def test_files_are_named_by_their_first_and_last_day() -> None:
    start, end = dt.datetime(2026, 3, 1, tzinfo=dt.UTC), dt.datetime(2026, 4, 1, tzinfo=dt.UTC)
    assert file_name("lyon", start, end, 0, "csv") == "lyon-2026-03-01-2026-03-31.csv"
    assert file_name("lyon", start, end, 2, "csv") == "lyon-2026-03-01-2026-03-31-edition-2.csv"


@pytest.mark.parametrize(
    "key",
    [
        "private/releases/1/manifest.parquet",
        "releases/../private/x",
        "releases//x",
        "releases/./x",
        "/releases/x",
        "releases\\..\\x",
        "releases/x\\..",
        "",
    ],
)
def test_private_objects_do_not_exist_here(key: str) -> None:
    with pytest.raises(NotFound):
        public_object(key)
