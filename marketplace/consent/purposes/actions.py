"""What can be done about consent: explain a purpose, give, withdraw. Rows are only added, never edited."""

from __future__ import annotations

import datetime as dt
import re
import uuid
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from msgspec import Struct

from marketplace.consent.message_kinds import CONSENT_ASKED_ANEW
from marketplace.consent.purposes.queries import SQL, get_kind, list_choices
from marketplace.consent.purposes.rules import CHILD, CONTRACT, HERE, KINDS
from marketplace.consent.purposes.tables import ConsentRecord, LineKind, Notice, Purpose
from marketplace.consent.vocabulary import PURPOSES
from marketplace.core import clock
from marketplace.core.database import (
    copy_in,
    execute,
    fetch_column,
    fetch_row,
    fetch_scalar,
    select,
    transaction,
)
from marketplace.core.errors import Conflict, Invalid, NotFound, existing
from marketplace.core.locks import lock
from marketplace.core.notes.actions import await_notes, state_note
from marketplace.people.audit_trail.actions import note_action
from marketplace.people.identity.actions import add_subscribers
from marketplace.people.identity.tables import Subscriber
from marketplace.people.messages.actions import send
from marketplace.people.messages.rules import Recipient

if TYPE_CHECKING:
    from collections.abc import Sequence


WORD: Final = re.compile(r"[a-z0-9][a-z0-9-]{0,39}")
"""A data category, or a use."""


class Word(Struct, frozen=True):
    """A receipt's content: who gave or withdrew consent to which purpose, where, under which notice and when."""

    subscriber: int
    purpose: str
    given: bool
    channel: str
    notice: uuid.UUID
    at: dt.datetime
    covers: str | None


class NotedWord(Word, frozen=True):
    """A word as it is noted outside the database, with its receipt's id."""

    receipt: uuid.UUID


class Line(Struct, frozen=True):
    """A line, with the instant it ended, if it did."""

    gone_at: dt.datetime | None


class Version(Struct, frozen=True):
    """A version of a notice, and whether a later version had asked for consent again by the instant in question."""

    id: uuid.UUID
    published_at: dt.datetime
    is_outdated: bool


@dataclass(frozen=True, slots=True)
class _Choice:
    """A consent or withdrawal with line, purpose and channel; `version`: of the notice shown, None: the one in force."""

    subscriber: int
    purpose: str
    given: bool
    channel: str
    version: int | None
    covers: str | None = None


class Titles(Struct, frozen=True):
    """The titles of a purpose."""

    title_fr: str
    title_en: str


class NoticeText(Struct, frozen=True):
    """The text of a notice, with its purpose."""

    purpose: str
    text_fr: str
    text_en: str


async def define_purpose(category: str, use: str, *, title_fr: str, title_en: str) -> str:
    """Add a data category for a purpose and return its code; the same one again changes nothing.

    Refuses the same purpose with other titles.
    """
    if not WORD.fullmatch(category) or not WORD.fullmatch(use):
        raise Invalid("A data category and a use are written in small letters, digits and hyphens.")
    if not title_fr.strip() or not title_en.strip():
        raise Invalid("A purpose needs its title in French and in English.")
    code = f"{category}.{use}"
    titles = Titles(title_fr.strip(), title_en.strip())
    new = Purpose(code=code, category=category, use=use, title_fr=titles.title_fr, title_en=titles.title_en)
    await Purpose.insert(new).on_conflict(action="DO NOTHING", target=Purpose.code)
    if await fetch_row(Titles, select(Titles, Purpose).where(Purpose.code == code)) != titles:
        raise Conflict("The purpose {purpose} exists already, under another title.", purpose=code)
    return code


async def name_purpose(code: str, dpv: str) -> None:
    """Name a purpose in the Data Privacy Vocabulary, for programs; consent to it is unaffected."""
    if dpv not in PURPOSES:
        raise Invalid("Choose a name from the list.", field="dpv")
    if not await Purpose.update({Purpose.dpv: dpv}).where(Purpose.code == code).returning(Purpose.code):
        raise NotFound("There is no purpose {purpose}.", purpose=code)


