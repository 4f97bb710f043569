"""A sealed release's manifest, read by ranges of references: no pass over everybody has a whole manifest in memory.

Its rows are sorted by reference, in row groups whose bounds the file's footer states, so a range is a few adjacent
groups.
"""

from __future__ import annotations

import asyncio
import uuid  # noqa: TC003 (the struct's field)
from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING, Any, Final, NamedTuple, Self

import numpy as np

from marketplace.core import object_store
from marketplace.core.database import fetch_column
from marketplace.core.errors import Conflict, NotFound
from marketplace.datasets.releases.tables import Release

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pyarrow.parquet as pq
    from numpy.typing import NDArray


class Contributions(NamedTuple):
    """Some contributors of a release, in the manifest's order: references ascending and distinct, weights positive."""

    references: NDArray[np.int64]
    weights: NDArray[np.int64]

    def between(self, first: int, last: int) -> Self:
        """Return those with references in [first, last], as views."""
        here = slice(*np.searchsorted(self.references, [first, last + 1]).tolist())
        return self._replace(references=self.references[here], weights=self.weights[here])

    def contributions(self) -> Contributions:
        """Return itself."""
        return self

    def copied(self) -> Self:
        """Return a copy in its own memory, because a view keeps the whole array alive."""
        return self._replace(references=self.references.copy(), weights=self.weights.copy())


class Lines(NamedTuple):
    """Consecutive lines, whose references need not be read: the weight of each, 0 for a line that is not in it."""

    first: int
    """The first line's reference."""
    weights: NDArray[np.int64]

    @property
    def references(self) -> range:
        """Return their references."""
        return range(self.first, self.first + len(self.weights))

    def between(self, first: int, last: int) -> Self:
        """Return those with references in [first, last], as a view."""
        begin = min(max(first - self.first, 0), len(self.weights))
        end = max(last + 1 - self.first, begin)
        return self._replace(first=self.first + begin, weights=self.weights[begin:end])

    def contributions(self) -> Contributions:
        """Return which of them are in it."""
        here = np.flatnonzero(self.weights)
        return Contributions(self.first + here, self.weights[here])

    def copied(self) -> Self:
        """Return a copy in its own memory, because a view keeps the whole array alive."""
        return self._replace(weights=self.weights.copy())


LAST_REFERENCE: Final = 2**63 - 2


@dataclass(frozen=True, slots=True)
class OpenManifest:
    """A manifest with its footer read. Exact personal data: it never leaves the marketplace's own jobs."""

    release: uuid.UUID
    footer: pq.FileMetaData
    length: int
    """The size of the file, in bytes."""
    firsts: NDArray[np.int64]
    lasts: NDArray[np.int64]
    """Each row group's first and last reference, …"""
    rows: NDArray[np.int64]
    """… how many rows it has, …"""
    starts: NDArray[np.int64]
    """… its first row's position, …"""
    begins: NDArray[np.int64]
    ends: NDArray[np.int64]
    """… and where its bytes are."""
    largest_weight: int
    has_every_line: list[bool]
    """For each row group, whether it has a row for every line between its first and last, so that none need be read."""

    def read_groups(self, begin: int, end: int) -> list[Contributions | Lines]:
        """Return the rows of adjacent row groups; blocks for one request."""
        import pyarrow as pa  # noqa: PLC0415
        import pyarrow.parquet as pq  # noqa: PLC0415

        start, stop = int(self.begins[begin]), int(self.ends[end - 1])
        whole = np.empty(
            self.length, np.uint8
        )  # as large as the file, but with these bytes alone: the rest is never touched
        whole[start:stop] = np.frombuffer(object_store.read_range(_key(self.release), start, stop), np.uint8)
        found: list[Contributions | Lines] = []
        with pq.ParquetFile(pa.BufferReader(pa.py_buffer(whole.data)), metadata=self.footer) as file:

            def column(name: str, groups: list[int]) -> NDArray[np.int64]:
                # One at a time and in this thread: assembling a table of many small groups costs more than reading it.
                return np.asarray(file.read_row_groups(groups, columns=[name], use_threads=False)[name].to_numpy())

            for has_every_line, some in groupby(range(begin, end), self.has_every_line.__getitem__):
                groups = list(some)
                weights = column("weight", groups)
                if not has_every_line:
                    found.append(Contributions(column("reference", groups), weights))
                    continue
                for group in groups:
                    here = slice(*(self.starts[group] - self.starts[groups[0]] + [0, self.rows[group]]).tolist())
                    found.append(Lines(int(self.firsts[group]), weights[here]))
        return found


