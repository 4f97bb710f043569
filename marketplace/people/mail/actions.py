"""Send letters, each once: write it, hand it over under a fixed Message-ID, and record how that ended.

A worker may die between any two lines. A letter whose answer was not recorded is handed over once more, so a person
gets it twice at most, and both copies have one Message-ID. The message is in the inbox in every case.
"""

from __future__ import annotations

import datetime as dt
import uuid
from typing import TYPE_CHECKING, Final

import structlog
from msgspec import Struct

from marketplace.core import clock
from marketplace.core.database import execute, fetch_column, fetch_rows, fetch_scalar, is_in_transaction, transaction
from marketplace.core.personal_data import THIRTEEN_MONTHS
from marketplace.core.settings import settings
from marketplace.people.identity import addresses, vault
from marketplace.people.mail import rules, transports
from marketplace.people.mail.farewells import address_of
from marketplace.people.mail.queries import SQL, DueLetter, get_content
from marketplace.people.mail.tables import DeadAddress, Letter, MailStop
from marketplace.people.mail.writing import envelope_sender, write_letter
from marketplace.people.messages.actions import claim_unmailed, delete_messages, drop_letters
from marketplace.people.messages.registry import KINDS
from marketplace.people.messages.rules import Recipient
from marketplace.people.sign_in.address_changes import find_letter_address

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from marketplace.core.database import Values
    from marketplace.people.identity.addresses import Address
    from marketplace.people.mail.queries import Content
    from marketplace.people.mail.transports import Declined, Transport
    from marketplace.people.messages.queries import UnmailedMessage

BATCH: Final = 50
MOST_BATCHES: Final = 20
"""Most batches in one run of the job, so that a rush of letters does not delay new messages."""
KEPT_FOR: Final = dt.timedelta(days=90)
OLD_BATCH_SIZE: Final = 2000
log = structlog.get_logger(__name__)


class _Person(Struct, frozen=True):
    person: uuid.UUID | None


async def send_mail() -> int:
    """Address letters for new messages and send those that are due; a job. Return how many a server accepted."""
    while await address_letters():
        pass
    sent = 0
    if not settings().smtp_url:
        return sent
    async with transports.opened() as server:
        for _ in range(MOST_BATCHES):
            letters = await _claim()
            accepted, is_over = await _send_all(server, letters)
            sent += accepted
            if is_over or len(letters) < BATCH:
                break
    return sent


# Letters are written down -----------------------------------------------------------------------------------------


async def address_letters() -> int:
    """Write a letter for every person behind each new message; return how many messages there were.

    Without a mail server no letters are written, so a server that is set later does not send old ones. A message that
    is owed on paper always gets a letter, also if no person is behind the recipient.
    """
    async with transaction():
        messages = await claim_unmailed(BATCH)
        behind = await addresses.list_people_behind([Recipient(one.audience, one.recipient) for one in messages])  # type: ignore[arg-type]
        letters = [
            letter
            for ordinal, message in enumerate(messages, 1)
            for letter in _letters_of(message, [one.person for one in behind if one.ordinal == ordinal])
        ]
        if letters:
            await Letter.insert(*letters)
    return len(messages)


def _letters_of(message: UnmailedMessage, people: Sequence[uuid.UUID]) -> list[Letter]:
    by_post, now = KINDS[message.kind].by_post, clock.now()
    everybody: list[uuid.UUID | None] = [*people] or [None]
    if not settings().smtp_url:
        return [_ended(message, person, "unreachable", now) for person in everybody] if by_post else []
    if message.audience == "address":
        return [_new(message, None, now)]
    if not people and by_post:
        return [_ended(message, None, "unreachable", now)]
    return [_new(message, person, now) for person in people]


def _new(message: UnmailedMessage, person: uuid.UUID | None, now: dt.datetime) -> Letter:
    return Letter(id=uuid.uuid4(), message=message.id, person=person, created_at=now, next_at=now)


def _ended(message: UnmailedMessage, person: uuid.UUID | None, ending: rules.Ending, now: dt.datetime) -> Letter:
    return Letter(id=uuid.uuid4(), message=message.id, person=person, created_at=now, ended=ending, ended_at=now)


