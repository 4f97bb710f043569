"""Actions on purchases: order a quote, and pay it."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Final

from marketplace.catalogue.offers.queries import is_reserved
from marketplace.catalogue.offers.signed_quotes import accept_quote, recompute, write_awarded_quote
from marketplace.catalogue.offers.uses import check_quote
from marketplace.core import clock
from marketplace.core.database import fetch_row, fetch_scalar, transaction
from marketplace.core.errors import Conflict, Expired, Invalid, NotFound, Refusal, existing
from marketplace.core.locks import lock
from marketplace.core.settings import settings
from marketplace.core.web.formats import paris_day
from marketplace.datasets.releases.queries import list_revocations
from marketplace.money.credit import actions as credit
from marketplace.money.payments import actions as payments
from marketplace.money.payments import events as payment_events
from marketplace.money.payments.outbox import find_command
from marketplace.money.payments.queries import find_open_page, find_saved_method, get_payment
from marketplace.money.payments.rules import Line
from marketplace.money.payments.stripe_calls import run_command
from marketplace.money.vat import vat as vat_on
from marketplace.people.spending.actions import spend_award
from marketplace.people.spending.rules import NeedsApproval, Purchase, Spender, bids_of
from marketplace.sales.orders import rules
from marketplace.sales.orders.approval_rules import PurchaseDocument
from marketplace.sales.orders.limits import ask_approval, count_order, is_stopped
from marketplace.sales.orders.numbers import draw_numbers
from marketplace.sales.orders.queries import SQL, OrderedQuote, find_held, find_order, find_paying
from marketplace.sales.orders.rules import ENGLISH_CHECKOUT, CheckoutWords
from marketplace.sales.orders.settling import TIME_TO_PAY, TIME_TO_TRANSFER, lapse, settle_paid
from marketplace.sales.orders.tables import Order, OrderLot
from marketplace.sales.orders.twice_queries import find_page, find_unpaid

if TYPE_CHECKING:
    import datetime as dt
    import uuid
    from collections.abc import Sequence

    from marketplace.money.payments.rules import AmountDue

BEING_CLOSED: Final = "You ordered this release already, and its payment page is being closed: try again in a minute."


# ------------------------------------------------------------------ ordering
async def order(
    partner: uuid.UUID,
    quote: uuid.UUID,
    *,
    by: Spender,
    order_id: uuid.UUID,
    email: str,
    words: CheckoutWords = ENGLISH_CHECKOUT,
    reference: str = "",
    reason: str = "",
    terms: str | None = None,
    pay_by: str = "page",
) -> uuid.UUID:
    """Order a quote and request its payment; return the order, or the first one if the quote was ordered before.

    by: who of the partner orders. email: the address for Stripe's receipt. reference: the partner's purchase order
    number. reason: why it buys the same again, see `check_second`. terms: the accepted version, if named. pay_by: one of rules.PAY_BY. Refuses another
    partner's quote, an expired one, a release no longer sold, terms of another version, a missing method, credit
    without a limit or beyond it, and what the spending limit of `by` does not allow; an order that needs an
    approver's decision is asked of them, and refused with NeedsApproval. A sale on credit is settled at once. Without a reason, the page of an unpaid order of
    the same release is closed first, so that no partner has two pages to pay.
    """
    document: PurchaseDocument | None = None
    while True:
        now = clock.now()
        try:
            async with transaction():
                asked = existing(
                    await fetch_row(OrderedQuote, SQL["lock_quote"], quote, partner),
                    NotFound("There is no such quote."),
                )
                await lock("order numbers")
                if known := await find_order(quote):
                    return known
                await _check_order(asked, order_id, now, terms, reason)
                other = None if reason.strip() else await find_page(partner, asked.release, asked.level)
                if other is None:
                    new = await _write_order([asked], order_id, now, reference=reference, reason=reason)
                    document = _to_approve(asked, new, by, pay_by)
                    await count_order(by, new, [asked.dataset], [asked.purpose], (quote, document))
                    await _request_payment(new, _owed(new, [asked], email, words, now), [asked], pay_by)
                    break
        except NeedsApproval as refusal:
            assert document, "only counting an order refuses so"
            await ask_approval(by, quote, order_id, document)
            raise NeedsApproval(
                "An approver of your company approves this order first, and has been asked."
            ) from refusal
        assert other, "without it, this was ordered"
        await close_page(other)
    await send_payment_request(order_id)
    return order_id


async def _check_order(
    asked: OrderedQuote, order_id: uuid.UUID, now: dt.datetime, terms: str | None, reason: str
) -> None:
    """Refuse an order's id that is another's, and what cannot be ordered now."""
    if await Order.exists().where(Order.id == order_id):
        raise Conflict("That order already exists, for another quote; go back, reload the page and try again.")
    _check_quotes([asked], now)
    if await list_revocations([asked.release]):
        raise Conflict("This release was called back and is no longer for sale.")
    rules.check_terms(terms, asked.terms)
    await check_quote(asked.id)
    await check_second(asked.partner, asked.release, asked.level, reason)


def _to_approve(asked: OrderedQuote, new: Order, by: Spender, pay_by: str) -> PurchaseDocument:
    """Return what an approver decides where this order needs it."""
    quote_sha256 = hashlib.sha256(asked.document).hexdigest()
    amounts, by_whom = (new.net_minor, new.vat_minor, new.currency), by.key or by.person
    return PurchaseDocument(
        quote_sha256, *amounts, asked.terms, asked.months, by_whom, new.reference, new.second_reason, pay_by
    )


async def _request_payment(order: Order, owed: AmountDue, quotes: Sequence[OrderedQuote], pay_by: str) -> None:
    """Request an order's money in the partner's way, in the transaction that writes it."""
    partner, may_wait = order.partner, pay_by in {"page", "bank_transfer"}
    try:
        if may_wait:
            await _check_transfer(order, quotes)
    except Refusal:
        if pay_by == "bank_transfer":
            raise
        may_wait = False
    for quote in quotes:
        await accept_quote(quote.id, order.ordered_at)
    if pay_by == "invoice":
        await credit.grant(partner, order.id, number=order.number, total_minor=order.total_minor)
    elif pay_by == "page":
        await payments.request_payment(order.id, **owed, transfer_from=partner if may_wait else None)
    elif pay_by == "bank_transfer":
        await payments.request_transfer(order.id, partner, **owed)
    else:
        if pay_by == "saved_method" and await find_saved_method(partner) is None:
            raise Conflict("Your company has no valid saved method; save a card or bank account on the site first.")
        await payments.request_charge(order.id, partner, **owed)


async def _check_transfer(order: Order, quotes: Sequence[OrderedQuote]) -> None:
    """Refuse a transfer for a small order, and an order inside another's exclusive window."""
    now, partner = order.ordered_at, order.partner
    if order.total_minor < rules.TRANSFER_FROM_MINOR:
        euros = rules.TRANSFER_FROM_MINOR // 100
        raise Invalid("A bank transfer is for orders of {euros} EUR and more, VAT included.", euros=euros)
    for quote in quotes:
        if await is_reserved(quote.offer, partner, now, now + TIME_TO_TRANSFER):
            raise Conflict("Another partner has this dataset exclusively before a transfer might come: pay by card.")


