"""Actions on identities: partners sign up and are vetted, lines are claimed, people sign in and are invited."""

from __future__ import annotations

import datetime as dt
import uuid
from typing import TYPE_CHECKING

from msgspec import Struct

from marketplace.core import clock
from marketplace.core.database import (
    copy_in,
    execute,
    fetch_column,
    fetch_row,
    fetch_rows,
    fetch_scalar,
    select,
    transaction,
)
from marketplace.core.errors import Conflict, Expired, Invalid, NotFound, existing
from marketplace.core.locks import lock
from marketplace.people.audit_trail.actions import note_access, note_action
from marketplace.people.identity import names, passwords, rules
from marketplace.people.identity.credentials import ask_to_confirm
from marketplace.people.identity.ending import end_keys_of, has_people, keep_administrator, require_administrator
from marketplace.people.identity.guessing import (
    begin_attempt,
    begin_attempt_of_device,
    begin_letter,
    fail,
    forgive,
    is_known_device,
)
from marketplace.people.identity.likeness import note_shared_browser
from marketplace.people.identity.lines import new_code, plain_code
from marketplace.people.identity.queries import SQL, find_company
from marketplace.people.identity.rules import digest
from marketplace.people.identity.tables import ApiKey, Invitation, Partner, Person, SignInAttempt, Subscriber
from marketplace.people.message_kinds import INVITATION, NEW_DEVICE, PARTNER_REFUSED, PARTNER_VETTED
from marketplace.people.messages.actions import send
from marketplace.people.messages.links import link_token
from marketplace.people.messages.rules import Recipient

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from marketplace.core.database import Values
    from marketplace.people.messages.rules import MessageKind

INVITATION_DAYS, MOST_INVITATIONS = 7, 30
"""How many days an invitation is open, and how many a company may have open. Each one is mail to an address that
anybody may enter.
"""
MOST_PEOPLE, MOST_LISTED = 5, 200
"""Limits for people who gave the same unconfirmed address: with how many a stranger's password is compared, and how
many are searched for the person who signed in with this browser, or has just signed up.
"""
NEW_PERSON = dt.timedelta(days=1)
"""How long after signing up a sign-in with another browser is not reported: people also open the site on their
telephone.
"""
SAME_FORM = dt.timedelta(minutes=10)
"""How long the same form sent again counts as a double click."""


class DecidedPartner(Struct, frozen=True):
    """A partner that a steward vetted or refused."""

    company: str
    at: dt.datetime


class Secret(Struct, frozen=True):
    """A person and the hash of their password."""

    id: uuid.UUID
    password_hash: str


class KnownPerson(Struct, frozen=True):
    """A person who may be signing in: the hash of their password, and when they became known."""

    id: uuid.UUID
    password_hash: str
    created_at: dt.datetime
    email_confirmed_at: dt.datetime | None
    partner: uuid.UUID | None


class InvitedPerson(Struct, frozen=True):
    """An invitation's terms for the new person."""

    id: uuid.UUID
    partner: uuid.UUID | None
    staff_role: str | None
    company_role: str | None
    email: str
    name: str


class PersonToCheck(Struct, frozen=True):
    """A person as stored, with the hash of their password."""

    id: uuid.UUID
    subscriber: int | None
    email: str
    name: str
    sealed: bytes | None
    key_id: str | None
    password_hash: str


# Partners -----------------------------------------------------------------------------------------------------------


async def create_partner(
    *,
    company: str,
    country: str,
    vat_number: str,
    name: str,
    email: str,
    password: str,
    language: str = "fr",
    partner_id: uuid.UUID | None = None,
    address: str = "",
) -> uuid.UUID:
    """Sign a company up with its first person and return its id; the same `partner_id` again changes nothing.

    Refuses malformed fields and, with TooManyAttempts, letters to one email again and again from an `address`.
    """
    company, country = rules.clean_text(company, 200, field="company"), rules.clean_country(country)
    vat, email = rules.clean_vat(country, vat_number), rules.clean_email(email)
    name = rules.clean_text(name, field="name")
    rules.check_password(password, email, name, company)
    if address:
        await begin_letter(email, address)
    hashed, now, partner = await passwords.hash_password(password), clock.now(), partner_id or uuid.uuid4()
    async with transaction():
        new = Partner(
            id=partner,
            company=company,
            country=country,
            vat_number=vat,
            signed_up_at=now,
        )
        if await Partner.insert(new).on_conflict(action="DO NOTHING", target=Partner.id).returning(Partner.id):
            await _add_person(email, name, hashed, language, now, partner=partner, company_role=rules.ADMINISTRATOR)
    return partner


