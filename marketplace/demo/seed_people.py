"""The demo's people: staff, partners and one subscriber, each with a password to sign in with."""

from __future__ import annotations

import asyncio
import csv
import io
import tempfile
import uuid
from pathlib import Path
from typing import TYPE_CHECKING, Final

from msgspec import Struct

from marketplace.consent.switches.actions import state_sector
from marketplace.core.database import fetch_row, fetch_scalar
from marketplace.core.settings import settings
from marketplace.people.identity import actions as identity
from marketplace.people.identity.actors import Actor
from marketplace.people.identity.names import stored_as
from marketplace.people.identity.queries import NamedPerson
from marketplace.people.identity.staff import invite_staff
from marketplace.people.messages.links import link_token
from marketplace.sales.orders.invoices import change_billing
from marketplace.subscribers.operators.letters import write_letters
from marketplace.subscribers.rewards.actions import list_association, list_benefit

if TYPE_CHECKING:
    from collections.abc import Mapping

NAMESPACE: Final = uuid.UUID("6f0d4b8e-2c51-4f0a-9d5e-5d1a2a0c7e11")
PASSWORD: Final = link_token("seed", "password") if settings().sandbox_of else "lend-split-and-see-2026"
"""Printed at every start: the demo's has no value elsewhere; a sandbox, which others can reach, has its own."""


class DemoPerson(Struct, frozen=True):
    """A person to sign in as."""

    role: str
    name: str
    email: str
    password: str = PASSWORD


class DemoCompany(Struct, frozen=True):
    """A partner, its person who signs in, and its billing address (street, postcode, city)."""

    person: DemoPerson
    name: str
    country: str
    vat_number: str
    address: tuple[str, str, str] | None
    """None: not vetted yet."""
    sector: str
    """The fact that a steward states once it is vetted."""


PARTNER: Final = DemoPerson("partner", "Camille Roche", "camille@demo.partage.example")
ABROAD: Final = DemoPerson("partner (DE)", "Jonas Weber", "jonas@demo.partage.example")
CITY: Final = DemoPerson("partner", "Awa Diallo", "awa@demo.partage.example")
SHOPS: Final = DemoPerson("partner", "Théo Marchand", "theo@demo.partage.example")
ENERGY: Final = DemoPerson("partner", "Salomé Arnaud", "salome@demo.partage.example")
INSURER: Final = DemoPerson("partner (IT)", "Giulia Ferri", "giulia@demo.partage.example")
NEWCOMER: Final = DemoPerson("not yet vetted", "Inès Moreau", "ines@demo.partage.example")
SUBSCRIBER: Final = DemoPerson("subscriber", "Lucie Martin", "lucie@demo.partage.example")
STEWARD: Final = DemoPerson("steward", "Samir Haddad", "samir@demo.partage.example")
FINANCE: Final = DemoPerson("finance", "Nora Lefèvre", "nora@demo.partage.example")
FINANCE_TOO: Final = DemoPerson("finance", "Hugo Blanc", "hugo@demo.partage.example")
AUDITOR: Final = DemoPerson("auditor", "Paul Girard", "paul@demo.partage.example")
PEOPLE: Final = (PARTNER, SUBSCRIBER, STEWARD, FINANCE, AUDITOR, ABROAD, NEWCOMER, FINANCE_TOO)
"""The people named at the start; those of other partners sign in the same way."""
COMPANIES: Final = (
    DemoCompany(PARTNER, "Atelier Urbain", "FR", "FR14987654324", ("12 rue des Capucins", "69001", "Lyon"), "property"),
    DemoCompany(ABROAD, "Stadtblick GmbH", "DE", "DE123456788", ("Torstraße 7", "10119", "Berlin"), "tourism"),
    DemoCompany(CITY, "Métropole des Deux Rives", "FR", "FR44732829320", ("20 rue du Lac", "69003", "Lyon"), "public"),
    DemoCompany(SHOPS, "Halles & Cie", "FR", "FR19812345676", ("102 cours Lafayette", "69003", "Lyon"), "retail"),
    DemoCompany(ENERGY, "Voltalpes", "FR", "FR86900112236", ("3 quai Perrière", "38000", "Grenoble"), "energy"),
    DemoCompany(INSURER, "Sicura Assicurazioni", "IT", "IT07643520567", ("Via Po 14", "10123", "Torino"), "insurance"),
    DemoCompany(NEWCOMER, "Mobilité & Cie", "FR", "FR43112233440", None, "transport"),
)