async def publish_notice(
    purpose: str,
    *,
    text_fr: str,
    text_en: str,
    at: dt.datetime | None = None,
    asks_anew: bool = False,
    notice: uuid.UUID | None = None,
) -> uuid.UUID:
    """Publish the next version of a purpose's notice and return it; earlier versions stay as they were.

    asks_anew: consent given under earlier versions ends then, and holders of those lines get a message; otherwise it
    stays in force. With `notice` (a form's id), the same one again publishes nothing and returns it.
    """
    if not text_fr.strip() or not text_en.strip():
        raise Invalid("A notice needs its text in French and in English.")
    notice, published_at = notice or uuid.uuid4(), _past(at)
    async with transaction():
        await _get_purpose(purpose)
        await lock(f"notice {purpose}")
        known = await fetch_row(NoticeText, select(NoticeText, Notice).where(Notice.id == notice))
        if known is not None:
            if known != NoticeText(purpose, text_fr, text_en):
                raise Conflict("That notice was published already, with another text; reload the page and try again.")
            return notice
        latest = (
            Notice.select(Notice.version).where(Notice.purpose == purpose).order_by(Notice.version, ascending=False)
        )
        await Notice.insert(
            Notice(
                id=notice,
                purpose=purpose,
                version=(await fetch_scalar(int, latest.limit(1)) or 0) + 1,
                text_fr=text_fr,
                text_en=text_en,
                published_at=published_at,
                asks_anew=asks_anew,
            )
        )
        if asks_anew:
            asked = await fetch_column(int, SQL["list_asked_anew"], purpose, published_at)
            await send(CONSENT_ASKED_ANEW, notice, [Recipient("line", str(line)) for line in asked])
    return notice


async def give(
    subscriber: int,
    purpose: str,
    *,
    at: dt.datetime | None = None,
    receipt: uuid.UUID | None = None,
    channel: str = HERE,
    version: int | None = None,
    covers: str | None = None,
) -> uuid.UUID:
    """Record that `subscriber` consents to `purpose` from `at` (now) on, under the notice in force; return the receipt.

    With `receipt` (a form's id), the same one again records nothing and returns it. channel: where consent was given,
    one of `rules.CHANNELS`. version: of the notice that was shown, if it is not the one in force. covers: what is
    consented to, as `switches` writes it; None: what the last narrowed consent covered, or else all that the notice
    covers. Refuses for a line that ended by then.
    """
    choice = _Choice(subscriber, purpose, given=True, channel=channel, version=version, covers=covers)
    return await _record(choice, at, receipt)


async def withdraw(
    subscriber: int,
    purpose: str,
    *,
    at: dt.datetime | None = None,
    receipt: uuid.UUID | None = None,
    channel: str = HERE,
    version: int | None = None,
) -> uuid.UUID:
    """Record that `subscriber` withdraws from `purpose` from `at` (now) on, and return the receipt.

    Every earlier consent ends. It is as easy as consenting: there are no questions, and without a consent there is a
    receipt too.
    """
    return await _record(_Choice(subscriber, purpose, given=False, channel=channel, version=version), at, receipt)


async def withdraw_everything(subscriber: int, form: uuid.UUID) -> int:
    """Withdraw `subscriber` from every purpose they consent to, all or none, and return the number of purposes.

    form: the same one again records nothing, because the receipts' ids follow from it.
    """
    async with transaction():
        given = [choice.code for choice in await list_choices(subscriber) if choice.given]
        for purpose in given:
            await withdraw(subscriber, purpose, receipt=uuid.uuid5(form, purpose))
    return len(given)


async def give_many(purpose: str, subscribers: Sequence[int], at: dt.datetime) -> None:
    """Record the consent of many at one instant, from an operator's own contracts; all or none."""
    async with transaction():
        await _get_purpose(purpose)
        notice = await _notice_in_force(purpose, _past(at))
        await copy_in(
            "consent_record",
            ("subscriber", "purpose", "notice", "given", "at", "receipt", "channel"),
            ((int(subscriber), purpose, notice, True, at, uuid.uuid4(), CONTRACT) for subscriber in subscribers),
        )
        await note_imported(purpose, at, given=len(subscribers))


async def note_imported(source: str, at: dt.datetime, **counts: int) -> None:
    """Note that many words were recorded from a source that the operator has, in the trail and outside the database.

    counts: of files, and of words given and withdrawn.
    """
    await note_action(None, "consents_imported", source, after=counts)
    await state_note("consents_imported", {"source": source, "at": at, **counts})


async def repeat(noted: NotedWord) -> bool:
    """Record a word that a restored database lacks, and return whether it lacked it.

    A withdrawal under a notice that is gone is recorded under the one in force; a consent under such a notice is refused,
    because nobody can read any more what was agreed to.
    """
    async with transaction():
        if await ConsentRecord.exists().where(ConsentRecord.receipt == noted.receipt):
            return False
        await add_subscribers([noted.subscriber])
        query = Notice.select(Notice.version).where(Notice.id == noted.notice, Notice.purpose == noted.purpose)
        version = await fetch_scalar(int, query)
        if version is None and noted.given:
            raise Conflict("The notice of {purpose} is gone under which this consent was given.", purpose=noted.purpose)
        choice = _Choice(noted.subscriber, noted.purpose, noted.given, noted.channel, version, noted.covers)
        await _record(choice, noted.at, noted.receipt)
    return True