class ManifestReader:
    """A manifest read from a reference on, range after range, each row group once."""

    def __init__(self, manifest: OpenManifest, first: int) -> None:
        """Begin at the reference `first`; nothing is read yet."""
        self._manifest, self._first = manifest, first
        self._next_group = int(np.searchsorted(manifest.lasts, first))
        self._rest: list[Contributions | Lines] = []

    def read_to(self, last: int) -> list[Contributions | Lines]:
        """Return the rows from the end of the previous range to `last`, in pieces; blocks while it reads."""
        found = self._rest
        end = int(np.searchsorted(self._manifest.firsts, last, side="right"))
        if self._next_group < end:
            found += self._manifest.read_groups(self._next_group, end)
            self._next_group = end
        self._rest = [beyond.copied() for beyond in _between(found[-1:], last + 1, LAST_REFERENCE)]
        pieces = _between(found, self._first, last)
        self._first = last + 1
        return pieces


def _between(pieces: Sequence[Contributions | Lines], first: int, last: int) -> list[Contributions | Lines]:
    cut = [piece.between(first, last) for piece in pieces]
    return [piece for piece in cut if len(piece.weights)]


async def open_manifests(releases: Sequence[uuid.UUID]) -> list[OpenManifest]:
    """Read the footers of sealed releases' manifests, in the order of the releases.

    Raises NotFound, and Conflict for a release that is not sealed.
    """
    if not releases:
        return []
    rows = await fetch_column(str, Release.select(Release.state).where(Release.id.is_in(list(releases))))
    if len(rows) < len(set(releases)):
        raise NotFound("There is no such release.")
    if any(state != "sealed" for state in rows):
        raise Conflict("That release is not sealed.")
    return await asyncio.to_thread(lambda: [_open(release) for release in releases])


def _open(release: uuid.UUID) -> OpenManifest:
    import pyarrow as pa  # noqa: PLC0415
    import pyarrow.parquet as pq  # noqa: PLC0415

    source = object_store.ObjectFile(_key(release))
    with pq.ParquetFile(pa.PythonFile(source, mode="r")) as file:
        footer = file.metadata
    # A manifest without people has one group without rows, which has no statistics.
    groups = [footer.row_group(number) for number in range(footer.num_row_groups if footer.num_rows else 0)]
    references: list[Any] = [group.column(0).statistics for group in groups]
    weights: list[Any] = [group.column(1).statistics for group in groups]
    rows = np.array([group.num_rows for group in groups], np.int64)
    columns = [[group.column(0), group.column(1)] for group in groups]
    begins = [min(column.dictionary_page_offset or column.data_page_offset for column in both) for both in columns]
    sizes = [sum(column.total_compressed_size for column in both) for both in columns]
    firsts, lasts = (np.array([getattr(of, name) for of in references], np.int64) for name in ("min", "max"))
    return OpenManifest(
        release,
        footer,
        source.length,
        firsts,
        lasts,
        rows,
        np.cumsum(rows) - rows,
        np.array(begins, np.int64),
        np.array(begins, np.int64) + np.array(sizes, np.int64),
        max((int(of.max) for of in weights), default=0),
        (lasts - firsts + 1 == rows).tolist(),
    )


def _key(release: uuid.UUID) -> str:
    return object_store.private_key(release, "manifest.parquet")
