"""What can be done about auctions: announce one, cancel it before its first bid, bid.

A bid is accepted or refused once, in one transaction that locks the auction's row; the instant that counts is the
database's `clock_timestamp()` read while holding it, so the log's order is the order of the instants. Open bids are one
statement (`place_open_bids`), which takes those that wait in a process together: the row is held for no web process, and
no bid waits for another's commit. Everything slow is done before or after.
"""

from __future__ import annotations

import datetime as dt
import secrets
import uuid
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from marketplace import clock, sealing
from marketplace.auctions import receipts, rules
from marketplace.auctions.eligibility import NO_PAYMENT_METHOD
from marketplace.auctions.lanes import lane_of
from marketplace.auctions.reserves import deposit_of, reckon_reserve
from marketplace.catalogue.actions import reserve_window
from marketplace.database import execute, fetch, fetch_one, fetch_value, transaction
from marketplace.errors import Conflict, Expired, Invalid, NotAllowed, NotFound
from marketplace.settings import settings
from marketplace.web.formats import money
from pricing.auctions.forgone import LONGEST_WINDOW_DAYS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from marketplace.auctions.reserves import Reckoned
    from marketplace.auctions.rules import Row
    from marketplace.identity.actors import Actor

PRICE_RULES = {"exclusive": "second_price", "limited": "uniform_price", "ascending": "proxy", "bundle": "core"}
NOT_VETTED = "Your company is not vetted yet; a steward looks at new partners within two working days."
REFUSALS = {"not_vetted": NOT_VETTED, "no_payment_method": NO_PAYMENT_METHOD}
"""Each answer of the SQL function `bidder_refusal`, in words."""
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
    reserve_minor: int = 0
    """The least a licence is sold for; 0 for what `pricing` reckons, below which no lot's may be."""
    licences: int = 1
    price_rule: str | None = None
    steps: Sequence[tuple[int, int]] = rules.STEPS
    window_seconds: int = 120
    extension_seconds: int = 120
    exclusive_from: dt.datetime | None = None
    exclusive_to: dt.datetime | None = None
    pay_within_hours: int = 72


async def announce(plan: Plan, *, by: str, auction: uuid.UUID | None = None) -> uuid.UUID:
    """Announce an auction of releases of an offer; with `auction` (a form's id), the same one again changes nothing.

    A bundle's first release is of the plan's offer, the others of any.
    """
    auction, now = auction or uuid.uuid4(), clock.now()
    _check_plan(plan, now)
    async with transaction():
        offers = await _hold_offers(plan)
        offer = offers[plan.offer]
        reserve_minor, reckoned = await _reserve(plan, offer["currency"], now)
        await _refuse_overlap(plan, list(offers), auction)
        lots = [max(reserve_minor, reckoned.floors[release]) for release in plan.releases]
        ascending = plan.kind == "ascending"
        added = await execute(
            """INSERT INTO auction (id, kind, offer, terms, currency, reserve_minor, forgone_minor, licences, price_rule,
                                    steps_from_minor, steps_minor, window_seconds, extension_seconds, opens_at,
                                    scheduled_close_at, exclusive_from, exclusive_to, pay_within_hours, salt, state,
                                    announced_by, announced_at, reckoning, deposit_minor)
               VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, 'standing',
                       $20, $21, $22, $23)
               ON CONFLICT (id) DO NOTHING""",
            auction, plan.kind, plan.offer, offer["terms"], offer["currency"], reserve_minor, reckoned.forgone_minor,
            plan.licences, plan.price_rule or PRICE_RULES[plan.kind],
            [start for start, _ in plan.steps] if ascending else [], [step for _, step in plan.steps] if ascending else [],
            plan.window_seconds if ascending else 0, plan.extension_seconds if ascending else 0, plan.opens_at,
            plan.closes_at, plan.exclusive_from, plan.exclusive_to, plan.pay_within_hours, secrets.token_bytes(32), by, now,
            reckoned.document, deposit_of(lots),
        )  # fmt: skip
        if added:
            await execute(
                """INSERT INTO auction_lot (id, auction, position, release, reserve_minor)
                   SELECT gen_random_uuid(), $1, ordinality - 1, release, reserve_minor
                   FROM unnest($2::uuid[], $3::bigint[]) WITH ORDINALITY AS given (release, reserve_minor, ordinality)""",
                auction, list(plan.releases), lots,
            )  # fmt: skip
            await execute(
                "INSERT INTO auction_lead (auction, closes_at, bid_count) VALUES ($1, $2, 0)", auction, plan.closes_at
            )
    return auction


