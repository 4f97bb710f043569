"""The object store: sealed cells that entitled partners fetch, and private objects that no delivery may read.

Keys below `private/` are for data from which a release was made (manifests are exact personal data). `public_object`
refuses them, and delivery reads objects only through it. An object appears whole or not at all.
"""

from __future__ import annotations

import asyncio
import contextlib
import datetime as dt
import errno
import functools
import io
import os
import re
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

import obstore
import obstore.exceptions
from obstore.store import from_url

from marketplace.core.errors import NotFound, Unavailable
from marketplace.core.settings import settings

if TYPE_CHECKING:
    import uuid
    from collections.abc import Iterator

    from obstore.store import ObjectStore, RetryConfig

PRIVATE = "private/"
PATHS_KEPT = 4096
PIECE_BYTES = 8 << 20
"""The size of a piece in memory during a download."""
EDITIONS_KEY = "editions.key"
"""Name of a release's private object: the key that its coarser editions are drawn with."""
RETRIES: RetryConfig = {"max_retries": 5, "retry_timeout": dt.timedelta(seconds=30)}
"""A store that is unreachable for longer is reported as a failure; the library's own three minutes look like a hang."""
ONCE: RetryConfig = {"max_retries": 0, "retry_timeout": dt.timedelta(seconds=30)}
TRAIL_COPY = f"{PRIVATE}trail/"
"""Where the audit trail is copied to, unless a place apart is named: no backup has it, for it is held against the database."""
NO_OBJECT = f"{PRIVATE}health/none"
"""The key requested to see whether a store answers: its absence is an answer."""
NO_BUCKET = "NoSuchBucket"
"""S3's code for a missing bucket, which has the same status as a missing object."""
REASONS = {
    NO_BUCKET: "there is no such bucket",
    "InvalidAccessKeyId": "it does not know AWS_ACCESS_KEY_ID",
    "SignatureDoesNotMatch": "AWS_SECRET_ACCESS_KEY is not the secret of AWS_ACCESS_KEY_ID",
    "AccessDenied": "this access key may not do that there",
    "RequestTimeTooSkewed": "this machine's clock differs from its by more than a quarter of an hour",
    "builder error": "its address has no TLS, and AWS_ALLOW_HTTP is not true",
    "error sending request": "nobody answers at {server}",
    "Unable to recognise URL": "that is no address of a store",
}
"""The reason for each text in the library's errors: codes of S3's answers, and kinds of its own failures."""
FOLDER = "The folder {folder} cannot be used: {why}. Compare {setting}, and who may read and write there."
TROUBLES = (OSError, obstore.exceptions.BaseError)
"""Exceptions raised if the store does not answer."""


def folder_of(url: str) -> Path | None:
    """Return the folder of this machine that an address names, or None."""
    address = urlsplit(url)
    return Path(unquote(address.path)) if address.scheme == "file" else None


@functools.cache
def open_at(url: str) -> ObjectStore:
    """Return the store at an address: a folder (file:///…), created if it is missing, a bucket, GCS or Azure."""
    return _open(url, RETRIES)


def _open(url: str, retries: RetryConfig) -> ObjectStore:
    if (folder := folder_of(url)) is not None:
        folder.mkdir(parents=True, exist_ok=True)
        return from_url(url)
    if url.startswith("s3://"):
        return from_url(url, retry_config=retries)
    return from_url(url)


def sentence_of(error: BaseException, address: str = "") -> str:
    """Return a sentence on why a store failed: a wrong bucket, address or key, or no answer.

    address: of the store; by default the operator's own.
    """
    if (folder := folder_of(address or settings().objects)) is not None:
        is_own = address in {"", settings().objects}
        setting = "PARTAGE_STATE and PARTAGE_OBJECTS" if is_own else "the setting that names it"
        return FOLDER.format(folder=folder, why=_reason(error), setting=setting)
    return (
        f"The object store {address or settings().objects} did not do what was asked: {_why(error)}. Compare PARTAGE_OBJECTS and "
        "the AWS_… variables: bucket, AWS_ENDPOINT_URL, AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_REGION, and "
        "AWS_ALLOW_HTTP for an address without TLS."
    )


def _why(error: BaseException) -> str:
    """Return why a store that is no folder failed: in our words if known, else the first line of the library's."""
    text = str(error).strip()
    if isinstance(error, TimeoutError) and not text:
        return "it did not answer in time"
    server = re.search(r"performing [A-Z]+ (\w+://[^/\s]+)", text)
    for sign, why in REASONS.items():
        if sign in text:
            return why.format(server=server[1] if server else "its address")
    if status := re.search(r"status code: (\d{3}[A-Za-z ]*)", text):  # of a request whose answer has no body
        return f"it answered {status[1].strip()}"
    return (text.splitlines() or [type(error).__name__])[0].rstrip(".")


def _reason(error: BaseException) -> str:
    """Return the system's own reason, such as Permission denied, if a folder's error has one."""
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    found = re.findall(r"([^:\n\"]+) \(os error \d+\)", str(error))
    return found[-1].strip() if found else (str(error).strip().splitlines() or [type(error).__name__])[0].rstrip(".")


@contextlib.contextmanager
def answering(address: str = "") -> Iterator[None]:
    """Refuse when the store fails in the block: a missing object, or a store that does not answer properly."""
    try:
        yield
    except FileNotFoundError as error:
        if NO_BUCKET not in str(error):
            raise NotFound("That object is not in the store.") from None
        raise _unavailable(error, address) from error
    except TROUBLES as error:
        raise _unavailable(error, address) from error


