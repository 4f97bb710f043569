"""Erase a person in one transaction: withdraw consents, retract events, end access, delete the identity.

Data that the law or the other party to a contract needs stays under ids that lead to nobody. Bank details stay sealed
while a payout to them is under way, the last one included; then the job that enforces retention deletes them.
"""

from __future__ import annotations

import uuid
from typing import Final

from msgspec import Struct

from marketplace.consent.purposes.actions import withdraw_everything
from marketplace.core import clock
from marketplace.core.database import transaction
from marketplace.core.errors import Conflict, NotAllowed
from marketplace.core.locks import lock
from marketplace.core.notes.actions import note_after_commit
from marketplace.datasets.retractions.actions import request_erasures
from marketplace.oversight.message_kinds import GOODBYE
from marketplace.oversight.rights.erasure_list import note_erasures
from marketplace.oversight.rights.queries import Me, get_me
from marketplace.oversight.rights.tables import ErasedPerson
from marketplace.people.identity.actions import erase_person
from marketplace.people.mail.farewells import delete_mail_of, write_farewell
from marketplace.people.messages.actions import delete_messages_to, drop_unmailed
from marketplace.people.messages.rules import Recipient
from marketplace.sales.auctions.reverse_actions import withdraw_asks
from marketplace.subscribers.earnings.queries import Balance, get_balance
from marketplace.subscribers.legal.actions import delete_questions_of
from marketplace.subscribers.payouts.departures import forget_details, has_way_to_be_paid, pay_out_last
from marketplace.subscribers.payouts.queries import Outlook, get_outlook

CENT_MICRO: Final = 10_000


class Outcome(Struct, frozen=True):
    """What erasing would do to a person's money: balance and outlook are None without a line."""

    balance: Balance | None
    outlook: Outlook | None
    left_micro: int
    """What no payout under way takes, in millionths of a euro."""
    may_be_paid: bool
    """Whether there is a cent to pay, and bank details to pay it to."""


async def foresee(person: uuid.UUID) -> Outcome:
    """Return the effect on a person's money if they were erased now."""
    me = await get_me(person)
    if me.line is None:
        return Outcome(None, None, 0, may_be_paid=False)
    balance = await get_balance(me.line)
    outlook = await get_outlook(me.line, balance.payable_micro, clock.now())
    left_micro = balance.payable_micro - _unsent_minor(outlook) * CENT_MICRO
    may_be_paid = left_micro >= CENT_MICRO and await has_way_to_be_paid(me.line)
    return Outcome(balance, outlook, left_micro, may_be_paid)


def _unsent_minor(outlook: Outlook) -> int:
    """Return the cents of a drafted or approved payout that is still part of the balance."""
    under_way = outlook.under_way
    return under_way.amount_minor if under_way and under_way.run_state in ("draft", "approved") else 0


async def erase(person: uuid.UUID, *, last_payout: bool = False, again: bool = False) -> None:
    """Erase a person completely, or change nothing.

    last_payout: pay their balance, from one cent on, before their bank details are deleted. again: they erased
    themselves before the backup was restored, and get no second letter. Refuses staff, the last administrator of a
    company that has members, and a last payout without bank details. Repeating it changes nothing, also at the same
    time.
    """
    async with transaction():
        await lock(f"erasure {person}")
        if await ErasedPerson.exists().where(ErasedPerson.person == person):
            note_after_commit(note_erasures)
            return
        me = await get_me(person)
        if me.role:
            raise NotAllowed("Staff cannot erase themselves: what they decided names them.")
        if me.line is not None:
            await withdraw_everything(me.line, uuid.uuid5(person, "erasure"))
            await withdraw_asks(me.line)
            if last_payout and not await has_way_to_be_paid(me.line):
                raise Conflict("There is no account to pay you at: write your bank details first.")
            outlook = await get_outlook(me.line, 0, clock.now())
            stays = last_payout or _unsent_minor(outlook)  # if its run is cancelled, the next one pays it
            await (pay_out_last(me.line) if stays else forget_details(me.line))
        if not again:
            await write_farewell(GOODBYE, person)
        await _drop_unmailed(me)
        await delete_mail_of(person)
        await delete_messages_to(person)
        await delete_questions_of(person, me.email if me.has_shown_email else None)
        await erase_person(person)
        if me.line is not None:
            await request_erasures(me.line)
        await ErasedPerson.insert(ErasedPerson(person=person, at=clock.now(), noted_at=None))
        note_after_commit(note_erasures)


async def _drop_unmailed(me: Me) -> None:
    """Cancel unsent mail to a person and to their line, since the line's next holder would get it."""
    await drop_unmailed(Recipient("person", str(me.person)))
    await drop_unmailed(Recipient("mailbox", str(me.person)))
    if me.line is not None:
        await drop_unmailed(Recipient("line", str(me.line)))
