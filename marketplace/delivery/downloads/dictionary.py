"""The dictionary next to a release's files: columns, precision, missing rows, the licence's end."""

from __future__ import annotations

import datetime as dt
import uuid
from typing import TYPE_CHECKING

import msgspec
from msgspec import Struct

from marketplace.core.words import Bilingual
from marketplace.privacy.dictionary import ABSENT

if TYPE_CHECKING:
    from marketplace.delivery.downloads.formats.file_format import FileInput
    from marketplace.delivery.downloads.queries import EntitlementRow


class ColumnMeaning(Struct):
    """A column of the file."""

    name: str
    type: str
    unit: Bilingual
    meaning: Bilingual


class LicenceTerm(Struct):
    """The owner of this copy, and the licence's end."""

    order: str
    """The order's number."""
    starts_at: dt.datetime
    ends_at: dt.datetime
    """From this instant on copies may not be used."""


class Dictionary(Struct):
    """The dictionary of one entitlement's files."""

    dataset: str
    title: Bilingual
    release: uuid.UUID
    revision: int
    edition: int
    """0: the release itself; 1 and higher, its coarser editions."""
    period_from: dt.datetime
    period_to: dt.datetime
    """Not included."""
    time_zone: str
    grain: str
    row_count: int
    cells_sha256: str
    """Of the Parquet file, hex."""
    threshold: int
    """Figures of fewer noisy people than this are withheld."""
    error_people: int
    """95 % of counts of people differ from the exact count by at most this number."""
    absent_row: Bilingual
    columns: list[ColumnMeaning]
    licence: LicenceTerm


def document(row: EntitlementRow, given: FileInput) -> bytes:
    """Return the dictionary as JSON."""
    return msgspec.json.format(
        msgspec.json.encode(
            Dictionary(
                dataset=row.dataset,
                title=Bilingual(fr=given.dataset.title_fr, en=given.dataset.title_en),
                release=row.release,
                revision=given.release.revision,
                edition=row.level,
                period_from=row.period_from,
                period_to=row.period_to,
                time_zone=row.time_zone,
                grain=given.dataset.grain,
                row_count=row.row_count,
                cells_sha256=row.cells_sha256,
                threshold=given.threshold,
                error_people=given.error_people,
                absent_row=ABSENT.in_both(),
                columns=[ColumnMeaning(each.name, each.kind, each.unit, each.meaning) for each in given.columns],
                licence=LicenceTerm(row.number, row.starts_at, row.ends_at),
            )
        )
    )
