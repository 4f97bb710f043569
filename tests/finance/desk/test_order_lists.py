"""The list of orders: narrowed and sorted alike whether few orders are looked up or an index is walked."""

import datetime as dt
import uuid
from collections.abc import Callable

import pytest

from marketplace.core import clock
from marketplace.core.database import execute
from marketplace.finance.desk.order_lists import ORDER_STATES, OrderLine, list_orders
from tests.finance.builders import sales
from tests.support.reads import fetch

NUMBERS = ("P-2025-000007", "P-2025-000123", "P-2026-000123", "P-2026-000124", "P-2026-001230", "P-2026-1000007")
SORTS: dict[str, Callable[[OrderLine], object]] = {
    "number": lambda row: row.number,
    "total": lambda row: (-row.total_minor, row.id),
    "state": lambda row: (row.state, -row.ordered_at.timestamp(), row.id),
    "company": lambda row: (row.company.lower(), -row.ordered_at.timestamp(), row.id),
    "": lambda row: (-row.ordered_at.timestamp(), row.id),
}


async def make_orders() -> None:
    """Make an order of each number, in turn of another state, total, day and partner."""
    await sales.write_shop()
    other = uuid.uuid4()
    await execute(
        "INSERT INTO partner (id, company, country, vat_number, signed_up_at) VALUES ($1, 'aardvark', 'FR', '', $2)",
        other,
        clock.now(),
    )
    for place, number in enumerate(NUMBERS):
        order = await sales.write_order(
            partner=(sales.PARTNER, other)[place // 2 % 2], net_minor=1_000 * (place * 5 % 7 + 1)
        )
        await execute("DELETE FROM payment")
        await execute(
            "UPDATE purchase_order SET number = $2, state = $3, ordered_at = $4 WHERE id = $1",
            order,
            number,
            ("awaiting_payment", "lapsed")[place % 2],
            clock.now() - dt.timedelta(days=place * 7 % 5),
        )


@pytest.mark.parametrize("few", [2_000, 0], ids=["looked up", "walked"])
async def test_orders_are_narrowed_and_sorted_alike(few: int) -> None:
    await make_orders()
    assert len(await fetch("SELECT id FROM purchase_order")) == len(NUMBERS)
    for sort, key in SORTS.items():
        for state in ("", *ORDER_STATES):
            rows = list((await list_orders(1, "", state, sort, few=few)).rows)
            assert rows == sorted(rows, key=key), (sort, state)  # type: ignore[arg-type]
            assert len(rows) == {"": 6, "awaiting_payment": 3, "lapsed": 3}.get(state, 0), (sort, state)
        for begins in ("P-2026", "2026-", "p-2026-"):
            found = list((await list_orders(1, begins, "lapsed", sort, few=few)).rows)
            assert {row.number for row in found} == {"P-2026-000124", "P-2026-1000007"}, (begins, sort)
            if sort:
                assert found == sorted(found, key=key), (begins, sort)  # type: ignore[arg-type]
    assert (await list_orders(state="odd", few=few)).rows == []


async def test_the_digits_after_the_year_find_an_order_of_each_year() -> None:
    await make_orders()
    for digits in ("123", "000123", "00123"):
        found = (await list_orders(number=digits)).rows
        assert {row.number for row in found} == {"P-2025-000123", "P-2026-000123"}, digits
    assert [row.number for row in (await list_orders(number="1000007")).rows] == ["P-2026-1000007"]
    assert [row.number for row in (await list_orders(number=" p-2026-000124 ".strip())).rows] == ["P-2026-000124"]
    assert len((await list_orders(number="2026")).rows) == 4, "a year is how numbers begin"
    for nothing in ("%", "_", "'", "~", "P-2026-0009", "999"):
        assert (await list_orders(number=nothing)).rows == [], nothing
