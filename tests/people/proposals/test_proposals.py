"""What all decisions of two people share: the document is approved as it was written, by another person, once, while it holds."""

import ast
import uuid
from collections import Counter

import asyncpg
import pytest
from msgspec import Struct

from marketplace.core.database import execute
from marketplace.core.errors import Conflict, NotAllowed, NotFound
from marketplace.core.words import Words
from marketplace.finance.proposals import PROPOSALS
from marketplace.people.proposals.actions import decide, propose
from marketplace.people.proposals.queries import find_proposal, find_waiting
from marketplace.people.proposals.rules import Decision, ProposalKind, by_code, fingerprint
from tests.people.builders import make_staff
from tests.support.reads import fetch_value
from tests.support.source import nodes_of, product_files


class Paint(Struct, frozen=True):
    """A toy document."""

    fence: str
    amount_minor: int
    colours: dict[str, str]


class Fences:
    """Fences that the toy kind has painted."""

    def __init__(self) -> None:
        self.refuses = False
        self.painted: list[tuple[Paint, Decision]] = []

    async def check(self, document: Paint) -> None:
        if self.refuses and document.fence:
            raise Conflict("It rains.")

    async def apply(self, document: Paint, decision: Decision) -> None:
        self.painted.append((document, decision))


def paint_kind(fences: Fences) -> ProposalKind[Paint]:
    return ProposalKind(
        code="paint",
        document=Paint,
        words=Words("Fence to paint"),
        path="/finance",
        refusal="Someone has proposed to paint that fence.",
        check=fences.check,
        apply=fences.apply,
        subject="{fence}",
        reference="{fence}",
        noted={"amount_minor": "amount_minor"},
    )


PAINT = Paint("north", 1_200, {"z": "red", "a": "blue"})


async def test_a_second_person_approves_exactly_what_the_first_wrote() -> None:
    fences = Fences()
    kind = paint_kind(fences)
    ada, bob, form = await make_staff("Ada"), await make_staff("Bob"), uuid.uuid4()
    for _ in range(2):  # a double click
        await propose(kind, PAINT, ada, form_id=form, reason="It is old.")
    with pytest.raises(Conflict, match="paint that fence"):
        await propose(kind, PAINT, bob, form_id=uuid.uuid4())
    row = await find_waiting("paint", "north")
    assert row
    assert (row.id, row.amount_minor, row.reason) == (form, 1_200, "It is old.")
    assert kind.read(row.document) == PAINT
    assert row.document_sha256 == fingerprint(kind.read(row.document)), "in any order of its fields"
    kinds, sha256 = by_code(kind), row.document_sha256
    with pytest.raises(NotAllowed, match="someone else"):
        await decide(kinds, form, ada, sha256=sha256, approve=False)
    with pytest.raises(Conflict, match="not the document"):
        await decide(kinds, form, bob, sha256=fingerprint(Paint("north", 1_201, {})), approve=True)
    with pytest.raises(NotFound):
        await decide(kinds, uuid.uuid4(), bob, sha256=sha256, approve=True)
    fences.refuses = True
    with pytest.raises(Conflict, match="rains"):
        await decide(kinds, form, bob, sha256=sha256, approve=True)
    fences.refuses = False
    assert not fences.painted
    await decide(kinds, form, bob, sha256=sha256, approve=True)
    [(document, decision)] = fences.painted
    assert document == PAINT
    assert (decision.proposal, decision.actor, decision.proposed_by) == (form, bob, ada.person)
    for approve in (True, False):
        with pytest.raises(Conflict, match="decided already"):
            await decide(kinds, form, bob, sha256=sha256, approve=approve)
    trail = await fetch_value(
        "SELECT array_agg(verb || ' ' || subject ORDER BY id) FROM staff_action WHERE verb LIKE 'paint%'"
    )
    assert trail == ["paint_proposed north", "paint_approved north"]


async def test_a_refused_proposal_may_be_made_again_and_a_decided_one_never_changes() -> None:
    fences = Fences()
    kind = paint_kind(fences)
    ada, bob, form = await make_staff("Ada"), await make_staff("Bob"), uuid.uuid4()
    await propose(kind, PAINT, ada, form_id=form)
    fences.refuses = True
    await decide(by_code(kind), form, bob, sha256=fingerprint(PAINT), approve=False)
    fences.refuses = False
    await propose(kind, PAINT, bob, form_id=uuid.uuid4())
    row = await find_proposal(form)
    assert row
    assert (row.approved, row.decider) == (False, "Bob")
    for change in ("approved = true", "reason = 'other'", "document = '{}'", "decided_at = now()"):
        with pytest.raises(asyncpg.RestrictViolationError):
            await execute(f"UPDATE proposal SET {change} WHERE id = $1", form)
    with pytest.raises(asyncpg.RestrictViolationError):
        await execute("UPDATE proposal SET document = '{}' WHERE approved IS NULL")
    with pytest.raises(asyncpg.CheckViolationError):
        await execute(
            "UPDATE proposal SET decided_by = proposed_by, decided_at = now(), approved = true WHERE approved IS NULL"
        )
    with pytest.raises(asyncpg.RestrictViolationError):
        await execute("DELETE FROM proposal")


@pytest.mark.long
def test_every_kind_that_the_source_defines_is_listed() -> None:
    defined = Counter(
        word.value.value
        for path in product_files()
        for node in nodes_of(path)
        if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "ProposalKind"
        for word in node.keywords
        if word.arg == "code" and isinstance(word.value, ast.Constant)
    )
    assert defined == Counter(list(PROPOSALS))
    for kind in PROPOSALS.values():
        assert kind.words.fr != kind.words.en
        assert kind.path.startswith("/")
