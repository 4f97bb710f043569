"""A second person's answer to what another proposed of a claim, by the hash that the page would send."""

import uuid

from marketplace.people.identity.actors import Actor
from marketplace.sales.orders import claim_actions
from marketplace.sales.orders.claim_queries import get_claim


async def claim_form(claim: uuid.UUID, decision: str = "agree") -> dict[str, str]:
    """Return the form that agrees to what is proposed of a claim now, or refuses it."""
    return {"claim": str(claim), "decision": decision, "sha256": (await get_claim(claim)).decision_sha256}


async def agree_to_claim(who: Actor, claim: uuid.UUID) -> None:
    """Agree to what is proposed of a claim now."""
    await claim_actions.decide(who, claim, sha256=(await get_claim(claim)).decision_sha256, agree=True)
