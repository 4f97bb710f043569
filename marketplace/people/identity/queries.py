"""Reads of partners, people, API keys and invitations for pages."""

from __future__ import annotations

import datetime as dt
import uuid
from typing import Final

from msgspec import Struct

from marketplace.core import clock
from marketplace.core.database import fetch_row, fetch_rows, fetch_scalar, select
from marketplace.core.errors import NotFound, existing
from marketplace.core.paging import PAGE_SIZE, Paged, offset, paged
from marketplace.core.statements import load_statements
from marketplace.people.identity.names import SealedPerson, stored_as, unseal
from marketplace.people.identity.rules import ONE_CLICK_DOMAIN, digest
from marketplace.people.identity.tables import Partner, Person, Subscriber

SQL: Final = load_statements(__package__)


class PartnerRow(Struct, frozen=True):
    """A company as a steward's list shows it; `vetted_by` is the id of a person, or a name."""

    id: uuid.UUID
    company: str
    country: str
    vat_number: str
    vat_confirmed_at: dt.datetime | None
    vat_checked_at: dt.datetime | None
    vat_answer: str | None
    signed_up_at: dt.datetime
    vetted_at: dt.datetime | None
    vetted_by: str | None
    refused_reason: str | None


class PartnerPage(Struct, frozen=True):
    """A company with the name of the person who vetted it."""

    id: uuid.UUID
    company: str
    country: str
    vat_number: str
    vat_confirmed_at: dt.datetime | None
    vat_checked_at: dt.datetime | None
    vat_answer: str | None
    signed_up_at: dt.datetime
    vetted_at: dt.datetime | None
    vetted_by: str | None
    refused_reason: str | None
    vetted_by_name: str | None


class Decision(Struct, frozen=True):
    """A partner was vetted or refused, with the reason; `name` is None if no person decided."""

    at: dt.datetime
    verb: str
    name: str | None
    reason: str


class Colleague(Struct, frozen=True):
    """A person of a partner."""

    id: uuid.UUID
    name: str
    email: str
    created_at: dt.datetime
    company_role: str


class KeyRow(Struct, frozen=True):
    """An API key as its list shows it: never the key itself."""

    id: uuid.UUID
    label: str
    prefix: str
    created_at: dt.datetime
    last_used_at: dt.datetime | None
    revoked_at: dt.datetime | None
    owner: uuid.UUID | None
    owner_name: str | None
    scopes: str
    ends_at: dt.datetime
    is_over: bool


class OneClickRow(Struct, frozen=True):
    """One of the demo's people as stored, and the partner's company."""

    id: uuid.UUID
    name: str
    email: str
    staff_role: str | None
    subscriber: int | None
    company: str | None
    sealed: bytes | None
    key_id: str | None


class OneClickPerson(Struct, frozen=True):
    """One of the demo's people, who can sign in by one click."""

    name: str
    email: str
    staff_role: str | None
    subscriber: int | None
    company: str | None


class NamedPerson(Struct, frozen=True):
    """A person by name."""

    id: uuid.UUID
    name: str


class PersonRow(Struct, frozen=True):
    """A person as stored."""

    id: uuid.UUID
    name: str
    email: str
    partner: uuid.UUID | None
    subscriber: int | None
    staff_role: str | None
    created_at: dt.datetime
    sealed: bytes | None
    key_id: str | None


class PersonPage(Struct, frozen=True):
    """A person's own page, with name and email readable."""

    id: uuid.UUID
    name: str
    email: str
    partner: uuid.UUID | None
    subscriber: int | None
    staff_role: str | None
    created_at: dt.datetime


class InvitationPage(Struct, frozen=True):
    """An invitation with the company that invites, or the role on the staff."""

    id: uuid.UUID
    partner: uuid.UUID | None
    staff_role: str | None
    email: str
    name: str
    created_at: dt.datetime
    expires_at: dt.datetime
    accepted_at: dt.datetime | None
    company: str | None


