"""Payments: intents written with the business change, carried out by workers; events stored raw, then looked into.

An effect at Stripe is: commit the intent → call with the intent's id as idempotency key, outside any transaction →
record the outcome. What Stripe tells us is never trusted for its order or completeness: the object is read again.
"""

from __future__ import annotations

import asyncio
import datetime as dt
import json
import uuid
from typing import TYPE_CHECKING, Any

import structlog

from marketplace import clock
from marketplace.database import DB, execute, fetch, fetch_one, fetch_value, lock, transaction
from marketplace.errors import Conflict, Invalid, NotFound
from marketplace.ledger.actions import Entry, record_all
from marketplace.payments import rules
from marketplace.payments.rules import Line, Movement, Session
from marketplace.payments.stripe_port import DecidedError, SilentError, StripePort, verify

if TYPE_CHECKING:
    from collections.abc import Sequence

    import asyncpg

__all__ = [
    "Line", "handle_events", "mirror_balance", "read_again", "read_balance", "request_expiry", "request_payment", "request_refund",
    "run_command", "run_commands", "sweep_events", "take_event",
]  # fmt: skip

log = structlog.get_logger(__name__)
LEASE = dt.timedelta(minutes=2)
"""How long a claimed command is left alone: longer than its calls may take."""
COMMANDS_AT_ONCE, READS_AT_ONCE = 5, 5
EVENTS_AT_A_TIME = 200
EVENTS_OVERLAP, MOVEMENTS_OVERLAP = dt.timedelta(hours=1), dt.timedelta(days=1)
PAYOUTS_ARE_RECONCILED_WITHIN = dt.timedelta(days=30)


# ------------------------------------------------------------------ intents, inside the caller's transaction
async def request_payment(
    subject: uuid.UUID, *, amount_minor: int, currency: str = "EUR", lines: Sequence[Line], email: str,
    success_url: str, cancel_url: str, locale: str, expires_at: dt.datetime,
) -> uuid.UUID:  # fmt: skip
    """Ask for a hosted page where `subject` can be paid, and return the command's id; asked again, the first one's."""
    rules.check_amount(amount_minor, lines)
    now, command = clock.now(), uuid.uuid4()
    async with transaction():
        is_new = await execute(
            """INSERT INTO payment (subject, amount_minor, currency, state, refunded_minor, requested_at)
               VALUES ($1, $2, $3, 'requested', 0, $4) ON CONFLICT (subject) DO NOTHING""",
            subject, amount_minor, currency, now,
        )  # fmt: skip
        if not is_new:
            return await _command_of(subject, "checkout")
        parameters = rules.checkout_parameters(
            subject, command, currency=currency, lines=lines, email=email,
            success_url=success_url, cancel_url=cancel_url, locale=locale, expires_at=expires_at,
        )  # fmt: skip
        await _intend(command, "checkout", subject, parameters, now)
    return command


async def request_refund(subject: uuid.UUID, *, amount_minor: int, refund_id: uuid.UUID) -> None:
    """Ask for money back; `refund_id` is the command's id, so that asking twice refunds once."""
    async with transaction():
        payment = await fetch_one("SELECT * FROM payment WHERE subject = $1 FOR UPDATE", subject)
        if payment is None:
            raise NotFound("There is no payment {subject}.", subject=subject)
        if await fetch_one("SELECT 1 FROM stripe_command WHERE id = $1", refund_id):
            return
        if payment["state"] != "paid":
            raise Conflict("That payment cannot be refunded: it is not paid.")
        if not 0 < amount_minor <= payment["amount_minor"] - payment["refunded_minor"]:
            raise Invalid("That is not between one cent and what was paid.")
        if await fetch_one(
            "SELECT 1 FROM stripe_command WHERE subject = $1 AND verb = 'refund' AND state = 'pending'", subject
        ):
            raise Conflict("A refund of that payment is already under way.")
        parameters = {
            "payment_intent": payment["payment_intent_id"],
            "amount": amount_minor,
            "metadata": {"subject": str(subject), "command": str(refund_id)},
        }
        await _intend(refund_id, "refund", subject, parameters, clock.now())


async def request_expiry(subject: uuid.UUID) -> uuid.UUID:
    """Ask that nobody can pay `subject` any more, and return the command's id; asked again, the first one's."""
    async with transaction():
        if await fetch_one("SELECT 1 FROM payment WHERE subject = $1 FOR UPDATE", subject) is None:
            raise NotFound("There is no payment {subject}.", subject=subject)
        known = await fetch_value(
            "SELECT id FROM stripe_command WHERE subject = $1 AND verb = 'expire_session'", subject
        )
        command = known or uuid.uuid4()
        if known is None:
            await _intend(command, "expire_session", subject, {}, clock.now())
    return uuid.UUID(str(command))


