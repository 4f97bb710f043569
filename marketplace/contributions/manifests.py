"""A sealed release's manifest, read by ranges of references: for a pass over everybody that holds no manifest whole.

Its rows are sorted by reference, in row groups whose bounds the file's footer states, so a range is a few groups that
lie one after the other.
"""

from __future__ import annotations

import asyncio
import uuid  # noqa: TC003 (the struct's field)
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import numpy as np
from msgspec import Struct

from marketplace import object_store
from marketplace.database import fetch_rows, select
from marketplace.datasets.tables import Release
from marketplace.errors import Conflict, NotFound

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pyarrow.parquet as pq
    from numpy.typing import NDArray


class StateRow(Struct, frozen=True):
    """What became of a release."""

    state: str


class Contributions(NamedTuple):
    """Some contributors of a release, in the manifest's order: references ascending and distinct, weights positive."""

    references: NDArray[np.int64]
    weights: NDArray[np.int64]
    position: int
    """The first one's position in the manifest."""

    def between(self, first: int, last: int) -> Contributions:
        """Return those whose reference lies in [first, last], as views."""
        here = slice(*np.searchsorted(self.references, [first, last + 1]).tolist())
        return Contributions(self.references[here], self.weights[here], self.position + here.start)


NOBODY: Final = Contributions(np.zeros(0, np.int64), np.zeros(0, np.int64), 0)
LAST_REFERENCE: Final = 2**63 - 2


@dataclass(frozen=True, slots=True)
class OpenManifest:
    """A manifest whose footer was read. Exact personal data: it never leaves the marketplace's own jobs."""

    release: uuid.UUID
    footer: pq.FileMetaData
    length: int
    """Of the file, in bytes."""
    firsts: NDArray[np.int64]
    lasts: NDArray[np.int64]
    """Each row group's first and last reference, …"""
    starts: NDArray[np.int64]
    """… its first row's position, …"""
    begins: NDArray[np.int64]
    ends: NDArray[np.int64]
    """… and where its bytes lie."""
    largest_weight: int

    def read_groups(self, begin: int, end: int) -> Contributions:
        """Return the contributors of some row groups, which lie one after the other; blocks for one request."""
        import pyarrow as pa  # noqa: PLC0415
        import pyarrow.parquet as pq  # noqa: PLC0415

        start, stop = int(self.begins[begin]), int(self.ends[end - 1])
        whole = np.empty(
            self.length, np.uint8
        )  # as the file, but only these bytes are there: the rest is never touched
        whole[start:stop] = np.frombuffer(object_store.read_range(_key(self.release), start, stop), np.uint8)
        groups = list(range(begin, end))
        with pq.ParquetFile(pa.BufferReader(pa.py_buffer(whole.data)), metadata=self.footer) as file:
            # A column at a time and in this thread: assembling a table of many small groups costs more than reading it.
            references, weights = (
                file.read_row_groups(groups, columns=[name], use_threads=False)[name].to_numpy()
                for name in ("reference", "weight")
            )
        return Contributions(references, weights, int(self.starts[begin]))


class ManifestReader:
    """A manifest read from a reference on, range after range, each row group once."""

    def __init__(self, manifest: OpenManifest, first: int) -> None:
        """Begin at the reference `first`; nothing is read yet."""
        self._manifest, self._first = manifest, first
        self._next_group = int(np.searchsorted(manifest.lasts, first))
        self._rest = NOBODY

    def read_to(self, last: int) -> list[Contributions]:
        """Return the contributors from where the range before ended to `last`, in pieces; blocks while it reads."""
        found = [self._rest]
        end = int(np.searchsorted(self._manifest.firsts, last, side="right"))
        if self._next_group < end:
            found.append(self._manifest.read_groups(self._next_group, end))
            self._next_group = end
        beyond = found[-1].between(last + 1, LAST_REFERENCE)
        # A copy, for a view would keep all groups that were read with it.
        self._rest = beyond._replace(references=beyond.references.copy(), weights=beyond.weights.copy())
        pieces = [piece.between(self._first, last) for piece in found]
        self._first = last + 1
        return [piece for piece in pieces if len(piece.references)]


async def open_manifests(releases: Sequence[uuid.UUID]) -> list[OpenManifest]:
    """Read the footers of sealed releases' manifests, in their order.

    Refuses NotFound, and Conflict for a release that is not sealed.
    """
    if not releases:
        return []
    rows = await fetch_rows(StateRow, select(StateRow, Release).where(Release.id.is_in(list(releases))))
    if len(rows) < len(set(releases)):
        raise NotFound("There is no such release.")
    if any(row.state != "sealed" for row in rows):
        raise Conflict("That release is not sealed.")
    return await asyncio.to_thread(lambda: [_open(release) for release in releases])


def _open(release: uuid.UUID) -> OpenManifest:
    import pyarrow as pa  # noqa: PLC0415
    import pyarrow.parquet as pq  # noqa: PLC0415

    source = object_store.ObjectFile(_key(release))
    with pq.ParquetFile(pa.PythonFile(source, mode="r")) as file:
        footer = file.metadata
    # A manifest of nobody has one group without rows, of which nothing is known.
    groups = [footer.row_group(number) for number in range(footer.num_row_groups if footer.num_rows else 0)]
    references: list[Any] = [group.column(0).statistics for group in groups]
    weights: list[Any] = [group.column(1).statistics for group in groups]
    rows = np.array([group.num_rows for group in groups], np.int64)
    columns = [[group.column(0), group.column(1)] for group in groups]
    begins = [min(column.dictionary_page_offset or column.data_page_offset for column in both) for both in columns]
    return OpenManifest(
        release,
        footer,
        source.length,
        np.array([of.min for of in references], np.int64),
        np.array([of.max for of in references], np.int64),
        np.cumsum(rows) - rows,
        np.array(begins, np.int64),
        np.array(
            [begins[n] + sum(column.total_compressed_size for column in both) for n, both in enumerate(columns)],
            np.int64,
        ),
        max((int(of.max) for of in weights), default=0),
    )


def _key(release: uuid.UUID) -> str:
    return object_store.private_key(release, "manifest.parquet")
