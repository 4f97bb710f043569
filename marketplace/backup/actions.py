"""Backup and restore: the whole marketplace at one instant, while it sells, and on an empty machine again.

The dump is of one snapshot. Objects are listed after it, so each that it names is there: objects are written before the
row that names them and never changed. The locks of the two jobs that delete objects are held until all are copied.
"""

from __future__ import annotations

import asyncio
import contextlib
import datetime as dt
import hashlib
import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

import msgspec
import obstore
import pyrage

from marketplace import clock, object_store, sealing, signing
from marketplace.backup import archive
from marketplace.backup.archive import Content, Manifest
from marketplace.backup.dump import dump, find_program, restore_dump
from marketplace.backup.tables import Restoration
from marketplace.database import execute, fetch_scalar, transaction
from marketplace.errors import Conflict, Invalid
from marketplace.locks import exclusive
from marketplace.settings import settings

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Sequence

    from obstore.store import ObjectStore

    from marketplace.settings import Settings

DELETERS: Final = ("ingest events", "index contributions", "public log")
"""The locks under which objects are deleted or, the public log's head alone, replaced."""


def new_key(path: Path) -> str:
    """Write a new private key to a file that only its owner reads, and return its public half; refuse to replace one."""
    key = pyrage.x25519.Identity.generate()
    try:
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write(f"# public key: {key.to_public()}\n{key}\n")
    except OSError as error:
        raise Conflict("{path} cannot be written: {why}.", path=path, why=error.strerror or error) from None
    return str(key.to_public())


def key_ids(chosen: Settings) -> dict[str, str]:
    """Return the ids and public halves of the keys that rows and objects need; never a key."""
    bids = chosen.bid_public_key or sealing.public_key(chosen.bid_key)
    secret = hashlib.sha256(b"partage secret id" + chosen.secret.encode()).hexdigest()[:16]
    return {
        "PARTAGE_SIGNING_KEY": signing.public_key(chosen.signing_key).hex(),
        "PARTAGE_BID_KEY": bids,
        "PARTAGE_SECRET": secret,
        **{f"PARTAGE_IDENTITY_KEYS {one.partition(':')[0]}": "there" for one in chosen.identity_keys.split(",")},
    }


# ------------------------------------------------------------------ backup
async def back_up(
    to: str, keys: Sequence[str], *, report: Callable[[int], None] = lambda _: None
) -> tuple[str, Manifest]:
    """Write a backup into a folder or bucket, encrypted to these public keys; return where it is and what it holds.

    report: is given the bytes read so far. The file appears whole or not at all.
    """
    recipients = [_recipient(key) for key in keys]
    if not recipients:
        raise Invalid("Say to which public key the backup is encrypted: --key age1…, or PARTAGE_BACKUP_KEY.")
    async with _objects_stay(), _workspace() as folder:
        made_at, migration = await _dump(folder / "dump")
        name = f"partage-{made_at:%Y%m%dT%H%M%S%fZ}.age"

        def describe(files: dict[str, Content]) -> Manifest:
            return Manifest(made_at.isoformat(), migration, key_ids(settings()), files)

        def write(whole: Path) -> Manifest:
            with whole.open("wb") as file:
                manifest = archive.write(
                    file,
                    recipients,
                    database=folder / "dump",
                    objects=object_store.store(),
                    describe=describe,
                    signing_key=settings().signing_key,
                    report=report,
                )
                file.flush()
                os.fsync(file.fileno())
            return manifest

        address = _address(to)
        if address is None:
            target = Path(to) / name
            target.parent.mkdir(parents=True, exist_ok=True)
            manifest = await asyncio.to_thread(write, draft := target.with_suffix(".part"))
            draft.rename(target)
            return str(target), manifest
        manifest = await asyncio.to_thread(write, folder / name)
        with object_store.answering(address):
            await obstore.put_async(_open(address), name, folder / name)
        return f"{address.rstrip('/')}/{name}", manifest


async def _dump(into: Path) -> tuple[dt.datetime, str]:
    """Dump one snapshot; return its instant and the newest migration in it."""
    program = await find_program("pg_dump")
    async with transaction(isolation="repeatable_read", readonly=True):
        await execute("SET LOCAL idle_in_transaction_session_timeout = 0")  # it waits while another process reads
        snapshot = await fetch_scalar(str, "SELECT pg_export_snapshot()")
        migration = await fetch_scalar(str, "SELECT max(name) FROM migration")
        assert snapshot
        made_at = clock.now()
        await dump(program, settings().database_url, snapshot, into)
    return made_at, str(migration)


# ------------------------------------------------------------------ restore
async def restore(source: str, identity: Path) -> Manifest:
    """Restore a backup with a private key's file into an empty database and an empty store; return what it holds.

    Refuses one that is not empty, a key that does not open the file, and anything that is not what the manifest says.
    The caller brings the schema up to date, and notes the restore.
    """
    await _refuse_unless_empty()
    identities = _identities(identity)
    async with _workspace() as folder:
        path = Path(source)
        if (address := _address(source)) is not None:
            parent, _, name = address.rpartition("/")
            path = folder / "backup"
            with object_store.answering(parent):
                await _download(_open(parent), name, path)
        _refuse_absent(path)
        store = object_store.store()
        manifest = await asyncio.to_thread(
            archive.read,
            path,
            identities,
            database=folder / "dump",
            objects=store,
            signing_key=settings().signing_key,
        )
        await restore_dump(await find_program("pg_restore"), settings().database_url, folder / "dump")
    return manifest


