"""The months of the played year: who buys, gives back, disputes, bids, is paid and closes, and what the world answers."""

import asyncio
import datetime as dt
import hashlib
import io
import uuid
from collections.abc import Mapping
from functools import partial
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from marketplace.catalogue.offers import actions as catalogue
from marketplace.catalogue.requests import actions as requests
from marketplace.catalogue.requests.rules import RequestedData
from marketplace.core import clock, object_store
from marketplace.core.database import copy_in, execute
from marketplace.delivery.downloads.trial_actions import begin
from marketplace.finance.einvoicing.actions import mend
from marketplace.money.ledger import chart
from marketplace.money.payments.actions import request_saved_method
from marketplace.money.payments.events import refresh_saved_method
from marketplace.money.payments.queries import get_payment
from marketplace.people.identity.actors import Actor
from marketplace.sales.agreed import basket_actions as baskets
from marketplace.sales.agreed import private_actions as private_offers
from marketplace.sales.auctions import actions as auctions
from marketplace.sales.auctions import eligibility
from marketplace.sales.auctions import reverse_actions as calls
from marketplace.sales.auctions.announcing import Plan, announce
from marketplace.sales.auctions.debts import pay_debt
from marketplace.sales.auctions.reverse_rules import Stratum, Timing
from marketplace.sales.orders import claim_actions as claims
from marketplace.sales.orders.actions import order
from marketplace.sales.orders.invoices import change_billing
from marketplace.sales.orders.refunds import request_order_refund
from marketplace.sales.subscriptions.actions import subscribe
from tests.catalogue.builders import charge_between, put_on_sale
from tests.datasets.builders import declare
from tests.finance.builders.travelling import number_of, transmission_of
from tests.money.builders import REFUSING, refusing
from tests.people.builders import make_staff, spender_for
from tests.sales.builders import shop
from tests.sales.builders.claims import agree_to_claim
from tests.sales.builders.shop import send_transfer
from tests.site.builders import closings as finance
from tests.site.builders.played_year import AUCTIONS, DELIVERED, INVOICES, People, Year, named_in_year
from tests.support.owner import as_owner
from tests.support.reads import fetch, fetch_value
from tests.support.scenes import PAGE

LEAST, MOST = 130_000, 150_000
WEIGHTS = {1: 9, 2: 7, 3: 6, 4: 5, 5: 4, 6: 3, 7: 2, 8: 2}
"""Line → its weight in every release."""
GOOD_IBAN, BAD_IBAN = "DE89370400440532013000", "DE62370400440532013001"
VISA = "tok_bypassPending"
TERMS = "standard-1"
REJECTED, REFUSED = 213, 210
PAID_BY_BANK = {2: finance.pay_verified_run, 3: finance.pay_again, 6: finance.pay_at_once}
PAID_BY_STRIPE = 4
HOUR, DAY = dt.timedelta(hours=1), dt.timedelta(days=1)


async def open_year(year: Year) -> People:
    """Make the shop, its people and its first release, in December before the year."""
    people = People()
    await year.on(12, 10, year=2024)
    await declare(budget_micro=900_000_000)
    await execute("UPDATE dataset SET cadence = 'month'")
    await copy_in("subscriber", ["reference"], [(line,) for line in WEIGHTS])
    await seal_weeks(0)
    await catalogue.define_terms(TERMS, months=12, lines_fr="Un\nDeux", lines_en="One\nTwo")
    await charge_between(LEAST, MOST)
    await put_on_sale("lyon", terms=TERMS, worth_minor=90_000_000)  # dear enough to cost the most at any demand
    for name, country in (("atelier", "FR"), ("bureau", "FR"), ("ville", "FR"), ("berlin", "DE"), ("filou", "FR")):
        people.partners[name] = await shop.make_buyer(name, country=country)
        await change_billing(people.partners[name], street="1 rue Longue", postcode="69001", city="Lyon", reference="")
    for name in ("Nora", "Paul", "Ada"):
        people.staff[name] = await make_staff(name)
    people.staff["Samir"] = await make_staff("Samir", "steward")
    return people


