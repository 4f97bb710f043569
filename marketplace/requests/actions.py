"""Asking for data that is not for sale, and answering: offered, a call for contributors, or refused with its reason."""

from __future__ import annotations

import datetime as dt
import uuid
from typing import TYPE_CHECKING

from marketplace import clock
from marketplace.audit_trail.actions import note_action
from marketplace.catalogue.queries import get_listing
from marketplace.database import fetch_scalar, transaction
from marketplace.datasets.queries import get_dataset
from marketplace.errors import Conflict, Expired, Invalid
from marketplace.locks import lock
from marketplace.messages.actions import send
from marketplace.messages.kinds import data_requested, request_answered
from marketplace.messages.rules import Recipient
from marketplace.requests import rules
from marketplace.requests.queries import get_request, list_parts
from marketplace.requests.tables import DataRequest, RequestOfPartner

if TYPE_CHECKING:
    from marketplace.database import Values
    from marketplace.identity.actors import Actor
    from marketplace.requests.rules import Wanted

DAY = dt.timedelta(days=1)


async def ask(partner: uuid.UUID, wanted: Wanted, *, most_minor: int, text: str, ask_id: uuid.UUID) -> uuid.UUID:
    """Ask for data and return the request: an open one that asks for the same is joined; the same `ask_id` asks once.

    most_minor: the most the partner would pay for a licence, in cents before VAT.
    """
    rules.check_wanted(wanted)
    if most_minor <= 0:
        raise Invalid("Write what a licence may cost at most.", field="most")
    if len(text) > rules.LONGEST_TEXT:
        raise Invalid("Write {most} letters at most.", most=rules.LONGEST_TEXT, field="text")
    now, digest = clock.now(), wanted.digest()
    async with transaction():
        await lock("data requests")
        own = RequestOfPartner.select(RequestOfPartner.data_request)
        if known := await fetch_scalar(uuid.UUID, own.where(RequestOfPartner.id == ask_id)):
            return known
        is_today = (RequestOfPartner.partner == partner) & (RequestOfPartner.asked_at > now - DAY)
        if await RequestOfPartner.count().where(is_today) >= rules.REQUESTS_A_DAY:
            raise Conflict(
                "You asked for data {most} times within a day; ask again tomorrow.", most=rules.REQUESTS_A_DAY
            )
        is_same = (DataRequest.digest == digest) & (DataRequest.state == "open")
        joined = await fetch_scalar(uuid.UUID, DataRequest.select(DataRequest.id).where(is_same))
        request = joined or await _open(wanted, digest)
        part = RequestOfPartner(
            id=ask_id,
            data_request=request,
            partner=partner,
            place=wanted.place,
            most_minor=most_minor,
            text=text,
            asked_at=now,
        )
        is_own = (RequestOfPartner.data_request == request) & (RequestOfPartner.partner == partner)
        if await RequestOfPartner.exists().where(is_own):
            changed: Values = {
                RequestOfPartner.most_minor: most_minor,
                RequestOfPartner.text: text,
                RequestOfPartner.place: wanted.place,
            }
            await RequestOfPartner.update(changed).where(is_own)
        else:
            await RequestOfPartner.insert(part)
    return request


async def _open(wanted: Wanted, digest: str) -> uuid.UUID:
    request = uuid.uuid4()
    await DataRequest.insert(
        DataRequest(
            id=request,
            digest=digest,
            place=wanted.place,
            product=wanted.product,
            grain=wanted.grain,
            starts_on=wanted.starts_on,
            ends_on=wanted.ends_on,
            asked_at=clock.now(),
        )
    )
    place = wanted.place[:80]
    await send(data_requested.KIND, request, [Recipient("role", "steward")], place=place, id=str(request))
    return request


async def answer(
    who: Actor, request: uuid.UUID, chosen: str, *, dataset: str = "", reason_fr: str = "", reason_en: str = ""
) -> None:
    """Answer a request and write to everyone who made it; answered already, it is refused.

    chosen: offered (the dataset is for sale), call (contributors of the dataset are asked) or refused, for a reason.
    """
    rules.check_answer(chosen, dataset=dataset, reason_fr=reason_fr, reason_en=reason_en)
    if chosen == "offered":
        await get_listing(dataset)
    elif chosen == "call":
        await get_dataset(dataset)
    async with transaction():
        await lock("data requests")
        if (await get_request(request)).state != "open":
            raise Expired("This request is answered already.")
        answered: Values = {
            DataRequest.state: chosen,
            DataRequest.dataset: dataset if chosen != "refused" else None,
            DataRequest.reason_fr: reason_fr.strip(),
            DataRequest.reason_en: reason_en.strip(),
            DataRequest.answered_by: who.name,
            DataRequest.answered_at: clock.now(),
        }
        await DataRequest.update(answered).where(DataRequest.id == request)
        partners = [Recipient("partner", str(part.partner)) for part in await list_parts(request)]
        await send(request_answered.KIND, request, partners, id=str(request))
        await note_action(who, "request_answered", request, after={"answer": chosen, "dataset": dataset})
