"""What can be done about auctions: announce one, cancel it before its first bid, bid.

A bid is accepted or refused once, in one transaction that locks the auction's row; the instant that counts is the
database's `clock_timestamp()` read while holding it, so the log's order is the order of the instants.
"""

from __future__ import annotations

import datetime as dt
import secrets
import uuid
from dataclasses import dataclass
from typing import TYPE_CHECKING

from marketplace import clock
from marketplace.auctions import rules, sealing
from marketplace.database import execute, fetch_one, fetch_value, transaction
from marketplace.errors import Conflict, Expired, Invalid, NotAllowed, NotFound
from marketplace.purchases.actions import order_awarded
from marketplace.settings import settings

if TYPE_CHECKING:
    from collections.abc import Sequence

    from marketplace.auctions.rules import Row
    from marketplace.identity.actors import Actor

PRICE_RULES = {"exclusive": "second_price", "limited": "uniform_price", "ascending": "proxy", "bundle": "core"}
CHANNEL = "auctions"
"""Where a commit that changes an auction says so: the payload is its id."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What a steward announces; nothing of it changes once the first bid is in."""

    kind: str
    offer: uuid.UUID
    releases: Sequence[uuid.UUID]
    opens_at: dt.datetime
    closes_at: dt.datetime
    reserve_minor: int
    forgone_minor: int = 0
    licences: int = 1
    price_rule: str | None = None
    steps: Sequence[tuple[int, int]] = rules.STEPS
    window_seconds: int = 120
    extension_seconds: int = 120
    exclusive_from: dt.datetime | None = None
    exclusive_to: dt.datetime | None = None
    pay_within_hours: int = 72


async def announce(plan: Plan, *, by: str, auction: uuid.UUID | None = None) -> uuid.UUID:
    """Announce an auction of releases of an offer; with `auction` (a form's id), the same one again changes nothing."""
    auction, now = auction or uuid.uuid4(), clock.now()
    _check_plan(plan, now)
    async with transaction():
        offer = await fetch_one(
            "SELECT dataset, terms, currency FROM offer WHERE id = $1 AND withdrawn_at IS NULL", plan.offer
        )
        if offer is None:
            raise NotFound("There is no such offer.")
        sealed = await fetch_value(
            "SELECT count(*) FROM release WHERE id = ANY($1) AND state = 'sealed'", list(plan.releases)
        )
        if sealed != len(plan.releases):
            raise Invalid("Only sealed releases can be auctioned.")
        ascending = plan.kind == "ascending"
        added = await execute(
            """INSERT INTO auction (id, kind, offer, terms, currency, reserve_minor, forgone_minor, licences, price_rule,
                                    steps_from_minor, steps_minor, window_seconds, extension_seconds, opens_at,
                                    scheduled_close_at, closes_at, exclusive_from, exclusive_to, pay_within_hours, salt,
                                    state, bid_count, announced_by, announced_at)
               VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $15, $16, $17, $18, $19,
                       'standing', 0, $20, $21)
               ON CONFLICT (id) DO NOTHING""",
            auction, plan.kind, plan.offer, offer["terms"], offer["currency"], plan.reserve_minor, plan.forgone_minor,
            plan.licences, plan.price_rule or PRICE_RULES[plan.kind],
            [start for start, _ in plan.steps] if ascending else [], [step for _, step in plan.steps] if ascending else [],
            plan.window_seconds if ascending else 0, plan.extension_seconds if ascending else 0, plan.opens_at,
            plan.closes_at, plan.exclusive_from, plan.exclusive_to, plan.pay_within_hours, secrets.token_bytes(32), by, now,
        )  # fmt: skip
        if added:
            await execute(
                """INSERT INTO auction_lot (id, auction, position, release)
                   SELECT gen_random_uuid(), $1, ordinality - 1, release
                   FROM unnest($2::uuid[]) WITH ORDINALITY AS given (release, ordinality)""",
                auction, list(plan.releases),
            )  # fmt: skip
    return auction


def _check_plan(plan: Plan, now: dt.datetime) -> None:
    if plan.kind not in PRICE_RULES:
        raise Invalid("There is no auction of the kind {kind}.", kind=plan.kind)
    if not max(plan.opens_at, now) < plan.closes_at <= now + dt.timedelta(days=90):
        raise Invalid("An auction closes after it opens, within 90 days.")
    if not 0 <= plan.forgone_minor <= plan.reserve_minor or not 1 <= plan.reserve_minor <= rules.LARGEST_BID_MINOR:
        raise Invalid("The reserve is positive and never below the sales it forgoes.")
    if not 1 <= len(plan.releases) <= (rules.MOST_LOTS if plan.kind == "bundle" else 1) or len(
        set(plan.releases)
    ) < len(plan.releases):
        raise Invalid(
            "A bundle auction sells up to {most} different releases, any other kind one.", most=rules.MOST_LOTS
        )
    if not 1 <= plan.licences <= (1000 if plan.kind == "limited" else 1):
        raise Invalid("Only an auction of limited licences sells more than one.")
    window = (plan.exclusive_from, plan.exclusive_to)
    if plan.kind != "exclusive" and window != (None, None):
        raise Invalid("Only an exclusive auction has an exclusive window.")
    if plan.kind == "exclusive" and (None in window or not plan.closes_at <= window[0] < window[1]):  # type: ignore[operator]
        raise Invalid("The exclusive window begins once the auction is closed and ends later.")
    if min(plan.window_seconds, plan.extension_seconds) < 0 or not 1 <= plan.pay_within_hours <= 24 * 30:
        raise Invalid("Winners pay within 1 hour to 30 days, and a soft close moves the end forward.")


