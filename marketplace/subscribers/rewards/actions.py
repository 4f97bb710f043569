"""Actions on rewards: list benefits and associations, choose, buy, move bills and gifts, record billing's answer.

Only closed money is moved, out of balances in the transaction that writes the run and its entry, under the lock that
orders payouts. Billing answers line by line: the operator is owed what it credits, and what it refuses returns at once.
"""

from __future__ import annotations

import csv
import hashlib
import io
import re
import uuid
from typing import TYPE_CHECKING, Final

from msgspec import Struct

from marketplace.core import clock
from marketplace.core.database import execute, execute_long, fetch_row, fetch_rows, fetch_scalar, transaction
from marketplace.core.errors import Conflict, Invalid, NotAllowed, existing
from marketplace.core.locks import lock
from marketplace.money.ledger.actions import record
from marketplace.money.ledger.chart import BENEFITS, BILL_CREDITS, GIFTS, OPERATOR_PAYABLE, SUBSCRIBERS_PAYABLE
from marketplace.money.ledger.periods import bounds
from marketplace.money.sepa import accounts
from marketplace.people.audit_trail.actions import note_action
from marketplace.subscribers.earnings.actions import move_payable
from marketplace.subscribers.earnings.rules import MICRO_PER_MINOR
from marketplace.subscribers.payouts.actions import LOCK
from marketplace.subscribers.payouts.bank_details import choose_way
from marketplace.subscribers.payouts.queries import PeopleSum
from marketplace.subscribers.rewards.queries import SQL, get_spendable, list_associations, list_benefits
from marketplace.subscribers.rewards.tables import Association, Benefit, RewardAnswer, RewardRun

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Sequence

    from marketplace.people.identity.actors import Actor

ACCOUNT_OF: Final = {"bill": BILL_CREDITS, "gift": GIFTS, "benefit": BENEFITS}
WAYS: Final = ("bank", "bill", "gift", "kept")
CODE: Final = re.compile(r"[a-z0-9][a-z0-9-]{0,39}")
LONGEST_REASON: Final = 200
LISTED_OTHERWISE: Final = "Something else is listed under that code: choose another."


class AnswerSums(Struct, frozen=True):
    """The answered lines of one way: cents credited and refused."""

    way: str
    done_minor: int
    refused_minor: int


async def list_association(code: str, *, name: str, iban: str, actor: Actor) -> None:
    """List an association that people can give to; the same one again changes nothing."""
    if not CODE.fullmatch(code) or not name.strip():
        raise Invalid("It needs a name, and a code of small letters, digits and hyphens.")
    pays_to = accounts.check_iban(iban)
    row = Association(code=code, name=name.strip(), pays_to=pays_to, listed_at=clock.now(), listed_by=actor.person)
    async with transaction():
        await lock(LOCK)
        if await Association.exists().where(Association.code == code):
            same = (Association.code == code) & (Association.name == name.strip()) & (Association.pays_to == pays_to)
            if not await Association.exists().where(same):
                raise Conflict(LISTED_OTHERWISE)
            return
        await Association.insert(row)
        await note_action(actor, "association_listed", code, after={"name": name.strip()})


async def list_benefit(code: str, *, title_fr: str, title_en: str, price_minor: int, actor: Actor) -> None:
    """List a benefit at a price, in cents; the same one again changes nothing."""
    if not CODE.fullmatch(code) or not title_fr.strip() or not title_en.strip() or price_minor < 1:
        raise Invalid("It needs a code, a title in both languages and a price.")
    row = Benefit(
        code=code,
        title_fr=title_fr.strip(),
        title_en=title_en.strip(),
        price_minor=price_minor,
        listed_at=clock.now(),
    )
    async with transaction():
        await lock(LOCK)
        if await Benefit.exists().where(Benefit.code == code):
            titled = (Benefit.title_fr == row.title_fr) & (Benefit.title_en == row.title_en)
            if not await Benefit.exists().where((Benefit.code == code) & titled & (Benefit.price_minor == price_minor)):
                raise Conflict(LISTED_OTHERWISE)
            return
        await Benefit.insert(row)
        await note_action(actor, "benefit_listed", code, after={"amount_minor": price_minor})


async def choose(line: int, way: str, gift_to: str = "") -> None:
    """Choose the way of a line's closed money from the next run on; it may be changed at any time."""
    if way not in WAYS:
        raise Invalid("Choose one of the ways that are listed.", field="way")
    if way == "gift" and gift_to not in {one.code for one in await list_associations()}:
        raise Invalid("Choose the association that you give to.", field="gift_to")
    await choose_way(line, way, gift_to if way == "gift" else None)


async def buy(line: int, code: str, form: uuid.UUID) -> None:
    """Buy a benefit from a line's closed balance, once a form; refuses if the balance is too small."""
    benefit = existing(
        next((one for one in await list_benefits() if one.code == code), None),
        Invalid("That benefit is not on the list any more."),
    )
    async with transaction():
        await lock(LOCK)
        if await RewardRun.exists().where(RewardRun.id == form):
            return
        if await get_spendable(line) < benefit.price_minor * MICRO_PER_MINOR:
            raise Conflict("Your balance does not cover it yet.")
        await execute(SQL["stage_rewarded"])
        await execute("INSERT INTO rewarded VALUES ($1, $2, $3)", line, benefit.price_minor, code)
        await _move("benefit", form, PeopleSum(1, benefit.price_minor))
        await execute("DROP TABLE rewarded")