ASSOCIATIONS: Final = (
    ("forets", "Les Amis des forêts", "FR7630002055000000157841201"),
    ("lecture", "Lire ensemble", "FR7630001007941234567890185"),
)
"""Code, name and IBAN of associations that people may give to."""
BENEFITS: Final = (
    ("data-5", "5 Go de plus pour un mois", "5 GB more for one month", 200),
    ("roaming", "Une semaine d’appels hors d’Europe", "A week of calls outside Europe", 500),
)
"""Code, title in French and in English, and price in cents of the operator's benefits."""


async def add_staff_and_partners() -> None:
    """Add the missing staff and partners, and vet the partners that have an address."""
    for person in (STEWARD, FINANCE, FINANCE_TOO, AUDITOR):
        if not await _is_known(person):
            code = await invite_staff(person.email, person.name, person.role)
            await identity.accept_invitation(code, person.password, "fr")
    for company in COMPANIES:
        await _add_partner(company)


async def list_rewards() -> None:
    """List associations and benefits, as finance does."""
    nora = await get_staff(FINANCE)
    for code, name, pays_to in ASSOCIATIONS:
        await list_association(code, name=name, iban=pays_to, actor=nora)
    for code, title_fr, title_en, price_minor in BENEFITS:
        await list_benefit(code, title_fr=title_fr, title_en=title_en, price_minor=price_minor, actor=nora)


async def _is_known(person: DemoPerson) -> bool:
    return bool(await fetch_scalar(bool, "SELECT count(*) > 0 FROM person WHERE email = $1", person.email))


async def _add_partner(company: DemoCompany) -> None:
    person, partner = company.person, uuid.uuid5(NAMESPACE, company.person.email)
    if not await _is_known(person):
        await identity.create_partner(
            company=company.name,
            country=company.country,
            vat_number=company.vat_number,
            name=person.name,
            email=person.email,
            password=person.password,
            language="fr" if company.country == "FR" else "en",
            partner_id=partner,
        )
    if company.address is not None:
        steward = await get_staff(STEWARD)
        await identity.vet_partner(partner, steward.person)
        await state_sector(partner, company.sector, steward, steward.name)
        street, postcode, city = company.address
        await change_billing(partner, street=street, postcode=postcode, city=city, reference="")


async def add_subscriber(line: int) -> None:
    """Claim a line for the demo's subscriber."""
    if await find_line(SUBSCRIBER) is None:
        await claim_lines({line: SUBSCRIBER})


async def claim_lines(people: Mapping[int, DemoPerson]) -> None:
    """Claim lines with the codes of their letters, which are written by the operator's command."""
    with tempfile.TemporaryDirectory() as folder:
        letters = Path(folder) / "letters.csv"
        await write_letters(letters, list(people))
        written = await asyncio.to_thread(letters.read_text)
    await asyncio.gather(
        *(_claim_line(int(line), code, people) for line, code in list(csv.reader(io.StringIO(written)))[1:])
    )


async def _claim_line(line: int, code: str, people: Mapping[int, DemoPerson]) -> None:
    person = people[line]
    await identity.claim_line(line, code, email=person.email, name=person.name, password=person.password)


async def find_line(person: DemoPerson) -> int | None:
    """Return the line that a person has claimed, or None."""
    return await fetch_scalar(int, "SELECT subscriber FROM person WHERE email = ANY ($1)", stored_as(person.email))


async def get_partner(person: DemoPerson) -> uuid.UUID:
    """Return the partner for which a person signs in."""
    partner = await fetch_scalar(uuid.UUID, "SELECT partner FROM person WHERE email = $1", person.email)
    assert partner is not None, f"{person.email} is added first"
    return partner


async def get_buyer(person: DemoPerson) -> Actor:
    """Return a partner's person as the actor of an action."""
    row = await fetch_row(NamedPerson, "SELECT id, name FROM person WHERE email = $1", person.email)
    assert row is not None, f"{person.email} is added first"
    return Actor(name=row.name, person=row.id, partner=await get_partner(person), vetted=True)


async def get_staff(person: DemoPerson) -> Actor:
    """Return a member of staff as the actor of an action."""
    row = await fetch_row(NamedPerson, "SELECT id, name FROM person WHERE email = $1", person.email)
    assert row is not None, f"{person.email} is added first"
    return Actor(name=row.name, person=row.id, role=person.role)
