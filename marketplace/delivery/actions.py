"""What can be done about delivery: open a download for an entitled partner, and record that it was made.

Only a release's sealed cells are reached, through `object_store.public_object`. Other formats are derived from them once, always
the same bytes, and kept beside them.
"""

from __future__ import annotations

import asyncio
import time
import uuid
from dataclasses import dataclass
from typing import TYPE_CHECKING

from marketplace import clock, object_store
from marketplace.database import execute, fetch_row, fetch_scalar, transaction
from marketplace.datasets.queries import get_dataset, get_release, list_editions
from marketplace.delivery import dictionary, rules
from marketplace.delivery.formats.file_format import Given
from marketplace.delivery.formats.registry import FORMATS
from marketplace.delivery.queries import SQL, get_entitlement
from marketplace.delivery.rules import Validity
from marketplace.errors import Conflict, Invalid, NotFound
from marketplace.locks import lock
from marketplace.working_folders import working_folder
from marketplace.zones.queries import get_geography

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import AsyncIterator, Awaitable, Callable

    from marketplace.delivery.formats.file_format import FileFormat
    from marketplace.delivery.queries import EntitlementRow

CHUNK_BYTES = 1 << 20
CHECK_SECONDS = 0.5


@dataclass(frozen=True, slots=True)
class Download:
    """A file that a partner may fetch now."""

    entitlement: uuid.UUID
    format: str
    key: str
    byte_count: int
    name: str
    tag: str
    modified: str
    sha256: str
    """Hex, of the file itself; empty for a derived one."""
    media_type: str


async def open_download(partner: uuid.UUID, entitlement: uuid.UUID, file_format: str) -> Download:
    """Return what an entitlement opens now, making the CSV when nobody has yet.

    Refusals: another partner's entitlement, one that ended or was revoked, an unknown format.
    """
    if file_format not in FORMATS:
        raise Invalid("Choose a format: {formats}.", formats=", ".join(FORMATS))
    return await open_entitled(await get_entitlement(partner, entitlement), file_format)


async def open_entitled(row: EntitlementRow, file_format: str) -> Download:
    """Return what an entitlement that was just read opens; refuses as `open_download` does."""
    rules.check_is_valid(row, clock.now())
    return await open_sealed(row, file_format)


async def open_sealed(row: EntitlementRow, file_format: str) -> Download:
    """Return the file that an entitlement, looked at before, opens; an unknown format is refused."""
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
    """Return where the cells that an entitlement opens lie."""
    return object_store.public_object(
        object_store.edition_key(row.release, row.level) if row.level else object_store.cells_key(row.release)
    )


async def record_download(download: Download, *, is_part: bool) -> None:
    """Record a download, and refuse it when the entitlement ended meanwhile.

    The parts of one file, fetched side by side or one after another within a day, are one download.
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
    """Record a download in one statement, which looks at the entitlement once nobody can end it."""
    values = (download.format, download.byte_count, now)
    if not await execute(SQL["record_download"], uuid.uuid4(), download.entitlement, *values):
        await check_still_valid(download.entitlement)
        raise Conflict("This download's entitlement just changed; try again.")


async def read(download: Download, part: rules.Part, check: Callable[[], Awaitable[object]]) -> AsyncIterator[bytes]:
    """Yield a part of a file in chunks of a mebibyte at most; stop with a refusal once the file may not be read any more.

    check: refuses it; asked twice a second.
    """
    looked = time.monotonic()
    for start in range(part.start, part.end, CHUNK_BYTES):
        if time.monotonic() - looked > CHECK_SECONDS:
            await check()
            looked = time.monotonic()
        yield await object_store.get_range(download.key, start, min(start + CHUNK_BYTES, part.end))


async def check_still_valid(entitlement: uuid.UUID) -> None:
    """Refuse an entitlement that ended, was revoked, suspended or whose release was called back."""
    validity = await fetch_row(Validity, SQL["get_validity"], entitlement)
    assert validity
    rules.check_is_valid(validity, clock.now())


async def read_dictionary(partner: uuid.UUID, entitlement: uuid.UUID) -> bytes:
    """Return what the files of an entitlement say, as JSON; refuses as a download does."""
    row = await get_entitlement(partner, entitlement)
    rules.check_is_valid(row, clock.now())
    return dictionary.document(row, await get_given(row, sealed_key_of(row)))


async def _derived(row: EntitlementRow, sealed_key: str, file_format: FileFormat) -> str:
    """Return where sealed cells lie in a format, writing them there first when nobody has asked for it yet."""
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


async def get_given(row: EntitlementRow, sealed_key: str) -> Given:
    """Return what the files of an entitlement are made of."""
    release, dataset = await get_release(row.release), await get_dataset(row.dataset)
    error_people, threshold = release.error_people, release.threshold
    if row.level:
        edition = {each.level: each for each in await list_editions(row.release)}[row.level]
        error_people, threshold = edition.error_people, edition.threshold
    geography = await get_geography(dataset.zone_table)
    return Given(sealed_key, row.level, row.row_count, threshold, error_people, dataset, release, geography)
