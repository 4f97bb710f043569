"""What we encrypt in age's format is what the library that others keep decrypts, whatever the sizes of its pieces."""

from __future__ import annotations

import io
import os

import pyrage
import pytest

from marketplace.backup import age

CHUNK = age.CHUNK_BYTES


@pytest.mark.parametrize("size", [0, 1, CHUNK - 1, CHUNK, CHUNK + 1, 2 * CHUNK, 5 * CHUNK + 7])
@pytest.mark.parametrize("piece", [1 << 30, CHUNK, CHUNK - 1, 1000])
def test_every_recipient_reads_what_was_written(size: int, piece: int) -> None:
    people = [pyrage.x25519.Identity.generate() for _ in range(3)]
    content = os.urandom(size)
    pieces = [memoryview(content)[start : start + piece] for start in range(0, size, piece)]
    age.encrypt(pieces, written := io.BytesIO(), [person.to_public() for person in people])
    for person in people:
        assert pyrage.decrypt(written.getvalue(), [person]) == content


def test_nobody_else_reads_it_and_a_changed_or_shortened_file_is_refused() -> None:
    person, stranger = pyrage.x25519.Identity.generate(), pyrage.x25519.Identity.generate()
    age.encrypt([os.urandom(2 * CHUNK)], out := io.BytesIO(), [person.to_public()])
    written = out.getvalue()
    with pytest.raises(pyrage.DecryptError):
        pyrage.decrypt(written, [stranger])
    changed = bytearray(written)
    changed[-1] ^= 1
    for damaged in (bytes(changed), written[: -(CHUNK + 16)], written[:-1]):
        with pytest.raises((pyrage.DecryptError, OSError)):
            pyrage.decrypt(damaged, [person])