async def _reserve(plan: Plan, currency: str, now: dt.datetime) -> tuple[int, Reckoned]:
    """Return a plan's reserve, and what `pricing` reckons; refuse one below that."""
    reckoned = await reckon_reserve(
        plan.kind, plan.offer, plan.releases, opens_at=plan.exclusive_from, ends_at=plan.exclusive_to, now=now
    )
    reserve_minor = plan.reserve_minor or reckoned.reserve_minor
    if not reckoned.reserve_minor <= reserve_minor <= rules.LARGEST_BID_MINOR:
        raise Invalid(
            "The reserve is at least {least} and at most {most}: a steward may raise it, never lower it.",
            least=money(reckoned.reserve_minor, currency), most=money(rules.LARGEST_BID_MINOR, currency),
        )  # fmt: skip
    return reserve_minor, reckoned


async def _hold_offers(plan: Plan) -> dict[uuid.UUID, Row]:
    """Lock the offers of a plan's releases, the plan's own among them, and return them; refuse what cannot be sold together."""
    rows = await fetch(
        """SELECT id, dataset, terms, currency FROM offer
           WHERE withdrawn_at IS NULL AND (id = $1 OR dataset IN (SELECT dataset FROM release WHERE id = ANY($2)))
           ORDER BY id FOR NO KEY UPDATE""",
        plan.offer, list(plan.releases),
    )  # fmt: skip
    offers = {row["id"]: row for row in rows}
    if plan.offer not in offers:
        raise NotFound("There is no such offer.")
    own, others = offers[plan.offer]["dataset"], [row["dataset"] for row in rows]
    on_sale = await fetch_value(
        """SELECT count(*) FROM release JOIN unnest($1::uuid[]) WITH ORDINALITY AS lot (release, number) ON lot.release = release.id
           WHERE state = 'sealed' AND (dataset = $2 OR (dataset = ANY($3) AND number > 1))
           AND NOT EXISTS (SELECT FROM revocation WHERE revocation.release = release.id)""",
        list(plan.releases), own, others,
    )  # fmt: skip
    if on_sale != len(plan.releases):
        raise Invalid("Only sealed releases of the offer that were not called back can be auctioned.")
    if len({(row["terms"], row["currency"]) for row in rows}) > 1:
        raise Invalid("A bundle is sold under one licence’s terms and in one currency.")
    return offers


async def _refuse_overlap(plan: Plan, offers: list[uuid.UUID], auction: uuid.UUID) -> None:
    """Refuse a plan that would sell inside another auction's exclusive window, or the other way round.

    An auction sells from its end to twice its time to pay: the award, and a second chance. The offers' rows are held.
    """
    ends_paying = plan.closes_at + 2 * dt.timedelta(hours=plan.pay_within_hours)
    if await fetch_value(
        """WITH planned AS (SELECT CASE WHEN $3::timestamptz IS NULL THEN 'empty' ELSE tstzrange($3, $4) END AS alone,
                                   tstzrange($5, $6) AS sells),
                known AS (SELECT CASE WHEN kind = 'exclusive' THEN tstzrange(exclusive_from, exclusive_to) ELSE 'empty' END AS alone,
                                 tstzrange(scheduled_close_at, scheduled_close_at + 2 * pay_within_hours * interval '1 hour') AS sells
                          FROM auction WHERE id <> $2 AND state <> 'cancelled'
                          AND EXISTS (SELECT FROM auction_lot AS lot JOIN release ON release.id = lot.release
                                      JOIN offer ON offer.dataset = release.dataset
                                      WHERE lot.auction = auction.id AND offer.id = ANY($1))
                          AND (state <> 'awarded' OR EXISTS (SELECT FROM exclusive_window WHERE exclusive_window.id = auction.id)
                               OR EXISTS (SELECT FROM auction_sale JOIN auction_outcome AS outcome ON outcome.id = auction_sale.outcome
                                          WHERE outcome.auction = auction.id AND auction_sale.state = 'due')))
           SELECT true FROM planned, known WHERE known.alone && planned.alone OR known.alone && planned.sells
                                              OR known.sells && planned.alone LIMIT 1""",
        offers, auction, plan.exclusive_from, plan.exclusive_to, plan.closes_at, ends_paying,
    ):  # fmt: skip
        raise Conflict(
            "Another auction of this dataset would sell inside an exclusive window; cancel one, or choose other instants."
        )