async def cancel(auction: uuid.UUID, reason: str, *, by: str) -> None:
    """Cancel an auction that nobody has bid in yet, with a reason everyone reads."""
    if not reason.strip():
        raise Invalid("Say why the auction is cancelled.")
    async with transaction():
        row = await fetch_one("SELECT state, bid_count FROM auction WHERE id = $1 FOR UPDATE", auction)
        if row is None:
            raise NotFound("There is no such auction.")
        if row["state"] == "cancelled":
            return
        if row["state"] != "standing" or row["bid_count"]:
            raise Conflict("Somebody has bid: the auction runs to its end.")
        await execute(
            "UPDATE auction SET state = 'cancelled', cancelled_reason = $2 WHERE id = $1",
            auction,
            f"{reason.strip()} ({by})",
        )
        await tell(auction)


async def tell(auction: uuid.UUID) -> None:
    """Tell every live page, in whatever process, once the open transaction commits."""
    await fetch_value("SELECT pg_notify($1, $2)", CHANNEL, str(auction))


# ------------------------------------------------------------------ bidding
@dataclass(frozen=True, slots=True)
class Answer:
    """The one answer to a bid, however often it is sent."""

    bid: uuid.UUID
    answer: str
    position: int | None
    receipt: bytes
    signature: bytes
    repeated: bool = False

    @property
    def accepted(self) -> bool:
        """Tell whether the bid counts."""
        return self.position is not None


async def place_bid(
    actor: Actor, auction: uuid.UUID, *, bid: uuid.UUID, maximum_minor: int, currency: str = "EUR"
) -> Answer:
    """Bid up to `maximum_minor` in an ascending auction; the same bid again returns the first answer.

    Refuses Invalid for a malformed amount; a bid that is merely too low, too late or no raise is an answer.
    """
    partner = _bidder(actor)
    async with transaction():
        row, at = await _hold(auction)
        if row["kind"] != "ascending":
            raise Invalid("This auction takes sealed bids.")
        rules.check_amount(maximum_minor, currency, row["currency"])
        decision = rules.decide_open(row, partner, maximum_minor, at)
        committed = rules.commitments(row, partner, {"maximum_minor": maximum_minor}, at=at)
        answer = await _answer(
            row, bid, partner, at=at, decision=decision, committed=committed, maximum_minor=maximum_minor, sealed=None
        )
    return answer  # noqa: RET504 (a transaction may swallow, for all the type checker knows)


async def place_sealed_bid(
    actor: Actor, auction: uuid.UUID, *, bid: uuid.UUID, nonce: str, packages: Sequence[tuple[Sequence[int], int]],
    currency: str = "EUR",
) -> Answer:  # fmt: skip
    """Seal a bid for one licence, or XOR packages of lots; one a partner, which nothing replaces.

    nonce: 64 hex digits chosen by the bidder (or its form): with it the bidder alone can check the commitment before the
    end. Amounts are read here, encrypted for the closing job, and kept nowhere else.
    """
    partner = _bidder(actor)
    rules.check_nonce(nonce)
    lots = await fetch_value("SELECT count(*) FROM auction_lot WHERE auction = $1", auction)
    async with transaction():
        row, at = await _hold(auction)
        if row["kind"] == "ascending":
            raise Invalid("This auction is not sealed: state a maximum.")
        content = rules.sealed_content(row["kind"], packages, lots)
        for _, amount_minor in packages:
            rules.check_amount(amount_minor, currency, row["currency"])
        # A statement of its own, so that it sees what was committed while this one waited for the row.
        has_bid = await fetch_value(
            "SELECT true FROM bid WHERE auction = $1 AND partner = $2 AND position IS NOT NULL", auction, partner
        )
        decision = rules.decide_sealed(row, content, at, has_bid=bool(has_bid))
        key = settings().bid_public_key or sealing.public_key(settings().bid_key)
        answer = await _answer(
            row, bid, partner, at=at, decision=decision, committed=rules.commitments(row, partner, content, nonce=nonce),
            maximum_minor=None, sealed=sealing.seal({"content": content, "nonce": nonce}, bid, key),
        )  # fmt: skip
    return answer  # noqa: RET504 (a transaction may swallow, for all the type checker knows)


