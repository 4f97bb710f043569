"""Reads of datasets on sale for the catalogue's documents."""

from __future__ import annotations

import datetime as dt  # noqa: TC003 (msgspec reads the annotations of a row)
from typing import TYPE_CHECKING, Final

from marketplace.catalogue.licences.policies import LicenceText
from marketplace.core.database import fetch_row, fetch_rows
from marketplace.core.errors import NotFound, existing
from marketplace.core.statements import load_statements

if TYPE_CHECKING:
    from collections.abc import Sequence

SQL: Final = load_statements(__package__)


class Described(LicenceText, frozen=True):
    """A dataset on sale with its licence and its latest release; the period is half-open."""

    code: str
    title_fr: str
    title_en: str
    description_fr: str
    description_en: str
    area: str
    product: str
    cadence: str
    dpv: str
    """The Data Privacy Vocabulary's name of the consented purpose; empty: it has no name there."""
    terms: str
    listed_at: dt.datetime
    period_from: dt.datetime
    period_to: dt.datetime
    sealed_at: dt.datetime


async def list_described(codes: Sequence[str]) -> list[Described]:
    """Return descriptions of some datasets on sale, in the order of the codes."""
    rows = {row.code: row for row in await fetch_rows(Described, SQL["describe"], codes)}
    return [rows[code] for code in codes if code in rows]


async def get_described(code: str) -> Described:
    """Return the description of a dataset on sale; refuses NotFound."""
    return existing(await fetch_row(Described, SQL["describe"], [code]), NotFound("There is no such dataset for sale."))
