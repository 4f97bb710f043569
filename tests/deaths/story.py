"""A story whose acts die on their way, each from the same state every time, and end as if nothing had died.

An act is a job or what somebody does. It is done in peace. Then the state is put back and it is done again, killed at one
of its awaits; later it is done whole, as a worker or the person would. The database, Stripe and what else is outside must
then say what they say after the peaceful act: each effect has happened, and once.
"""

import asyncio
import datetime as dt
import os
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack, ExitStack
from dataclasses import dataclass
from typing import Any

import pytest

from marketplace.core import clock
from marketplace.core.errors import Refusal
from marketplace.core.settings import settings
from marketplace.demo.bank import Bank
from marketplace.site.jobs.timetable import jobs
from tests.subscribers.builders.payees import OUR_IBAN
from tests.support.deaths import EVERY, awaits_of, killed_once
from tests.support.saved_state import State

Check = Callable[[], Awaitable[object]]

LATER = dt.timedelta(minutes=3)
"""Longer than the lease of a worker that died."""
MOST_A_DAY = 10
"""At so many of its awaits an act dies in a deep run at most, and at every fourth one at most."""
LONGEST = 600
"""Signs of a row that a failure shows."""


@dataclass(frozen=True, slots=True)
class Act:
    """What is done, and how it ends."""

    work: Callable[[], Awaitable[object]]
    name: str
    again_at: dt.datetime
    then: tuple[str, ...]
    check: Check


async def _nothing() -> None: ...


class Story:
    """The state of a story, its clock, and how often each of its acts died."""

    def __init__(self, state: State, stripe: Any, only: str | None) -> None:
        """Begin. only: the one act that dies, at its middle await; None: each act dies at every await that a deep run plays."""
        self.state, self.stripe, self.only = state, stripe, only
        self.bank = Bank(OUR_IBAN)
        self.deaths: dict[str, int] = {}
        """Act → how often it died."""
        self.beside = AsyncExitStack()
        """What runs or is set for as long as the story lasts."""
        self._clock = ExitStack()

    async def over(self) -> None:
        """Give the present its clock again, and end what the story began beside the marketplace."""
        self._clock.close()
        await self.beside.aclose()

    def set(self, **variables: str) -> None:
        """Set what an operator sets."""
        patch = self.beside.enter_context(pytest.MonkeyPatch.context())
        for name, value in variables.items():
            patch.setenv(name, value)
        settings.cache_clear()

    def be_at(self, instant: dt.datetime) -> None:
        """Have the clock show this instant, and run on from there."""
        self._clock.close()
        self._clock.enter_context(clock.started_at(instant))

    def pass_time(self, by: dt.timedelta) -> None:
        """Be so much later."""
        self.be_at(clock.now() + by)

    def start_hour(self) -> None:
        """Be at the next full hour: a price falls with each, and may not between an act that died and its end."""
        self.be_at(clock.now().replace(minute=0, second=0, microsecond=0) + dt.timedelta(hours=1))

    async def on(self, month: int, day: int, hour: float = 10, *, year: int = 2025) -> None:
        """Be at this hour (UTC) of a day."""
        self.be_at(dt.datetime(year, month, day, tzinfo=dt.UTC) + dt.timedelta(hours=hour))

    async def wait(self) -> None:
        """Wait as long as a lease lasts."""
        self.pass_time(LATER)

    async def at_stripe(self, verb: str, **fields: Any) -> dict[str, Any]:
        """Do something at Stripe's."""
        return dict(await asyncio.to_thread(self.stripe.test, verb, **fields))

    async def work(self, *names: str, **how: Any) -> None:
        """Let jobs run, once each and in this order; what follows a job's name says what it finds. how: as `act` says."""
        known = jobs()
        for name in names:
            await self.act(known[name.split()[0]][1], name, **how)

    async def act(
        self,
        work: Callable[[], Awaitable[object]],
        name: str,
        *,
        then: tuple[str, ...] = (),
        later: dt.timedelta | None = None,
        unlike: tuple[str, ...] = (),
        check: Check | None = None,
        look: Check | None = None,
    ) -> None:
        """Do something in peace, and again for each of its deaths; refuse an end that differs.

        It dies the first time that it finds something to do. then: jobs that end it, some minutes later. later: how long
        after a death it is done again; a job once leases are over, all else at once, unless said. unlike: what may differ,
        for example by noise. check: refuses a wrong end. look: refuses what is half done, right after a death.
        """
        if self.deaths.setdefault(name, 0) or self.only not in (None, name):
            await work()
            return
        if later is None:
            later = LATER if name.split(maxsplit=1)[0] in jobs() else dt.timedelta(0)
        if (clock.now() + later).hour != clock.now().hour:
            self.start_hour()
        before, at = await self.state.save(), clock.now()
        awaits = await awaits_of(work)
        if not await self.state.has_changed(before):
            return
        act = Act(work, name, at + later, then, check or _nothing)
        await self._end(act)
        expected = await self.state.changed_since(before, unlike)
        places = [*self.places(awaits)]
        while places:
            last = places.pop(0)
            await self.state.restore(before)
            self.be_at(at)
            if not await killed_once(work, last):  # this time it has fewer awaits: a connection was open already
                await self._end(act)
                places = [] if self.deaths[name] else [last - 1] * (last > 1)
                continue
            self.deaths[name] += 1
            self.state.forget()
            place = f"{name}, killed at await {last} of {awaits}"
            assert not (offenders := await self.state.list_offenders(before)), f"{place}: {offenders}"
            await (look or _nothing)()
            await self._end(act)
            found = await self.state.changed_since(before, unlike)
            assert found == expected, f"{place}: {difference(expected, found)}"

    async def _end(self, act: Act) -> None:
        """Do it again, later, and let jobs end it."""
        self.be_at(max(act.again_at, clock.now()))  # a clock never goes back: what died may have written its instant
        known = jobs()
        try:
            await act.work()
        except Refusal:  # what was done already
            if act.name.split()[0] in known:
                raise
        for job in act.then * 2:  # the second time what waited for the first
            self.pass_time(LATER)
            await known[job][1]()
        await act.check()

    def places(self, awaits: int) -> range:
        """Return at which awaits an act dies that has so many: all of them within some days, or at once with EVERY_DEATH."""
        if self.only is not None:
            return range(max(awaits // 2, 1), max(awaits // 2, 1) + 1)
        step = 1 if os.environ.get("EVERY_DEATH") else max(EVERY, -(-awaits // MOST_A_DAY))
        return range(min(1 + dt.datetime.now(dt.UTC).toordinal() % step, awaits), awaits + 1, step)


def difference(expected: dict[str, Any], found: dict[str, Any]) -> str:
    """Return a line for each row that two worlds have not equally often."""
    lines = []
    for name in sorted(expected.keys() | found.keys()):
        one, other = expected.get(name, {}), found.get(name, {})
        rows = [row for row in {**one, **other} if one.get(row, 0) != other.get(row, 0)]
        lines += [f"{name}: {row[:LONGEST]} {one.get(row, 0)} → {other.get(row, 0)}" for row in rows]
    return "\n".join(lines)
