"""A partner's basket: releases chosen in the address, what they cost together, and ordering them."""

from __future__ import annotations

import uuid
from typing import Annotated, Any, Literal

from litestar import get, post
from litestar.enums import RequestEncodingType
from litestar.params import Body, QueryParameter
from litestar.response import Redirect, Template  # noqa: TC002 (Litestar reads a handler's annotations)
from msgspec import Struct

from marketplace.catalogue.offers.queries import (
    find_vat,
    get_listing,
    list_listed_releases,
    list_listings_of,
)
from marketplace.core.errors import Invalid, Refusal
from marketplace.core.web.pages import again, page, see
from marketplace.money.credit.queries import get_available
from marketplace.money.payments.queries import find_saved_method
from marketplace.people.identity.guards import ActorRequest, expect, vetted_partner
from marketplace.people.identity.queries import find_company
from marketplace.people.spending.rules import spender_of
from marketplace.sales.agreed import basket_actions
from marketplace.sales.orders.invoices import find_billing

Code = Annotated[str, QueryParameter(name="dataset", max_length=63)]
Months = Annotated[int, QueryParameter(name="months", ge=0, le=120)]
LONGEST, DIGITS = 2_000, 18


class BasketForm(Struct):
    """The releases and their licence terms, a comma between, the total that was shown, in cents, and the length chosen; how it is paid, and why what the partner has is bought again."""

    form_id: uuid.UUID
    releases: str = ""
    terms: str = ""
    total: str = ""
    months: str = ""
    pay_by: Literal["saved_method", "invoice"] = "saved_method"
    reason: str = ""


@get("/basket", guards=[vetted_partner], opt=expect("vetted partner"))
async def show(request: ActorRequest, dataset: Code = "", months: Months = 0) -> Template:
    """Show the releases chosen in the address with their price together, and those of a dataset to choose from."""
    chosen = request.query_params.getall("release", [])
    return page("agreed/basket.html", error="", form={}, **await _shown(request, _ids(chosen), dataset, months))


@post("/basket/orders", guards=[vetted_partner], opt=expect("vetted partner"), status_code=200)
async def order(
    request: ActorRequest, data: Annotated[BasketForm, Body(media_type=RequestEncodingType.URL_ENCODED)]
) -> Template | Redirect:
    """Order the basket, charge the saved method and show the order; what is refused shows the basket again, with today's prices."""
    assert request.user.partner
    chosen = _ids(data.releases[:LONGEST].split(","))
    try:
        placed = await basket_actions.order(
            request.user.partner,
            chosen,
            by=spender_of(request.user),
            total_minor=_number(data.total),
            basket=data.form_id,
            months=_number(data.months),
            terms=data.terms[:LONGEST].split(","),
            on_credit=data.pay_by == "invoice",
            reason=data.reason,
        )
    except Refusal as refusal:
        form = {"reason": data.reason[:LONGEST], "pay_by": data.pay_by}
        return again(
            "agreed/basket.html", refusal, form=form, **await _shown(request, chosen, "", _number(data.months))
        )
    return see(f"/orders/{placed}")


def _number(text: str) -> int:
    return int(text) if text.isdecimal() and len(text) <= DIGITS else 0


def _ids(texts: list[str]) -> list[uuid.UUID]:
    """Return the ids of releases; refuse what is none."""
    try:
        return [uuid.UUID(text) for text in texts if text]
    except ValueError:
        raise Invalid("That is no release.") from None


async def _shown(request: ActorRequest, chosen: list[uuid.UUID], dataset: str, months: int) -> dict[str, Any]:
    assert request.user.partner
    basket = await basket_actions.read_basket(chosen[: basket_actions.LARGEST], months)
    lines, total = basket.lines, basket.total_minor
    code = dataset or (lines[0].release.dataset if lines else "")
    releases = (await list_listed_releases(code, 1)).rows if code else []
    titles = {row.code: row for row in await list_listings_of([line.release.dataset for line in lines])}
    return {
        "lines": lines,
        "had": await basket_actions.list_had(request.user.partner, [line.release.id for line in lines]),
        "months": months,
        "total_minor": total,
        "saved_minor": sum(line.alone_minor for line in lines) - total,
        "vat": await find_vat(request.user.partner, total) if lines else None,
        "titles": titles,
        "listing": await get_listing(code) if code else None,
        "releases": [row for row in releases if row.revoked_at is None],
        "chosen": {line.release.id for line in lines},
        "method": await find_saved_method(request.user.partner),
        "billing": await find_billing(request.user.partner),
        "buyer": await find_company(request.user.partner),
        "credit": await get_available(request.user.partner),
    }


ROUTES = [show, order]
