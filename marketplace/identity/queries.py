"""What pages need to see of who is who."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from marketplace.database import fetch, fetch_one
from marketplace.errors import NotFound
from marketplace.identity.actions import digest
from marketplace.identity.names import stored_as, unseal
from marketplace.identity.rules import ONE_CLICK_DOMAIN
from marketplace.paging import PAGE_SIZE, Paged, offset, paged

if TYPE_CHECKING:
    import uuid

    import asyncpg


async def one_click_people() -> list[dict[str, Any]]:
    """List the demo's people, whom one click signs in: a partner's first, staff last, whom no number of others crowds out."""
    rows = await fetch(
        """SELECT person.id, person.name, person.email, person.staff_role, person.subscriber, partner.company, sealed, key_id
           FROM person LEFT JOIN partner ON partner.id = person.partner
           WHERE person.email LIKE '%' || $1 OR sealed IS NOT NULL
           ORDER BY person.staff_role IS NULL, person.subscriber IS NOT NULL, person.staff_role DESC, person.email LIMIT 50""",
        ONE_CLICK_DOMAIN,
    )
    people = [unseal(row) for row in rows]
    shown = [person for person in people if person["email"].endswith(ONE_CLICK_DOMAIN)][:12]
    return sorted(shown, key=lambda person: person["staff_role"] is not None)


async def find_one_click_person(email: str) -> uuid.UUID | None:
    """Return the demo's person with this email, or None."""
    if not email.endswith(ONE_CLICK_DOMAIN):
        return None
    row = await fetch_one("SELECT id FROM person WHERE email = ANY ($1)", stored_as(email))
    return row["id"] if row else None


async def list_partners(page: int) -> Paged[Any]:
    """List partners: those waiting for a decision first, the latest first within."""
    return paged(
        await fetch(
            """SELECT * FROM partner ORDER BY vetted_at IS NOT NULL OR refused_reason IS NOT NULL, signed_up_at DESC, id
               LIMIT $1 OFFSET $2""",
            PAGE_SIZE + 1, offset(page),
        ),
        page,
    )  # fmt: skip


async def get_partner(partner: uuid.UUID) -> asyncpg.Record:
    """Return a partner; refuses NotFound."""
    row = await fetch_one(
        """SELECT partner.*, coalesce(person.name, partner.vetted_by) AS vetted_by_name
           FROM partner LEFT JOIN person ON person.id::text = partner.vetted_by WHERE partner.id = $1""",
        partner,
    )
    if row is None:
        raise NotFound("There is no such partner.")
    return row


async def list_people(partner: uuid.UUID, page: int) -> Paged[Any]:
    """List a partner's people, the first to join first."""
    return paged(
        await fetch(
            "SELECT id, name, email, created_at FROM person WHERE partner = $1 ORDER BY created_at, id LIMIT $2 OFFSET $3",
            partner, PAGE_SIZE + 1, offset(page),
        ),
        page,
    )  # fmt: skip


async def list_keys(partner: uuid.UUID, page: int) -> Paged[Any]:
    """List a partner's API keys: those in force first, the latest first within."""
    return paged(
        await fetch(
            """SELECT id, label, prefix, created_at, last_used_at, revoked_at FROM api_key WHERE partner = $1
               ORDER BY revoked_at IS NOT NULL, created_at DESC, id LIMIT $2 OFFSET $3""",
            partner, PAGE_SIZE + 1, offset(page),
        ),
        page,
    )  # fmt: skip


async def get_person(person: uuid.UUID) -> dict[str, Any]:
    """Return a person's own row, without the password's hash; refuses NotFound."""
    row = await fetch_one(
        "SELECT id, name, email, partner, subscriber, staff_role, created_at, sealed, key_id FROM person WHERE id = $1",
        person,
    )
    if row is None:
        raise NotFound("There is no such person.")
    return unseal(row)


async def get_invitation(code: str) -> asyncpg.Record:
    """Return an invitation with its partner's name; refuses NotFound."""
    row = await fetch_one(
        """SELECT invitation.*, partner.company FROM invitation JOIN partner ON partner.id = invitation.partner
           WHERE code_hash = $1""",
        digest(code),
    )
    if row is None:
        raise NotFound("This invitation does not exist.")
    return row
