"""The attack: learn about people by one call for contributors after another, beside a year that is spent already."""

import pytest

from marketplace.core.errors import Conflict
from marketplace.core.settings import settings
from tests.sales.builders.auctions import open_reverse_auction
from tests.support.reads import fetch_one, fetch_value

CALL_MICRO = 500_000


async def test_calls_are_charged_before_they_are_answered_and_refused_once_the_year_is_spent(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("SUBSCRIBER_YEAR_EPSILON_MICRO", str(2 * CALL_MICRO))
    settings.cache_clear()
    for number in (1, 2):
        call, _ = await open_reverse_auction()
        spend = await fetch_one("SELECT * FROM privacy_spend WHERE call = $1", call)
        assert spend
        assert (spend["epsilon_micro"], spend["rho_nano"], spend["is_pure"]) == (CALL_MICRO, 125_000_000, True)
        assert await fetch_value("SELECT max(pure_micro) FROM privacy_year") == number * CALL_MICRO
    with pytest.raises(Conflict, match="would cost a subscriber"):
        await open_reverse_auction()
    assert await fetch_value("SELECT count(*) FROM reverse_auction") == 2
