"""What a partner paid is the partner's: nothing that contributors or strangers see follows from a private price.

The attack: a line of any of N subscribers, a rival's or bought, reads what a sale brought it and computes the price that
the partner paid. Here two worlds sell the same licences, one at the posted price and one for as much less as a private
offer takes off, with another payment fee, and with the same refund of a part: pages, statements, personal copies, payouts
and the public log must be the same to the byte. Finance sees in each what was paid.
"""

import datetime as dt
import random
import re
import uuid
from pathlib import Path
from typing import Any

import pytest

from marketplace.core import clock, database
from marketplace.core.postgres import EmbeddedPostgres
from marketplace.money.ledger.chart import LOSSES
from marketplace.money.ledger.queries import balance
from marketplace.oversight.public_log.actions import keep_log
from marketplace.oversight.rights.copies import write_copy
from marketplace.subscribers.earnings.actions import cancel_shares, hold_shares
from tests.attacks.builders import CHANCE, PUBLISHED, START, live_in
from tests.oversight.builders import open_copy
from tests.people.builders import make_staff, visiting, words
from tests.subscribers.builders import payees, sales
from tests.subscribers.builders.sales import given_back
from tests.support.reads import fetch, fetch_value

POSTED = 100_010
MOST_OFF = 3_500
"""What a private offer takes off at most, in basis points: the operator's part."""
PROMISED, OTHERS = 5, (1, 2, 99)
ROOT = re.compile(r"[0-9a-f]{64}")
"""The root of a day's hidden items: its key is drawn by chance."""
COPIED = ("shares", "uses", "closed_share", "accrual")


async def sell_for(less_basis_points: int) -> dict[str, uuid.UUID]:
    """Sell a release thrice for so much less than its posted price: released, paid back in part, held."""
    await sales.write_lines(range(1, 100))
    state = "INSERT INTO partner_sector (partner, sector, stated_at, stated_by) SELECT id, 'transport', now(), id FROM partner"
    await database.execute(state)
    release = await sales.seal_weights(
        {who: who % 6 + 1 for who in range(1, 60)}, published=PUBLISHED, started_at=START - 3 * sales.MONTH
    )
    await sales.promise_minimums({PROMISED: 30_000_000}, START - sales.MONTH, START + sales.MONTH)
    paid = -(-POSTED * (10_000 - less_basis_points) // 10_000)
    fee = 25 + paid * 15 // 1_000
    names = ("released", "refunded", "held")
    sold = {name: await sales.write_sale(release, paid, posted=POSTED, fee=fee, sold_at=START) for name in names}
    later = START + dt.timedelta(days=60)
    await database.execute("UPDATE licence SET hold_until = $1 WHERE id = $2", later, sold["held"])
    await hold_shares()
    await given_back(sold["refunded"], 2_000)
    await cancel_shares()
    await hold_shares()
    with clock.shifted(dt.timedelta(days=20)):
        await sales.close_month()
    return sold


def in_two_lives(postgres: EmbeddedPostgres, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, look: Any) -> Any:
    """Return what is seen where the posted price was paid, and where the least was."""
    both = []
    for name, less in (("as_posted", 0), ("for_less", MOST_OFF)):
        chance = random.Random(11)  # noqa: S311 (ids of a test)
        monkeypatch.setattr(uuid, "uuid4", lambda chance=chance: uuid.UUID(int=chance.getrandbits(128), version=4))

        async def seen(*, less: int = less) -> Any:
            return await look(await sell_for(less))

        both.append(live_in(postgres, tmp_path, name, seen))
    return both


async def pages_and_copies(sold: dict[str, uuid.UUID]) -> dict[str, bytes]:
    """Return every page, statement, copy, payout and log entry that shows a sale, but for finance's and the buyer's."""
    seen: dict[str, bytes] = {}
    with payees.paying(after=dt.timedelta(days=45)):
        await payees.write_bank_details(1, 2, PROMISED)
        await payees.draft_and_send(nora=await make_staff("Nora"), paul=await make_staff("Paul"))
        await cancel_shares()
        await keep_log()
        for who in (*OTHERS, PROMISED):
            paths = [
                "/en/earnings",
                "/en/earnings/shares",
                "/fr/earnings/shares",
                "/en/earnings/payouts",
                "/en/earnings/statements/2026",
                "/en/inbox",
            ]
            paths += ["/en/my-data", "/fr/my-data", "/en/earnings/rewards", "/en/calls", "/en/find?q=Lyon"]
            paths += [f"/{language}/earnings/shares/{one}" for one in sold.values() for language in ("en", "fr")]
            paths += ["/en/earnings/statements/2026/pdf", "/fr/earnings/statements/2026/pdf"] if who == 1 else []
            async with visiting(who) as subscriber:
                for path in paths:
                    answer = await subscriber.get(path)
                    seen[f"{who} {path}"] = b"%d " % answer.status_code + CHANCE.sub(rb"\1", answer.content)
            person = await fetch_value("SELECT id FROM person WHERE subscriber = $1", who)
            with await write_copy(person) as file:
                lists, _ = open_copy(file.read())
            seen |= {f"{who} copy: {name}": repr(lists[name]).encode() for name in COPIED}
        async with visiting() as stranger:
            for path in ("/en/datasets", "/en/datasets/lyon", "/en/", "/api/v1/datasets/lyon", "/catalogue.jsonld"):
                seen[f"stranger {path}"] = CHANCE.sub(rb"\1", (await stranger.get(path)).content)
    entries = await fetch(
        "SELECT kind, subject, convert_from(content, 'UTF8') AS content FROM log_entry ORDER BY number"
    )
    seen["log"] = ROOT.sub("", repr([tuple(entry) for entry in entries])).encode()
    seen["payouts"] = repr(
        [tuple(row) for row in await fetch("SELECT subscriber, amount_minor FROM payout ORDER BY 1")]
    ).encode()
    return seen


@pytest.mark.long
def test_nothing_that_others_see_follows_from_a_private_price(
    postgres: EmbeddedPostgres, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    as_posted, for_less = in_two_lives(postgres, tmp_path, monkeypatch, pages_and_copies)
    assert list(as_posted) == list(for_less)
    assert sum(page.startswith(b"200 ") for page in as_posted.values()) > 40
    assert [name for name, page in as_posted.items() if page != for_less[name]] == []
    assert as_posted["payouts"] == b"[(1, 900), (2, 1351), (5, 9000)]"
    shown = b"".join(page for name, page in as_posted.items() if name.split()[0].isdecimal())
    assert b"5 October 2026" not in shown, "the day of a sale is not said"
    assert b"October 2026" in shown


async def test_finance_and_the_books_say_what_was_paid() -> None:
    with clock.started_at(START):
        sold = await sell_for(MOST_OFF)
        await sales.check_whole()
        order = await sales.order_of_licence(sold["held"])
        async with visiting(role="finance") as finance:
            shown = words(await finance.get(f"/en/finance/orders/{order}"))
        for amount in ("Before VAT €650.07", "Subscribers €500.05", "Operator €0.01", "Platform €140.01"):
            assert amount in shown, amount
        async with visiting(partner=await fetch_value("SELECT id FROM partner WHERE company = 'Acme'")) as buyer:
            own = words(await buyer.get(f"/en/orders/{order}/statement"))
        assert "Posted price €1,000.10" in own
        assert "Less for you alone −€350.03" in own
        with clock.shifted(dt.timedelta(days=45)):
            await cancel_shares()
            assert await balance(LOSSES) > 0, "what was paid back in part is the operator's loss"
