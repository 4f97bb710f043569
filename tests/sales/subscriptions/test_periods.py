"""Each period of a subscription pays exactly the people of its own release; credits for what fell short balance, to the micro-euro."""

import datetime as dt
import random
import re
import uuid
from collections import Counter
from collections.abc import Mapping
from typing import Any

import pytest

from marketplace.core import clock
from marketplace.core.database import execute
from marketplace.finance.reconciliation.actions import reconcile
from marketplace.money.ledger import chart
from marketplace.money.ledger.queries import balance
from marketplace.money.payments.balance import mirror_balance, read_balance
from marketplace.sales.subscriptions.actions import deliver
from marketplace.subscribers.earnings.actions import cancel_shares, hold_shares
from marketplace.subscribers.earnings.month_close import close_months
from marketplace.subscribers.earnings.queries import list_unequal_accounts
from tests.people.builders import Browser, page_text
from tests.sales.builders import shop
from tests.site.builders.months import seal_weeks
from tests.site.builders.ways import DAY, Way
from tests.subscribers.builders import sales
from tests.support.owner import as_owner
from tests.support.reads import ORDERED, fetch, fetch_value

MINUTE = dt.timedelta(minutes=1)
PERIODS, MICRO_PER_MINOR = 4, 10_000


async def work_with_shares() -> None:
    """Let the jobs follow the money, and the shares after it."""
    for _ in range(2):
        await deliver()
        await shop.jobs()
        await mirror_balance()
        await hold_shares()
        await cancel_shares()