def _unavailable(error: BaseException, address: str) -> Unavailable:
    return Unavailable(
        "The object store does not answer as it should: try again in a few minutes.", cause=sentence_of(error, address)
    )


def store() -> ObjectStore:
    """Return the operator's object store: a folder, S3, GCS or Azure, by its address; refuse one that cannot be opened."""
    try:
        return open_at(settings().objects)
    except TROUBLES as error:
        raise _unavailable(error, "") from error


def cells_key(release: uuid.UUID) -> str:
    """Return the key of a release's sealed cells."""
    return f"releases/{release}/cells.parquet"


def edition_key(release: uuid.UUID, level: int) -> str:
    """Return the key of a sealed release's coarser edition; levels from 1."""
    return f"releases/{release}/edition-{level}.parquet"


def private_key(release: uuid.UUID, name: str) -> str:
    """Return the key of a release's private object: noisy.parquet, cells.parquet, manifest.parquet, EDITIONS_KEY."""
    return f"{PRIVATE}releases/{release}/{name}"


async def put(key: str, data: bytes | Path) -> None:
    """Store bytes, or a file's, under `key`, replacing the old object in one step."""
    with answering():
        await obstore.put_async(store(), key, data)


async def get(key: str) -> bytes:
    """Return the whole object."""
    with answering():
        return bytes(await (await obstore.get_async(store(), key)).bytes_async())


async def get_range(key: str, start: int, end: int) -> bytes:
    """Return the bytes of an object from `start` up to, not including, `end`."""
    with answering():
        return bytes(await obstore.get_range_async(store(), key, start=start, end=end))


def path_of(key: str) -> Path | None:
    """Return an object's file if the store is a folder of this machine, else None."""
    return _path_of(settings().objects, key)


@functools.lru_cache(PATHS_KEPT)
def _path_of(url: str, key: str) -> Path | None:
    folder = folder_of(url)
    return folder / key if folder is not None else None


async def download(key: str, path: Path) -> None:
    """Write the whole object to a file, a piece at a time."""
    with answering():
        answer = await obstore.get_async(store(), key)
    with path.open("wb") as file:
        async for piece in answer.stream(min_chunk_size=PIECE_BYTES):
            await asyncio.to_thread(file.write, piece)


async def delete(key: str) -> None:
    """Delete an object; a missing one is no error."""
    with contextlib.suppress(NotFound), answering():
        await obstore.delete_async(store(), key)


def read_now(key: str) -> bytes | None:
    """Return the whole object, or None if it is not in the store; blocks while reading."""
    try:
        with answering():
            return bytes(obstore.get(store(), key).bytes())
    except NotFound:
        return None


async def ask() -> None:
    """Request a missing object once; refuse a store that does not answer, without retrying."""
    with contextlib.suppress(NotFound), answering():
        await obstore.get_async(_open(settings().objects, ONCE), NO_OBJECT)


async def look() -> None:
    """List an empty prefix; raise the store's error if bucket, address or key are wrong.

    It runs in a thread of ours: the library's own thread still has the answer when a command ends, and then aborts 1 in
    20.
    """
    if (folder := folder_of(settings().objects)) is not None and store() and not os.access(folder, os.W_OK | os.X_OK):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(folder))
    await asyncio.to_thread(lambda: list(obstore.list(store(), prefix=f"{PRIVATE}health/")))


def read_range(key: str, start: int, end: int) -> memoryview:
    """Return the bytes of an object from `start` up to, not including, `end`; blocks while reading."""
    path = path_of(key)
    with answering():
        if path is not None:  # The library would read it in a thread of its own, and this one would wait for it.
            with path.open("rb", buffering=0) as file:
                return memoryview(os.pread(file.fileno(), end - start, start))
        return memoryview(obstore.get_range(store(), key, start=start, end=end))


async def size(key: str) -> int:
    """Return how many bytes an object has."""
    path = path_of(key)
    with answering():
        return path.stat().st_size if path else int((await obstore.head_async(store(), key))["size"])


def public_object(key: str) -> str:
    """Return `key` if delivery may serve it; a private key, or one that could lead there, is refused as missing."""
    if not key.startswith("releases/") or any(part in {"", ".", ".."} for part in key.split("/")) or "\\" in key:
        raise NotFound("That object is not in the store.")
    return key


class ObjectFile(io.RawIOBase):
    """An object as a seekable file, each read fetching only its range; for readers of Parquet footers."""

    def __init__(self, key: str) -> None:
        """Open the object under `key`; a missing one is refused."""
        super().__init__()
        self.key, self.position = key, 0
        with answering():
            self.length = int(obstore.head(store(), key)["size"])

    def readable(self) -> bool:
        """Return True."""
        return True

    def seekable(self) -> bool:
        """Return True."""
        return True

    def tell(self) -> int:
        """Return the position."""
        return self.position

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Move to `offset` from the start, the position or the end."""
        self.position = offset + (0, self.position, self.length)[whence]
        return self.position

    def read(self, size: int = -1) -> bytes:
        """Return up to `size` bytes from the position, by default all that follow; empty at the end."""
        left = max(self.length - self.position, 0)
        count = left if size < 0 else min(size, left)
        if not count:
            return b""
        data = bytes(obstore.get_range(store(), self.key, start=self.position, length=count))
        self.position += len(data)
        return data
