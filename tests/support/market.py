"""A whole running marketplace in one event loop: the site and the local Stripe counterpart on real ports, jobs on demand."""

import contextlib
import os
import re
import uuid
from collections.abc import AsyncIterator
from pathlib import Path

import httpx

from marketplace.catalogue.offers.actions import refresh_demand
from marketplace.core import clock
from marketplace.core.progress import no_progress
from marketplace.core.settings import LOCAL_STRIPE_KEY, settings
from marketplace.demo.demo import (
    SEED_WEBHOOK_SECRET,
    _read_time,
    counterpart_running,
    free_port,
    port_of,
    site_running,
)
from marketplace.demo.seed import seed
from marketplace.demo.seed_calendar import begins_at
from marketplace.demo.seed_cities import CitiesBeside
from marketplace.demo.seed_payouts import OUR_IBAN
from marketplace.demo.seed_sales import NO_CERTIFICATES
from marketplace.finance.reconciliation.actions import reconcile
from marketplace.money.payments.balance import mirror_balance
from marketplace.money.payments.events import handle_events, sweep_events
from marketplace.money.payments.stripe_calls import run_commands
from marketplace.people.identity import actions as identity
from marketplace.sales.orders.disputes import follow_disputes
from marketplace.sales.orders.refunds import record_refunds
from marketplace.sales.orders.settling import lapse_unpaid, settle_paid
from marketplace.subscribers.earnings.actions import cancel_shares, hold_shares
from marketplace.subscribers.earnings.month_close import close_months
from tests.people.builders import add_staff

PASSWORD = "a long enough password"


class Visitor:
    """A browser without a browser: follows redirects, keeps cookies, fills forms with the tokens the page gave."""

    def __init__(self, base: str, language: str = "en") -> None:
        self.http = httpx.AsyncClient(base_url=base, follow_redirects=True, timeout=30, verify=NO_CERTIFICATES)
        self.language = language

    async def see(self, path: str, *, status: int = 200) -> str:
        answer = await self.http.get(f"/{self.language}{path}")
        assert answer.status_code == status, (path, answer.status_code, answer.text[-2000:])
        return answer.text

    async def submit(self, page: str, action: str, *, status: int = 200, **fields: str) -> httpx.Response:
        """Send the form of `page` whose action ends with `action`, hidden fields included."""
        return await self.resend(self.form(await self.see(page), action), status=status, **fields)

    @staticmethod
    def form(html: str, action: str) -> tuple[str, dict[str, str]]:
        for form in re.findall(r"<form[^>]*method=\"post\".*?</form>", html, re.DOTALL):
            target = re.search(r'action="([^"]+)"', form)
            if target and target[1].endswith(action):
                inputs = [
                    dict(re.findall(r'(name|value|type)="([^"]*)"', tag)) for tag in re.findall(r"<input[^>]*>", form)
                ]
                return target[1], {i["name"]: i.get("value", "") for i in inputs if i.get("type") == "hidden"}
        raise AssertionError(f"no form for {action} in {html[-3000:]}")

    async def resend(self, form: tuple[str, dict[str, str]], *, status: int = 200, **fields: str) -> httpx.Response:
        action, hidden = form
        answer = await self.http.post(action, data=hidden | fields)
        assert answer.status_code == status, (action, answer.status_code, answer.text[-2000:])
        return answer

    async def sign_in(self, email: str) -> None:
        await self.submit("/sign-in", "/sign-in", email=email, password=PASSWORD)


class Market:
    """The running marketplace, seen from outside, and its jobs."""

    def __init__(self, base: str, stripe: str) -> None:
        self.base, self.stripe = base, stripe
        self.visitors: list[Visitor] = []

    def visitor(self, language: str = "en") -> Visitor:
        self.visitors.append(Visitor(self.base, language))
        return self.visitors[-1]

    async def work(self) -> None:
        """Do what the jobs would do in the next minutes, in the order of the money."""
        for job in (
            run_commands,
            sweep_events,
            handle_events,
            settle_paid,
            lapse_unpaid,
            mirror_balance,
            record_refunds,
            follow_disputes,
            hold_shares,
            cancel_shares,
            close_months,
            refresh_demand,
            reconcile,
        ):
            await job()

    async def control(self, what: str, **parameters: object) -> httpx.Response:
        """Turn one of the counterpart's knobs."""
        async with httpx.AsyncClient(base_url=self.stripe) as http:
            answer = await http.post(f"/_test/{what}", json=parameters)
            assert answer.status_code == 200, answer.text
            return answer


@contextlib.asynccontextmanager
async def running() -> AsyncIterator[Market]:
    """Run the site and the counterpart for the database of a test, whose pool is open."""
    ours = 1000 * int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))  # workers look for ports apart
    site, stripe = free_port("127.0.0.1", 18_100 + ours), free_port("127.0.0.1", 18_600 + ours)
    os.environ |= {
        "PORT": str(port_of(site)),
        "STRIPE_API_BASE": f"http://127.0.0.1:{port_of(stripe)}",
        "STRIPE_API_KEY": LOCAL_STRIPE_KEY,
    }
    settings.cache_clear()
    async with counterpart_running(None, stripe, control=True), site_running(site):
        market = Market(settings().url, settings().stripe_url)
        try:
            yield market
        finally:
            for visitor in market.visitors:
                await visitor.http.aclose()


async def let_people_in(market: Market) -> dict[str, Visitor]:
    """Let a French partner, a steward, a finance clerk and an auditor in, and sign them in."""
    for role in ("steward", "finance", "auditor"):
        await add_staff(f"{role}@people.example", role.title(), role, PASSWORD)
    partner = await identity.create_partner(
        company="Atelier Urbain",
        country="FR",
        vat_number="FR14987654324",
        name="Camille",
        email="partner@people.example",
        password=PASSWORD,
        partner_id=uuid.uuid4(),
    )
    await identity.vet_partner(partner, "Steward")
    visitors = {}
    for role in ("partner", "steward", "finance", "auditor"):
        visitors[role] = market.visitor()
        await visitors[role].sign_in(f"{role}@people.example")
    return visitors


async def activate_line(market: Market, reference: int, email: str) -> Visitor:
    """Have the holder of a line activate it with the operator's code, on the page, and come back signed in."""
    [(_, code)] = await identity.issue_activation_codes([reference])
    visitor = market.visitor()
    await visitor.submit(
        "/activate", "/activate", reference=str(reference), code=code, email=email, name="Lucie", password=PASSWORD
    )
    return visitor


@contextlib.asynccontextmanager
async def seed_demo(folder: Path) -> AsyncIterator[None]:
    """Seed the demo's data into the test's database as a first start does, and run the counterpart meanwhile."""
    stripe = free_port(
        "127.0.0.1", 19_700 + 1000 * int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
    )
    os.environ |= {
        "STRIPE_API_BASE": f"http://127.0.0.1:{port_of(stripe)}",
        "STRIPE_API_KEY": LOCAL_STRIPE_KEY,
        "STRIPE_WEBHOOK_SECRET": SEED_WEBHOOK_SECRET,
        "PAYOUT_IBAN": OUR_IBAN,
        "PAYOUT_THRESHOLD_MINOR": "1",
    }
    settings.cache_clear()
    now = clock.now()
    with CitiesBeside(folder / "city", now) as cities, contextlib.ExitStack() as past:
        past.enter_context(clock.started_at(begins_at(now)))
        async with counterpart_running(folder / "stripe.db", stripe, read_time=_read_time):
            await seed(cities, no_progress, past.close)
            yield
