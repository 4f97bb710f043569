"""The year 2025 of a marketplace, played by its ordinary actions and jobs at their instants, in peace or killed at every await of what writes.

What is ours is done by `Year.act`, which may die and is then tried again as a person or a worker would; what the world does,
such as paying a page or writing a statement, happens once. Both clocks, ours and PostgreSQL's, show the day that is played.
"""

import asyncio
import datetime as dt
import uuid
from collections.abc import Awaitable, Callable
from contextlib import ExitStack
from typing import Any

from marketplace.core import clock, database
from marketplace.core.database import execute
from marketplace.core.errors import Refusal
from marketplace.demo.bank import Bank
from marketplace.demo.einvoicing_platform import Platform
from marketplace.demo.payee_bank import PayeeBank
from marketplace.people.identity.actors import Actor
from marketplace.site.jobs.timetable import jobs
from tests.people.builders import spender_for
from tests.subscribers.builders.payees import OUR_IBAN
from tests.support.deaths import EVERY, awaits_of, killed_at_every_await
from tests.support.owner import as_owner
from tests.support.reads import fetch_value

YEAR = 2025
NAMESPACE = uuid.UUID("9e0c2f60-0000-4000-8000-000000002025")
MONEY = (
    "stripe-commands",
    "stripe-sweep",
    "stripe-events",
    "settle-orders",
    "lapse-orders",
    "record-refunds",
    "follow-disputes",
    "stripe-balance",
    "hold-shares",
    "cancel-shares",
)
"""The jobs that follow money, in its order."""
AUCTIONS = ("close-auctions", "settle-auctions", *MONEY, "settle-auctions", "stripe-commands")
INVOICES = ("invoices", "einvoices")
DELIVERED = ("deliver-subscriptions", *MONEY)
NEXT_TRANSACTION = "SELECT pg_snapshot_xmax(pg_current_snapshot())::text"
"""Only what writes, or locks a row, has a number."""
AT_STRIPE = ("stripe-commands",)
CONNECTIONS = """SELECT count(*) FROM pg_stat_activity
    WHERE backend_type = 'client backend' AND datname = current_database()"""
"""How many the year's database has now; the server is shared with other tests."""
LEASES_END = (
    "UPDATE stripe_command SET next_at = $1 WHERE state = 'pending' AND next_at > $1",
    "UPDATE einvoicing_flow SET next_at = $1 WHERE state = 'pending' AND next_at > $1",
)


def named_in_year(name: str, what: str) -> uuid.UUID:
    """Return the id that `what` of that name has, in every play of the year."""
    return uuid.uuid5(NAMESPACE, f"{name} {what}")


async def shift_database(by: dt.timedelta) -> None:
    """Have PostgreSQL's `clock_timestamp()`, which decides auctions, be so much later from now on."""
    await execute("UPDATE played_clock SET later = $1", by)


async def prepare_database(url: str) -> None:
    """Put a clock that can be shifted before PostgreSQL's own, for every session from now on."""
    name = await fetch_value("SELECT current_database()")
    await as_owner("CREATE TABLE played_clock AS SELECT interval '0' AS later")
    await as_owner("GRANT SELECT, UPDATE ON played_clock TO PUBLIC")
    await as_owner(
        """CREATE OR REPLACE FUNCTION clock_timestamp() RETURNS timestamptz LANGUAGE sql VOLATILE AS
           $$ SELECT pg_catalog.clock_timestamp() + later FROM public.played_clock $$"""
    )
    await as_owner(f"ALTER DATABASE {name} SET search_path = public, pg_catalog")
    await database.close_pool()
    await database.open_pool(url)


class People:
    """Who takes part, by name."""

    def __init__(self) -> None:
        """Know nobody yet."""
        self.partners: dict[str, uuid.UUID] = {}
        self.staff: dict[str, Actor] = {}

    async def bidder(self, name: str) -> Actor:
        partner = self.partners[name]
        return Actor(name=name, person=(await spender_for(partner)).person, partner=partner, vetted=True)


