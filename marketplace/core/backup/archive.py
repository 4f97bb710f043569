"""The file of a backup: a tar of the database's dump, every object and a signed manifest, encrypted with age.

`age --decrypt --identity KEY FILE | tar --extract` opens it too. Files are read once, piece by piece, while they are
encrypted, so a backup of any size needs little memory. Age does not say who wrote a file, and decrypts the start of a
truncated file before it reports an error. So the manifest lists the digests of all other files and is signed with the
operator's key, and nothing that was read before the end counts.
Source: https://age-encryption.org/v1 (X25519, ChaCha20-Poly1305); POSIX.1-2001 (pax).
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import tarfile
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import IO, TYPE_CHECKING, Final, TypeAlias

import msgspec
import obstore
import pyrage
from msgspec import Struct

from marketplace.core import signing
from marketplace.core.errors import Conflict, Invalid, existing
from marketplace.core.object_store import TRAIL_COPY
from marketplace.core.working_folders import working_folder

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from pathlib import Path

    from obstore.store import ObjectStore

DATABASE, OBJECTS, MANIFEST, SIGNATURE = "postgresql.dump", "objects/", "manifest.json", "manifest.sig"
PIECE_BYTES: Final = 4 << 20
VERSION: Final = 1
Buffer: TypeAlias = "bytes | memoryview"


class Content(Struct, frozen=True):
    """One file of a backup: its length and digest."""

    bytes: int
    sha256: str


class Manifest(Struct, frozen=True):
    """A backup's content: the instant of its database, ids of the keys that its rows need, and every file's digest."""

    made_at: str
    """The instant of the database's snapshot, ISO 8601."""
    migration: str
    """The newest migration of the database."""
    keys: dict[str, str]
    """Name of a key → its id or public key; never a private key."""
    files: dict[str, Content]
    version: int = VERSION


# ------------------------------------------------------------------ written
def write(
    target: IO[bytes],
    recipients: list[pyrage.x25519.Recipient],
    *,
    database: IO[bytes],
    objects: ObjectStore,
    describe: Callable[[dict[str, Content]], Manifest],
    signing_key: str,
    report: Callable[[int], None],
) -> Manifest:
    """Write a backup of a dump and of every object that the store lists now; return its manifest.

    describe: makes the manifest from the files' digests. report: gets the bytes read so far. An object that is deleted
    during the backup is left out; the caller ensures that the database names no such object.
    """
    files: dict[str, Content] = {}

    def pieces() -> Iterator[Buffer]:
        size = database.seek(0, os.SEEK_END)
        database.seek(0)
        yield from _entry(DATABASE, size, _pieces_in(database), files)
        for name in list_objects(objects):
            try:
                size = int(obstore.head(objects, name)["size"])
            except FileNotFoundError:
                continue
            yield from _entry(OBJECTS + name, size, _pieces_at(objects, name, size), files)

    with _encrypted(target, recipients) as file:
        for piece in _reported(pieces(), report):
            file.write(piece)
        manifest = describe(dict(files))
        stated = msgspec.json.encode(manifest)
        signature = signing.sign(stated, signing_key)
        for name, last in ((MANIFEST, stated), (SIGNATURE, signature)):
            file.writelines(_entry(name, len(last), [last], files))
        file.write(bytes(2 * tarfile.BLOCKSIZE))
    return manifest


def list_objects(objects: ObjectStore) -> list[str]:
    """Return the names of all objects, in order, apart from the copy of the audit trail, which starts again after a restore."""
    names = (str(found["path"]) for batch in obstore.list(objects) for found in batch)
    return sorted(name for name in names if not name.startswith(TRAIL_COPY))


def _pieces_at(objects: ObjectStore, name: str, size: int) -> Iterator[memoryview]:
    """Yield an object's bytes range by range: the library's stream costs eight times as much work as reading a file."""
    for start in range(0, size, PIECE_BYTES):
        yield memoryview(obstore.get_range(objects, name, start=start, end=min(start + PIECE_BYTES, size)))


def _entry(name: str, size: int, pieces: Iterable[Buffer], files: dict[str, Content]) -> Iterator[Buffer]:
    """Yield a tar's entry, and record its digest."""
    info = tarfile.TarInfo(name)
    info.size, info.mode = size, 0o600
    yield info.tobuf(tarfile.PAX_FORMAT)
    digest, written = hashlib.sha256(), 0
    for piece in pieces:
        digest.update(piece)
        written += len(piece)
        yield piece
    if written != size:
        raise Conflict("{name} changed while it was read: make the backup again.", name=name)
    yield bytes(-size % tarfile.BLOCKSIZE)
    files[name] = Content(size, digest.hexdigest())


def _reported(pieces: Iterable[Buffer], report: Callable[[int], None]) -> Iterator[Buffer]:
    """Yield pieces, and report how many bytes have been read before each."""
    read = 0
    for piece in pieces:
        report(read)
        yield piece
        read += len(piece)
    report(read)


def copy_object(source: ObjectStore, target: ObjectStore, name: str) -> int:
    """Copy an object to another store unless it is there with the same content; return its number of bytes."""
    with working_folder() as folder:
        size = int(obstore.head(source, name)["size"])
        with (whole := folder / "object").open("wb") as file:
            content = _save(_pieces_at(source, name, size), file)
        if not _is_there(target, name, content):
            obstore.put(target, name, whole)
            if not _is_there(target, name, content):
                raise Conflict("{name} is not in the other store as it was put there.", name=name)
    return content.bytes


def _is_there(store: ObjectStore, name: str, content: Content) -> bool:
    try:
        return obstore.head(store, name)["size"] == content.bytes and _content_of(store, name) == content
    except FileNotFoundError:
        return False


