"""What must always be true of sales on credit: a sentence, and the SQL that names the offenders."""

from __future__ import annotations

from typing import Final

from marketplace.core.statements import Invariant
from marketplace.money.credit.queries import SQL
from marketplace.money.ledger import chart
from marketplace.money.ledger.entry_kinds import CREDIT

CREDIT_SALES: Final = (
    Invariant("a sale on credit owes what its movements add up to", SQL["list_amounts_unlike_movements"]),
    Invariant(CREDIT, SQL["list_not_entered"], (chart.ON_CREDIT, chart.PROVISIONS)),
    Invariant(
        "the accounts of sales on credit and of provisions hold what the sales on credit say",
        SQL["list_account_differing"],
        (chart.ON_CREDIT, chart.PROVISIONS),
    ),
)
