"""A second person's decision of what waits, as a test takes it beside the page: by the hash that the page would send."""

import uuid

from marketplace.finance.proposals import PROPOSALS
from marketplace.people.identity.actors import Actor
from marketplace.people.proposals import actions
from marketplace.people.proposals.queries import find_proposal, find_waiting
from marketplace.subscribers.payouts import exclusions
from tests.people.builders import make_staff
from tests.support.reads import fetch_value


async def decide(proposal: uuid.UUID, actor: Actor, *, approve: bool) -> None:
    """Approve or refuse a proposal as it is."""
    row = await find_proposal(proposal)
    sha256 = row.document_sha256 if row else ""
    await actions.decide(PROPOSALS, proposal, actor, sha256=sha256, approve=approve)


async def approve_waiting(kind: str = "refund") -> None:
    """Have another person approve what waits of a kind."""
    waiting = await find_waiting(kind)
    assert waiting, f"nothing of the kind {kind} waits"
    await decide(waiting.id, await make_staff("Second"), approve=True)


async def decide_names(run: uuid.UUID, *, outcome: str, pay: bool, by: Actor | None = None) -> None:
    """Have two people decide about the payees of a run whose names differ in one way; `by` proposes."""
    form_id = uuid.uuid4()
    proposer = by or await make_staff("First")
    await exclusions.propose_names(run, proposer, outcome=outcome, pay=pay, form_id=form_id)
    await decide(form_id, await make_staff("Second"), approve=True)


async def buttons_of(proposal: object) -> tuple[str, dict[str, str]]:
    """Return where the buttons of a proposal lead, and the form of the one that approves it."""
    sha256 = await fetch_value("SELECT document_sha256 FROM proposal WHERE id = $1", str(proposal))
    return f"/en/finance/decisions/{proposal}", {"decision": "approve", "sha256": sha256}
