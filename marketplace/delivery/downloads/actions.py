"""Actions of delivery: open a download for an entitled partner, and record it.

Only a release's sealed cells are read, through `core.object_store.public_object`. Other formats are derived from them
once, always as the same bytes, and stored next to them.
"""

from __future__ import annotations

import asyncio
import time
import uuid
from dataclasses import dataclass
from typing import TYPE_CHECKING

from marketplace.core import clock, object_store
from marketplace.core.database import execute, fetch_row, fetch_scalar, transaction
from marketplace.core.errors import Conflict, Invalid, NotFound
from marketplace.core.locks import lock
from marketplace.core.working_folders import working_folder
from marketplace.datasets.geography.queries import get_geography
from marketplace.datasets.releases.queries import get_dataset, get_release, list_editions
from marketplace.delivery.downloads import dictionary, rules
from marketplace.delivery.downloads.formats.file_format import FileInput
from marketplace.delivery.downloads.formats.registry import FORMATS
from marketplace.delivery.downloads.queries import SQL, get_entitlement
from marketplace.delivery.downloads.rules import Validity

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import AsyncIterator, Awaitable, Callable

    from marketplace.delivery.downloads.formats.file_format import FileFormat
    from marketplace.delivery.downloads.queries import EntitlementRow

CHUNK_BYTES = 1 << 20
CHECK_SECONDS = 0.5


@dataclass(frozen=True, slots=True)
class Download:
    """A file that a partner may download now."""

    entitlement: uuid.UUID
    format: str
    key: str
    byte_count: int
    name: str
    tag: str
    modified: str
    sha256: str
    """Hex, of the file; empty for a derived one."""
    media_type: str


async def open_download(partner: uuid.UUID, entitlement: uuid.UUID, file_format: str) -> Download:
    """Return the file that an entitlement opens now; derives the format first if nobody has requested it yet.

    Refuses another partner's entitlement, one that ended or was revoked, and an unknown format.
    """
    if file_format not in FORMATS:
        raise Invalid("Choose a format: {formats}.", formats=", ".join(FORMATS))
    return await open_entitled(await get_entitlement(partner, entitlement), file_format)


async def open_entitled(row: EntitlementRow, file_format: str) -> Download:
    """Return the file of an entitlement that was just read; refuses as `open_download` does."""
    rules.check_is_valid(row, clock.now())
    return await open_sealed(row, file_format)


async def open_sealed(row: EntitlementRow, file_format: str) -> Download:
    """Return the file of an entitlement that was checked before; an unknown format is refused."""
    if file_format not in FORMATS:
        raise Invalid("Choose a format: {formats}.", formats=", ".join(FORMATS))
    chosen, sealed_key = FORMATS[file_format], sealed_key_of(row)
    key = await _derived(row, sealed_key, chosen) if chosen.write else sealed_key
    return Download(
        entitlement=row.id,
        format=file_format,
        key=key,
        byte_count=await object_store.size(key),
        name=rules.file_name(
            row.dataset, row.period_from, row.period_to, row.level, chosen.suffix, time_zone=row.time_zone
        ),
        tag=rules.entity_tag(row.cells_sha256, file_format),
        modified=rules.http_date(row.sealed_at),
        sha256="" if chosen.write else row.cells_sha256,
        media_type=chosen.media_type,
    )


def sealed_key_of(row: EntitlementRow) -> str:
    """Return the key of the cells that an entitlement opens."""
    return object_store.public_object(
        object_store.edition_key(row.release, row.level) if row.level else object_store.cells_key(row.release)
    )


async def record_download(download: Download, *, is_part: bool) -> None:
    """Record a download; refuse it if the entitlement has ended.

    Parts of one file that are fetched together or within a day are one download.
    """
    now = clock.now()
    values = (download.entitlement, download.format)
    if not is_part:
        await _record(download, now)
        return
    since = now - rules.PARTS_ARE_ONE_DOWNLOAD_FOR
    if await fetch_scalar(bool, SQL["is_recorded"], *values, since):
        return
    async with transaction():
        await lock(f"download {download.entitlement}")
        if not await fetch_scalar(bool, SQL["is_recorded"], *values, since):
            await _record(download, clock.now())


async def _record(download: Download, now: dt.datetime) -> None:
    """Record a download in one statement, which checks the entitlement once nobody can end it."""
    values = (download.format, download.byte_count, now)
    if not await execute(SQL["record_download"], uuid.uuid4(), download.entitlement, *values):
        await check_still_valid(download.entitlement)
        raise Conflict("This download's entitlement just changed; try again.")


async def read(
    download: Download, part: rules.ByteRange, check: Callable[[], Awaitable[object]]
) -> AsyncIterator[bytes]:
    """Yield a part of a file in chunks of at most a mebibyte; refuse and stop once the file may not be read.

    check: refuses the file; called twice a second.
    """
    looked = time.monotonic()
    for start in range(part.start, part.end, CHUNK_BYTES):
        if time.monotonic() - looked > CHECK_SECONDS:
            await check()
            looked = time.monotonic()
        yield await object_store.get_range(download.key, start, min(start + CHUNK_BYTES, part.end))


async def check_still_valid(entitlement: uuid.UUID) -> None:
    """Refuse an entitlement that ended, was revoked or suspended, or whose release was recalled."""
    validity = await fetch_row(Validity, SQL["get_validity"], entitlement)
    assert validity
    rules.check_is_valid(validity, clock.now())


async def read_dictionary(partner: uuid.UUID, entitlement: uuid.UUID) -> bytes:
    """Return the dictionary of an entitlement's files as JSON; refuses as a download does."""
    row = await get_entitlement(partner, entitlement)
    rules.check_is_valid(row, clock.now())
    return dictionary.document(row, await get_given(row, sealed_key_of(row)))


async def _derived(row: EntitlementRow, sealed_key: str, file_format: FileFormat) -> str:
    """Return the key of sealed cells in a format; write them there first if nobody has requested it yet."""
    key = object_store.public_object(f"{sealed_key.removesuffix('parquet')}{file_format.suffix}")
    given = await get_given(row, sealed_key)
    file_format.check(given)
    try:
        await object_store.size(key)
    except NotFound:
        with working_folder() as folder:
            path = folder / "cells"
            assert file_format.write
            await asyncio.to_thread(file_format.write, given, path)
            await object_store.put(key, path)
    return key


async def get_given(row: EntitlementRow, sealed_key: str) -> FileInput:
    """Return the content of an entitlement's files."""
    release, dataset = await get_release(row.release), await get_dataset(row.dataset)
    error_people, threshold = release.error_people, release.threshold
    if row.level:
        edition = {each.level: each for each in await list_editions(row.release)}[row.level]
        error_people, threshold = edition.error_people, edition.threshold
    geography = await get_geography(dataset.zone_table)
    return FileInput(sealed_key, row.level, row.row_count, threshold, error_people, dataset, release, geography)
