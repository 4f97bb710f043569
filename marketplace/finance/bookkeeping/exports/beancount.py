"""beancount: the books in the order they happened, with every account's balance at each month's end.

Its program finds a changed cent by itself.
"""

from __future__ import annotations

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
        await out.write_lines('option "title" "Partage"', f'option "operating_currency" "{EUR}"', "")
        await out.write_lines(*(f"{days.first} open {name} {EUR}" for name in names.values()), "")
        await copy_out(SQL["beancount_lines"], *days.bounds, list(names), list(names.values()), EUR, sink=out.write)
        for balance in await list_month_balances(days):
            # The tolerance is explicit, for beancount would forgive a cent: twice half the last digit.
            await out.write_lines(
                f"{balance.day} balance {names[balance.account]}  {decimal(balance.minor)} ~ 0.001 {EUR}"
            )


FORMAT: Final = ExportFormat(
    code="beancount",
    title="beancount",
    about=Words("bean-check verifies it, with what every account holds at each month’s end."),
    write=_write,
    name_of=lambda days: f"partage-{days.first}-{days.last}.beancount",
)
