"""Asking VIES, the European service, whether partners' VAT numbers are in force."""

from __future__ import annotations

import uuid

from msgspec import Struct

from marketplace import clock
from marketplace.database import execute, fetch_rows, fetch_scalar
from marketplace.identity import rules
from marketplace.identity.queries import SQL
from marketplace.identity.tables import Partner
from marketplace.settings import settings


class Id(Struct, frozen=True):
    """The id of a row."""

    id: uuid.UUID


async def confirm_vat(partner: uuid.UUID) -> bool:
    """Ask VIES about a partner's VAT number and record its answer; False while it is not confirmed.

    Offline, busy or closed, VIES changes nothing: the number stays unverified and VAT is due. A number it once
    confirmed and now calls invalid is unconfirmed again.
    """
    import httpx  # noqa: PLC0415 (start-up time)

    number = await fetch_scalar(str, Partner.select(Partner.vat_number).where(Partner.id == partner))
    base = settings().vies_url.rstrip("/")
    if not number or not base:
        return False
    answer, valid = "UNREACHABLE", False
    try:
        async with httpx.AsyncClient(timeout=5) as client:
            response = await client.get(base + rules.vies_path(number), headers={"accept": "application/json"})
        reply = response.json() if response.is_success else {}
        answer = str(reply.get("userError") or f"HTTP {response.status_code}")[:40]
        valid = reply.get("isValid") is True and answer == "VALID"
    except (httpx.HTTPError, ValueError, AttributeError):
        pass
    await execute(SQL["record_vat_answer"], partner, clock.now(), answer, valid, number)
    return valid


async def confirm_pending_vat() -> None:
    """Ask VIES again about the numbers it has not answered for, an hour apart at least; a job."""
    if not settings().vies_url:
        return
    for row in await fetch_rows(Id, SQL["list_unconfirmed_vat"], clock.now() - rules.VIES_RETRY):
        await confirm_vat(row.id)