async def _intend(
    command: uuid.UUID, verb: str, subject: uuid.UUID, parameters: dict[str, Any], now: dt.datetime
) -> None:
    await execute(
        """INSERT INTO stripe_command (id, verb, subject, parameters, state, attempts, generation, next_at, created_at)
           VALUES ($1, $2, $3, $4, 'pending', 0, 0, $5, $5) ON CONFLICT (id) DO NOTHING""",
        command, verb, subject, json.dumps(parameters), now,
    )  # fmt: skip


async def _command_of(subject: uuid.UUID, verb: str) -> uuid.UUID:
    return uuid.UUID(
        str(await fetch_value("SELECT id FROM stripe_command WHERE subject = $1 AND verb = $2", subject, verb))
    )


# ------------------------------------------------------------------ commands, outside any transaction
async def run_commands() -> int:
    """Carry out every command that is due, and return how many were tried; any number of workers may."""
    tried = 0
    while claimed := await _claim(COMMANDS_AT_ONCE):
        async with StripePort() as port:
            await asyncio.gather(*(_carry_out(port, command) for command in claimed))
        tried += len(claimed)
    return tried


async def run_command(command_id: uuid.UUID) -> str:
    """Carry out one command now, unless a worker has it, and return its state."""
    for command in await _claim(1, command_id):
        async with StripePort() as port:
            await _carry_out(port, command)
    return str(await fetch_value("SELECT state FROM stripe_command WHERE id = $1", command_id))


async def _claim(limit: int, command_id: uuid.UUID | None = None) -> list[asyncpg.Record]:
    """Take due commands until a lease ends: nobody else takes them meanwhile, and a dead worker's are taken over."""
    assert DB.current_transaction.get() is None, "Stripe is never called inside a transaction"
    now = clock.now()
    return await fetch(
        """
        UPDATE stripe_command SET attempts = attempts + 1, first_tried_at = coalesce(first_tried_at, $1), next_at = $2
        WHERE id IN (
            SELECT id FROM stripe_command
            WHERE state = 'pending' AND next_at <= $1 AND ($3::uuid IS NULL OR id = $3)
            ORDER BY next_at LIMIT $4 FOR UPDATE SKIP LOCKED
        ) RETURNING *
        """,
        now, now + LEASE, command_id, limit,
    )  # fmt: skip


async def _carry_out(port: StripePort, command: asyncpg.Record) -> None:
    """Call Stripe for one claimed command and record what came of it."""
    asked_at = clock.now()
    try:
        object_id, session = await _VERBS[command["verb"]](port, command)
    except SilentError as silence:
        await _try_again(command, str(silence), rules.wait(command["attempts"]), fresh_key=silence.is_replayed)
        return
    except DecidedError as refusal:
        if command["verb"] == "checkout" and refusal.param == "expires_at":
            # Too late for the hour first wished for: Stripe's own day counts, and whoever lapses the order expires it.
            parameters = {name: value for name, value in _parameters(command).items() if name != "expires_at"}
            await _try_again(command, str(refusal), dt.timedelta(0), fresh_key=True, parameters=parameters)
        else:
            await _give_up(command, str(refusal))
        return
    async with transaction():
        if session is not None:
            await _apply(session, asked_at)
        done = "UPDATE stripe_command SET state = 'done', object_id = $2, error = NULL WHERE id = $1"
        await execute(done, command["id"], object_id)


async def _checkout(port: StripePort, command: asyncpg.Record) -> tuple[str, Session]:
    session = await port.find_session_of(command["id"], _a_while_before(command)) if _must_look(command) else None
    session = session or await port.create_session(_parameters(command), _key(command))
    return session.id, session


async def _refund(port: StripePort, command: asyncpg.Record) -> tuple[str, Session | None]:
    parameters = _parameters(command)
    refund = await port.find_refund_of(command["id"], parameters["payment_intent"]) if _must_look(command) else None
    refund = refund or await port.refund(parameters, _key(command))
    session_id = await fetch_value("SELECT session_id FROM payment WHERE subject = $1", command["subject"])
    return refund, await port.get_session(session_id)


