"""The answers of Delta Sharing: lines of JSON, with the files in the format `parquet` or as actions of Delta."""

from __future__ import annotations

import functools
import json
import uuid
from typing import TYPE_CHECKING, Any, Final

from marketplace.core import object_store
from marketplace.core.settings import settings

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Iterable

    from marketplace.delivery.delta_sharing.history import History, SharedFile

TYPES: Final = {"string": "string", "timestamp[us, tz=UTC]": "timestamp", "int64": "long", "bool": "boolean"}
CONFIGURATION: Final = {"enableChangeDataFeed": "true", "delta.enableChangeDataFeed": "true"}
PARQUET: Final = {"provider": "parquet"}
CHANGES_WRITER: Final = 4
"""The lowest writer version of a table with a change feed."""


@functools.lru_cache(maxsize=256)
def described(store: str, key: str) -> tuple[int, str, str]:
    """Return a sealed file's bytes, and its statistics and schema as Delta's JSON; reads its footer.

    store: the address of the object store, so that the cache distinguishes the files of two stores.
    """
    import pyarrow as pa  # noqa: PLC0415
    import pyarrow.parquet as pq  # noqa: PLC0415

    del store
    source = object_store.ObjectFile(key)
    with pq.ParquetFile(pa.PythonFile(source, mode="r")) as file:
        footer, schema = file.metadata, file.schema_arrow
    fields = [
        {
            "name": field.name,
            "type": TYPES[str(field.type)],
            "nullable": True,
            "metadata": {"comment": (field.metadata or {}).get(b"description", b"").decode()},
        }
        for field in schema
    ]
    least, greatest, nulls = {}, {}, {}
    for at, field in enumerate(schema):
        of: list[Any] = [footer.row_group(number).column(at).statistics for number in range(footer.num_row_groups)]
        if of and all(one is not None and one.has_min_max for one in of):
            least[field.name] = _plain(min(one.min for one in of))
            greatest[field.name] = _plain(max(one.max for one in of))
            nulls[field.name] = sum(one.null_count or 0 for one in of)
    stats = {"numRecords": footer.num_rows, "minValues": least, "maxValues": greatest, "nullCount": nulls}
    return source.length, json.dumps(stats), json.dumps({"type": "struct", "fields": fields})


def _plain(value: Any) -> Any:  # noqa: ANN401 (what a column holds)
    return value.strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z" if hasattr(value, "strftime") else value


def key_of(row: SharedFile) -> str:
    """Return a file's key in the object store."""
    key = object_store.edition_key(row.release, row.level) if row.level else object_store.cells_key(row.release)
    return object_store.public_object(key)


def describe(row: SharedFile) -> tuple[int, str, str]:
    """Return bytes, statistics and schema of a file."""
    return described(settings().objects, key_of(row))


def milliseconds(instant: dt.datetime) -> int:
    """Return an instant in the protocol's form."""
    return int(instant.timestamp() * 1000)


def head(
    partner: uuid.UUID, history: History, files: Iterable[SharedFile], version: int, *, is_delta: bool
) -> list[Any]:
    """Return the first two lines: the protocol, and the table as of a version."""
    rows = list(files)
    sizes = [describe(row)[0] for row in rows]
    schema = describe(rows[-1] if rows else history.rows[-1])[2]
    core = {
        "id": table_id(partner, history.table),
        "schemaString": schema,
        "partitionColumns": [],
        "name": history.table,
    }
    about = {"size": sum(sizes), "numFiles": len(sizes), "version": version}
    if not is_delta:
        return [
            {"protocol": {"minReaderVersion": 1}},
            {"metaData": core | about | {"format": PARQUET, "configuration": CONFIGURATION}},
        ]
    metadata = core | {
        "format": PARQUET | {"options": {}},
        "configuration": CONFIGURATION,
        "createdTime": milliseconds(history.versions[0].at),
    }
    return [
        {"protocol": {"deltaProtocol": {"minReaderVersion": 1, "minWriterVersion": CHANGES_WRITER}}},
        {"metaData": about | {"deltaMetadata": metadata}},
    ]


def table_id(partner: uuid.UUID, table: str) -> str:
    """Return the id of a partner's table, the same for ever."""
    return str(uuid.uuid5(uuid.NAMESPACE_URL, f"{settings().url}/{partner}/{table}"))


def file_line(
    row: SharedFile, url: str, until: int, *, version: int, at: dt.datetime, is_delta: bool
) -> dict[str, Any]:
    """Return the line of a file of a version. until: when its address ends, in milliseconds."""
    size, stats, _ = describe(row)
    about = {"id": file_id(row), "size": size, "version": version, "timestamp": milliseconds(at)}
    about["expirationTimestamp"] = until
    if not is_delta:
        return {"file": about | {"url": url, "partitionValues": {}, "stats": stats}}
    return {"file": about | {"deltaSingleAction": {"add": _added(url, size, stats, at)}}}


def change_line(
    row: SharedFile, url: str, until: int, *, version: int, at: dt.datetime, is_added: bool, is_delta: bool
) -> dict[str, Any]:
    """Return the line of a file that a version added or removed."""
    size, stats, _ = describe(row)
    about = {"id": file_id(row), "size": size, "version": version, "timestamp": milliseconds(at)}
    about["expirationTimestamp"] = until
    if not is_delta:
        stated = {"stats": stats} if is_added else {}
        return {"add" if is_added else "remove": about | {"url": url, "partitionValues": {}} | stated}
    if is_added:
        return {"file": about | {"deltaSingleAction": {"add": _added(url, size, stats, at)}}}
    removed = {"path": url, "partitionValues": {}, "size": size, "dataChange": True}
    removed |= {"deletionTimestamp": milliseconds(at), "extendedFileMetadata": True}
    return {"file": about | {"deltaSingleAction": {"remove": removed}}}


def _added(url: str, size: int, stats: str, at: dt.datetime) -> dict[str, Any]:
    added = {"path": url, "partitionValues": {}, "size": size, "modificationTime": milliseconds(at)}
    return added | {"dataChange": True, "stats": stats}


def file_id(row: SharedFile) -> str:
    """Return the id of a file, which follows from its content."""
    return row.cells_sha256[:32]