def _check_plan(plan: Plan, now: dt.datetime) -> None:
    if plan.kind not in PRICE_RULES:
        raise Invalid("There is no auction of the kind {kind}.", kind=plan.kind)
    if not max(plan.opens_at, now) < plan.closes_at <= now + dt.timedelta(days=90):
        raise Invalid("An auction closes after it opens, within 90 days.")
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
    if window[0] and window[1] and window[1] - window[0] > dt.timedelta(days=LONGEST_WINDOW_DAYS):
        raise Invalid("An exclusive window lasts at most {most} days.", most=LONGEST_WINDOW_DAYS)
    starts, steps = [start for start, _ in plan.steps], [step for _, step in plan.steps]
    if starts[:1] != [0] or starts != sorted(set(starts)) or steps != sorted(steps) or steps[0] < 1:
        raise Invalid("Steps begin at a price of 0, and neither prices nor steps fall.")
    if min(plan.window_seconds, plan.extension_seconds) < 0 or not 1 <= plan.pay_within_hours <= 24 * 30:
        raise Invalid("Winners pay within 1 hour to 30 days, and a soft close moves the end forward.")


async def cancel(auction: uuid.UUID, reason: str, *, by: str) -> None:
    """Cancel an auction that nobody has bid in yet, with a reason everyone reads."""
    if not reason.strip():
        raise Invalid("Say why the auction is cancelled.")
    async with transaction():
        row = await hold(auction)
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
FROZEN_AFTER: Final = "15s"
"""How long a process that says nothing may hold an auction's row with a sealed bid: the database ends its session, and the bid."""


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
    partner, rule = _bidder(actor), await _rule_of(auction)
    if rule["kind"] != "ascending":
        raise Invalid("This auction takes sealed bids.")
    rules.check_amount(maximum_minor, currency, rule["currency"])
    named = rules.pseudonym(rule["salt"], partner)
    row = await lane_of(auction).take(bid, partner, named, maximum_minor)
    if row is None:
        async with transaction():
            _refuse_cancelled(await hold(auction))
        raise NotFound("There is no such auction.")
    if row["id"] is None:
        raise _not_allowed(row["refusal"])
    if row["repeated"]:
        _refuse_another(row, auction, partner, same=row["maximum_minor"] == maximum_minor)
    return answer_of(row, repeated=row["repeated"])