async def _expire_session(port: StripePort, command: asyncpg.Record) -> tuple[str | None, Session | None]:
    row = await fetch_one("SELECT session_id, state FROM payment WHERE subject = $1", command["subject"])
    assert row, "a command's payment was written with it"
    if row["session_id"] is None:
        if row["state"] == "requested":
            raise SilentError("The page to expire does not exist yet.")
        return None, None
    try:
        session = await port.expire_session(row["session_id"], _key(command))
    except DecidedError:
        session = await port.get_session(row["session_id"])  # It is not open: paid or expired before.
    return session.id, session


_VERBS = {"checkout": _checkout, "refund": _refund, "expire_session": _expire_session}


def _must_look(command: asyncpg.Record) -> bool:
    """Tell whether Stripe may have carried the command out and forgotten its key, or will never answer to it."""
    is_old = bool(command["first_tried_at"] + rules.KEYS_ARE_OLD_AFTER <= clock.now())
    return command["generation"] > 0 or is_old


def _key(command: asyncpg.Record) -> str:
    return rules.key_of(command["id"], command["generation"])


def _parameters(command: asyncpg.Record) -> dict[str, Any]:
    return dict(json.loads(command["parameters"]))


def _a_while_before(command: asyncpg.Record) -> dt.datetime:
    created_at: dt.datetime = command["created_at"]
    return created_at - EVENTS_OVERLAP


async def _try_again(
    command: asyncpg.Record, why: str, wait: dt.timedelta, *, fresh_key: bool, parameters: dict[str, Any] | None = None
) -> None:
    log.warning("stripe command waits", command=str(command["id"]), verb=command["verb"], why=why)
    await execute(
        """UPDATE stripe_command SET next_at = $2, error = $3, generation = generation + $4,
                  parameters = coalesce($5::jsonb, parameters)
           WHERE id = $1 AND state = 'pending' AND generation = $6""",
        command["id"], clock.now() + wait, why, int(fresh_key), json.dumps(parameters) if parameters else None,
        command["generation"],
    )  # fmt: skip


async def _give_up(command: asyncpg.Record, why: str) -> None:
    log.error("stripe command failed", command=str(command["id"]), verb=command["verb"], why=why)
    async with transaction():
        await execute("UPDATE stripe_command SET state = 'failed', error = $2 WHERE id = $1", command["id"], why)
        if command["verb"] == "checkout":
            await execute(
                "UPDATE payment SET state = 'failed' WHERE subject = $1 AND state = 'requested'", command["subject"]
            )


# ------------------------------------------------------------------ events
async def take_event(body: bytes, signature: str | None) -> None:
    """Store a webhook as it came, once; refuse what Stripe did not sign just now."""
    now = clock.now()
    verify(body, signature, now)
    try:
        event = json.loads(body)
        event_id, event_type = event["id"], event["type"]
    except (ValueError, KeyError, TypeError):
        raise Invalid("That is not one of Stripe's events.") from None
    if not (isinstance(event_id, str) and isinstance(event_type, str)):
        raise Invalid("That is not one of Stripe's events.")
    await _store_events([(event_id, event_type, body.decode())], "webhook", now)


async def sweep_events() -> int:
    """Fetch the events whose webhooks were lost, and return how many were new."""
    new, newest = 0, None
    since = await _read_until("events", EVENTS_OVERLAP)
    async with StripePort() as port:
        async for page in port.list_events(since):
            new += await _store_events([event[:3] for event in page], "sweep", clock.now())
            newest = max(newest or page[0][3], page[0][3])
    await _has_read("events", newest)
    return new


async def _store_events(events: list[tuple[str, str, str]], came_by: str, now: dt.datetime) -> int:
    return await execute(
        """INSERT INTO stripe_event (id, type, payload, came_by, received_at)
           SELECT id, type, payload, $4, $5 FROM unnest($1::text[], $2::text[], $3::text[]) AS event (id, type, payload)
           ON CONFLICT (id) DO NOTHING""",
        [event[0] for event in events], [event[1] for event in events], [event[2] for event in events], came_by, now,
    )  # fmt: skip


async def handle_events() -> int:
    """Look into every stored event: read the session it speaks of and record where its payment stands now."""
    handled = 0
    while waiting := await fetch(
        "SELECT id, type, payload FROM stripe_event WHERE handled_at IS NULL ORDER BY received_at, id LIMIT $1",
        EVENTS_AT_A_TIME,
    ):
        about: dict[tuple[str, str] | None, list[str]] = {}
        for event in waiting:
            about.setdefault(_subject_of(event["type"], json.loads(event["payload"])), []).append(event["id"])
        await _mark_handled(about.pop(None, []), None)
        async with StripePort() as port:
            gate = asyncio.Semaphore(READS_AT_ONCE)
            looked = await asyncio.gather(
                *(_look_into(port, gate, thing, ids) for thing, ids in about.items() if thing)
            )
        handled += len(waiting) - looked.count(False)
        if not all(looked):
            break  # Stripe is silent: the rest waits for the next run.
    return handled


