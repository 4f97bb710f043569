"""A format of export as somebody would add it, in a file of its own: entries as comma-separated values."""

from marketplace.core.database import copy_out
from marketplace.core.words import Words
from marketplace.finance.bookkeeping.exports.format import Days, ExportFormat, ExportWriter, one_snapshot


async def write_days(out: ExportWriter, days: Days) -> None:
    await out.write_lines("day,kind,cents")
    async with one_snapshot():
        await copy_out(
            """SELECT export_day(at, 'YYYY-MM-DD') || ',' || kind || ',' || sum(amount_minor)
               FROM journal_entry JOIN posting ON posting.entry = journal_entry.id
               WHERE at >= $1::timestamptz AND at < $2::timestamptz
               GROUP BY journal_entry.id ORDER BY at, journal_entry.id""",
            *days.bounds,
            sink=out.write,
        )


FRENCH = {"A line an entry, for a spreadsheet.": "Une ligne par écriture, pour un tableur."}
FORMAT = ExportFormat(
    code="csv",
    title="Comma-separated",
    about=Words("A line an entry, for a spreadsheet."),
    write=write_days,
    name_of=lambda days: f"entries-{days.first}.csv",
    line_ending="\r\n",
)
