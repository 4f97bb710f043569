"""Whether anybody at all is in the published figures must not show: not by a refusal, a price, or money that stays.

Noise alone lifts a figure to the threshold now and then. If such a release were refused, the refusal would be an exact
statement about people; so it is sold like any other, and what its contributors would get stays the operator's.
"""

from marketplace.money.ledger.chart import OPERATOR_PAYABLE, SUBSCRIBERS_HELD
from marketplace.money.ledger.queries import balance
from marketplace.oversight.invariants import broken
from marketplace.subscribers.earnings.actions import hold_shares
from tests.subscribers.builders import sales
from tests.support.reads import fetch_one


async def test_a_sale_of_noise_alone_is_settled_and_closed_like_any_other() -> None:
    await sales.write_lines(range(1, 4))
    nobody = await sales.seal_weights({}, published=40)
    someone = await sales.seal_weights({1: 2, 2: 1}, published=40)
    for release in (nobody, someone):
        await sales.write_sale(release)
    assert await hold_shares() == 2
    split = await fetch_one(
        "SELECT * FROM licence_split JOIN licence ON licence.id = licence WHERE release = $1", nobody
    )
    other = await fetch_one(
        "SELECT * FROM licence_split JOIN licence ON licence.id = licence WHERE release = $1", someone
    )
    assert split is not None
    assert other is not None
    assert (split["people"], split["shares_micro"], split["denominator"]) == (0, 0, other["denominator"])
    operators, subscribers = -await balance(OPERATOR_PAYABLE), -await balance(SUBSCRIBERS_HELD)
    assert operators + subscribers == 2 * (split["pool_minor"] + split["operator_minor"])
    assert await sales.close_month() > 0
    assert await broken() == []
