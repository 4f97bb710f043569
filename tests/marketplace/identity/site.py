"""A browser for tests: the real application over ASGI, cookies kept, forms filled as a person would."""

from __future__ import annotations

import re
import uuid
import zlib
from typing import TYPE_CHECKING, Any, Self

import httpx
from stdnum import luhn

from marketplace import clock
from marketplace.database import execute
from marketplace.identity import actions
from marketplace.identity.actors import Actor
from tests.support.sites import the_site

if TYPE_CHECKING:
    from types import TracebackType

PASSWORD = "a rather long sentence"
VAT = "FR40303265045"
"""Atelier's."""


class Browser:
    """One browser on the site: `async with Browser() as browser`."""

    def __init__(self, app: Any = None) -> None:
        """Open a browser with an empty jar."""
        self.app = app or the_site()
        self.client = httpx.AsyncClient(
            transport=httpx.ASGITransport(self.app, raise_app_exceptions=False), base_url="http://testserver.example"
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.client.aclose()

    async def get(self, path: str, **more: Any) -> httpx.Response:
        return await self.client.get(path, **more)

    async def submit(
        self, path: str, fields: dict[str, str], *, seen_at: str = "/en/sign-out", form_id: str = ""
    ) -> httpx.Response:
        """Load the page of the form for its token, then post."""
        await self.client.get(seen_at)
        token = (
            self.client.cookies.get("csrftoken", domain="testserver.example")
            or self.client.cookies.get("csrftoken")
            or ""
        )
        return await self.client.post(
            path, data={"_csrf_token": token, "form_id": form_id or str(uuid.uuid4()), **fields}
        )

    async def sign_in(self, email: str, password: str = PASSWORD, **fields: str) -> httpx.Response:
        return await self.submit("/en/sign-in", {"email": email, "password": password, **fields})

    def session(self) -> str:
        return self.client.cookies.get("session") or ""


def vat_of(company: str) -> str:
    """Return the VAT number of a French company: one of its own for each name, and the same each time."""
    if company.lower() == "atelier":
        return VAT
    first = f"{zlib.crc32(company.lower().encode()) % 10**8:08}"
    siren = first + luhn.calc_check_digit(first)
    return f"FR{(12 + 3 * (int(siren) % 97)) % 97:02}{siren}"


async def make_partner(company: str = "Atelier", email: str = "claire@atelier.example") -> uuid.UUID:
    return await actions.create_partner(
        company=company, country="FR", vat_number=vat_of(company), name="Claire Martin", email=email, password=PASSWORD
    )


async def make_staff(name: str, role: str = "finance") -> Actor:
    """Add someone to the staff, and return them as an actor."""
    person = uuid.uuid4()
    await execute(
        """INSERT INTO person (id, email, name, password_hash, language, staff_role, created_at)
           VALUES ($1, $2, $3, 'x', 'en', $4, $5)""",
        person,
        f"{person}@staff.example",
        name,
        role,
        clock.now(),
    )
    return Actor(name=name, person=person, role=role)


def text_of(answer: httpx.Response) -> str:
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", answer.text))
