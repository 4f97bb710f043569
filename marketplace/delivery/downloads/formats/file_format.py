"""The parts of a download format; each format has a file next to this one."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from msgspec import Struct

from marketplace.core import object_store
from marketplace.core.words import Words
from marketplace.datasets.releases.queries import DatasetRow, ReleaseRow
from marketplace.datasets.releases.rules import specify
from marketplace.privacy.dictionary import ABSENT, Column, DatasetFacts, columns
from marketplace.privacy.geography import Geography
from marketplace.privacy.product_registry import PRODUCTS

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pyarrow as pa

    from marketplace.privacy.product import Product
    from marketplace.privacy.specification import Specification

ROWS_AT_ONCE = 65_536
ERROR = Words("95 % of counts of people are within this number of what was counted")


class FileInput(Struct, frozen=True):
    """The content of a file."""

    cells_key: str
    """The key of the sealed cells in the object store."""
    level: int
    """Accuracy: 0 is the release itself, 1 and higher its coarser editions."""
    row_count: int
    threshold: int
    error_people: int
    dataset: DatasetRow
    release: ReleaseRow
    geography: Geography

    @property
    def product(self) -> Product:
        """Return the product that was counted."""
        return PRODUCTS[self.dataset.product]

    @property
    def specification(self) -> Specification:
        """Return the release's specification when it was built; refuses a period that is not whole hours or days."""
        row = self.release
        return specify(self.dataset, row.period_from, row.period_to, revision=row.revision, geography=self.geography)

    @property
    def columns(self) -> tuple[Column, ...]:
        """Return the meanings of the sealed file's columns."""
        d = self.dataset
        stated = DatasetFacts(d.grain, d.age_bands, self.threshold, d.h3_resolution, d.zone_table or "", d.time_zone)
        return columns(self.product, stated)

    @property
    def facts(self) -> tuple[tuple[str, Words, str], ...]:
        """Return the facts about the whole release: a name for programs, a name for people, and the fact."""
        row, sectors = self.release, self.dataset.sectors
        return (
            ("dataset", Words("Dataset"), row.dataset),
            ("release", Words("Release"), str(row.id)),
            ("revision", Words("Revision"), str(row.revision)),
            (
                "edition",
                Words("Edition (0: the release itself)"),
                str(self.level),
            ),
            ("period", Words("Period, without its end"), _interval(row)),
            ("error_people", ERROR, str(self.error_people)),
            ("threshold", Words("Threshold of publication"), str(self.threshold)),
            ("rows", Words("Rows"), str(self.row_count)),
            *([("sectors", Words("Sectors of all who may have it"), ", ".join(sectors))] if sectors else []),
        )

    def about(self) -> dict[str, str]:
        """Return the facts as key and value of a file's own metadata."""
        return {f"partage.{key}": fact for key, _, fact in self.facts} | {"partage.absent_row": ABSENT.en}

    def batches(self) -> Iterator[pa.Table]:
        """Yield the cells in their order, some thousand rows at a time, without the file's own metadata."""
        import pyarrow as pa  # noqa: PLC0415
        import pyarrow.parquet as pq  # noqa: PLC0415

        with pq.ParquetFile(pa.PythonFile(object_store.ObjectFile(self.cells_key), mode="r")) as cells:
            for batch in cells.iter_batches(ROWS_AT_ONCE):
                yield pa.Table.from_batches([batch])

    def table(self) -> pa.Table:
        """Return all cells."""
        import pyarrow as pa  # noqa: PLC0415
        import pyarrow.parquet as pq  # noqa: PLC0415

        with pq.ParquetFile(pa.PythonFile(object_store.ObjectFile(self.cells_key), mode="r")) as cells:
            return cells.read()


def _interval(row: ReleaseRow) -> str:
    return f"{row.period_from.isoformat()}/{row.period_to.isoformat()}"


class FileFormat(Struct, frozen=True, kw_only=True):
    """One format of download."""

    code: str
    title: str
    about: Words
    suffix: str
    media_type: str
    write: Callable[[FileInput, Path], Any] | None
    """Writes the file of sealed cells, always the same bytes; None: the sealed file itself is this format."""
    check: Callable[[FileInput], None] = lambda _: None
    """Refuses a release that the format cannot hold."""