async def seal_weeks(number: int, *, late: int = 0, weights: Mapping[int, int] = WEIGHTS) -> uuid.UUID:
    """Seal a release of the 28 days until yesterday, or until so many days earlier, of lines by their weights; return it."""
    end = clock.now().replace(hour=0, minute=0, second=0, microsecond=0) - (3 + late) * DAY
    release = await shop.seal_release(rows=60 + number, period=(end - 28 * DAY, end))
    table = pa.table({"reference": pa.array(weights, pa.int64()), "weight": pa.array(weights.values(), pa.int64())})
    file = io.BytesIO()
    pq.write_table(table, file)
    await object_store.put(object_store.private_key(release, "manifest.parquet"), file.getvalue())
    await as_owner("ALTER TABLE release DISABLE TRIGGER sealed_for_ever")
    await execute(
        """UPDATE release SET contributors = $2, total_weight = $3, published_people = $3, manifest_sha256 = $4,
                  noise_variance_micro = 0 WHERE id = $1""",
        release,
        len(weights),
        sum(weights.values()),
        hashlib.sha256(file.getvalue()).hexdigest(),
    )
    await as_owner("ALTER TABLE release ENABLE TRIGGER sealed_for_ever")
    return release


async def latest_release() -> uuid.UUID:
    """Return the release whose period ended last."""
    found: uuid.UUID = await fetch_value("SELECT id FROM release ORDER BY period_to DESC LIMIT 1")
    return found


# ------------------------------------------------------------------ buying
async def order_in_year(year: Year, name: str, partner: uuid.UUID, *, pay_by: str = "page", **quoted: Any) -> uuid.UUID:
    """Have a quote signed and order it; return the order, whose page is open."""
    quote, number = named_in_year(name, "quote"), named_in_year(name, "order")
    if "offer" in quoted:
        await year.act(partial(private_offers.quote, partner, quoted["offer"], quote_id=quote), "quote")
    else:
        release = await latest_release()
        await year.act(partial(catalogue.quote, partner, release, quote_id=quote, **quoted), "quote")
    how = {"email": f"{name}@partner.example", "pay_by": pay_by, "reason": "For another shop."}
    by = await spender_for(partner)
    await year.act(partial(order, partner, quote, by=by, order_id=number, **how), "order")
    await year.work("stripe-commands")
    return number


async def buy_in_year(year: Year, name: str, partner: uuid.UUID, **how: Any) -> uuid.UUID:
    """Order, and pay the page by a card or an account; return the order."""
    method = {key: how.pop(key) for key in ("token", "iban") if key in how} or {"token": VISA}
    number = await order_in_year(year, name, partner, **how)
    await year.at_stripe("pay", session=(await get_payment(number)).session_id, **method)
    return number


async def transfer_in_year(year: Year, number: uuid.UUID, amount: int) -> None:
    """Choose a bank transfer on an order's page, and send the money."""
    address = await fetch_value("SELECT checkout_url FROM payment WHERE subject = $1", number)
    await shop.pay(address, "transfer")
    await year.work()
    intents = await asyncio.to_thread(year.stripe.list, "payment_intents")
    [intent] = [one for one in intents if one["status"] == "requires_action"]
    reference = intent["next_action"]["display_bank_transfer_instructions"]["reference"]
    await asyncio.to_thread(send_transfer, year.stripe, intent["customer"], amount, reference)


async def keep_card_in_year(year: Year, partner: uuid.UUID) -> None:
    """Have a partner keep a card for what is charged later."""
    saved = named_in_year(str(partner), "card")
    await year.act(partial(request_saved_method, partner, saved_id=saved, **PAGE), "keep")
    await year.work("stripe-commands")
    await year.wait()  # for the customer, who is made first
    await year.work("stripe-commands")
    session = await fetch_value("SELECT session_id FROM saved_method WHERE id = $1", saved)
    await year.at_stripe("pay", session=session, token="tok_visa")
    await year.act(partial(refresh_saved_method, saved), "keep")