async def order_awarded(
    partner: uuid.UUID,
    *,
    by: Spender | None,
    auction: uuid.UUID,
    offer: uuid.UUID,
    terms: str,
    months: int,
    release: uuid.UUID,
    net_minor: int,
    document: bytes,
    order_id: uuid.UUID,
    email: str,
    words: CheckoutWords = ENGLISH_CHECKOUT,
    off_session: bool = False,
) -> uuid.UUID:
    """Order an auction's award at its price, in the caller's transaction; a repeated order returns the first one.

    by: who pays for it; None: nobody does but the saved method. It counts with the bids that won it. document: canonical
    bytes of the award that set the price, signed in a quote's place. off_session: charge the saved
    method; without one, sell on invoice if the partner has a limit; otherwise make a hosted page.
    """
    now = clock.now()
    async with transaction():
        await lock("order numbers")
        if await Order.exists().where(Order.id == order_id):
            return order_id
        quote = await write_awarded_quote(
            partner,
            auction=auction,
            offer=offer,
            terms=terms,
            months=months,
            release=release,
            net_minor=net_minor,
            document=document,
            expires_at=now + TIME_TO_PAY,
            now=now,
        )
        awarded = await fetch_row(OrderedQuote, SQL["lock_quote"], quote, partner)
        assert awarded, "it was written above"
        new = await _write_order([awarded], order_id, now, may_repeat=True)
        purchase = Purchase(order_id, net_minor, [awarded.dataset], [awarded.purpose])
        await spend_award(by, purchase, bids_of(auction, partner), partner, now)
        await accept_quote(quote, now)
        owed = _owed(new, [awarded], email, words, now)
        if not off_session:  # An unpaid award goes to the next bidder
            await payments.request_payment(order_id, **owed)
        elif await find_saved_method(partner) or not await credit.grant_within(partner, new):
            await payments.request_charge(order_id, partner, **owed)
    return order_id