def _subject_of(event_type: str, event: dict[str, Any]) -> tuple[str, str] | None:
    """Return what to read for an event: ("session", id) or ("intent", id); None when it moves no payment."""
    told = (event.get("data") or {}).get("object") or {}
    if event_type.startswith("checkout.session."):
        return "session", str(told.get("id"))
    if event_type.startswith("payment_intent."):
        return "intent", str(told.get("id"))
    if event_type.startswith(("charge.", "refund.")) and isinstance(told.get("payment_intent"), str):
        return "intent", told["payment_intent"]
    return None


async def read_again(subject: uuid.UUID) -> None:
    """Ask Stripe where an open payment stands now: someone waits for it, and its webhook may be late or lost."""
    session = await fetch_value("SELECT session_id FROM payment WHERE subject = $1 AND state = 'open'", subject)
    if session is not None:
        async with StripePort() as port:
            await _look_into(port, asyncio.Semaphore(1), ("session", session), [])


async def _look_into(port: StripePort, gate: asyncio.Semaphore, thing: tuple[str, str], events: list[str]) -> bool:
    """Read the session behind some events and apply it; False when Stripe is silent."""
    kind, object_id = thing
    async with gate:
        asked_at = clock.now()
        try:
            if kind == "session":
                sessions = [await port.get_session(object_id)]
            else:
                sessions = await port.list_sessions_of(object_id)
        except SilentError as silence:
            log.warning("stripe event waits", events=events, why=str(silence))
            return False
        except DecidedError as refusal:
            await _mark_handled(events, str(refusal))
            return True
    async with transaction():
        amiss = [why for session in sessions if (why := await _apply(session, asked_at))]
        await _mark_handled(events, " ".join(amiss) or None)
    return True


async def _mark_handled(events: list[str], error: str | None) -> None:
    if events:
        await execute(
            "UPDATE stripe_event SET handled_at = $2, error = $3 WHERE id = ANY($1)", events, clock.now(), error
        )


async def _apply(session: Session, asked_at: dt.datetime) -> str | None:
    """Record where a session's payment stands, inside the caller's transaction; return what is amiss, if anything."""
    payment = await fetch_one("SELECT * FROM payment WHERE subject = $1 FOR UPDATE", session.subject)
    if payment is None:
        return f"The session {session.id} is for no payment of ours."
    if payment["session_id"] not in (None, session.id):
        if not session.is_paid:
            return None
        if payment["state"] in ("paid", "refunded"):
            return f"The session {session.id} pays a second time for {session.subject}."
    if (session.amount_minor, session.currency) != (payment["amount_minor"], payment["currency"]):
        return f"The session {session.id} is over {session.amount_minor} {session.currency}, not what is owed."
    if payment["read_at"] is not None and payment["read_at"] > asked_at:
        return None
    state = rules.later(payment["state"], rules.state_of(session))
    paid_at = payment["paid_at"] or (clock.now() if state in ("paid", "refunded") else None)
    await execute(
        """UPDATE payment SET state = $2, session_id = $3, checkout_url = $4, payment_intent_id = $5, charge_id = $6,
                  refunded_minor = $7, paid_at = $8, read_at = $9 WHERE subject = $1""",
        session.subject, state, session.id, session.url if state == "open" else None, session.intent_id,
        session.charge_id if state in ("paid", "refunded") else None, session.refunded_minor, paid_at, asked_at,
    )  # fmt: skip
    return None


# ------------------------------------------------------------------ Stripe's balance, mirrored
async def mirror_balance() -> int:
    """Copy every new balance transaction and post it in the same transaction; return how many were new."""
    new, newest = 0, None
    since = await _read_until("balance_transactions", MOVEMENTS_OVERLAP)
    async with StripePort() as port:
        async for page in port.list_movements(since):
            new += await _mirror(page)
            newest = max(newest or page[0].created_at, page[0].created_at)
        await _has_read("balance_transactions", newest)
        await _name_payments()
        await _post_what_is_not()
        await _fill_payouts(port)
    return new


async def read_balance() -> int:
    """Return what Stripe holds for us now, available and pending, in cents."""
    async with StripePort() as port:
        return await port.balance_minor()


