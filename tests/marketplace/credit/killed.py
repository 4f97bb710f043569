"""The scenes of credit for `tests.support.dying`: each death is of another order, sold on credit or paid by its bank line."""

from __future__ import annotations

import uuid

import pyarrow.dataset  # noqa: F401 (once here, or for a second in every child)

from marketplace.bank.actions import import_bank_statement
from marketplace.bank.candidates import settle_line
from marketplace.catalogue import actions as catalogue
from marketplace.invariants import broken
from marketplace.ledger import chart
from marketplace.ledger.queries import balance
from marketplace.purchases.actions import order, settle_paid
from tests.marketplace.bank.statements import Entry, Statement
from tests.marketplace.identity.site import make_staff
from tests.support.dying import Scene
from tests.support.reads import fetch_value


def named(name: str, what: str) -> uuid.UUID:
    """Return the id of what belongs to the subject of that name."""
    return uuid.uuid5(uuid.NAMESPACE_URL, f"{what} {name}")


async def ask_price(name: str) -> None:
    """Make a quote."""
    partner = await fetch_value("SELECT id FROM partner")
    release = await fetch_value("SELECT id FROM release")
    await catalogue.quote(partner, release, quote_id=named(name, "quote"))


async def sell(name: str) -> None:
    """Order the quote on credit."""
    partner = await fetch_value("SELECT id FROM partner")
    email = "x@partner.example"
    await order(partner, named(name, "quote"), order_id=named(name, "order"), email=email, pay_by="invoice", reason="x")


async def check_sold_once(name: str) -> None:
    """Press again, as the partner would, and let the job run: the data is there, and the debt, once."""
    await sell(name)
    await settle_paid()
    sold = "FROM credit_sale JOIN entitlement ON true JOIN licence ON licence.id = entitlement.licence"
    mine = "WHERE subject = purchase_order AND subject = $1"
    assert await fetch_value(f"SELECT count(*) {sold} {mine}", named(name, "order")) == 1
    assert await fetch_value("SELECT sum(total_minor - paid_minor)::bigint FROM credit_sale") == await balance(
        chart.ON_CREDIT
    )
    assert await balance(chart.PARTNERS) == 0


async def owe(name: str) -> None:
    """Sell on credit, and import the bank line that pays it."""
    await ask_price(name)
    await sell(name)
    total = await fetch_value("SELECT total_minor FROM credit_sale WHERE subject = $1", named(name, "order"))
    opening = await fetch_value("SELECT coalesce(sum(amount_minor), 0)::bigint FROM bank_line")
    given = Statement([Entry(total, f"B{name}")], opening=opening, name=f"S{name}", message=f"M{name}")
    await import_bank_statement(given.xml(), person=None, new_account=True)


async def pay(name: str) -> None:
    """Match the line."""
    line = await fetch_value("SELECT id FROM bank_line WHERE reference = $1", f"B{name}")
    total = await fetch_value("SELECT amount_minor FROM bank_line WHERE id = $1", line)
    if not await fetch_value("SELECT count(*) FROM bank_match WHERE line = $1", line):
        await settle_line(line, [("order", str(named(name, "order")), total)], await make_staff("Ada"))


async def check_paid_once(name: str) -> None:
    """Match it again where that is needed: nothing is owed, and the limit is free."""
    await pay(name)
    assert await balance(chart.ON_CREDIT) == await balance(chart.SUSPENSE) == 0
    assert await fetch_value("SELECT settled_at IS NOT NULL FROM credit_sale WHERE subject = $1", named(name, "order"))


async def check_whole() -> None:
    """Every invariant holds."""
    assert await broken() == []


FILES = ("credit/actions.py", "purchases/actions.py", "purchases/invoices.py", "bank/matching.py", "bank/candidates.py")
SCENES = {
    "sell": Scene(ask_price, sell, check_sold_once, FILES, whole=check_whole),
    "pay": Scene(owe, pay, check_paid_once, FILES, whole=check_whole),
}
