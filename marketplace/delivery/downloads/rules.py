"""Rules of delivery: valid entitlements, file names, and the requested part of a file.

Source: RFC 9110, sections 8.8.3 (entity tags), 13.1 (preconditions) and 14 (ranges).
"""

from __future__ import annotations

import datetime as dt
import functools
import re
from dataclasses import dataclass
from email.utils import format_datetime
from typing import Final

from msgspec import Struct

from marketplace.core.errors import Conflict, Expired
from marketplace.core.local_time import local_days

PARTS_ARE_ONE_DOWNLOAD_FOR: Final = dt.timedelta(days=1)
LONGEST_NUMBER: Final = 18
FILES_KEPT: Final = 1024
"""For how many files the name and date are cached in memory; both follow from constants."""


@dataclass(frozen=True, slots=True)
class ByteRange:
    """The bytes of a file from `start` to `end`, excluded; empty if the range cannot be satisfied."""

    start: int
    end: int

    @property
    def is_empty(self) -> bool:
        """Whether it has no bytes."""
        return self.start >= self.end


class Validity(Struct, frozen=True):
    """When an entitlement may be used: a half-open interval, and its end or suspension, each None until it happens."""

    starts_at: dt.datetime
    ends_at: dt.datetime
    revoked_at: dt.datetime | None
    """When a refund or a lost dispute ended it."""
    recalled_at: dt.datetime | None
    """When the release was recalled."""
    suspended_at: dt.datetime | None
    """Since when its payment is disputed, or its invoice far overdue."""
    is_overdue: bool
    """Whether it is suspended because of an unpaid invoice."""


def check_is_valid(entitlement: Validity, now: dt.datetime) -> None:
    """Refuse a download outside the entitlement: refunded, suspended, ended or not begun."""
    if entitlement.revoked_at is not None:
        raise Expired("This order was refunded; its data can no longer be downloaded.")
    if entitlement.recalled_at is not None:
        raise Expired("This release was called back; its data can no longer be downloaded. Your order says why.")
    if entitlement.suspended_at is not None and entitlement.is_overdue:
        raise Conflict("The invoice of this order is overdue; the data can be downloaded again once it is paid.")
    if entitlement.suspended_at is not None:
        raise Conflict("This payment is disputed at its bank; the data can be downloaded again once that is settled.")
    if not entitlement.starts_at <= now < entitlement.ends_at:
        raise Expired("This licence has ended; its data can no longer be downloaded.")


@functools.lru_cache(FILES_KEPT)
def file_name(
    dataset: str,
    period_from: dt.datetime,
    period_to: dt.datetime,
    level: int,
    suffix: str,
    *,
    time_zone: str = "UTC",
) -> str:
    """Return the name of the saved file: dataset, first and last local day of the half-open period, a coarser level."""
    first, last = local_days(period_from, period_to, time_zone)
    edition = f"-edition-{level}" if level else ""
    return f"{dataset}-{first}-{last}{edition}.{suffix}"


def entity_tag(cells_sha256: str, file_format: str) -> str:
    """Return the strong tag of a sealed release in a format: its hash, which also determines derived formats."""
    return f'"{cells_sha256}"' if file_format == "parquet" else f'"{cells_sha256}.{file_format}"'


@functools.lru_cache(FILES_KEPT)
def http_date(instant: dt.datetime) -> str:
    """Return an instant in HTTP's form, to the second."""
    return format_datetime(instant.astimezone(dt.UTC).replace(microsecond=0), usegmt=True)


def is_known(if_none_match: str, tag: str) -> bool:
    """Return whether the client has the file already; tags compare weakly here."""
    tags = re.findall(r'(?:W/)?("[^"]*")', if_none_match)
    return if_none_match.strip() == "*" or tag in tags


def wanted_part(header: str, size: int) -> ByteRange | None:
    """Return the one part of `size` bytes that a Range header requests, or None for all of them.

    Anything but one well-formed byte range is ignored, as the standard allows; an empty part cannot be satisfied.
    """
    found = re.fullmatch(r"\s*bytes\s*=\s*(\d*)\s*-\s*(\d*)\s*", header, re.ASCII | re.IGNORECASE)
    if found is None or not any(found.groups()) or max(map(len, found.groups())) > LONGEST_NUMBER:
        return None
    first, last = found.groups()
    if not first:
        return ByteRange(max(size - int(last), 0), size)
    if last and int(last) < int(first):
        return None
    return ByteRange(int(first), min(int(last) + 1, size) if last else size)


def may_send_part(if_range: str, tag: str, modified: str) -> bool:
    """Return whether the client's earlier part is from this same file, so that another part may follow it."""
    return not if_range or if_range.strip() in (tag, modified)
