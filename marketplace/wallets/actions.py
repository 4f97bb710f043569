"""Links between people and their wallets: made by the person, who is signed in here, and by nothing else."""

from __future__ import annotations

import datetime as dt
import uuid

import asyncpg

from marketplace import clock
from marketplace.audit_trail.actions import note_access
from marketplace.database import fetch_scalar, transaction
from marketplace.errors import Conflict, Expired, NotFound
from marketplace.identity.addresses import list_gone
from marketplace.messages.actions import send
from marketplace.messages.kinds import wallet_linked, wallet_unlinked
from marketplace.messages.rules import Recipient
from marketplace.wallets.rules import attempt_of
from marketplace.wallets.tables import WalletAnswer, WalletLink


async def linked_since(person: uuid.UUID) -> dt.datetime | None:
    """Return since when a person is linked with a wallet; None where they are not."""
    mine = WalletLink.select(WalletLink.linked_at).where(WalletLink.person == person)
    return await fetch_scalar(dt.datetime, mine)


async def find_person(subject: str) -> uuid.UUID | None:
    """Return who is linked with the subject that a wallet showed, unless they have gone."""
    named = WalletLink.select(WalletLink.person).where(WalletLink.subject == subject)
    person = await fetch_scalar(uuid.UUID, named)
    return None if person is None or await list_gone([person]) else person


async def link(person: uuid.UUID, subject: str) -> None:
    """Link a person with the subject that their wallet showed and tell them; again changes nothing.

    Refuses Conflict where it is somebody else's, or a second one.
    """
    if await find_person(subject) == person:
        return
    now = clock.now()
    new = WalletLink(id=uuid.uuid4(), subject=subject, person=person, linked_at=now)
    try:
        async with transaction():
            await WalletLink.insert(new)
            await note_access(person, "wallet_linked")
            await send(wallet_linked.KIND, new.id, [Recipient("person", str(person))], at=now.isoformat())
    except asyncpg.UniqueViolationError:
        raise Conflict("Another account is linked with this wallet’s identity, or yours with another one.") from None


async def unlink(person: uuid.UUID) -> None:
    """Remove a person's link with their wallet; refuses NotFound."""
    async with transaction():
        theirs = WalletLink.delete().where(WalletLink.person == person).returning(WalletLink.id)
        ended = await fetch_scalar(uuid.UUID, theirs)
        if ended is None:
            raise NotFound("There is no such link.")
        await note_access(person, "wallet_unlinked")
        to = [Recipient("person", str(person))]
        await send(wallet_unlinked.KIND, ended, to, at=clock.now().isoformat())


async def keep_answer(state: str, subject: str) -> None:
    """Keep who a wallet showed, for the browser that began the attempt; refuses Conflict where one was kept before."""
    new = WalletAnswer(attempt=attempt_of(state), subject=subject, answered_at=clock.now())
    try:
        async with transaction():
            await WalletAnswer.insert(new)
    except asyncpg.UniqueViolationError:
        raise Conflict("This sign-in was answered before; begin again.") from None


async def use_answer(state: str) -> str:
    """Return the subject of the answer to an attempt, once; refuses Expired where there is none, or none any more."""
    mine = (WalletAnswer.attempt == attempt_of(state)) & WalletAnswer.used.eq(value=False)
    async with transaction():
        using = WalletAnswer.update({WalletAnswer.used: True}).where(mine).returning(WalletAnswer.subject)
        subject = await fetch_scalar(str, using)
    if subject is None:
        raise Expired("This sign-in was used already, or your wallet has not answered; begin again.")
    return subject