async def vet_partner(partner: uuid.UUID, by: object) -> None:
    """Allow a partner to buy, and notify it. A steward decides this, also after a refusal."""
    now = clock.now()
    async with transaction():
        decided = existing(
            await fetch_row(
                DecidedPartner,
                """UPDATE partner SET vetted_at = coalesce(vetted_at, $2), vetted_by = coalesce(vetted_by, $3),
                                  refused_reason = NULL
               WHERE id = $1 RETURNING company, vetted_at AS at""",
                partner,
                now,
                str(by),
            ),
            NotFound("There is no such partner."),
        )
        if decided.at == now:
            await note_action(by if isinstance(by, uuid.UUID) else None, "partner_vetted", partner)
        await _report(PARTNER_VETTED, partner, decided.at, company=decided.company)


async def refuse_partner(partner: uuid.UUID, reason: str, by: uuid.UUID | None = None) -> None:
    """Refuse a partner, and notify it of the reason; it keeps what it has bought.

    by: the steward who refuses; the trail keeps it next to the one who vetted.
    """
    reason, now = rules.clean_text(reason, 500, field="reason"), clock.now()
    async with transaction():
        company = existing(await find_company(partner), NotFound("There is no such partner."))
        changed: Values = {Partner.vetted_at: None, Partner.vetted_by: None, Partner.refused_reason: reason}
        is_other = Partner.refused_reason.is_null() | (Partner.refused_reason != reason)
        if not await Partner.update(changed).where(Partner.id == partner, is_other).returning(Partner.id):
            return  # the second click
        await note_action(by, "partner_refused", partner, reason=reason)
        await _report(PARTNER_REFUSED, partner, now, company=company, reason=reason)


async def _report(kind: MessageKind, partner: uuid.UUID, at: dt.datetime, **details: str) -> None:
    """Write a message to a partner's people about a decision made at `at`."""
    await send(kind, f"{partner} {at.isoformat()}", [Recipient("partner", str(partner))], **details)


# People -------------------------------------------------------------------------------------------------------------


async def _add_person(
    email: str,
    name: str,
    hashed: str,
    language: str,
    at: dt.datetime,
    *,
    partner: uuid.UUID | None = None,
    subscriber: int | None = None,
    role: str | None = None,
    person: uuid.UUID | None = None,
    company_role: str | None = None,
) -> uuid.UUID:
    """Add a person of exactly one partner, line or role.

    An address that somebody else gave blocks nobody, and nobody learns that it is known. It belongs to the person who
    confirms it. Colleagues add staff, so a refusal may say that the address is known.
    """
    person = person or uuid.uuid4()
    async with transaction():
        await lock(f"email {digest(email)}")
        if role and (known := await _find_former(email)):
            again: Values = {Person.ended_at: None, Person.password_hash: hashed, Person.staff_role: role}
            await Person.update(again).where(Person.id == known)
            await note_access(known, "person_added", known, role=role)
            return known
        whose = Person.email_confirmed_at.is_not_null() | Person.staff_role.is_not_null()
        if role and await Person.exists().where(Person.email.is_in(names.stored_as(email)), whose):
            raise Conflict("That email address already signs in here; use another one.", field="email")
        stored = (email, name, None, None) if subscriber is None else names.seal(person, subscriber, email, name)
        stored_email, stored_name, key_id, sealed = stored
        new = Person(
            id=person,
            email=stored_email,
            name=stored_name,
            key_id=key_id,
            sealed=sealed,
            password_hash=hashed,
            language=language,
            partner=partner,
            subscriber=subscriber,
            staff_role=role,
            company_role=company_role,
            created_at=at,
        )
        await Person.insert(new)
        await ask_to_confirm(person, email)
        kind = role or company_role or "subscriber"
        await note_access(person, "person_added", partner or person, role=kind)
    return person


