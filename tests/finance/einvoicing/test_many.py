"""Of many documents the page reads an index and kept sums: it shows the same as of few."""

import pytest

from marketplace.finance.einvoicing import lists
from tests.finance.builders import sales
from tests.finance.builders.travelling import exchange_all, number_of, platform_running, sell_under, write_french_shop

pytestmark = pytest.mark.usefixtures("database_url")


@pytest.mark.long
async def test_documents_are_listed_alike_by_looking_up_and_by_walking() -> None:
    await write_french_shop()
    async with platform_running() as platform:
        orders = [await sell_under() for _ in range(3)]
        platform.refuses[await number_of(orders[1])] = (213, "REJ_SEMAN", "BR-FR-10")
        await exchange_all()
        await sales.write_refund(orders[0])
        await exchange_all()
        for sort in lists.TRANSMISSIONS_BY:
            whole = list((await lists.list_transmissions(1, "", sort)).rows)
            assert len(whole) == 4, sort
            for state in lists.STATES:
                for few in (lists.FEW, 0):
                    of_state = list((await lists.list_transmissions(1, state, sort, few=few)).rows)
                    assert of_state == [row for row in whole if row.state == state], (sort, state, few)
        assert {row.state for row in whole} == {"deposited", "rejected"}