async def check_second(partner: uuid.UUID, release: uuid.UUID, level: int, reason: str) -> None:
    """Refuse a release that the partner has or is paying for, at that accuracy or a finer one, without a reason."""
    if reason.strip():
        return
    if number := await find_paying(partner, release, level):
        raise Conflict(
            "You ordered this release already, and {number} is being paid: say why you need it a second time.",
            number=number,
            field="reason",
        )
    if held := await find_held(partner, release, level, clock.now()):
        raise Conflict(
            "You have this release until {day}, and may download it as often as you like: say why you need it a second time.",
            day=paris_day(held.ends_at),
            field="reason",
        )


async def order_subscribed(
    partner: uuid.UUID,
    quotes: Sequence[uuid.UUID],
    *,
    by: Spender,
    order_id: uuid.UUID,
    email: str,
    pay_by: str = "charge",
    reason: str = "",
    may_repeat: bool = False,
) -> None:
    """Order the quotes of a subscription or basket at once, by the saved method or on invoice, in the caller's transaction.

    may_repeat: whether another order of the same may be unpaid at the same time; if not, the caller has closed its page.
    """
    now = clock.now()
    async with transaction():
        await lock("order numbers")
        asked = []
        for quote in quotes:
            signed = await fetch_row(OrderedQuote, SQL["lock_quote"], quote, partner)
            assert signed, "it was signed in this transaction"
            await check_quote(quote)
            asked.append(signed)
        _check_quotes(asked, now)
        new = await _write_order(asked, order_id, now, reason=reason, may_repeat=may_repeat)
        await count_order(by, new, [one.dataset for one in asked], [one.purpose for one in asked])
        await _request_payment(new, _owed(new, asked, email, ENGLISH_CHECKOUT, now), asked, pay_by)


def _check_quotes(quotes: Sequence[OrderedQuote], now: dt.datetime) -> None:
    """Refuse quotes that expired or were changed, releases no longer sold, and some of an order's lots without the others."""
    for place, quote in enumerate(quotes):
        if quote.expires_at <= now:
            raise Expired("This quote has expired; ask for a new one on the dataset's page.")
        if quote.release_state != "sealed" or quote.withdrawn_at is not None:
            raise Conflict("This release is no longer for sale.")
        priced = recompute(quote)
        if len(priced.lots) != len(quotes) or priced.lots[place].release != str(quote.release):
            raise Conflict("This price is for an order of several releases together: look at the basket again.")