async def pay(actor: Actor, sale: uuid.UUID, *, order_id: uuid.UUID) -> uuid.UUID:
    """Order what a partner won, and return the order to pay on Stripe's page; one that still may be paid is returned again."""
    partner = _bidder(actor)
    row = await fetch_one(
        """SELECT sale.*, outcome.auction, outcome.pseudonym, outcome.round, auction.offer, auction.root,
                  purchase_order.state AS order_state,
                  (SELECT email FROM person WHERE person.partner = outcome.partner
                   ORDER BY person.id = $3 DESC NULLS LAST, created_at, id LIMIT 1) AS email
           FROM auction_sale AS sale JOIN auction_outcome AS outcome ON outcome.id = sale.outcome
           JOIN auction ON auction.id = outcome.auction LEFT JOIN purchase_order ON purchase_order.id = sale.purchase_order
           WHERE sale.id = $1 AND outcome.partner = $2""",
        sale, partner, actor.person,
    )  # fmt: skip
    if row is None:
        raise NotFound("There is nothing to pay.")
    if row["purchase_order"] and row["order_state"] != "lapsed":
        return uuid.UUID(str(row["purchase_order"]))
    if row["state"] != "due" or row["due_at"] <= clock.now():
        raise Expired("The time to pay has passed.")
    document = rules.award_document(row)
    await order_awarded(
        partner, offer=row["offer"], release=row["release"], net_minor=row["net_minor"], document=document, order_id=order_id,
        email=row["email"] or "",
    )  # fmt: skip
    await execute("UPDATE auction_sale SET purchase_order = $2 WHERE id = $1 AND state = 'due'", sale, order_id)
    return order_id


def _bidder(actor: Actor) -> uuid.UUID:
    if actor.partner is None or not actor.vetted:
        raise NotAllowed("Your company is not vetted yet; a steward looks at new partners within two working days.")
    return actor.partner


async def _hold(auction: uuid.UUID) -> tuple[Row, dt.datetime]:
    """Lock the auction's row and return it with the database's instant, read once the lock is held.

    Materialised first: beside FOR UPDATE in one SELECT, the clock would be read before the lock is waited for.
    """
    row = await fetch_one(
        """WITH held AS MATERIALIZED (SELECT * FROM auction WHERE id = $1 FOR UPDATE)
           SELECT held.*, clock_timestamp() AS held_at FROM held""",
        auction,
    )
    if row is None:
        raise NotFound("There is no such auction.")
    if row["state"] == "cancelled":
        raise Expired("This auction was cancelled: {reason}", reason=row["cancelled_reason"])
    return row, row["held_at"]


async def _answer(
    row: Row, bid: uuid.UUID, partner: uuid.UUID, *, at: dt.datetime, decision: rules.Decision,
    committed: list[str], maximum_minor: int | None, sealed: bytes | None,
) -> Answer:  # fmt: skip
    """Write the bid, its receipt and the auction's new state in one statement, unless this bid was answered before."""
    position = row["bid_count"] + 1 if decision.accepted else None
    named = rules.pseudonym(row["salt"], partner)
    document = rules.receipt(
        row, bid, named, at=at, decision=decision, position=position, committed=committed, maximum_minor=maximum_minor
    )
    signature = rules.sign(document, settings().signing_key)
    is_new = await fetch_value(
        """
        WITH new AS (
            INSERT INTO bid (id, auction, partner, pseudonym, position, received_at, maximum_minor, sealed, commitments,
                             answer, price_minor, receipt, signature)
            VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)
            ON CONFLICT (id) DO NOTHING RETURNING position
        ), moved AS (
            UPDATE auction SET bid_count = $5, leader = $14, leading_maximum_minor = $15, price_minor = $11, closes_at = $16
            WHERE id = $2 AND (SELECT position FROM new) IS NOT NULL
        ), told AS (
            SELECT pg_notify($17, $2::uuid::text) FROM new WHERE position IS NOT NULL
        )
        SELECT count(*) = 1 FROM new LEFT JOIN told ON true
        """,
        bid, row["id"], partner, named, position, at, maximum_minor, sealed, committed, str(decision.answer),
        decision.price_minor, document, signature, decision.leader, decision.leading_maximum_minor, decision.closes_at, CHANNEL,
    )  # fmt: skip
    if is_new:
        return Answer(bid, str(decision.answer), position, document, signature)
    known = await fetch_one("SELECT * FROM bid WHERE id = $1 AND partner = $2", bid, partner)
    if known is None:
        raise NotFound("There is no such bid.")
    same = known["maximum_minor"] == maximum_minor if sealed is None else known["commitments"] == committed
    if known["auction"] != row["id"] or not same:
        raise Conflict("That form was sent before with another bid; reload the page and try again.")
    return Answer(bid, known["answer"], known["position"], known["receipt"], known["signature"], repeated=True)