async def _mirror(page: list[Movement]) -> int:
    async with transaction():
        await lock("stripe balance")
        rows = await fetch(
            """
            INSERT INTO balance_transaction (id, category, amount_minor, fee_minor, net_minor, currency, source_id,
                                             charge_id, payment_subject, status, created_at, available_on)
            SELECT id, category, amount_minor, fee_minor, net_minor, currency, source_id, given.charge_id,
                   (SELECT subject FROM payment WHERE payment.charge_id = given.charge_id),
                   status, created_at, available_on
            FROM unnest($1::text[], $2::text[], $3::bigint[], $4::bigint[], $5::bigint[], $6::text[], $7::text[],
                        $8::text[], $9::text[], $10::timestamptz[], $11::timestamptz[])
                 AS given (id, category, amount_minor, fee_minor, net_minor, currency, source_id, charge_id,
                           status, created_at, available_on)
            ON CONFLICT (id) DO UPDATE SET status = excluded.status WHERE balance_transaction.status <> excluded.status
            RETURNING id, xmax = 0 AS is_new
            """,
            *([getattr(movement, column) for movement in page] for column in Movement.__slots__),
        )
        fresh = [row["id"] for row in rows if row["is_new"]]
        await _post(await fetch("SELECT * FROM balance_transaction WHERE id = ANY($1) ORDER BY created_at, id", fresh))
    return len(fresh)


async def _post(movements: Sequence[asyncpg.Record]) -> None:
    """Record the entries of mirrored movements; one of an unknown category or currency is left for finance to see."""
    entries = [
        Entry(
            kind=f"stripe_{movement['category']}", source_id=movement["id"], at=movement["created_at"],
            text=f"Stripe {movement['category'].replace('_', ' ')} {movement['source_id'] or ''}".rstrip(),
            postings=rules.postings(movement["category"], movement["amount_minor"], movement["fee_minor"]),
        )
        for movement in movements
        if movement["category"] in rules.COUNTERPARTS and movement["currency"] == "EUR"
        and (movement["amount_minor"] or movement["fee_minor"])
    ]  # fmt: skip
    if entries:
        await record_all(entries)


async def _name_payments() -> None:
    """Say which payment each mirrored transaction belongs to, as soon as the payment knows its charge."""
    await execute(
        """UPDATE balance_transaction SET payment_subject = payment.subject FROM payment
           WHERE balance_transaction.payment_subject IS NULL AND balance_transaction.charge_id = payment.charge_id"""
    )


async def _post_what_is_not() -> None:
    """Post what was mirrored before its category had an account."""
    async with transaction():
        await lock("stripe balance")
        await _post(
            await fetch(
                """SELECT * FROM balance_transaction AS movement WHERE category = ANY($1) AND currency = 'EUR'
                   AND NOT EXISTS (SELECT FROM journal_entry
                                   WHERE kind = 'stripe_' || movement.category AND source_id = movement.id)
                   ORDER BY created_at, id LIMIT 1000""",
                list(rules.COUNTERPARTS),
            )
        )


async def _fill_payouts(port: StripePort) -> None:
    """Write on each transaction the automatic payout that paid it out, once Stripe has reconciled the payout."""
    open_payouts = await fetch(
        """SELECT source_id FROM balance_transaction
           WHERE category = 'payout' AND payout_id IS NULL AND created_at > $1 ORDER BY created_at""",
        clock.now() - PAYOUTS_ARE_RECONCILED_WITHIN,
    )
    for payout in (row["source_id"] for row in open_payouts):
        if not await port.is_reconciled(payout):
            continue
        paid_out = [movement async for page in port.list_movements_in(payout) for movement in page]
        await execute("UPDATE balance_transaction SET payout_id = $2 WHERE id = ANY($1)", paid_out, payout)


# ------------------------------------------------------------------ how far lists are read
async def _read_until(name: str, overlap: dt.timedelta) -> dt.datetime | None:
    """Return where to begin reading a list again, in Stripe's time; None: at its beginning."""
    at: dt.datetime | None = await fetch_value("SELECT at FROM stripe_cursor WHERE list = $1", name)
    return at - overlap if at else None


async def _has_read(name: str, newest: dt.datetime | None) -> None:
    """Remember that everything created until `newest` is here; only a list read to its end may say so."""
    if newest is not None:
        await execute(
            """INSERT INTO stripe_cursor (list, at) VALUES ($1, $2)
               ON CONFLICT (list) DO UPDATE SET at = greatest(stripe_cursor.at, excluded.at)""",
            name, newest,
        )  # fmt: skip