async def refund_in_year(year: Year, name: str, amount: int | None = None) -> None:
    """Give an order's money back, or a part of it."""
    await year.act(
        partial(
            request_order_refund,
            named_in_year(name, "order"),
            "Nora",
            refund_id=named_in_year(name, "refund"),
            amount_minor=amount,
        ),
        "refund",
    )


async def dispute_in_year(year: Year, name: str, *, won: bool) -> None:
    """Have a payment disputed, hear of it, and have its bank decide days later."""
    charge = (await get_payment(named_in_year(name, "order"))).charge_id
    contest = await year.at_stripe("dispute", charge=charge)
    await year.work()
    await year.at_stripe("close_dispute", dispute=contest["id"], won=won)
    await year.work()


async def play_sales(year: Year, people: People) -> None:
    """January to March: cards, debits honoured or not, a transfer; given back in part and whole; disputes won and lost."""
    atelier, bureau, berlin, ville = (people.partners[name] for name in ("atelier", "bureau", "berlin", "ville"))
    await year.on(1, 7)
    await seal_weeks(1)
    await buy_in_year(year, "card", atelier)
    await buy_in_year(year, "part", bureau)
    await buy_in_year(year, "abroad", berlin)
    await year.work()
    await year.on(1, 14)
    await refund_in_year(year, "part", 3_000)
    await year.work()
    await finance.end_month(year, people, 1)
    await seal_weeks(2)
    await buy_in_year(year, "whole", ville)
    await buy_in_year(year, "debit", atelier, iban=GOOD_IBAN)
    await buy_in_year(year, "bounced", bureau, iban=BAD_IBAN)
    await year.work()
    number = await order_in_year(year, "transfer", berlin)
    total = await fetch_value("SELECT total_minor FROM purchase_order WHERE id = $1", number)
    await transfer_in_year(year, number, total)
    await year.on(2, 14)
    await year.at_stripe("settle")
    await year.work()
    await refund_in_year(year, "whole")
    await year.work()
    await finance.end_month(year, people, 2)
    await seal_weeks(3)
    await buy_in_year(year, "lost", bureau)
    await buy_in_year(year, "won", ville)
    await year.work()
    await year.on(3, 9)
    await dispute_in_year(year, "lost", won=False)
    await dispute_in_year(year, "won", won=True)
    due = await finance.vat_paid(year, "2025-02")
    await finance.end_month(year, people, 3, then=partial(finance.settle_vat, year, people, "2025-02", due))


# ------------------------------------------------------------------ auctions, subscription
async def seal_bid(year: Year, bidder: Actor, auction: uuid.UUID, amount: int, lots: int = 1) -> None:
    """Bid under seal for the first lots together."""
    name = f"{auction} {bidder.partner}"
    bid = partial(
        auctions.place_sealed_bid,
        bidder,
        auction,
        bid=named_in_year(name, "bid"),
        nonce=hashlib.sha256(name.encode()).hexdigest(),
        packages=[(list(range(lots)), amount)],
    )
    await year.act(bid, "bid")


async def announce_in_year(year: Year, name: str, releases: list[uuid.UUID], kind: str = "limited") -> uuid.UUID:
    """Announce an auction of an hour; return it."""
    auction, now = named_in_year(name, "auction"), clock.now()
    offer = await fetch_value("SELECT id FROM offer")
    plan = Plan(
        kind=kind,
        offer=offer,
        releases=releases,
        opens_at=now - dt.timedelta(seconds=1),
        closes_at=now + HOUR,
        unsecured_times=100_000,
    )
    await year.act(partial(announce, plan, by="Samir", auction=auction), "announce")
    return auction