async def place_sealed_bid(
    actor: Actor, auction: uuid.UUID, *, bid: uuid.UUID, nonce: str, packages: Sequence[tuple[Sequence[int], int]],
    currency: str = "EUR",
) -> Answer:  # fmt: skip
    """Seal a bid for one licence, or XOR packages of lots; one a partner, which nothing replaces.

    nonce: 64 hex digits chosen by the bidder (or its form): with it the bidder alone can check the commitment before the
    end. Amounts are read here, encrypted for the closing job, and kept nowhere else.
    """
    partner, rule = _bidder(actor), await _rule_of(auction)
    rules.check_nonce(nonce)
    if rule["kind"] == "ascending":
        raise Invalid("This auction is not sealed: state a maximum.")
    content = rules.sealed_content(rule["kind"], packages, len(rule["reserves"]))
    for _, amount_minor in packages:
        rules.check_amount(amount_minor, currency, rule["currency"])
    committed = rules.commitments(rule, partner, content, nonce)
    sealed = sealing.seal({"content": content, "nonce": nonce}, bid, sealing.sealing_key())
    async with lane_of(auction).sealing(), transaction():
        await execute(f"SET LOCAL idle_in_transaction_session_timeout = '{FROZEN_AFTER}'")
        held = _refuse_cancelled(await hold(auction))
        stand = await fetch_one(
            """SELECT bidder_refusal($2, $1) AS refusal,
                      EXISTS (SELECT FROM bid WHERE auction = $1 AND partner = $2 AND position IS NOT NULL) AS has_bid""",
            auction, partner,
        )  # fmt: skip
        assert stand
        answer = rules.decide_sealed(held, rule["reserves"], content, held["held_at"], has_bid=stand["has_bid"])
        position = held["bid_count"] + 1 if answer == "sealed" else None
        row = None if stand["refusal"] else await fetch_one(
            """INSERT INTO bid (id, auction, partner, pseudonym, position, received_at, sealed, commitments, answer, closes_at)
               VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10) ON CONFLICT (id) DO NOTHING RETURNING *""",
            bid, auction, partner, rules.pseudonym(rule["salt"], partner), position, held["held_at"], sealed, committed,
            str(answer), held["closes_at"],
        )  # fmt: skip
        is_new = row is not None
        if is_new and position:
            await execute("UPDATE auction_lead SET bid_count = $2 WHERE auction = $1", auction, position)
            if held["kind"] == "exclusive" and position == 1:
                # From its first bid on the window is somebody's, and the award may come late: nobody is quoted in it until then.
                await reserve_window(auction, held["offer"], held["exclusive_from"], held["exclusive_to"])
            await tell(auction)
        known = row or await fetch_one("SELECT * FROM bid WHERE id = $1", bid)
        if known is None:
            raise _not_allowed(stand["refusal"])
        if not is_new:
            _refuse_another(known, auction, partner, same=known["commitments"] == committed)
    return answer_of(known, repeated=not is_new)


def answer_of(bid: Row, *, repeated: bool) -> Answer:
    """Return the answer a bid's row holds, with its receipt."""
    document = receipts.receipt_of(bid)
    return Answer(
        bid["id"], bid["answer"], bid["position"], document, receipts.sign(document, settings().signing_key), repeated
    )


def _not_allowed(refusal: str) -> NotAllowed:
    return NotAllowed(REFUSALS[refusal])


def _refuse_another(known: Row, auction: uuid.UUID, partner: uuid.UUID, *, same: bool) -> None:
    """Refuse an id under which something else was sent before: somebody else's does not exist."""
    if known["partner"] != partner:
        raise NotFound("There is no such bid.")
    if known["auction"] != auction or not same:
        raise Conflict("That form was sent before with another bid; reload the page and try again.")


def _refuse_cancelled(held: Row) -> Row:
    if held["state"] == "cancelled":
        raise Expired("This auction was cancelled: {reason}", reason=held["cancelled_reason"])
    return held


async def hold(auction: uuid.UUID) -> dict[str, Any]:
    """Lock the auction's row; return it, its lead, and as `held_at` the database's instant, read once the lock is held.

    Materialised first: beside FOR UPDATE in one SELECT, the clock would be read before the lock is waited for. The lead
    is read by a statement of its own: the first one's snapshot may be older than the lock.
    """
    row = await fetch_one(
        """WITH held AS MATERIALIZED (SELECT * FROM auction WHERE id = $1 FOR UPDATE)
           SELECT held.*, clock_timestamp() AS held_at FROM held""",
        auction,
    )
    if row is None:
        raise NotFound("There is no such auction.")
    lead = await fetch_one("SELECT * FROM auction_lead WHERE auction = $1", auction)
    assert lead, "every auction has a lead"
    return {**row, **lead}


RULES_KEPT: Final = 1000
_rules: dict[uuid.UUID, Row] = {}


async def _rule_of(auction: uuid.UUID) -> Row:
    """Return what of an auction was fixed when it was announced; kept, for the database refuses to change it."""
    known = _rules.get(auction)
    if known is None:
        known = await fetch_one(
            """SELECT id, kind, currency, salt,
                      (SELECT array_agg(reserve_minor ORDER BY position) FROM auction_lot WHERE auction = $1) AS reserves
               FROM auction WHERE id = $1""",
            auction,
        )
        if known is None:
            raise NotFound("There is no such auction.")
        if len(_rules) >= RULES_KEPT:
            _rules.clear()
        _rules[auction] = known
    return known


def _bidder(actor: Actor) -> uuid.UUID:
    if actor.partner is None or not actor.vetted:
        raise NotAllowed(NOT_VETTED)
    return actor.partner