async def _find_former(email: str) -> uuid.UUID | None:
    """Return the former member of staff with this email, who returns as the same person, or None."""
    is_former = (Person.email == email) & (Person.staff_role.is_not_null()) & (Person.ended_at.is_not_null())
    return await fetch_scalar(uuid.UUID, Person.select(Person.id).where(is_former))


async def invite_colleague(
    partner: uuid.UUID,
    *,
    email: str,
    name: str,
    invitation_id: uuid.UUID,
    by: uuid.UUID | None = None,
    role: str = rules.BUYER,
) -> str:
    """Invite a colleague to a partner and return the code of their link, valid for a week; it goes to them by mail too.

    role: a word of `rules.COMPANY_ROLES`. by: the administrator who invites, and the invitation ends with them; None is the marketplace itself.
    """
    email, name, now = rules.clean_email(email), rules.clean_text(name, field="name"), clock.now()
    rules.check_company_role(role)
    source = f"{invitation_id} {partner}"
    code = link_token(INVITATION.code, source)
    new = Invitation(
        id=invitation_id,
        partner=partner,
        company_role=role,
        email=email,
        name=name,
        code_hash=digest(code),
        created_at=now,
        expires_at=now + dt.timedelta(days=INVITATION_DAYS),
        accepted_at=None,
        invited_by=by,
    )
    async with transaction():
        if by:
            await require_administrator(partner, by)
        if await Invitation.insert(new).on_conflict(action="DO NOTHING").returning(Invitation.id):
            to = Recipient("address", str(invitation_id))
            await send(INVITATION, source, [to], company=await find_company(partner) or "")
            await note_access(by, "colleague_invited", invitation_id, partner=partner)
            is_open = Invitation.accepted_at.is_null() & (Invitation.expires_at > now)
            if by and await Invitation.count().where(Invitation.partner == partner, is_open) > MOST_INVITATIONS:
                raise Conflict("Your company has many open invitations; send more once some are accepted or over.")
    return code


async def accept_invitation(code: str, password: str, language: str, *, form: uuid.UUID | None = None) -> uuid.UUID:
    """Join the partner or the staff and return the new person; a code works once.

    The same `form` sent twice within some minutes returns the same person, whose id is derived from it. For a used code
    with another form, no password is compared.
    """
    now = clock.now()
    invited = existing(
        await fetch_row(InvitedPerson, select(InvitedPerson, Invitation).where(Invitation.code_hash == digest(code))),
        NotFound("This invitation does not exist."),
    )
    rules.check_password(password, invited.email, invited.name)
    hashed, person = await passwords.hash_password(password), uuid.uuid5(invited.id, str(form or uuid.uuid4()))
    async with transaction():
        is_open = (Invitation.accepted_at.is_null()) & (Invitation.expires_at > now)
        accepted: Values = {Invitation.accepted_at: now}
        if await Invitation.update(accepted).where(Invitation.id == invited.id, is_open).returning(Invitation.id):
            return await _add_person(
                invited.email,
                invited.name,
                hashed,
                language,
                now,
                partner=invited.partner,
                role=invited.staff_role,
                person=person,
                company_role=await _role_of(invited),
            )
    joined = (Person.id == person) & (Person.created_at > now - SAME_FORM) & (Person.ended_at.is_null())
    known = await fetch_row(Secret, select(Secret, Person).where(joined))
    if known and await passwords.matches(known.password_hash, password):
        return known.id
    raise Expired("This invitation was used or is over; ask for another one.")


async def _role_of(invited: InvitedPerson) -> str | None:
    """Return what an invited colleague becomes: the first one administers the company."""
    if invited.partner is None or await has_people(invited.partner):
        return invited.company_role
    return rules.ADMINISTRATOR


