"""The FEC as an export: the entries of one year for French tax inspectors, checked by our own reading of the rules."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from marketplace.bookkeeping.exports import fec_rules
from marketplace.bookkeeping.exports.format import Days, ExportFormat, ExportWriter, one_snapshot
from marketplace.bookkeeping.queries import SQL
from marketplace.database import copy_out
from marketplace.errors import Invalid
from marketplace.ledger import chart
from marketplace.ledger.entry_kinds import ENTRY_KINDS
from marketplace.settings import settings

if TYPE_CHECKING:
    from pathlib import Path


def _check_days(days: Days) -> None:
    if (days.first.month, days.first.day) != (1, 1) or days.last.year != days.first.year:
        raise Invalid("A FEC covers one year: it begins on 1 January and ends within it.")


async def _write(out: ExportWriter, days: Days) -> None:
    """Write the header and the lines; an entry without a text has its kind's French label."""
    labels = {code: kind.label_fr for code, kind in ENTRY_KINDS.items()}
    await out.write_lines("\t".join(fec_rules.COLUMNS))
    async with one_snapshot():
        await copy_out(
            SQL["fec_lines"],
            *days.bounds,
            chart.LICENCES_SOLD,
            chart.STRIPE,
            list(labels),
            list(labels.values()),
            sink=out.write,
        )


def _find_fault(path: Path, days: Days) -> str | None:
    with path.open("rb") as lines:
        faults = fec_rules.check(path.name, lines, first_day=days.first, last_day=days.last)
    return "; ".join(f"line {fault.line}: {fault.text}" for fault in faults[:5]) or None


FORMAT: Final = ExportFormat(
    code="fec",
    title="FEC",
    about_fr="Ce que demande l’administration fiscale : une année civile, dix-huit colonnes. Il est vérifié règle par règle avant d’être remis.",
    about_en="What French tax inspectors ask for: a calendar year, eighteen columns. It is checked rule by rule before it is handed out.",
    write=_write,
    name_of=lambda days: fec_rules.file_name(settings().seller_siren, days.last),
    check_days=_check_days,
    find_fault=_find_fault,
    encoding=fec_rules.ENCODING,
    line_ending="\r\n",
)
