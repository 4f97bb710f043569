"""The form of a purpose's switches on a subscriber's pages and in the operator's app: its fields and its result."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Any

from marketplace.consent.purposes.queries import get_kind, list_choices
from marketplace.consent.purposes.rules import KINDS
from marketplace.consent.switches.rules import EVERYTHING, PRESETS, SECTORS, SOURCES, WEEKDAYS, Scope, read
from marketplace.core.errors import Invalid, NotFound, existing
from marketplace.subscribers.my_data import queries
from marketplace.subscribers.my_data.rules import bounds_of

if TYPE_CHECKING:
    from marketplace.consent.purposes.queries import ChoiceRow


async def get_choice(line: int, purpose: str) -> ChoiceRow:
    """Return a line's word on a purpose; raises NotFound."""
    return existing(
        next((choice for choice in await list_choices(line) if choice.code == purpose), None),
        NotFound("There is no purpose {purpose}.", purpose=purpose),
    )


def scope_of(choice: ChoiceRow) -> Scope:
    """Return what a word covers now: nothing without consent, everything if the consent does not mention switches."""
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
    """Return the fields of a purpose's form, with the switches of `scope`."""
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