async def erase_person(person: uuid.UUID) -> None:
    """Delete a person's identity, sessions and keys included; the pseudonymous line and every book stay.

    Refuses a partner's last administrator who leaves members behind.

    No later build counts a subscriber's events up to now: the line stores the instant, and retractions read it. The
    line can be claimed again with a new activation code. A person whose row none of our keys opens is erased too; the
    attempts counted against their email expire by themselves.
    """
    async with transaction():
        if partner := await fetch_scalar(uuid.UUID, Person.select(Person.partner).where(Person.id == person)):
            await keep_administrator(partner, person)
        await end_keys_of(person)
        await ApiKey.update({ApiKey.label: ""}).where(ApiKey.owner == person)  # a name may be in it
        found = await fetch_row(PersonToCheck, select(PersonToCheck, Person).where(Person.id == person))
        if found is None:
            return
        email = names.unseal(_as_sealed(found)).email
        await execute(SQL["delete_invitations_of"], person, email)
        if not await Person.delete().where(Person.id == person).returning(Person.id):
            return
        await note_access(person, "person_erased")
        free: Values = dict.fromkeys((Subscriber.claimed_at, Subscriber.activation_code_hash))
        free[Subscriber.erased_at] = clock.now()
        if found.subscriber is not None:
            await Subscriber.update(free).where(Subscriber.reference == found.subscriber)
        if not await Person.exists().where(Person.email.is_in(names.stored_as(email))):  # else that gave it too
            await SignInAttempt.delete().where(SignInAttempt.subject == digest(f"email:{email}"))


def _as_sealed(person: PersonToCheck) -> names.SealedPerson:
    return names.SealedPerson(person.id, person.subscriber, person.email, person.name, person.sealed, person.key_id)


# Signing in ---------------------------------------------------------------------------------------------------------


async def sign_in(
    email: str, password: str, device: str = "", address: str = "", *, partner: uuid.UUID | None = None
) -> KnownPerson:
    """Return the person with this email and password; refuses with WrongSecret or TooManyAttempts.

    A browser that signed in before carries a `device` mark of that person and is counted separately, so that strangers
    who guess cannot lock its owner out. address: where the attempt comes from. An unknown email takes as long as a
    known one. Several people may have given one unconfirmed address: the password decides who it is, and the success of
    one clears no failures of the others. partner: the company that has just signed up, whose person is tried first.
    """
    try:
        email = rules.clean_email(email)
    except Invalid:
        email = ""
    people, usable = await _people_of(email, partner), password[: rules.LONGEST_PASSWORD + 1]
    known = [one for one in people if is_known_device(str(one.id), device)]
    attempt = await begin_attempt_of_device(device) if known else None
    row = await _whose(usable, known) if attempt else None
    if row is None and (attempt is None or len(people) > len(known)):
        attempt = await begin_attempt(f"email:{email}", address)
        row = await _whose(usable, people[:MOST_PEOPLE])
    if row is None:
        if attempt:
            await fail(attempt, "sign_in", people[0].id if len(people) == 1 else None)
        raise rules.WrongSecret("The email or the password is wrong.")
    if attempt:
        await forgive(attempt, all_of_it=len(people) == 1 or row.email_confirmed_at is not None)
    now = clock.now()
    if not known and row.created_at < now - NEW_PERSON:
        async with transaction():
            to = [Recipient("person", str(row.id))]
            await send(NEW_DEVICE, f"{row.id} {now.isoformat()}", to, at=now.isoformat())
    await note_shared_browser(row.id, device)
    if passwords.is_outdated(row.password_hash):
        fresh: Values = {Person.password_hash: await passwords.hash_password(usable)}
        await Person.update(fresh).where(Person.id == row.id, Person.password_hash == row.password_hash)
        row = await _whose(usable, [one for one in await _people_of(email, partner) if one.id == row.id]) or row
    return row