async def find_former_end(line: int | None) -> dt.datetime | None:
    """Return when another holder of a line last left, or None; older data is not the present holder's."""
    return await fetch_scalar(dt.datetime, Subscriber.select(Subscriber.erased_at).where(Subscriber.reference == line))


async def one_click_people() -> list[OneClickPerson]:
    """List the demo's people, who can sign in by one click: a partner's first, staff last; a dozen at most."""
    rows = await fetch_rows(OneClickRow, SQL["list_one_click_people"], ONE_CLICK_DOMAIN)
    people = [
        OneClickPerson(readable.name, readable.email, row.staff_role, row.subscriber, row.company)
        for row in rows
        for readable in [unseal(SealedPerson(row.id, row.subscriber, row.email, row.name, row.sealed, row.key_id))]
    ]
    shown = [person for person in people if person.email.endswith(ONE_CLICK_DOMAIN)][:12]
    return sorted(shown, key=lambda person: person.staff_role is not None)


async def find_one_click_person(email: str) -> uuid.UUID | None:
    """Return the demo's person with this email, or None."""
    if not email.endswith(ONE_CLICK_DOMAIN):
        return None
    known = (Person.email.is_in(stored_as(email))) & (Person.ended_at.is_null())
    return await fetch_scalar(uuid.UUID, Person.select(Person.id).where(known))


async def list_partners(page: int) -> Paged[PartnerRow]:
    """List partners: those waiting for a decision first, the latest first within."""
    return paged(await fetch_rows(PartnerRow, SQL["list_partners"], PAGE_SIZE + 1, offset(page)), page)


async def list_decisions(partner: uuid.UUID) -> list[Decision]:
    """List the decisions to vet or refuse a partner, the latest first."""
    return await fetch_rows(Decision, SQL["list_decisions"], str(partner))


async def get_partner(partner: uuid.UUID) -> PartnerPage:
    """Return a partner; refuses NotFound."""
    return existing(await fetch_row(PartnerPage, SQL["get_partner"], partner), NotFound("There is no such partner."))


async def find_company(partner: uuid.UUID) -> str | None:
    """Return a partner's company, or None."""
    return await fetch_scalar(str, Partner.select(Partner.company).where(Partner.id == partner))


async def list_people(partner: uuid.UUID, page: int) -> Paged[Colleague]:
    """List a partner's people, the first to join first."""
    query = (
        select(Colleague, Person)
        .where(Person.partner == partner, Person.ended_at.is_null())
        .order_by(Person.created_at, Person.id)
    )
    return paged(await fetch_rows(Colleague, query.limit(PAGE_SIZE + 1).offset(offset(page))), page)


async def list_keys(partner: uuid.UUID, page: int) -> Paged[KeyRow]:
    """List a partner's API keys: those in force first, the latest first within."""
    values = (partner, PAGE_SIZE + 1, offset(page), clock.now())
    return paged(await fetch_rows(KeyRow, SQL["list_keys"], *values), page)


async def get_person(person: uuid.UUID) -> PersonPage:
    """Return a person's own row, without the password's hash; refuses NotFound."""
    row = existing(
        await fetch_row(PersonRow, select(PersonRow, Person).where(Person.id == person)),
        NotFound("There is no such person."),
    )
    readable = unseal(SealedPerson(row.id, row.subscriber, row.email, row.name, row.sealed, row.key_id))
    return PersonPage(
        id=row.id,
        name=readable.name,
        email=readable.email,
        partner=row.partner,
        subscriber=row.subscriber,
        staff_role=row.staff_role,
        created_at=row.created_at,
    )


async def get_invitation(code: str) -> InvitationPage:
    """Return an invitation with its partner's company; refuses NotFound."""
    return existing(
        await fetch_row(InvitationPage, SQL["get_invitation"], digest(code)),
        NotFound("This invitation does not exist."),
    )
