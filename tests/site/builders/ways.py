"""Each way to sell over HTTP, from the dataset's page to shares: what is pressed, what the jobs do, and what the world answers.

What is ours goes through `Way.act`, so a request or a job may die at each of its awaits, and is then pressed or run again.
"""

import datetime as dt
import re
import uuid
from collections.abc import Awaitable, Callable
from functools import partial
from http import HTTPStatus
from typing import Any, Final

import httpx

from marketplace.catalogue.offers import actions as catalogue
from marketplace.core import clock
from marketplace.core.database import copy_in, execute
from marketplace.datasets.releases import publishing
from marketplace.money.payments.queries import get_payment
from marketplace.people.proposals.queries import find_waiting
from marketplace.sales.orders.invoices import change_billing
from tests.catalogue.builders import charge_between, put_on_sale
from tests.datasets.builders import declare
from tests.finance.builders.statements import Entry, Statement
from tests.people.builders import PASSWORD, VAT, Browser, add_staff
from tests.sales.builders import shop
from tests.sales.builders.claims import claim_form
from tests.site.builders.months import GOOD_IBAN, TERMS, VISA, WEIGHTS, seal_weeks
from tests.site.builders.played_year import MONEY, Year, named_in_year
from tests.support.deaths import first_and_every
from tests.support.decisions import buttons_of
from tests.support.reads import fetch, fetch_value

LEAST, MOST = 60_000, 150_000
STAFF: Final = (("nora", "finance"), ("paul", "finance"), ("samir", "steward"))
ADDRESS: Final = {"street": "1 rue Longue", "postcode": "69001", "city": "Lyon"}
DELIVERED: Final = ("deliver-subscriptions", *MONEY)
FOUND: Final = re.compile(r"[0-9a-f]{8}-[0-9a-f-]{27}|\d+")
"""What of an address is one subject's own."""
DONE_ALREADY: Final = (HTTPStatus.CONFLICT, HTTPStatus.GONE, HTTPStatus.UNPROCESSABLE_ENTITY)
"""What who presses again may read: that it is decided, or, of a bank's line, that nothing is owed any more."""
DAY: Final = dt.timedelta(days=1)
TWO_HALF_LIVES: Final = 60
"""Days: what is twice as old as the dataset's half-life is lent to who tries."""