# Letters are sent -------------------------------------------------------------------------------------------------


def _lease() -> dt.timedelta:
    """Return how long a claimed letter belongs to its worker: longer than all answers of a batch may take."""
    return dt.timedelta(seconds=settings().mail_timeout_seconds * 4 + 60)


async def _claim() -> list[DueLetter]:
    now = clock.now()
    return await fetch_rows(DueLetter, SQL["claim_letters"], now, now + _lease(), BATCH)


async def _send_all(server: Transport, letters: Sequence[DueLetter]) -> tuple[int, bool]:
    """Send letters one after the other; return how many were accepted, and whether the server refuses more now."""
    accepted = 0
    for place, letter in enumerate(letters):
        try:
            accepted += await _send(server, letter)
        except (transports.NoServer, transports.AnswerLost) as problem:
            log.warning("mail waits for its server", why=f"{type(problem).__name__}: {problem}"[:200])
            for waiting in letters[place:]:
                await _postpone(waiting, "", closed=0)
            return accepted, True
    return accepted, False


async def _send(server: Transport, letter: DueLetter) -> bool:
    """Send one letter and record how that ended; return whether it was accepted."""
    content = await get_content(letter)
    to = await _find_address(letter, content)
    ending = _ending_unsent(letter, content, to)
    if ending or to is None:
        await _end(letter.id, ending or "unreachable")
        return False
    written = write_letter(letter, content, to)
    try:
        await server.address(envelope_sender(letter.id), to.email)
        if not await execute(SQL["begin_hand_over"], letter.id, letter.attempts, clock.now() + _lease()):
            raise transports.NoServer("another worker has claimed the letter")
    except transports.Declined as declined:
        await _record_declined(letter, to, declined, closed=0)
        return False
    try:
        await server.hand_over(letter.id, written)
    except transports.Declined as declined:
        await _record_declined(letter, to, declined, closed=1)
        return False
    await _end(letter.id, "sent")
    return True


async def _find_address(letter: DueLetter, content: Content) -> Address | None:
    if letter.person is not None:
        return await addresses.find_address(letter.person)
    if letter.sealed_to is not None:
        return address_of(letter)
    if "~" in content.recipient:
        return await find_letter_address(content.recipient)
    return await addresses.find_unproven_address(content.recipient)


def _ending_unsent(letter: DueLetter, content: Content, to: Address | None) -> rules.Ending | None:
    """Return how a letter ends that must not be sent, or None if it must be."""
    kind = KINDS[content.kind]
    # Anyone who knows one letter's id can forge the report that an address is dead.
    if to is None or (content.dead in vault.fingerprints(to.email) and not kind.warns):
        return "unreachable"
    if content.is_stopped and kind.may_stop:
        return "stopped"
    if letter.open_hand_overs >= rules.MOST_OPEN_HAND_OVERS:
        return "unknown"
    return "expired" if rules.is_expired(letter.created_at, clock.now()) else None


async def _record_declined(letter: DueLetter, to: Address, declined: Declined, *, closed: int) -> None:
    """Try a declined letter again later, or end it; closed: how many of its hand-overs this answers."""
    answer = rules.code_of(declined.code, declined.text)
    if not transports.is_for_good(declined):
        await _postpone(letter, answer, closed=closed)
        return
    await _end(letter.id, "refused", answer)
    if declined.of_recipient and rules.says_address_is_dead(declined.code, declined.text):
        await _note_dead(letter.person, to, answer)


async def _postpone(letter: DueLetter, answer: str, *, closed: int) -> None:
    later = clock.now() + rules.wait_before(letter.attempts)
    await execute(SQL["postpone_letter"], letter.id, letter.attempts, later, answer, closed)


async def _end(letter: uuid.UUID, ending: rules.Ending, answer: str = "") -> None:
    await execute(SQL["end_letter"], letter, ending, clock.now(), answer)