async def play_auctions(year: Year, people: People) -> None:
    """April: one who wins by a deposit does not pay and forfeits it, the next is charged; a bundle of two in June is paid."""
    ville, bureau, filou = [await people.bidder(name) for name in ("ville", "bureau", "filou")]
    release = await seal_weeks(4)
    await keep_card_in_year(year, people.partners["bureau"])
    await keep_card_in_year(year, people.partners["filou"])
    auction = await announce_in_year(year, "forfeit", [release])
    deposit = named_in_year("forfeit", "deposit")
    await year.act(partial(eligibility.ask_deposit, ville, auction, deposit=deposit), "deposit")
    await year.work("stripe-commands")
    await shop.pay(await fetch_value("SELECT checkout_url FROM payment WHERE subject = $1", deposit))
    await year.act(partial(eligibility.refresh_deposit, people.partners["ville"], deposit), "deposit")
    least = await fetch_value("SELECT max(reserve_minor) FROM auction_lot WHERE auction = $1", auction)
    await seal_bid(year, ville, auction, 3 * least)
    await seal_bid(year, bureau, auction, 2 * least)
    await year.on(4, 4)
    await year.work(*AUCTIONS)
    await year.on(4, 6)
    await year.work(*AUCTIONS)
    await year.on(4, 7)
    await year.work(*AUCTIONS)
    auction = await announce_in_year(year, "penalty", [release])
    await seal_bid(year, filou, auction, 3 * least)
    await seal_bid(year, bureau, auction, 2 * least)
    await execute(
        "UPDATE saved_method SET method_id = $1 WHERE payer = $2",
        await refusing(year.stripe, people.partners["filou"], REFUSING["generic_decline"]),
        people.partners["filou"],
    )
    await year.on(4, 8)
    await year.work(*AUCTIONS)
    await year.on(4, 12)
    await year.work(*AUCTIONS)
    await pay_debts(year)
    await year.on(4, 13)
    await year.work(*AUCTIONS)
    await finance.end_month(year, people, 4)


async def pay_debts(year: Year) -> None:
    """Have those who did not pay an award ask for the page of what they owe, and pay it."""
    for row in await fetch("SELECT id, partner FROM auction_default WHERE settled_at IS NULL AND owed_minor > 0"):
        await year.act(partial(pay_debt, Actor(name="", partner=row["partner"], vetted=True), row["id"]), "debt")
    await year.work("stripe-commands")
    for row in await fetch("SELECT checkout_url FROM payment WHERE state = 'open'"):
        await shop.pay(row["checkout_url"])


