"""hledger: the books in the order they happened, with every account's balance at each month's end.

Its program finds a changed cent by itself.
"""

from __future__ import annotations

import datetime as dt
from typing import Final

from marketplace.core.database import copy_out
from marketplace.core.words import Words
from marketplace.finance.bookkeeping.exports.format import Days, ExportFormat, ExportWriter, one_snapshot
from marketplace.finance.bookkeeping.exports.plain_text import list_account_names, list_month_balances
from marketplace.finance.bookkeeping.queries import SQL
from pricing.money import EUR, decimal


async def _write(out: ExportWriter, days: Days) -> None:
    async with one_snapshot():
        names = await list_account_names()
        await out.write_lines("decimal-mark .", f"commodity 1000.00 {EUR}", "")
        await out.write_lines(*(f"account {name}  ; type: {_type_of(name)}" for name in names.values()), "")
        await copy_out(SQL["hledger_lines"], *days.bounds, list(names), list(names.values()), EUR, sink=out.write)
        written_on = None
        for balance in await list_month_balances(days):
            if balance.day != written_on:
                await out.write_lines(
                    f"{balance.day - dt.timedelta(days=1)} * What every account holds at the end of the day"
                )
                written_on = balance.day
            await out.write_lines(f"    {names[balance.account]}  0.00 {EUR} = {decimal(balance.minor)} {EUR}")


def _type_of(name: str) -> str:
    """Return hledger's letter of an account's type; income is its revenue."""
    return "R" if name.startswith("I") else name[0]


FORMAT: Final = ExportFormat(
    code="hledger",
    title="hledger",
    about=Words("hledger check --strict verifies it, with the same balances."),
    write=_write,
    name_of=lambda days: f"partage-{days.first}-{days.last}.journal",
)