async def note_restoration(manifest: Manifest) -> None:
    """Note that the database goes on from a backup, once its schema is up to date."""
    digest = hashlib.sha256(msgspec.json.encode(manifest)).hexdigest()
    await _note(dt.datetime.fromisoformat(manifest.made_at), digest)


async def note_point_in_time(instant: dt.datetime) -> None:
    """Note that PostgreSQL itself brought the database to an instant by its own log; no backup of ours was read."""
    if instant.tzinfo is None or instant > clock.now():
        raise Invalid("Say the instant that the database was brought to with its time zone; it is not in the future.")
    await _note(instant, "")


async def _note(instant: dt.datetime, digest: str) -> None:
    await Restoration.insert(Restoration(backed_up_at=instant, restored_at=clock.now(), backup_sha256=digest))


def missing_keys(manifest: Manifest) -> list[str]:
    """Return the keys of a backup that this machine's settings do not have, by their names."""
    here = key_ids(settings())
    return sorted(name for name, value in manifest.keys.items() if here.get(name) != value)


async def _refuse_unless_empty() -> None:
    if await fetch_scalar(bool, "SELECT to_regclass('migration') IS NOT NULL"):
        raise Conflict("The database is not empty: restore into a new one.")
    with object_store.answering():
        found = await asyncio.to_thread(archive.list_objects, object_store.store())
    if found:
        raise Conflict("The object store is not empty: restore into a new one.")


# ------------------------------------------------------------------ another store
async def move_objects(to: str, *, report: Callable[[int], None] = lambda _: None) -> int:
    """Copy every object to another store, compare them, and return how many there are; what is there already stays.

    Afterwards PARTAGE_OBJECTS names the other store. The locks under which objects are deleted are held meanwhile.
    """
    address = _address(to) or _uri(to)
    target, source = _open(address), object_store.store()

    def copy() -> int:
        names, read = archive.list_objects(source), 0
        for name in names:
            read += archive.copy_object(source, target, name)
            report(read)
        if names != archive.list_objects(target):
            raise Conflict("The other store holds objects that are not from here: give an empty one.")
        return len(names)

    with object_store.answering(address):
        await asyncio.to_thread(archive.list_objects, target)
    async with _objects_stay():
        with object_store.answering(f"{settings().objects} or {address}"):
            return await asyncio.to_thread(copy)


# ------------------------------------------------------------------ what they share
@contextlib.asynccontextmanager
async def _objects_stay() -> AsyncIterator[None]:
    async with contextlib.AsyncExitStack() as stack:
        for name in DELETERS:
            await stack.enter_async_context(exclusive(name))
        yield


@contextlib.asynccontextmanager
async def _workspace() -> AsyncIterator[Path]:
    """Give a folder of the state's disk that nobody else reads, for as long as the block lasts."""
    settings().state.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=settings().state, prefix="backup-") as folder:
        yield Path(folder)


def _uri(folder: str) -> str:
    return Path(folder).absolute().as_uri()


def _address(place: str) -> str | None:
    """Return the address of a place that is no path of this machine, or None."""
    return place if len(urlsplit(place).scheme) > 1 else None


def _open(address: str) -> ObjectStore:
    try:
        return object_store.open_at(address)
    except object_store.TROUBLES as error:
        raise Conflict("{address} cannot be opened: {why}", address=address, why=str(error).splitlines()[0]) from error


async def _download(store: ObjectStore, name: str, path: Path) -> None:
    try:
        answer = await obstore.get_async(store, name)
    except FileNotFoundError as error:
        if object_store.NO_BUCKET in str(error):
            raise
        raise Conflict("There is no backup {path}.", path=name) from None
    with path.open("wb") as file:
        async for piece in answer.stream(min_chunk_size=archive.PIECE_BYTES):
            await asyncio.to_thread(file.write, piece)


def _refuse_absent(path: Path) -> None:
    if not path.is_file():
        raise Conflict("There is no backup {path}.", path=path)


def _recipient(key: str) -> pyrage.x25519.Recipient:
    try:
        return pyrage.x25519.Recipient.from_str(key.strip())
    except pyrage.RecipientError:
        raise Invalid("{key} is no public key of age: it begins with age1.", key=key) from None


def _identities(path: Path) -> list[pyrage.x25519.Identity]:
    """Return the private keys of a file as `age-keygen` and `backup --new-key` write it."""
    try:
        lines = [line.strip() for line in path.read_text().splitlines()]
        found = [pyrage.x25519.Identity.from_str(line) for line in lines if line and not line.startswith("#")]
    except (OSError, ValueError, pyrage.IdentityError):
        found = []
    if not found:
        raise Invalid("{path} is no private key of age.", path=path)
    return found
