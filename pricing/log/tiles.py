"""Tiles: a log as static files of 256 entries or hashes each, from which anyone can compute any proof.

The rule this file keeps: a written tile never changes. A partial one is named with its width, so a wider one is another
file. A node above a full tile is that tile's root, so no file depends on the content of another.

Source: C2SP tlog-tiles (paths, tiles, bundles of entries), RFC 6962, section 2.1 (hashes).
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Final, TypeAlias

from pricing.merkle import leaf_hash, left_size, node_hash, subtree
from pricing.refusals import Tampered, TooLarge

WIDTH: Final = 256
"""Hashes in a full tile, entries in a full bundle."""
HASH_BYTES: Final = 32
LONGEST_ENTRY_BYTES: Final = 65_535
ENTRIES: Final = "entries"
"""The path component of a bundle, in place of a level."""
Read: TypeAlias = Callable[[str], bytes | None]
"""Reads a file of the log by its path below the log's address; None if it does not exist."""


def tile_path(level: int | str, number: int, width: int = WIDTH) -> str:
    """Return the path of a tile (level 0 and up) or of a bundle (`ENTRIES`); width: of a partial one."""
    parts = [f"{number % 1000:03d}"]
    while number >= 1000:  # noqa: PLR2004 (three digits a folder)
        number //= 1000
        parts.insert(0, f"x{number % 1000:03d}")
    partial = "" if width == WIDTH else f".p/{width}"
    return f"tile/{level}/{'/'.join(parts)}{partial}"


def written_bundle(entries: Sequence[bytes]) -> bytes:
    """Return entries in a bundle's form, each after its length; refuses TooLarge from 65,536 bytes on."""
    if any(len(entry) > LONGEST_ENTRY_BYTES for entry in entries):
        msg = f"an entry has at most {LONGEST_ENTRY_BYTES} bytes"
        raise TooLarge(msg)
    return b"".join(len(entry).to_bytes(2, "big") + entry for entry in entries)


def read_bundle(data: bytes) -> list[bytes]:
    """Return the entries of a bundle; refuses Tampered if it was cut short."""
    entries, at = [], 0
    while at < len(data):
        start = at + 2
        at = start + int.from_bytes(data[at:start], "big")
        if at > len(data):
            msg = "a bundle of entries was cut short"
            raise Tampered(msg)
        entries.append(data[start:at])
    return entries


class Tiles:
    """The first `size` entries of a log and their hashes, read from tiles; refuses Tampered if one is missing."""

    def __init__(self, read: Read, size: int) -> None:
        """Read nothing yet."""
        self.size = size
        self._read_file = read
        self._files: dict[str, bytes] = {}
        self._bundles: dict[int, list[bytes]] = {}

    def hash_of(self, start: int, end: int) -> bytes:
        """Return the hash over the entries from `start` up to, not including, `end`, which is above it."""
        level, first, last = 0, start, end
        while first % WIDTH == 0 and last % WIDTH == 0:
            level, first, last = level + 1, first // WIDTH, last // WIDTH
        if last - first == 1:
            return self.hash_at(level, first)
        middle = start + left_size(end - start)
        return node_hash(self.hash_of(start, middle), self.hash_of(middle, end))

    def root(self) -> bytes:
        """Return the root over all `size` entries, at least one."""
        return self.hash_of(0, self.size)

    def entry(self, index: int) -> bytes:
        """Return an entry, after comparing it with its hash."""
        bundle, place = self.bundle(index // WIDTH), index % WIDTH
        if place >= len(bundle) or leaf_hash(bundle[place]) != self.hash_of(index, index + 1):
            msg = f"entry {index} is not the one under the log's root"
            raise Tampered(msg)
        return bundle[place]

    def entries(self) -> Iterator[bytes]:
        """Yield every entry in order, each compared with its hash."""
        for index in range(self.size):
            yield self.entry(index)

    def bundle(self, number: int) -> list[bytes]:
        """Return a bundle's entries, not yet compared with their hashes."""
        if number not in self._bundles:
            self._bundles[number] = read_bundle(self._file(ENTRIES, number))
        return self._bundles[number]

    def hash_at(self, level: int, number: int) -> bytes:
        """Return a hash of a tile: number `number` of its whole level."""
        data = self._file(level, number // WIDTH)
        at = number % WIDTH * HASH_BYTES
        return data[at : at + HASH_BYTES]

    def _file(self, level: int | str, number: int) -> bytes:
        count = self.size if level == ENTRIES else self.size // WIDTH ** int(level)
        width = min(count - number * WIDTH, WIDTH)
        path = tile_path(level, number, width)
        if path not in self._files:
            data = self._read_file(path)
            if data is None and width < WIDTH:  # the log may delete a partial tile once the full one exists
                data = self._read_file(tile_path(level, number))
            wanted = width * HASH_BYTES
            if data is None or (level != ENTRIES and len(data) < wanted):
                msg = f"the log has no {path}"
                raise Tampered(msg)
            self._files[path] = data if level == ENTRIES else data[:wanted]
        return self._files[path]


def grown(read: Read, size: int, entries: Sequence[bytes]) -> Mapping[str, bytes]:
    """Return the new files of a log of `size` entries when these are added: path → content.

    Written again they have the same bytes, so a writer that was killed starts over.
    """
    if not entries:
        return {}
    before = Tiles(read, size)
    files: dict[str, bytes] = {}
    started = size % WIDTH
    kept = before.bundle(size // WIDTH)[:started] if started else []
    bundle, number = [*kept, *entries], size // WIDTH
    for first in range(0, len(bundle), WIDTH):
        piece = bundle[first : first + WIDTH]
        files[tile_path(ENTRIES, number + first // WIDTH, len(piece))] = written_bundle(piece)
    level, count, new = 0, size, [leaf_hash(entry) for entry in entries]
    while new:
        started, number = count % WIDTH, count // WIDTH
        old = [before.hash_at(level, number * WIDTH + place) for place in range(started)]
        hashes, above = [*old, *new], []
        for first in range(0, len(hashes), WIDTH):
            piece = hashes[first : first + WIDTH]
            files[tile_path(level, number + first // WIDTH, len(piece))] = b"".join(piece)
            if len(piece) == WIDTH:
                above.append(subtree(piece))
        level, count, new = level + 1, number, above
    return files