class Way(Year):
    """One way to sell as it is walked: who presses what, in peace or killed at each await of each press and job."""

    def __init__(self, stripe: Any, killed: list[bool]) -> None:
        """Begin with nobody. killed: which acts die, by their order; none in peace."""
        nobody: Any = None
        super().__init__(stripe, nobody, nobody, killed)
        self.first, self.every = first_and_every()
        self.browsers: dict[str, Browser] = {}
        self.partner: uuid.UUID
        self.releases: list[uuid.UUID] = []

    async def open(self) -> None:
        """Open the shop with one older release, and sign its people in."""
        await declare(budget_micro=900_000_000)
        await execute("UPDATE dataset SET cadence = 'month'")
        await copy_in("subscriber", ["reference"], [(line,) for line in WEIGHTS])
        self.releases = [await seal_weeks(0, late=28)]
        await catalogue.define_terms(TERMS, months=12, lines_fr="Un\nDeux", lines_en="One\nTwo")
        await charge_between(LEAST, MOST)
        await put_on_sale("lyon", terms=TERMS, worth_minor=90_000_000)  # dear enough to cost the most at any demand
        self.partner = await shop.make_buyer()
        for name, role in STAFF:
            await add_staff(f"{name}@partage.example", name.title(), role, PASSWORD)
        for name in ("atelier@partner", *(f"{name}@partage" for name, _ in STAFF)):
            self.browsers[name.split("@", maxsplit=1)[0]] = browser = Browser()
            assert (await browser.sign_in(f"{name}.example")).status_code == 303
            await browser.get("/en/sign-out")

    async def close(self) -> None:
        """Close the browsers."""
        for browser in self.browsers.values():
            await browser.client.aclose()

    async def press(self, who: str, path: str, fields: dict[str, str], *, form: uuid.UUID | None = None) -> str:
        """Submit a form; who sees no answer presses the same button again. Return where it leads."""
        browser, answers = self.browsers[who], list[httpx.Response]()
        token = browser.client.cookies.get("csrftoken", domain="testserver.example") or ""
        written = {"_csrf_token": token, "form_id": str(form or named_in_year(path, who))} | fields

        async def submit() -> None:
            answers.append(await browser.client.post(path, data=written))

        name = f"POST {FOUND.sub('…', path)}"
        before = self.deaths.get(name, 0)
        await self.act(submit, name)
        status, has_died = answers[-1].status_code, bool(self.killed) and self.deaths.get(name, 0) > before
        fit = status == HTTPStatus.SEE_OTHER or (has_died and status in DONE_ALREADY)
        assert fit, (path, status, re.sub(r"<[^>]+>|\s+", " ", answers[-1].text)[:2_000])
        return answers[-1].headers.get("location", "")

    async def upload(self, who: str, path: str, file: bytes) -> None:
        """Upload a file; who sees no answer uploads it again."""
        client = self.browsers[who].client
        token = client.cookies.get("csrftoken", domain="testserver.example") or ""

        async def submit() -> None:
            answer = await client.post(
                path, data={"_csrf_token": token, "new_account": "yes"}, files={"file": ("statement.xml", file)}
            )
            assert answer.status_code == 303, answer.text

        await self.act(submit, f"POST {path}")

    async def transfer(self, amount: int, number: str) -> None:
        """Have the bank's statement say that an order was paid by transfer, or that we paid it back, and match the line."""
        known = await fetch("SELECT amount_minor FROM bank_line")
        today, name = clock.now().date(), str(len(known))
        booked = Entry(amount, f"B{name}", words=number, day=today)
        given = Statement(
            [booked], sum(row["amount_minor"] for row in known), name=f"S{name}", message=f"M{name}", day=today
        )
        await self.upload("nora", "/en/finance/bank", given.xml())
        line = await fetch_value("SELECT max(id) FROM bank_line")
        if not await fetch_value("SELECT count(*) FROM bank_match WHERE line = $1", line):
            explained = {"kind1": "order", "target1": number}
            await self.press("nora", f"/en/finance/bank/lines/{line}/split", explained)

    async def order(self, name: str, *, quote: uuid.UUID | None = None, **how: str) -> uuid.UUID:
        """Have the latest release quoted, unless it is, and order it; return the order."""
        order = named_in_year(name, "order")
        if quote is None:
            quote = named_in_year(name, "quote")
            asked = {"release": str(self.releases[-1]), "level": "0"} | {
                key: how.pop(key) for key in ("terms",) if key in how
            }
            await self.press("atelier", "/en/datasets/lyon/quotes", asked, form=quote)
        await self.press("atelier", f"/en/quotes/{quote}/orders", ADDRESS | how, form=order)
        return order

    async def pay(self, order: uuid.UUID, **method: str) -> None:
        """Pay an order's page, once, as a person does, and let the money be followed."""
        await self.work("stripe-commands")
        await self.at_stripe("pay", session=(await get_payment(order)).session_id, **(method or {"token": VISA}))
        await self.work()

    async def keep_card(self) -> None:
        """Keep a card for what is charged later."""
        saved = named_in_year("atelier", "card")
        await change_billing(self.partner, **ADDRESS, reference="")
        await self.press("atelier", "/en/payment-method", {"back": "/basket"}, form=saved)
        await self.work("stripe-commands")
        await self.wait()
        await self.work("stripe-commands")
        session = await fetch_value("SELECT session_id FROM saved_method WHERE id = $1", saved)
        await self.at_stripe("pay", session=session, token=VISA)
        await self.browsers["atelier"].get(f"/en/payment-method?saved={saved}&back=/basket")

    async def publish(self, number: int, *, late: int = 0) -> None:
        """Publish the next release, or one of so many days earlier."""
        self.releases.append(await seal_weeks(number, late=late))


async def card(way: Way) -> None:
    """Have a price quoted, order, and pay by card."""
    await way.pay(await way.order("card"))


async def sepa_debit(way: Way) -> None:
    """Do the same by a direct debit, which the bank honours days later."""
    await way.pay(await way.order("debit"), iban=GOOD_IBAN)
    await way.at_stripe("settle")
    await way.work()


async def _buy_on_invoice(way: Way) -> tuple[uuid.UUID, str, int]:
    """Buy on invoice within a limit that two people grant, the data at once, and pay by transfer; return order, number, total."""
    limit = {"partner": VAT, "amount": "9000", "reason": "Ten orders paid in time."}
    form = named_in_year("limit", "form")
    await way.press("nora", "/en/finance/credit/limits", limit, form=form)
    await way.press("paul", *await buttons_of(form))
    order = await way.order("invoice", pay_by="invoice")
    await way.work("settle-orders")
    [owed] = await fetch("SELECT number, total_minor FROM purchase_order WHERE id = $1", order)
    await way.transfer(owed["total_minor"], owed["number"])
    await way.work()
    return order, owed["number"], owed["total_minor"]


async def invoice(way: Way) -> None:
    """Buy on invoice, and pay by bank transfer."""
    await _buy_on_invoice(way)


async def credited_invoice(way: Way) -> None:
    """Credit an invoice that was paid by transfer: a credit note, and the money transferred back, as the bank says."""
    order, number, total = await _buy_on_invoice(way)
    await way.press("nora", f"/en/finance/orders/{order}/refund", {"amount": "", "reason": "The data were late."})
    waiting = await find_waiting("refund")
    assert waiting
    await way.press("paul", *await buttons_of(waiting.id))
    await way.work()
    await way.transfer(-total, number)
    await way.work()


async def basket(way: Way) -> None:
    """Buy two releases at once, by the card that is saved, at the price of several."""
    await way.publish(1)
    await way.keep_card()
    await _order_basket(way, months=12)