async def _record(choice: _Choice, given_at: dt.datetime | None, receipt: uuid.UUID | None) -> uuid.UUID:
    receipt, at = receipt or uuid.uuid4(), _past(given_at)
    async with transaction():
        await _get_purpose(choice.purpose)
        line = existing(
            await fetch_row(Line, select(Line, Subscriber).where(Subscriber.reference == choice.subscriber)),
            NotFound("There is no such line."),
        )
        if choice.given and line.gone_at is not None and line.gone_at <= at:
            raise Conflict("This line has ended, so nobody can consent for it any more.")
        await _refuse_kind(choice)
        covers = choice.covers
        if choice.given and covers is None:
            covers = await fetch_scalar(str, SQL["find_last_covers"], choice.subscriber, choice.purpose, at)
        notice = await (_notice_shown(choice, at) if choice.version else _notice_in_force(choice.purpose, at))
        new = ConsentRecord(
            subscriber=choice.subscriber,
            purpose=choice.purpose,
            notice=notice,
            given=choice.given,
            at=at,
            receipt=receipt,
            channel=choice.channel,
            covers=covers,
        )
        insert = ConsentRecord.insert(new).on_conflict(action="DO NOTHING", target=ConsentRecord.receipt)
        if await fetch_scalar(int, insert.returning(ConsentRecord.id)) is None:
            known = await fetch_row(Word, select(Word, ConsentRecord).where(ConsentRecord.receipt == receipt))
            same = Word(
                choice.subscriber,
                choice.purpose,
                choice.given,
                choice.channel,
                notice if choice.version or known is None else known.notice,
                at if given_at or known is None else known.at,
                covers if choice.covers or known is None else known.covers,
            )
            if known != same:
                raise Conflict("That receipt says something else; go back, reload the page and try again.")
            await_notes()
            return receipt
        word = choice.subscriber, choice.purpose, choice.given, choice.channel, notice, at, covers
        await state_note("consent", {"words": [NotedWord(*word, receipt=receipt)]})
        if choice.channel != HERE:
            recorded = {"purpose": choice.purpose, "given": choice.given, "channel": choice.channel}
            await note_action(None, "consent_recorded", receipt, after=recorded)
    return receipt


async def state_kind(subscriber: int, kind: str | None) -> None:
    """State that a line is a child's, a business's or several people's, or (None) one person's; noted in the trail."""
    if kind is not None and kind not in KINDS:
        raise Invalid("A line is a child’s, a business’s or shared, or none of these.")
    async with transaction():
        if not await Subscriber.exists().where(Subscriber.reference == subscriber):
            raise NotFound("There is no such line.")
        if kind is None:
            await execute("DELETE FROM line_kind WHERE subscriber = $1", subscriber)
        else:
            stated = LineKind(subscriber=subscriber, kind=kind, stated_at=clock.now())
            values = [LineKind.kind, LineKind.stated_at]
            await LineKind.insert(stated).on_conflict(action="DO UPDATE", target=LineKind.subscriber, values=values)
        await note_action(None, "line_kind_stated", subscriber, after={"kind": kind or ""})
        await state_note("line_kind", {"subscriber": subscriber, "kind": kind})


async def _refuse_kind(choice: _Choice) -> None:
    """Refuse consent for a child's line, and consent by contract for a line that somebody else may carry."""
    kind = await get_kind(choice.subscriber) if choice.given else None
    if kind == CHILD:
        raise Conflict("Nobody can consent for a child’s line.")
    if kind is not None and choice.channel == CONTRACT:
        raise Conflict("Who carries a business or shared line consents, not the contract.")


async def _get_purpose(purpose: str) -> None:
    if not await Purpose.exists().where(Purpose.code == purpose):
        raise NotFound("There is no purpose {purpose}.", purpose=purpose)


async def _notice_in_force(purpose: str, at: dt.datetime) -> uuid.UUID:
    """Return the latest notice published by `at`, or the first one for an earlier consent on paper."""
    return existing(
        await fetch_scalar(uuid.UUID, SQL["find_notice_in_force"], purpose, at),
        Conflict("No notice explains {purpose} yet, so nobody can consent to it.", purpose=purpose),
    )


async def _notice_shown(choice: _Choice, at: dt.datetime) -> uuid.UUID:
    """Return the notice of the version that was shown; refuses one that was not published by then."""
    notice = existing(
        await fetch_row(Version, SQL["find_notice"], choice.purpose, choice.version, at),
        Invalid(
            "The purpose {purpose} has no notice of version {version}.", purpose=choice.purpose, version=choice.version
        ),
    )
    if notice.published_at > at:
        raise Invalid(
            "Version {version} of the notice of {purpose} was published after that instant.",
            purpose=choice.purpose,
            version=choice.version,
        )
    if choice.given and notice.is_outdated:
        raise Conflict(
            "Version {version} of the notice of {purpose} had been replaced by one that asks again.",
            version=choice.version,
            purpose=choice.purpose,
        )
    return notice.id


def _past(at: dt.datetime | None) -> dt.datetime:
    now = clock.now()
    if at is None:
        return now
    assert at.tzinfo is not None, "instants are aware"
    if at > now:
        raise Conflict("Consent cannot be given or withdrawn in the future.")
    return at
