"""Make passes into the sandbox; there, admit their companies; keep real and sandbox databases apart."""

from __future__ import annotations

import hashlib
import secrets
import uuid
from typing import Final

from msgspec import Struct

from marketplace.core import clock
from marketplace.core.database import fetch_row, fetch_scalar, select
from marketplace.core.errors import Conflict, Expired, NotFound
from marketplace.core.settings import settings
from marketplace.people.identity.actions import accept_invitation, create_partner, invite_colleague, vet_partner
from marketplace.people.identity.rules import ADMINISTRATOR
from marketplace.people.identity.tables import Partner, Person
from marketplace.people.sandbox.rules import LASTS, Pass, company_id_of, read_pass, write_pass
from marketplace.people.sandbox.tables import SandboxMark, UsedPass

NOBODYS_DOMAIN: Final = "sandbox.example"
"""Letters to its people go nowhere; a partner reads them in the inbox."""


USED: Final = "This pass was used; open the sandbox again from your keys."


async def mark_database() -> None:
    """After migrating, mark an empty database as a sandbox's if this site is one; refuses as `check_database` does."""
    if settings().sandbox_of and not await Person.exists() and not await Partner.exists():
        mark = SandboxMark(id=1, begun_at=clock.now())
        await SandboxMark.insert(mark).on_conflict(action="DO NOTHING")
    await check_database()


async def check_database() -> None:
    """Refuse a sandbox on a database with real data, and a real site on a sandbox's: settings alone could mix them."""
    is_migrated = await fetch_scalar(bool, "SELECT to_regclass('sandbox_mark') IS NOT NULL")
    is_made_up = bool(is_migrated) and await SandboxMark.exists()
    if settings().sandbox_of and not is_made_up:
        raise Conflict("This database was not begun as a sandbox’s: give the sandbox one of its own, and an empty one.")
    if is_made_up and not settings().sandbox_of:
        raise Conflict("This database is a sandbox’s, and stays one: everything in it is made up.")


class Company(Struct, frozen=True):
    """A partner as its pass names it."""

    company: str
    country: str
    vat_number: str


async def make_pass(partner: uuid.UUID) -> str:
    """Return the address at which a partner enters the sandbox within ten minutes; refuses if there is no sandbox."""
    chosen = settings()
    if not chosen.sandbox_url:
        raise NotFound("This site has no sandbox.")
    its = await fetch_row(Company, select(Company, Partner).where(Partner.id == partner))
    assert its, "a partner that asks is there"
    company = company_id_of(partner, chosen.secret)
    given = Pass(company, its.company, its.country, its.vat_number, clock.now() + LASTS)
    return f"{chosen.sandbox_url.rstrip('/')}/sandbox/enter?pass={write_pass(given, chosen.signing_key)}"


def check_pass(text: str) -> Pass:
    """Return a pass into this sandbox; refuses if this site is not a sandbox, or another site signed the pass."""
    of = settings().sandbox_of
    if not of:
        raise NotFound("This site is no sandbox.")
    return read_pass(text, bytes.fromhex(of), clock.now())


async def check_is_unused(text: str) -> Pass:
    """Return a pass into this sandbox; refuses as `check_pass` does, and refuses a used pass."""
    given = check_pass(text)
    if await UsedPass.exists().where(UsedPass.pass_sha256 == given.digest):
        raise Expired(USED)
    return given


async def enter(text: str, browser: str) -> uuid.UUID:
    """Admit a pass's person and return their id; the company is made at its first pass and may buy at once.

    browser: a secret of the browser with the pass. A pass admits one browser, however often its button is pressed.
    """
    given = check_pass(text)
    await _use(given, hashlib.sha256(browser.encode()).hexdigest())
    partner = await create_partner(
        company=given.company,
        country=given.country,
        vat_number=given.vat_number,
        name="Sandbox",
        email=f"{given.company_id}@{NOBODYS_DOMAIN}",
        password=secrets.token_urlsafe(),
        partner_id=given.company_id,
    )
    if not await Partner.exists().where(Partner.id == partner, Partner.refused_reason.is_not_null()):
        await vet_partner(partner, "sandbox")  # a company that the sandbox's own staff refused stays refused
    if not await _find_administrator(partner):  # The last of its people erased themselves there: a new person begins.
        email = f"{given.company_id}@{NOBODYS_DOMAIN}"
        code = await invite_colleague(partner, email=email, name="Sandbox", invitation_id=uuid.uuid4())
        await accept_invitation(code, secrets.token_urlsafe(), "fr")
    person = await _find_administrator(partner)
    assert person, "who joins a company without people administers it"
    return person


async def _use(given: Pass, browser: str) -> None:
    """Note which browser uses a pass; refuses a second browser."""
    await UsedPass.delete().where(UsedPass.ends_at <= clock.now())
    row = UsedPass(pass_sha256=given.digest, browser_sha256=browser, ends_at=given.ends_at)
    await UsedPass.insert(row).on_conflict(action="DO NOTHING")
    mine = (UsedPass.pass_sha256 == given.digest) & (UsedPass.browser_sha256 == browser)
    if not await UsedPass.exists().where(mine):
        raise Expired(USED)


async def _find_administrator(partner: uuid.UUID) -> uuid.UUID | None:
    """Return the person who has administered a company for the longest time; None if it has no people."""
    is_one = (Person.partner == partner) & Person.ended_at.is_null() & (Person.company_role == ADMINISTRATOR)
    return await fetch_scalar(uuid.UUID, Person.select(Person.id).where(is_one).order_by(Person.created_at).limit(1))