def expected_of(split: Any, weights: Mapping[int, int]) -> Counter[int]:
    """Return what a period's pool gives each of its people, in micro-euros, by the weights that were drawn here."""
    pool, people = split["pool_minor"] * MICRO_PER_MINOR, sum(weights.values())
    return Counter({who: pool * weight // people for who, weight in weights.items()})


def credit_of(total_minor: int) -> int:
    """Return what three days too late give back of a price: five percent for each."""
    return total_minor * 3 * 5 // 100


async def publish_covering(number: int, consenting: int) -> uuid.UUID:
    """Publish a release in time, of whose 9,000 lines so many consent; return it."""
    release = await seal_weeks(number)
    await as_owner("ALTER TABLE release DISABLE TRIGGER sealed_for_ever")
    await execute("UPDATE release SET consenting = $2 WHERE id = $1", release, consenting)
    await as_owner("ALTER TABLE release ENABLE TRIGGER sealed_for_ever")
    return release


async def released_in(browser: Browser, order: uuid.UUID) -> dt.datetime | None:
    """Return when an order's page says that its shares were released, to the minute; None where it does not say so."""
    page = (await browser.get(f"/en/orders/{order}")).text
    found = re.search(r'Shares released: [^<]+</span>\s+<time\s+class="muted" datetime="(.*?)">', page)
    return dt.datetime.fromisoformat(found[1]) if found else None


@pytest.mark.deep
async def test_a_release_in_time_that_covers_less_than_was_sold_is_credited_for_that_alone(stripe: Any) -> None:
    """4,000 of 9,000 lines consent on the day of the sale: 95 % of that is promised, 42.2 %. 40 % lack 5.27 % of it."""
    way = Way(stripe, [])
    await way.open()
    await way.keep_card()
    form = uuid.uuid4()
    await way.press("atelier", "/en/subscribe/lyon", {"dataset": "lyon", "releases": "4"}, form=form)
    promised, covered = 4_000 * 950_000 // 9_000, 3_600 * 1_000_000 // 9_000
    with clock.shifted(3 * DAY):
        as_sold = await publish_covering(1, 3_800)
        await work_with_shares()
        assert await fetch_value("SELECT count(*) FROM service_credit") == 0, "what was promised is there"
    with clock.shifted(31 * DAY):
        short = await publish_covering(2, 3_600)
        await work_with_shares()
        await work_with_shares()
        part = -(-(promised - covered) * 10_000 // promised)
        [credit] = await fetch("SELECT * FROM service_credit")
        orders = {row["release"]: row for row in await fetch(f"SELECT * FROM {ORDERED}")}
        assert set(orders) == {as_sold, short}
        order = orders[short]
        assert credit["purchase_order"] == order["id"]
        assert (credit["days_late"], credit["coverage_micro"]) == (0, covered)
        assert (credit["promised_coverage_micro"], credit["basis_points"]) == (promised, part)
        assert part == 527
        refund = order["total_minor"] * part // 10_000
        assert (order["returned_minor"], orders[as_sold]["returned_minor"]) == (refund, 0)
        moved = await fetch(
            """SELECT debit, credit, amount_minor FROM posting JOIN journal_entry ON journal_entry.id = entry
               WHERE kind = 'refund' ORDER BY debit DESC"""
        )
        assert {(row["debit"], row["credit"]) for row in moved} == {
            (chart.LICENCES_SOLD, chart.PARTNERS),
            (chart.VAT_COLLECTED, chart.PARTNERS),
        }
        assert sum(row["amount_minor"] for row in moved) == refund
        note = "SELECT total_minor FROM invoice WHERE kind = 'credit_note' AND purchase_order = $1"
        assert await fetch_value(note, order["id"]) == refund, "with its credit note"
        await reconcile()
        assert await balance(chart.STRIPE) == await read_balance()
        assert await balance(chart.PARTNERS) == 0
        assert await list_unequal_accounts() == []
        browser = way.browsers["atelier"]
        await browser.sign_in("atelier@partner.example")
        for language, subject, words in (
            ("en", f"A credit on your order {order['number']}", "40.0% of the lines consent, 42.2% were sold"),
            ("fr", f"Un avoir sur votre commande {order['number']}", "40,0 % des lignes consentent, 42,2 % étaient"),
        ):
            inbox = " ".join(page_text(await browser.get(f"/{language}/inbox")).split())
            assert inbox.count(subject) == 1, "the partner is written once"
            assert words in inbox
            assert "late" not in inbox
            assert "retard" not in inbox
        for language, words in (
            ("en", "back: 40.0% of the lines consent where 42.2% were sold"),
            ("fr", "rendus : 40,0 % des lignes consentent, là où 42,2 % étaient vendus"),
        ):
            shown = page_text(await browser.get(f"/{language}/subscriptions/{form}"))
            assert words in " ".join(shown.split()), "it was not late, and nothing says so"
        assert await released_in(browser, order["id"]) is None, "its shares are held"
    with clock.shifted(100 * DAY):
        closed_at = clock.now()
        assert await close_months() == 2
        await browser.sign_in("atelier@partner.example")
        for bought in orders.values():  # The credit divided the second one's shares anew.
            released = await released_in(browser, bought["id"])
            assert released, bought["number"]
            assert abs(released - closed_at) < 2 * MINUTE
    await way.close()
    way.over()


@pytest.mark.long
@pytest.mark.parametrize("seed", [0, *(pytest.param(seed, marks=pytest.mark.deep) for seed in (1, 2))])
async def test_each_period_pays_the_people_of_its_release_and_no_others(stripe: Any, seed: int) -> None:
    dice = random.Random(seed)  # noqa: S311 (the same people each time)
    way = Way(stripe, [])
    await way.open()
    await way.keep_card()
    form = uuid.uuid4()
    await way.press("atelier", "/en/subscribe/lyon", {"dataset": "lyon", "releases": "4"}, form=form)
    await execute("UPDATE subscription SET promised_days = 3, began_at = began_at - interval '9 days'")
    lines = [row["reference"] for row in await fetch("SELECT reference FROM subscriber ORDER BY 1")]
    drawn: dict[uuid.UUID, dict[int, int]] = {}
    late_ones: list[int] = []
    for period in range(PERIODS):
        with clock.shifted((28 * period + 3) * DAY):
            some = dice.sample(lines, dice.randrange(1, len(lines)))
            weights = {who: dice.randrange(1, 30) for who in some}
            late = dice.choice([0, 0, 5])
            drawn[await seal_weeks(period + 1, late=late, weights=weights)] = weights
            await work_with_shares()
            late_ones += [
                await fetch_value("SELECT total_minor FROM purchase_order ORDER BY ordered_at DESC LIMIT 1")
            ] * (late > 0)
    with clock.shifted((28 * PERIODS + 5) * DAY):
        await work_with_shares()
        bought = {row["release"] for row in await fetch(f"SELECT release FROM {ORDERED} WHERE state = 'paid'")}
        assert bought == set(drawn), "each period is ordered and paid once"
        splits = await fetch(
            "SELECT licence_split.*, release FROM licence_split JOIN licence ON licence.id = licence WHERE licence_split.state = 'held'"
        )
        whole = Counter[int]()
        for split in splits:
            own = expected_of(split, drawn[split["release"]])
            assert sum(own.values()) == split["shares_micro"], "the people of the release have its shares"
            whole += own
        credited = await fetch_value("SELECT coalesce(sum(refund_minor), 0)::bigint FROM service_credit")
        returned = await fetch_value("SELECT coalesce(sum(returned_minor), 0)::bigint FROM purchase_order")
        assert returned == credited == sum(map(credit_of, late_ones)), "what fell short is credited, and nothing else"
        await reconcile()
        assert await balance(chart.STRIPE) == await read_balance()
        assert await balance(chart.PARTNERS) == 0
        assert await list_unequal_accounts() == []
        owed = {who: micro for who, (micro, _) in (await sales.balances()).items() if micro}
        assert owed == {who: micro for who, micro in whole.items() if micro}, "and nobody else has any"
    await way.close()
    way.over()