async def play_subscriptions(year: Year, people: People) -> None:
    """May to July: a subscription with a credit for what came late, a claim, a private price, a basket, a longer licence."""
    atelier, bureau, ville = (people.partners[name] for name in ("atelier", "bureau", "ville"))
    nora, paul, samir = (people.staff[name] for name in ("Nora", "Paul", "Samir"))
    by = await spender_for(bureau)
    await year.act(
        partial(subscribe, bureau, "lyon", by=by, releases=4, subscription=named_in_year("bureau", "subscription")),
        "subscribe",
    )
    await seal_weeks(5)
    await year.work(*DELIVERED)
    await year.act(partial(begin, ville, "lyon", trial=named_in_year("ville", "trial")), "trial")
    wanted = RequestedData("Croix-Rousse", "presence", "hour", dt.date(2025, 1, 1), dt.date(2025, 3, 31))
    await year.act(
        partial(
            requests.ask, ville, wanted, most_minor=90_000, text="A shop.", ask_id=named_in_year("ville", "request")
        ),
        "ask",
    )
    claim = named_in_year("card", "claim")
    await buy_in_year(year, "claimed", atelier)
    await year.work()
    await year.on(5, 12)
    number = named_in_year("claimed", "order")
    await year.act(
        partial(claims.file_claim, atelier, number, "wrong_figures", "A zone is empty.", claim=claim), "claim"
    )
    await year.act(partial(claims.propose, nora, claim, "refund", "Sunday was lost.", refund_minor=1_000), "claim")
    await year.act(partial(agree_to_claim, paul, claim), "claim")
    await year.work()
    await finance.end_month(year, people, 5)
    older = await latest_release()
    newer = await seal_weeks(6)
    await year.work(*DELIVERED)
    offer = named_in_year("atelier", "private offer")
    await year.act(
        partial(
            private_offers.offer, samir, atelier, "lyon", percent_off=15, ends_at=clock.now() + 20 * DAY, offer_id=offer
        ),
        "private offer",
    )
    await buy_in_year(year, "private", atelier, offer=offer)
    await buy_in_year(year, "longer", people.partners["berlin"], months=24)
    await keep_card_in_year(year, atelier)
    berlin = people.partners["berlin"]
    await keep_card_in_year(year, berlin)
    basket = [row["id"] for row in await fetch("SELECT id FROM release ORDER BY period_to DESC LIMIT 3 OFFSET 1")]
    total = (await baskets.read_basket(basket)).total_minor
    await year.act(
        partial(
            baskets.order,
            berlin,
            basket,
            by=await spender_for(berlin),
            total_minor=total,
            basket=named_in_year("berlin", "basket"),
        ),
        "basket",
    )
    await year.work()
    auction = await announce_in_year(year, "bundle", [older, newer], "bundle")
    least = await fetch_value("SELECT sum(reserve_minor)::bigint FROM auction_lot WHERE auction = $1", auction)
    await seal_bid(year, await people.bidder("atelier"), auction, 2 * least, lots=2)
    await year.on(6, 5)
    await year.work(*AUCTIONS)
    await finance.end_month(year, people, 6)


async def ask_subscribers(year: Year) -> None:
    """Call for contributors, have some say what they want at least, and award them one price, which is promised."""
    call, now = named_in_year("lyon", "call"), clock.now()
    timing = Timing(now, now + HOUR, now + HOUR, now + 90 * DAY)
    stratum = Stratum("18-39 ans", "18-39", 2, 400_000_000, 200_000_000)
    await year.act(
        partial(calls.announce, "lyon", [stratum], timing=timing, by="Samir", auction=call, fewest=1), "call"
    )
    group = await fetch_value("SELECT id FROM reverse_auction_stratum WHERE auction = $1", call)
    for line, least in ((5, 100_000_000), (6, 110_000_000), (7, 120_000_000), (8, 190_000_000)):
        await year.act(partial(calls.ask, line, call, group, least_micro=least), "call")


async def have_invoice_refused(year: Year, people: People, name: str, code: int) -> None:
    """Have an invoice rejected by the platform (213) or refused by its buyer (210), and mend it: a credit note, a new number."""
    number, ada = named_in_year(name, "order"), people.staff["Ada"]
    document = await number_of(number)
    if code == REJECTED:
        year.platform.refuses[document] = (code, "REJ_SEMAN", "BR-FR-10 : le SIREN du vendeur manque")
    await year.work(*INVOICES, "einvoices")
    if code != REJECTED:
        year.platform.report(document, code, "TX_TVA_ERR", "Le taux est faux")
        await year.work("einvoices")
    it = await transmission_of(document)
    await year.act(partial(mend, it, ada, reason="Written anew.", form_id=named_in_year(name, "mended")), "mend")
    await year.work(*INVOICES, "einvoices")


