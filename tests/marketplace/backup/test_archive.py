"""A backup's file is read to its end, also where others have padded the tar within it."""

from __future__ import annotations

import io
import secrets
from typing import TYPE_CHECKING

import pyrage
from obstore.store import MemoryStore

from marketplace.backup import age, archive

if TYPE_CHECKING:
    from pathlib import Path

PADDING_BYTES = 1 << 20


def test_a_backup_whose_tar_is_padded_is_read_to_its_end(tmp_path: Path) -> None:
    key, person = secrets.token_hex(32), pyrage.x25519.Identity.generate()
    written = archive.write(
        out := io.BytesIO(),
        [person.to_public()],
        database=io.BytesIO(b"dump"),
        objects=MemoryStore(),
        describe=lambda files: archive.Manifest(made_at="", migration="", keys={}, files=files),
        signing_key=key,
        report=lambda _: None,
    )
    padded = pyrage.decrypt(out.getvalue(), [person]) + bytes(PADDING_BYTES)
    with (tmp_path / "backup").open("wb") as file:
        age.encrypt([padded], file, [person.to_public()])
    again, objects = io.BytesIO(), MemoryStore()
    found = archive.read(
        tmp_path / "backup", [person], database=again, objects=objects, folder=tmp_path, signing_key=key
    )
    assert (found, again.getvalue()) == (written, b"dump")