async def _people_of(email: str, partner: uuid.UUID | None) -> list[KnownPerson]:
    """Return the people who gave an address: `partner`'s first, then who confirmed it, staff, the others by time."""
    theirs = (Person.email.is_in(names.stored_as(email))) & (Person.ended_at.is_null())
    same = select(KnownPerson, Person).where(theirs)
    ordered = same.order_by(Person.email_confirmed_at, Person.staff_role, Person.created_at).limit(MOST_LISTED)
    return sorted(await fetch_rows(KnownPerson, ordered), key=lambda one: partner is None or one.partner != partner)


async def _whose(password: str, people: Sequence[KnownPerson]) -> KnownPerson | None:
    """Return the person with this password; the time taken does not reveal whether there is one."""
    if not people:
        await passwords.matches(None, password)
    for one in people:
        if await passwords.matches(one.password_hash, password):
            return one
    return None


# Subscribers --------------------------------------------------------------------------------------------------------


async def add_subscribers(references: Iterable[int]) -> int:
    """Add mobile lines by the operator's references and return how many were new; known ones stay as they are."""
    async with transaction():
        await execute("CREATE TEMPORARY TABLE arriving (reference bigint NOT NULL) ON COMMIT DROP")
        await copy_in("arriving", ["reference"], ((reference,) for reference in references))
        added = await execute(
            "INSERT INTO subscriber (reference) SELECT DISTINCT reference FROM arriving ON CONFLICT DO NOTHING"
        )
        await execute("DROP TABLE arriving")
    return added


async def issue_activation_codes(references: Sequence[int]) -> list[tuple[int, str]]:
    """Make a fresh code for each line that nobody has claimed and return them for the operator's letters.

    Only hashes are kept; an earlier code of the same line stops working. Unknown and claimed lines get no code.
    """
    codes = {reference: new_code() for reference in references}
    async with transaction():
        await execute("CREATE TEMPORARY TABLE issued (reference bigint PRIMARY KEY, hash text NOT NULL) ON COMMIT DROP")
        await copy_in(
            "issued", ["reference", "hash"], ((line, digest(plain_code(code))) for line, code in codes.items())
        )
        lines = await fetch_column(
            int,
            """UPDATE subscriber SET activation_code_hash = issued.hash FROM issued
               WHERE subscriber.reference = issued.reference AND subscriber.claimed_at IS NULL
               RETURNING subscriber.reference""",
        )
        await execute("DROP TABLE issued")
    return [(line, codes[line]) for line in lines]


async def claim_line(
    reference: int, code: str, *, email: str, name: str, password: str, language: str = "fr", address: str = ""
) -> uuid.UUID:
    """Give a line to the person who has its activation code, and return the new person; a code works once.

    The same form sent twice returns the same person: the line is already claimed with the same email and password. The
    right code is never delayed, since 136 random bits cannot be guessed. So strangers' guesses at the line, or from the
    same address, never block its owner.
    """
    email, name = rules.clean_email(email), rules.clean_text(name, field="name")
    rules.check_password(password, email, name, str(reference))
    fits = (Subscriber.reference == reference) & (Subscriber.activation_code_hash == digest(plain_code(code)))
    is_free = Subscriber.claimed_at.is_null()
    attempt = None
    if not await Subscriber.exists().where(fits, is_free):
        attempt = await begin_attempt(f"line:{reference}", address)
    hashed, now = await passwords.hash_password(password), clock.now()
    async with transaction():
        claimed: Values = {Subscriber.claimed_at: now, Subscriber.activation_code_hash: None}
        if await Subscriber.update(claimed).where(fits, is_free).returning(Subscriber.reference):
            return await _add_person(email, name, hashed, language, now, subscriber=reference)
    attempt = attempt or await begin_attempt(f"line:{reference}", address)
    same = (Person.email.is_in(names.stored_as(email))) & (Person.subscriber == reference)
    known = await fetch_row(Secret, select(Secret, Person).where(same))
    if await passwords.matches(known.password_hash if known else None, password) and known:
        await forgive(attempt)
        return known.id
    await fail(attempt, "activation")
    raise rules.WrongSecret("This reference and this code do not belong together, or the code was used already.")
