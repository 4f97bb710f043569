"""The API of the operator's own app and shop systems: consent, withdrawal, activation codes, a line and its balance.

Each change is a PUT under an id of the caller's own: sent again it changes nothing and gives the same answer.
"""

from __future__ import annotations

import base64
import datetime as dt
import re
import uuid  # noqa: TC003 (Litestar reads a handler's annotations)
from typing import Annotated, Any, Literal

from litestar import get, put
from litestar.params import FromPath, JSONBody  # noqa: TC002 (Litestar reads a handler's annotations)
from msgspec import Meta, Struct

from marketplace.consent.purposes import actions as consent
from marketplace.consent.purposes.queries import get_signed_receipt, list_choices, list_purposes
from marketplace.core.errors import NotFound
from marketplace.core.settings import settings
from marketplace.core.signing import public_key
from marketplace.people.identity.guards import expect
from marketplace.subscribers.earnings.queries import get_balance
from marketplace.subscribers.operators import actions
from marketplace.subscribers.operators.guards import operator
from marketplace.subscribers.operators.queries import LineRow, get_line
from pricing.money import EUR

LARGEST = 2**63 - 1
Reference = Annotated[int, Meta(ge=0, le=LARGEST)]


class SaidElsewhere(Struct, forbid_unknown_fields=True):
    """Consent that was given or withdrawn in the operator's app, on its site or to its staff."""

    reference: Reference
    purpose: Annotated[str, Meta(min_length=1, max_length=100, pattern="^[!-~]+$")]
    notice_version: Annotated[int, Meta(ge=1, le=2**31 - 1)]
    """The version of the notice that was shown."""
    word: Literal["given", "withdrawn"]
    channel: Literal["app", "site", "shop", "call_centre", "letter", "contract"]
    at: Annotated[dt.datetime, Meta(tz=True)] | None = None
    """When it was stated; by default now."""


class CodeRequest(Struct, forbid_unknown_fields=True):
    """The line to make an activation code for."""

    reference: Reference


@get("/api/v1/operator/purposes", guards=[operator("consents")], opt=expect("the operator"), tags=["operator"])
async def show_purposes() -> dict[str, Any]:
    """List the purposes that have a notice, with the version in force and its text, which is to be shown."""
    return {
        "purposes": [
            {
                "purpose": row.code,
                "title_fr": row.title_fr,
                "title_en": row.title_en,
                "notice_version": row.version,
                "text_fr": row.text_fr,
                "text_en": row.text_en,
            }
            for row in await list_purposes()
            if row.version is not None
        ]
    }


@put(
    "/api/v1/operator/consents/{receipt:uuid}",
    guards=[operator("consents")],
    opt=expect("the operator", stranger=200),
    tags=["operator"],
)
async def record_consent(receipt: FromPath[uuid.UUID], data: JSONBody[SaidElsewhere]) -> dict[str, Any]:
    """Record consent or withdrawal; `receipt` is the request's own id, so sending it again gives the same signed receipt."""
    verb = consent.give if data.word == "given" else consent.withdraw
    await verb(
        data.reference, data.purpose, at=data.at, receipt=receipt, channel=data.channel, version=data.notice_version
    )
    document, signature = await get_signed_receipt(receipt)
    return {
        "receipt": receipt,
        "canonical": base64.b64encode(document).decode(),
        "signature": base64.b64encode(signature).decode(),
        "public_key": base64.b64encode(public_key(settings().signing_key)).decode(),
    }


@put(
    "/api/v1/operator/activation-codes/{request_id:uuid}",
    guards=[operator("codes")],
    opt=expect("the operator", stranger=200),
    tags=["operator"],
)
async def make_activation_code(request_id: FromPath[uuid.UUID], data: JSONBody[CodeRequest]) -> dict[str, Any]:
    """Make a line's activation code, in place of any earlier one; the same request id again is the same code."""
    code = await actions.make_code(request_id, data.reference)
    return {"reference": data.reference, "code": code, "activate_at": f"{settings().url.rstrip('/')}/activate"}


@get(
    "/api/v1/operator/lines/{reference:str}",
    guards=[operator("lines")],
    opt=expect("the operator", stranger=200),
    tags=["operator"],
)
async def show_line(reference: FromPath[str]) -> dict[str, Any]:
    """Show whether a line is in force and claimed, and what it consents to."""
    line = await _line(reference)
    return {
        "reference": line.reference,
        "in_force": line.gone_at is None,
        "ended_at": line.gone_at,
        "claimed_at": line.claimed_at,
        "has_code": line.activation_code_hash is not None,
        "consents": [
            {
                "purpose": choice.code,
                "given": choice.given,
                "asked_anew": choice.is_asked_anew,
                "said_at": choice.at,
                "channel": choice.channel,
                "receipt": choice.receipt,
                "notice_version_in_force": choice.version,
            }
            for choice in await list_choices(line.reference)
        ],
    }


@get(
    "/api/v1/operator/lines/{reference:str}/balance",
    guards=[operator("balances")],
    opt=expect("the operator", stranger=200),
    tags=["operator"],
)
async def show_balance(reference: FromPath[str]) -> dict[str, Any]:
    """Show what a line has earned and was not paid yet, in millionths of a euro, and until when the rest is held."""
    line = await _line(reference)
    balance = await get_balance(line.reference)
    return {
        "reference": line.reference,
        "currency": EUR,
        "payable_micro": balance.payable_micro,
        "held_micro": balance.held_micro,
        "next_until": balance.next_until,
        "held_until": balance.held_until,
    }


async def _line(reference: str) -> LineRow:
    if not re.fullmatch(r"[0-9]{1,19}", reference) or int(reference) > LARGEST:
        raise NotFound("There is no such line.")
    return await get_line(int(reference))


ROUTES = [show_purposes, record_consent, make_activation_code, show_line, show_balance]