async def _note_dead(person: uuid.UUID | None, address: Address, answer: str) -> None:
    if person is not None:
        await execute(SQL["note_dead_address"], person, vault.fingerprint(address.email), answer, clock.now())


# What comes back, and what people choose --------------------------------------------------------------------------


async def note_bounce(letter: uuid.UUID, code: int, text: str) -> bool:
    """Record by a report's code that a letter came back; return whether it was a sent letter of ours."""
    answer = rules.code_of(code, text)
    async with transaction():
        rows = await fetch_rows(_Person, SQL["note_bounce"], letter, clock.now(), answer)
        for row in rows:
            if row.person and rules.says_address_is_dead(code, text):
                address = await addresses.find_address(row.person)
                if address:
                    await _note_dead(row.person, address, answer)
    return bool(rows)


async def send_again(letter: uuid.UUID) -> None:
    """Send a letter again whose acceptance is not certain; its Message-ID stays."""
    again: Values = {
        Letter.ended: None,
        Letter.ended_at: None,
        Letter.next_at: clock.now(),
        Letter.attempts: 0,
        Letter.open_hand_overs: 0,
        Letter.created_at: clock.now(),
    }
    async with transaction():
        person = await fetch_scalar(uuid.UUID, Letter.select(Letter.person).where(Letter.id == letter))
        if person:
            await DeadAddress.delete().where(DeadAddress.person == person)
        endings = ["refused", "bounced", "unknown", "expired", "unreachable"]
        await Letter.update(again).where(Letter.id == letter, Letter.ended.is_in(endings))


async def stop_mail(person: uuid.UUID, kinds: Iterable[str]) -> None:
    """Stop a person's mail of these kinds; kinds that nobody may stop are ignored."""
    now = clock.now()
    stops = [
        MailStop(person=person, kind=kind, stopped_at=now)
        for kind in dict.fromkeys(kinds)
        if kind in KINDS and KINDS[kind].may_stop
    ]
    if stops:
        await MailStop.insert(*stops).on_conflict(action="DO NOTHING", target=(MailStop.person, MailStop.kind))


async def choose_mail(person: uuid.UUID, offered: Iterable[str], wanted: Iterable[str]) -> None:
    """Record which of the `offered` kinds a person gets by mail: those `wanted`, and no others."""
    offered, wanted = set(offered), set(wanted)
    async with transaction():
        if resumed := sorted(offered & wanted):
            await MailStop.delete().where(MailStop.person == person, MailStop.kind.is_in(resumed))
        await stop_mail(person, sorted(offered - wanted))


async def note_printed(letters: Sequence[uuid.UUID]) -> None:
    """Record that letters were written for the printer, inside the caller's transaction."""
    assert is_in_transaction(), "letters are printed in the transaction that reads them"
    printed: Values = {Letter.printed_at: clock.now()}
    if letters:
        await Letter.update(printed).where(Letter.id.is_in(list(letters)))


async def _delete_old_messages(before: dt.datetime) -> None:
    """Delete the messages older than an instant, except those with an unsent letter."""
    while messages := await fetch_column(uuid.UUID, SQL["list_old_messages"], before, OLD_BATCH_SIZE):
        async with transaction():
            await drop_letters(messages)
            written = await Letter.select(Letter.message).where(Letter.message.is_in(messages))
            await delete_messages(list(set(messages) - {letter["message"] for letter in written}), before)


async def delete_old_mail() -> int:
    """Delete letters and messages after their time, and all of erased people; return how many people."""
    await Letter.delete().where(Letter.ended_at < clock.now() - KEPT_FOR)
    await _delete_old_messages(clock.now() - dt.timedelta(days=THIRTEEN_MONTHS))
    gone, last = 0, uuid.UUID(int=0)
    while people := [row.person for row in await fetch_rows(_Person, SQL["list_people_with_mail"], last, 1000)]:
        known = [person for person in people if person is not None]
        last = known[-1]
        erased = await addresses.list_gone(known)
        gone += len(erased)
        if erased:
            async with transaction():
                for table in (Letter, MailStop, DeadAddress):
                    await table.delete().where(table.person.is_in(erased))
    return gone