async def volume_and_term(way: Way) -> None:
    """Do the same for twenty-four months."""
    await way.publish(1)
    await way.keep_card()
    await _order_basket(way, months=24)


async def _order_basket(way: Way, *, months: int) -> None:
    chosen = "&".join(f"release={one}" for one in way.releases)
    page = (await way.browsers["atelier"].get(f"/en/basket?dataset=lyon&{chosen}&months={months}")).text
    shown = {name: re.findall(rf'name="{name}" value="([^"]*)"', page)[-1] for name in ("releases", "total", "terms")}
    await way.press("atelier", "/en/basket/orders", shown | {"months": str(months)})
    await way.work()


async def subscription(way: Way) -> None:
    """Subscribe at a locked price, have the next release come and be charged without a click, and end it."""
    await way.keep_card()
    form = named_in_year("atelier", "subscription")
    await way.press("atelier", "/en/subscribe/lyon", {"dataset": "lyon", "releases": "4"}, form=form)
    await way.publish(1)
    await way.work(*DELIVERED)
    await way.press("atelier", f"/en/subscriptions/{form}/end", {})
    await way.work(*DELIVERED)


async def service_credit(way: Way) -> None:
    """Have a release of a subscription come late: charged, and a part of it refunded by itself."""
    await way.keep_card()
    form = named_in_year("atelier", "subscription")
    await way.press("atelier", "/en/subscribe/lyon", {"dataset": "lyon", "releases": "4"}, form=form)
    await execute(
        "UPDATE subscription SET promised_days = -4, promised_coverage_micro = 500000, began_at = began_at - interval '9 days'"
    )
    await way.publish(1)
    for _ in range(2):
        await way.work(*DELIVERED)


async def trial(way: Way) -> None:
    """Begin a trial of the older release: no order, no money, no share."""
    await way.publish(1, late=TWO_HALF_LIVES)
    await way.press("atelier", "/en/datasets/lyon/trial", {})
    await way.work()


async def private_offer(way: Way) -> None:
    """Offer a price to one partner for two lengths, and buy the longer one."""
    ends, form = (clock.now() + 20 * DAY).date().isoformat(), named_in_year("atelier", "private offer")
    offered = {"partner": str(way.partner), "dataset": "lyon", "percent_off": "15", "months": "12, 24", "ends_on": ends}
    await way.press("samir", "/en/steward/private-offers", offered, form=form)
    quote = named_in_year("private", "quote")
    await way.press("atelier", "/en/private-offers/quotes", {"offer": str(form), "months": "24"}, form=quote)
    await way.pay(await way.order("private", quote=quote))


async def data_request(way: Way) -> None:
    """Ask for data, have a steward answer with what is on sale, and buy that."""
    asked, today = named_in_year("atelier", "request"), clock.now().date()
    wanted = {
        "place": "Bron, Tassin",
        "product": "presence",
        "grain": "hour",
        "starts_on": (today - 30 * DAY).isoformat(),
        "ends_on": today.isoformat(),
        "most": "500",
        "text": "Where buses are missing.",
    }
    await way.press("atelier", "/en/requests/new", wanted, form=asked)
    shown = (await way.browsers["samir"].get("/en/steward/requests")).text
    [found] = set(re.findall(r"/en(/steward/requests/[0-9a-f-]{36})", shown))
    await way.press("samir", f"/en{found}", {"answer": "offered", "dataset": "lyon"})
    await way.pay(await way.order("requested"))


async def claim(way: Way) -> None:
    """Claim, which freezes the shares, until two people have decided that a part is refunded."""
    order, form = await way.order("claimed"), named_in_year("claimed", "claim")
    await way.pay(order)
    found = {"reason": "wrong_figures", "evidence": "A zone is empty on Sunday."}
    await way.press("atelier", f"/en/orders/{order}/claim", found, form=form)
    await way.work("hold-shares")
    proposal = {"claim": str(form), "proposal": "refund", "amount": "100", "answer": "Sunday was lost."}
    await way.press("nora", "/en/staff/claims/propose", proposal)
    await way.press("samir", "/en/staff/claims/decide", await claim_form(form))
    await way.work()
    await way.work()


async def recall_refund(way: Way) -> None:
    """Have a release called back, and press the button on its page that refunds it."""
    order = await way.order("recalled")
    await way.pay(order)
    why = {"reason_fr": "Une antenne mal placée.", "reason_en": "A misplaced antenna."}
    await way.act(partial(publishing.revoke, way.releases[-1], **why, by="Samir"), "recall")
    await way.press("atelier", f"/en/orders/{order}/return-recalled", {})
    await way.work()
    await way.work()


WAYS: Final[dict[str, Callable[[Way], Awaitable[None]]]] = {
    walk.__name__: walk
    for walk in (
        card,
        sepa_debit,
        invoice,
        credited_invoice,
        basket,
        subscription,
        service_credit,
        trial,
        private_offer,
        volume_and_term,
        data_request,
        claim,
        recall_refund,
    )
}
"""Way → how it is walked."""
