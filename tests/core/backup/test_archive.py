"""A backup's file is age's, a write that fails is never silent, and it is read to its end, also where its tar is padded."""

import io
import secrets
import tarfile
from pathlib import Path
from typing import IO

import pyrage
import pytest
from obstore.store import MemoryStore

from marketplace.core.backup import archive
from marketplace.core.errors import Conflict
from tests.core.backup import age_reader

PADDING_BYTES = 1 << 20
DUMP = secrets.token_bytes(300_000)


def write_archive(
    target: IO[bytes], *people: pyrage.x25519.Identity, key: str = "ab" * 32, database: IO[bytes] | None = None
) -> archive.Manifest:
    """Write a backup of a dump without objects."""
    return archive.write(
        target,
        [person.to_public() for person in people],
        database=database or io.BytesIO(DUMP),
        objects=MemoryStore(),
        describe=lambda files: archive.Manifest(made_at="", migration="", keys={}, files=files),
        signing_key=key,
        report=lambda _: None,
    )


def test_a_backup_is_in_the_format_of_age_for_each_of_its_keys_and_a_tar_within() -> None:
    people = [pyrage.x25519.Identity.generate() for _ in range(2)]
    write_archive(out := io.BytesIO(), *people[:1])
    plain = age_reader.decrypt(out.getvalue(), str(people[0]))
    with tarfile.open(fileobj=io.BytesIO(plain)) as tar:
        assert tar.getnames() == [archive.DATABASE, archive.MANIFEST, archive.SIGNATURE]
        dumped = tar.extractfile(archive.DATABASE)
        assert dumped
        assert dumped.read() == DUMP
    write_archive(out := io.BytesIO(), *people)
    assert pyrage.decrypt(out.getvalue(), people[:1]) == pyrage.decrypt(out.getvalue(), people[1:])
    with pytest.raises(pyrage.DecryptError):
        pyrage.decrypt(out.getvalue(), [pyrage.x25519.Identity.generate()])


class Full(io.BytesIO):
    """A disk that is full after so many writes."""

    def __init__(self, writes: int) -> None:
        super().__init__()
        self.left = writes

    def write(self, data: object) -> int:
        self.left -= 1
        if self.left < 0:
            raise OSError(28, "No space left on device")
        return super().write(data)  # type: ignore[arg-type]


def test_no_write_fails_in_silence_the_last_one_neither() -> None:
    person = pyrage.x25519.Identity.generate()
    write_archive(whole := Full(1000), person)
    needed = 1000 - whole.left
    assert needed > len(DUMP) // age_reader.CHUNK
    for writes in range(needed):
        with pytest.raises(OSError, match="No space left"):
            write_archive(Full(writes), person)


def test_what_changes_while_it_is_read_ends_the_backup() -> None:
    class Shrinking(io.BytesIO):
        def read(self, size: int | None = -1) -> bytes:
            return super().read(size)[:-1]

    with pytest.raises(Conflict, match="changed while it was read"):
        write_archive(io.BytesIO(), pyrage.x25519.Identity.generate(), database=Shrinking(DUMP))


def test_a_backup_whose_tar_is_padded_is_read_to_its_end(tmp_path: Path) -> None:
    key, person = secrets.token_hex(32), pyrage.x25519.Identity.generate()
    written = write_archive(out := io.BytesIO(), person, key=key)
    padded = pyrage.decrypt(out.getvalue(), [person]) + bytes(PADDING_BYTES)
    (tmp_path / "backup").write_bytes(pyrage.encrypt(padded, [person.to_public()]))
    again, objects = io.BytesIO(), MemoryStore()
    found = archive.read(
        tmp_path / "backup", [person], database=again, objects=objects, folder=tmp_path, signing_key=key
    )
    assert (found, again.getvalue()) == (written, DUMP)
