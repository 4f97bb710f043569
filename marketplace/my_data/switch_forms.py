"""The form of a purpose's switches, which a subscriber's pages and the operator's app both show: what it has, what it says."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Any

from marketplace.consent.queries import get_kind, list_choices
from marketplace.consent.rules import KINDS
from marketplace.errors import Invalid, NotFound
from marketplace.my_data import queries
from marketplace.my_data.rules import bounds_of
from marketplace.switches.rules import EVERYTHING, PRESETS, SECTORS, SOURCES, WEEKDAYS, Scope, read

if TYPE_CHECKING:
    from marketplace.consent.queries import ChoiceRow


async def get_choice(line: int, purpose: str) -> ChoiceRow:
    """Return a line's word on a purpose; refuses NotFound."""
    found = next((choice for choice in await list_choices(line) if choice.code == purpose), None)
    if found is None:
        raise NotFound("There is no purpose {purpose}.", purpose=purpose)
    return found


def scope_of(choice: ChoiceRow) -> Scope:
    """Return what a word covers now: nothing where none is given, everything where it was given before there were switches."""
    if not choice.given:
        return Scope()
    return read(choice.covers) if choice.covers else EVERYTHING


def receipt_of(form: Any) -> uuid.UUID:  # noqa: ANN401 (a form's multi-dict)
    """Return the form's id, which is the receipt's; refuses a form without one."""
    try:
        return uuid.UUID(str(form.get("form_id", "")))
    except ValueError:
        raise Invalid("That form cannot be read; reload the page and try again.") from None


async def about(line: int, choice: ChoiceRow, scope: Scope, preset: str = "") -> dict[str, Any]:
    """Return what the form of a purpose shows, its switches as `scope` has them."""
    used = (await queries.list_uses(line)).rows
    sales = [sale for one in used for sale in one.lines]
    return {
        "purpose": choice,
        "scope": scope,
        "preset": preset,
        "presets": [(code, words) for code, (words, _) in PRESETS.items()],
        "sources": SOURCES,
        "sectors": SECTORS,
        "weekdays": WEEKDAYS,
        "hours": bounds_of(scope.hours),
        "places": await queries.list_places(choice.code),
        "earned_micro": sum(micro for _, micro in sales),
        "off_micro": sum(micro for use, micro in sales if use.sector and use.sector not in scope.sectors),
        "kind": KINDS.get(await get_kind(line) or ""),
    }