async def _write_order(
    quotes: Sequence[OrderedQuote],
    order_id: uuid.UUID,
    now: dt.datetime,
    *,
    reference: str = "",
    reason: str = "",
    may_repeat: bool = False,
) -> Order:
    """Write the order of some quotes with its VAT and number, inside the caller's transaction."""
    why = rules.one_line(reason, rules.LONGEST_REASON, field="reason")
    may_repeat = may_repeat or bool(why)
    for quote in quotes:
        if not may_repeat and await find_unpaid(quote.partner, quote.release, quote.level):
            raise Conflict(BEING_CLOSED)
    buyer, net = quotes[0], sum(quote.amount_minor for quote in quotes)
    vat = vat_on(buyer.country, confirmed=buyer.is_vat_confirmed, net_minor=net, on=paris_day(now))
    number, _ = await draw_numbers("P", now)
    new = Order(
        id=order_id,
        number=number,
        partner=buyer.partner,
        net_minor=net,
        vat_minor=vat.amount_minor,
        total_minor=net + vat.amount_minor,
        currency=buyer.currency,
        vat_basis_points=vat.basis_points,
        vat_rule=vat.rule,
        ordered_at=now,
        reference=rules.one_line(reference, rules.LONGEST_REFERENCE, field="reference"),
        second_reason=why,
        may_repeat=may_repeat,
    )
    await Order.insert(new)
    await OrderLot.insert(
        *(OrderLot(quote=quote.id, purchase_order=order_id, position=place) for place, quote in enumerate(quotes, 1))
    )
    return new


def _owed(
    order: Order, quotes: Sequence[OrderedQuote], email: str, words: CheckoutWords, now: dt.datetime
) -> AmountDue:
    """Return the description of an order's payment for Stripe's page, in these words."""
    page = f"{settings().url}/{words.language}/orders/{order.id}"
    lines = []
    for quote in quotes:
        title = quote.title_fr if words.language == "fr" else quote.title_en
        what = words.licence.format(dataset=title, months=quote.months)[: rules.LONGEST_LINE]
        lines.append(Line(what, quote.amount_minor))
    if order.vat_minor:
        lines.append(Line(words.vat, order.vat_minor))
    return {
        "amount_minor": order.total_minor,
        "currency": order.currency,
        "lines": lines,
        "email": email,
        "success_url": f"{page}?returned=1",
        "cancel_url": page,
        "locale": words.language,
        "expires_at": now + TIME_TO_PAY,
    }


# ------------------------------------------------------------------ paying
async def send_payment_request(order_id: uuid.UUID) -> None:
    """Send the command that requests an order's money now instead of leaving it to the next worker.

    The command makes its page, or first charges an absent payer. A sale on credit has no command, and is settled.
    """
    await (run_command(one) if (one := await find_command(order_id, "checkout", "charge")) else settle_paid())


async def payment_page(partner: uuid.UUID, order_id: uuid.UUID) -> str | None:
    """Return the address of Stripe's page for an order, requesting it once more; None while Stripe is silent."""
    own = (Order.id == order_id, Order.partner == partner)
    state = existing(
        await fetch_scalar(str, Order.select(Order.state).where(*own)), NotFound("There is no such order.")
    )
    if state == "lapsed":
        raise Expired("This order was not paid in time; ask for a new quote.")
    if state != "awaiting_payment":
        return None
    if await is_stopped(order_id):
        await lapse(order_id)
        raise Expired("The spending limit under which this was ordered is not in force any more.")
    await send_payment_request(order_id)
    return await find_open_page(order_id)


async def close_page(order_id: uuid.UUID) -> None:
    """Close Stripe's page of an order that its partner orders again, and lapse the order.

    If the page was paid, settle the order instead. Refuses while Stripe has not closed the page.
    """
    await run_command(await payments.request_expiry(order_id))
    async with transaction():
        state = (await get_payment(order_id)).state
        if state in ("expired", "failed"):
            await lapse(order_id)
    if state in ("requested", "open"):
        raise Conflict(BEING_CLOSED)
    await settle_paid()


async def close_pages(partner: uuid.UUID, releases: Sequence[uuid.UUID]) -> None:
    """Close the pages of a partner's unpaid orders of these releases, which it orders again.

    Refuses like `close_page`.
    """
    for release in releases:
        if page := await find_page(partner, release, 0):
            await close_page(page)


async def refresh_payment(order_id: uuid.UUID) -> None:
    """Read an order's payment again at Stripe and settle it if paid, for a person who waits for it."""
    await payment_events.refresh_payment(order_id)
    await settle_paid()