# ------------------------------------------------------------------ read
def read(
    source: Path,
    identities: list[pyrage.x25519.Identity],
    *,
    database: IO[bytes],
    objects: ObjectStore,
    folder: Path,
    signing_key: str,
    put: Callable[[str], None] = lambda _: None,
) -> Manifest:
    """Write a backup's dump to `database` and its objects to a store, and return its manifest.

    Refuses a file that the identities do not open, that ends early, or that is not signed with the operator's key, and
    one whose files differ from its manifest. Objects are read back from the store before they count; an existing one is
    only read. folder: space for one object at a time. put: gets each name before the object is put.
    """
    found: dict[str, Content] = {}
    stated = signature = b""
    with _decrypted(source, identities) as stream, tarfile.open(fileobj=stream, mode="r|") as tar:
        for member in tar:
            content = existing(
                tar.extractfile(member) if member.isreg() else None,
                Invalid("The backup is damaged: {name} is no file.", name=member.name),
            )
            if member.name == MANIFEST:
                stated = content.read()
            elif member.name == SIGNATURE:
                signature = content.read()
            elif member.name == DATABASE:
                found[DATABASE] = _save(_pieces_in(content), database)
            elif member.name.startswith(OBJECTS):
                name = member.name.removeprefix(OBJECTS)
                found[member.name] = _store(_pieces_in(content), objects, name, folder / "object", put)
    if not signing.verify(stated, signature, signing.public_key(signing_key)):
        raise Invalid("The backup ends early, or was not made with this PARTAGE_SIGNING_KEY: nothing was restored.")
    manifest = msgspec.json.decode(stated, type=Manifest)
    if wrong := sorted(name for name in {*found, *manifest.files} if found.get(name) != manifest.files.get(name)):
        raise Conflict("The backup is damaged: {name} is not what its manifest says.", name=wrong[0])
    return manifest


def _save(pieces: Iterable[Buffer], file: IO[bytes]) -> Content:
    digest, size = hashlib.sha256(), 0
    for piece in pieces:
        digest.update(piece)
        size += len(piece)
        file.write(piece)
    file.flush()
    return Content(size, digest.hexdigest())


def _store(
    pieces: Iterable[Buffer], objects: ObjectStore, name: str, whole: Path, put: Callable[[str], None]
) -> Content:
    """Put an object unless it is there, and return the content of the store under its name."""
    with whole.open("wb") as file:
        content = _save(pieces, file)
    try:
        obstore.head(objects, name)
    except FileNotFoundError:
        put(name)
        obstore.put(objects, name, whole)
    found = _content_of(objects, name)
    if found != content:
        raise Conflict("{name} in the object store is another one: restore into an empty store.", name=name)
    return found


def _content_of(objects: ObjectStore, name: str) -> Content:
    digest, size = hashlib.sha256(), int(obstore.head(objects, name)["size"])
    for piece in _pieces_at(objects, name, size):
        digest.update(piece)
    return Content(size, digest.hexdigest())


def _pieces_in(file: IO[bytes]) -> Iterator[bytes]:
    while piece := file.read(PIECE_BYTES):
        yield piece


class _Written:
    """A file that remembers why a write failed: the library does not report the last one."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self.error: OSError | None = None

    def write(self, data: bytes) -> int:
        try:
            return self._file.write(data)
        except OSError as error:
            self.error = error
            raise

    def flush(self) -> None:
        self._file.flush()


@contextlib.contextmanager
def _encrypted(target: IO[bytes], recipients: list[pyrage.x25519.Recipient]) -> Iterator[IO[bytes]]:
    """Yield a file whose bytes another thread encrypts into `target` while the next are read."""
    out, into = os.pipe()
    written = _Written(target)

    def encrypt() -> None:
        try:
            with os.fdopen(out, "rb") as pipe:
                pyrage.encrypt_io(pipe, written, recipients)
        except pyrage.EncryptError:
            if written.error is None:
                raise
        if written.error is not None:
            raise written.error

    with ThreadPoolExecutor(1) as beside, os.fdopen(into, "wb") as pipe:
        encrypting = beside.submit(encrypt)
        try:
            yield pipe
            pipe.close()
        except BrokenPipeError:
            encrypting.result()  # raises the reason why it reads no more
            raise
        encrypting.result()


class _decrypted:  # noqa: N801 (used as a function: a `with` block's file)
    """The decrypted bytes of a file, read while another thread decrypts it."""

    def __init__(self, source: Path, identities: list[pyrage.x25519.Identity]) -> None:
        self._source, self._identities = source, identities
        self._error: Exception | None = None

    def __enter__(self) -> IO[bytes]:
        out, into = os.pipe()
        self._read = os.fdopen(out, "rb")
        self._thread = threading.Thread(target=self._decrypt, args=(into,))
        self._thread.start()
        return self._read

    def _decrypt(self, into: int) -> None:
        try:
            with self._source.open("rb") as file, os.fdopen(into, "wb") as pipe:
                pyrage.decrypt_io(file, pipe, self._identities)
        except (pyrage.DecryptError, OSError, ValueError) as error:
            self._error = error

    def __exit__(self, kind: object, error: object, trace: object) -> None:
        if kind is None:  # a tar ends before its padding, and the other thread must not be cut off there
            for _ in _pieces_in(self._read):
                pass
        self._read.close()
        self._thread.join()
        if isinstance(error, tarfile.TarError) or (kind is None and self._error is not None):
            raise Invalid("This key does not open the backup, or its file is damaged.") from self._error