class Year:
    """The year as it is played: its day, the world around it, and whether what is ours dies at every await."""

    def __init__(
        self, stripe: Any, platform: Platform, payee_bank: PayeeBank, killed: list[bool], first: int = 1
    ) -> None:
        """Begin before the first day.

        killed: which of our acts die, by their order; none in peace. first: the await that each dies at first, of EVERY.
        """
        self.stripe, self.platform, self.payee_bank, self.killed = stripe, platform, payee_bank, killed
        self.first = first
        self.bank = Bank(OUR_IBAN)
        self.wrote: list[bool] = []
        """Of each act in its order: whether it wrote anything."""
        self.deaths: dict[str, int] = {}
        """What was done → how often it died, or in peace at how many awaits it could have."""
        self.refused: list[str] = []
        """What answered, tried again after a death, that it is done already."""
        self.most_connections = 0
        """How many connections the server had at most right after a death."""
        self.doing = ""
        self.before_end: Callable[[int], Awaitable[None]] | None = None
        """What happens shortly before a month ends."""
        self.every = EVERY
        """Each so many awaits is died at."""
        self._clock = ExitStack()
        self._ahead = dt.timedelta(0)

    async def on(self, month: int, day: int, hour: float = 10, *, year: int = YEAR) -> None:
        """Be at this hour (UTC) of a day; never earlier than before."""
        at = dt.datetime(year, month, day, tzinfo=dt.UTC) + dt.timedelta(hours=hour)
        assert at > clock.now() or not self._ahead, f"{at} is over: it is {clock.now()}"
        self._clock.close()
        ahead = at - clock.now()
        self._clock.enter_context(clock.shifted(ahead))
        self.stripe.test("clock", seconds=round((ahead - self._ahead).total_seconds()))
        self._ahead = ahead
        await shift_database(ahead)

    def place(self) -> str:
        """Return how far the year is: its day, and what is done now."""
        return f"it is {clock.now():%Y-%m-%d %H:%M}, act {len(self.wrote)}, {sum(self.deaths.values())} deaths: {self.doing}"

    def over(self) -> None:
        """Give the present its clock again."""
        self._clock.close()

    async def act(self, work: Callable[[], Awaitable[object]], name: str) -> None:
        """Do something of ours; killed, it is done again and may answer that it was done.

        What wrote nothing in peace, such as a job that finds nothing to do, is not killed, but what calls Stripe always is.
        """
        place, self.doing = len(self.wrote), name
        if not self.killed:
            before = await fetch_value(NEXT_TRANSACTION)
            self.deaths[name] = self.deaths.get(name, 0) + await awaits_of(work)
            self.wrote.append(await fetch_value(NEXT_TRANSACTION) != before)
            return
        self.wrote.append(self.killed[place])
        if not self.killed[place] and name not in AT_STRIPE:
            await self.wait()
            await work()
            return
        died = False

        async def again() -> None:
            try:
                await work()
            except Refusal as refusal:
                if not died:
                    raise
                self.refused.append(f"{name}: {refusal}")

        async def between() -> None:
            nonlocal died
            died = True
            self.most_connections = max(self.most_connections, await fetch_value(CONNECTIONS))
            await self.wait()

        died_at = await killed_at_every_await(again, between, first=self.first, every=self.every)
        self.deaths[name] = self.deaths.get(name, 0) + died_at

    async def wait(self) -> None:
        """Wait as long as a lease of a worker or a pause before the next try lasts."""
        for statement in LEASES_END:
            await execute(statement, clock.now())

    async def work(self, *names: str) -> None:
        """Let jobs run, once each and in this order; those that follow money unless others are named."""
        known = jobs()
        for name in names or MONEY:
            await self.act(known[name][1], name)

    async def at_stripe(self, verb: str, **fields: Any) -> dict[str, Any]:
        """Do something at Stripe's, or at a partner's bank."""
        return dict(await asyncio.to_thread(self.stripe.test, verb, **fields))