async def have_contributors_and_debtors(year: Year, people: People) -> None:
    """July and August: a promise, two sales on credit, one paid, one provided for and lost; rewards."""
    ville, atelier = people.partners["ville"], people.partners["atelier"]
    await seal_weeks(7, late=8)
    for _ in range(2):
        await year.work(*DELIVERED)
    await ask_subscribers(year)
    await finance.grant_limit(year, people)
    paid = await order_in_year(year, "on credit", ville, pay_by="invoice")
    late = await order_in_year(year, "owed", ville, pay_by="invoice")
    total = await fetch_value("SELECT total_minor FROM purchase_order WHERE id = $1", paid)
    number = await fetch_value("SELECT number FROM purchase_order WHERE id = $1", paid)
    await year.on(7, 4)
    await year.work("award-reverse-auctions")
    assert await fetch_value("SELECT count(*) FROM contributor_promise") == 2
    await buy_in_year(year, "promised", atelier)
    await year.work()
    await year.on(7, 22)
    await finance.announce_line(year, people, total, f"VIR {number}")
    await finance.end_month(
        year, people, 7, then=partial(finance.explain_line, year, people, number, ("order", number, total))
    )
    await seal_weeks(8)
    await year.work(*DELIVERED)
    await finance.move_rewards(year, people)
    await year.on(8, 6)
    await year.work("remind-debtors")
    await finance.write_down(year, people, "provision", late, total // 2)
    await year.on(8, 20)
    await finance.write_down(year, people, "loss", late, 0)
    await finance.end_month(year, people, 8)


async def correct_invoices(year: Year, people: People) -> None:
    """September to December: invoices rejected and refused, a lost debt paid after all, gifts paid, a line written off."""
    atelier = people.partners["atelier"]
    owed = await fetch_value("SELECT number FROM purchase_order WHERE id = $1", named_in_year("owed", "order"))
    total = await fetch_value("SELECT total_minor FROM purchase_order WHERE id = $1", named_in_year("owed", "order"))
    await finance.pay_gifts(year, people, 8)
    await seal_weeks(9)
    await buy_in_year(year, "rejected", atelier)
    await year.work()
    await have_invoice_refused(year, people, "rejected", REJECTED)
    year.bank.received.append((5, f"VIR {owed} PART"))
    gifts = await fetch_value("SELECT sum(amount_minor)::bigint FROM gift_payment")
    due = await finance.vat_paid(year, "2025-08")  # with the VAT of the lost debt, which is paid after all later

    async def explain_september() -> None:
        await finance.settle_vat(year, people, "2025-08", due)
        await finance.explain_line(year, people, "PART", ("order", owed, 5))
        await finance.explain_line(year, people, "DONS", ("fee", chart.GIFTS, -gifts))

    await finance.end_month(year, people, 9, then=explain_september)
    await seal_weeks(10)
    await buy_in_year(year, "refused", atelier)
    await year.work()
    await have_invoice_refused(year, people, "refused", REFUSED)
    year.bank.received.append((total - 5, f"VIR {owed} REST"))
    await finance.end_month(
        year, people, 10, then=partial(finance.explain_line, year, people, "REST", ("order", owed, total - 5))
    )
    await seal_weeks(11)
    await buy_in_year(year, "autumn", people.partners["berlin"])
    await year.work()
    year.bank.received.append((12, "VIREMENT INCONNU"))
    await finance.end_month(year, people, 11, then=partial(finance.write_off_line, year, people, "INCONNU"))
    await seal_weeks(12)
    await buy_in_year(year, "winter", people.partners["bureau"])
    await year.work()
    await finance.end_month(year, people, 12)


async def play_year(year: Year) -> tuple[People, list[bytes]]:
    """Play the whole year; return who took part and the files that the bank was sent."""
    people = await open_year(year)
    files: list[bytes] = []

    async def pay_in(month: int) -> None:
        """Pay people on the 24th, before the month ends."""
        await year.on(month, 24)
        if month in PAID_BY_BANK:
            files.append(await PAID_BY_BANK[month](year, people))
        elif month == PAID_BY_STRIPE:
            await finance.pay_stripe_run(year, people)

    year.before_end = pay_in
    await finance.give_details_in_year(year)
    await finance.give_rewards(year, people)
    await play_sales(year, people)
    await play_auctions(year, people)
    await play_subscriptions(year, people)
    await have_contributors_and_debtors(year, people)
    await correct_invoices(year, people)
    return people, files