async def make_run(way: str, run: uuid.UUID, actor: Actor) -> int:
    """Move everyone's closed money with this way (bill or gift), once a form; return the number of people."""
    if way not in {"bill", "gift"}:
        raise Invalid("Choose one of the ways that are listed.", field="way")
    async with transaction():
        await lock(LOCK)
        if await RewardRun.exists().where(RewardRun.id == run):
            return 0
        await execute(SQL["stage_rewarded"])
        await execute_long(SQL["find_due"], way)
        sums = "SELECT count(*) AS people, coalesce(sum(amount_minor), 0)::bigint AS amount_minor FROM rewarded"
        due = await fetch_row(PeopleSum, sums) or PeopleSum(0, 0)
        if due.people:
            await _move(way, run, due)
            moved = {"people": due.people, "amount_minor": due.amount_minor}
            await note_action(actor, "rewards_moved", run, after=moved)
        await execute("DROP TABLE rewarded")
    return due.people


async def pay_gifts(month: dt.date, actor: Actor) -> int:
    """Make one payment of a month's gifts to each association, once the month is over; return how many are new.

    The person who listed one of the associations may not pay it too.
    """
    if month.day != 1 or clock.now() < bounds(month)[1]:
        raise Conflict("A month’s gifts are paid once it is over.")
    async with transaction():
        await lock(LOCK)
        own = await fetch_scalar(str, SQL["find_own_association"], month, actor.person)
        if own is not None:
            raise NotAllowed("You listed {name}, so somebody else pays this month’s gifts.", name=own)
        made = await execute(SQL["pay_gifts"], month, clock.now(), actor.person)
        if made:
            await note_action(actor, "gifts_paid", month.isoformat(), after={"payments": made})
    return made


async def _move(way: str, run: uuid.UUID, due: PeopleSum) -> None:
    now = clock.now()
    moved_by = await move_payable(
        "reward",
        "SELECT subscriber, amount_minor FROM rewarded",
        amount_minor=due.amount_minor,
        people=due.people,
        at=now,
    )
    made = RewardRun(id=run, way=way, amount_minor=due.amount_minor, people=due.people, made_at=now, moved_by=moved_by)
    await RewardRun.insert(made)
    await execute_long(SQL["write_rewards"], run, "done" if way == "gift" else "open")
    await record(
        "rewards_moved",
        run,
        at=now,
        text="Bill credits, gifts and benefits",
        postings=[(SUBSCRIBERS_PAYABLE, ACCOUNT_OF[way], due.amount_minor)],
    )


async def record_answer(data: bytes, actor: Actor | None) -> RewardAnswer | None:
    """Record a file of billing (id,status,reason), all of it or nothing; None if it was recorded before.

    status: credited or refused. Refused amounts return to the people's balances.
    """
    lines = _read(data)
    sha256, now, answer = hashlib.sha256(data).hexdigest(), clock.now(), uuid.uuid4()
    async with transaction():
        await lock(LOCK)
        if await RewardAnswer.exists().where(RewardAnswer.sha256 == sha256):
            return None
        await execute(SQL["stage_answered"])
        await execute_long(SQL["find_answers"], *map(list, zip(*lines, strict=True)))
        strange = await fetch_scalar(uuid.UUID, SQL["find_strange_answer"])
        if strange is not None:
            raise Invalid("The line {number} is not open, or is answered twice; nothing was recorded.", number=strange)
        sums = await fetch_rows(AnswerSums, SQL["sum_answers"])
        returned_minor = sum(one.refused_minor for one in sums)
        row = RewardAnswer(
            id=answer,
            sha256=sha256,
            received_at=now,
            done=sum(one.done_minor for one in sums),
            refused=returned_minor,
            returned_by=await _return(returned_minor, now) if returned_minor else None,
        )
        await RewardAnswer.insert(row)
        await execute_long(SQL["end_rewards"], answer)
        await execute("DROP TABLE answered")
        for kind, target in (("rewards_answered", OPERATOR_PAYABLE), ("rewards_back", SUBSCRIBERS_PAYABLE)):
            amounts = [
                (ACCOUNT_OF[one.way], target, one.done_minor if kind == "rewards_answered" else one.refused_minor)
                for one in sums
            ]
            if any(amount for _, _, amount in amounts):
                await record(kind, answer, at=now, text="Billing's answer", postings=amounts)
        await note_action(actor, "billing_answered", answer, after={"lines": len(lines), "file_sha256": sha256})
    return row


async def _return(returned_minor: int, now: dt.datetime) -> int:
    """Recredit refused cents, each person's together, and return the pass."""
    people = "SELECT subscriber, sum(amount_minor)::bigint AS amount_minor FROM answered JOIN reward USING (id) WHERE NOT is_done GROUP BY subscriber"
    count = await fetch_scalar(int, f"SELECT count(*) FROM ({people}) AS refused")
    return await move_payable("reward_back", people, amount_minor=returned_minor, people=count or 0, at=now)


def _read(data: bytes) -> Sequence[tuple[uuid.UUID, bool, str]]:
    """Return the lines of billing's file; a malformed one is refused by its row."""
    try:
        rows = list(csv.reader(io.StringIO(data.decode("utf-8-sig"))))
    except (UnicodeDecodeError, csv.Error):
        raise Invalid("That is not a CSV file in UTF-8.") from None
    if not rows or rows[0] != ["id", "status", "reason"] or len(rows) == 1:
        raise Invalid("The file begins with a line id,status,reason and has a line for each answer.")
    found = []
    for number, row in enumerate(rows[1:], 1):
        try:
            line, status, reason = row
            found.append((uuid.UUID(line), {"credited": True, "refused": False}[status], reason[:LONGEST_REASON]))
        except (ValueError, KeyError):
            raise Invalid(
                "Row {row} needs a number, credited or refused, and a reason or nothing.", row=number
            ) from None
    return found
