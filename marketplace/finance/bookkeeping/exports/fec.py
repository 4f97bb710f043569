"""The FEC as an export: the entries of one year for French tax inspectors, checked by our own reading of the rules."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

import msgspec
from msgspec import Struct

from marketplace.core.database import copy_out, fetch_scalar
from marketplace.core.errors import Invalid
from marketplace.core.settings import settings
from marketplace.core.words import Words
from marketplace.finance.bookkeeping.exports import fec_rules
from marketplace.finance.bookkeeping.exports.format import Days, ExportFormat, ExportWriter, one_snapshot
from marketplace.finance.bookkeeping.queries import SQL
from marketplace.money.ledger import chart
from marketplace.money.ledger.entry_kinds import ENTRY_KINDS

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from pathlib import Path


def _check_days(days: Days) -> None:
    if (days.first.month, days.first.day) != (1, 1) or days.last.year != days.first.year:
        raise Invalid("A FEC covers one year: it begins on 1 January and ends within it.")


async def _write(out: ExportWriter, days: Days) -> None:
    """Write the header and the lines."""
    await out.write_lines("\t".join(fec_rules.COLUMNS))
    await copy_lines(days, out.write)


async def copy_lines(days: Days, sink: Callable[[bytes], Awaitable[None]]) -> None:
    """Hand a FEC's lines to `sink`, whole ones at a time: labels in French, accounts as the accountant calls them."""
    async with one_snapshot():
        words = await find_words(days) or current_words()
        named = (words.labels, words.accounts, words.titles)
        await copy_out(
            SQL["fec_lines"],
            *days.bounds,
            chart.LICENCES_SOLD,
            chart.STRIPE,
            *(list(side) for words_of in named for side in (words_of, words_of.values())),
            sink=sink,
        )


class FileWords(Struct, frozen=True):
    """What a FEC is written with besides the books; kept when a year closes, so that its file can be made again."""

    labels: dict[str, str]
    """Kind of entry → its French label."""
    accounts: dict[str, str]
    """Our account → the accountant's number of it."""
    titles: dict[str, str]
    """Our account → its French title."""


def current_words() -> FileWords:
    """Return the words of today's labels, settings and chart."""
    return FileWords(
        {code: kind.label.fr for code, kind in ENTRY_KINDS.items()},
        read_accounts(settings().export_accounts),
        {code: french for code, (french, _) in chart.TITLES.items()},
    )


async def find_words(days: Days) -> FileWords | None:
    """Return the words that a closed year was written with; None unless the days are a whole such year."""
    if (days.last.month, days.last.day) != (12, 31):
        return None
    kept = await fetch_scalar(
        str,
        """SELECT document ->> 'words' FROM proposal
           WHERE kind = 'year' AND approved AND (document ->> 'year')::int = $1""",
        days.last.year,
    )
    return msgspec.json.decode(kept, type=FileWords) if kept else None


def read_accounts(text: str) -> dict[str, str]:
    """Read `ours:theirs` pairs with spaces or commas between; refuse an account that is not in our chart, or no number."""
    pairs = dict(pair.partition(":")[::2] for pair in text.replace(",", " ").split())
    for ours, theirs in pairs.items():
        if ours not in chart.TITLES or not re.fullmatch(r"[1-8][0-9A-Z]{2,11}", theirs):
            raise Invalid(
                "EXPORT_ACCOUNTS: {pair} is not one of our accounts, a colon and one of theirs.",
                pair=f"{ours}:{theirs}",
            )
    return pairs


def _find_fault(path: Path, days: Days) -> str | None:
    with path.open("rb") as lines:
        faults = fec_rules.check(path.name, lines, first_day=days.first, last_day=days.last)
    return "; ".join(f"line {fault.line}: {fault.text}" for fault in faults[:5]) or None


FORMAT: Final = ExportFormat(
    code="fec",
    title="FEC",
    about=Words(
        "What French tax inspectors ask for: a calendar year, eighteen columns. It is checked rule by rule before it is handed out."
    ),
    write=_write,
    name_of=lambda days: fec_rules.file_name(settings().seller_siren, days.last),
    check_days=_check_days,
    find_fault=_find_fault,
    encoding=fec_rules.ENCODING,
    line_ending="\r\n",
)
