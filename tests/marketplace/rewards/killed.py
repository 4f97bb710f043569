"""Scenes of gifts for `tests.support.dying`: moving everyone's gifts, then paying their month, each done once or not at all."""

from __future__ import annotations

import datetime as dt
import uuid

import pyarrow.dataset  # noqa: F401 (once here, or for a second in every child)

from marketplace import clock
from marketplace.identity.actors import Actor
from marketplace.ledger.periods import bounds
from marketplace.rewards import actions
from tests.marketplace.earnings.killed import again
from tests.marketplace.payouts.killed import check_invariants
from tests.support.reads import fetch_value

FILES = ("rewards/actions.py", "earnings/actions.py", "ledger/actions.py", "audit_trail/actions.py")
RUN = uuid.UUID(int=17)


async def clerk() -> Actor:
    """Return somebody of finance, who listed no association."""
    return Actor("Paul", person=await fetch_value("SELECT id FROM person WHERE name = 'Paul'"), role="finance")


async def move_gifts() -> None:
    """Move what is to be given."""
    await actions.make_run("gift", RUN, await clerk())


async def pay_month() -> None:
    """Pay the month of the gifts, once it is over."""
    at: dt.datetime = await fetch_value("SELECT made_at FROM reward_run")
    month = at.date().replace(day=1)
    with clock.started_at(bounds(month)[1] + dt.timedelta(days=1)):
        await actions.pay_gifts(month, await clerk())


SCENES = {"move": again(move_gifts, check_invariants, FILES), "pay": again(pay_month, check_invariants, FILES)}
