"""Ask VIES, the European service, whether partners' VAT numbers are in force."""

from __future__ import annotations

import uuid

from marketplace.core import clock
from marketplace.core.database import execute, fetch_column, fetch_scalar
from marketplace.core.settings import settings
from marketplace.people.identity import rules
from marketplace.people.identity.queries import SQL
from marketplace.people.identity.tables import Partner


async def confirm_vat(partner: uuid.UUID) -> bool:
    """Ask VIES about a partner's VAT number and record its answer; False while it is not confirmed.

    If VIES is offline, busy or closed, nothing changes: the number stays unverified and VAT is due. A confirmed number
    that VIES now calls invalid becomes unconfirmed.
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
    """Ask VIES again about the numbers without an answer, at least an hour after the last request; a job."""
    if not settings().vies_url:
        return
    for partner in await fetch_column(uuid.UUID, SQL["list_unconfirmed_vat"], clock.now() - rules.VIES_RETRY):
        await confirm_vat(partner)
