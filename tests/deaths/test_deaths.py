"""Every job and every act of money dies at its awaits; what comes after it ends as if nothing had died.

A fast run plays a story of each district, with one death; a deep run plays all of them, with each death.
"""

from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from marketplace.site.jobs.timetable import jobs
from tests.deaths import datasets, finance, money, partners, people, subscribers
from tests.deaths.story import Story
from tests.support.deaths import bounded
from tests.support.saved_state import State

STORIES: dict[Callable[[Story], Awaitable[None]], str] = {
    story: acts
    for district in (money, partners, subscribers, finance, datasets, people)
    for story, acts in district.STORIES.items()
}
FAST = (
    money.charge_off_session,
    partners.bid_and_award,
    subscribers.close_a_month,
    subscribers.pay_by_bank,
    finance.sell_on_credit,
    datasets.show,
    people.write_letters,
)
THE_DEAD = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
"""What they leave to the collector is no fault."""
LONGEST_SECONDS = 600
"""Several times what a story needs on a busy machine."""
READING = ("compare-trail", "sweep-invariants", "delete-old-notes")
"""Jobs that change nothing, or delete files one by one: their death is no different from their not having begun."""
KILLED_AS_A_PROCESS = ("back-up",)
"""Jobs that die in tests/core/backup/test_killed.py."""
NAMED = {story.__name__: story for story in STORIES}


async def play_story(state: tuple[State, Any], name: str, only: str | None) -> dict[str, int]:
    """Play a story; return how often each of its acts died."""
    story = Story(state[0], state[1], only)
    try:
        async with bounded(LONGEST_SECONDS, lambda: str(story.deaths)):
            await NAMED[name](story)
    finally:
        await story.over()
    print(f"{name}: killed {sum(story.deaths.values())} times: {story.deaths}")
    return story.deaths


def acts_of(name: str) -> list[str]:
    """Return the acts of a story that have to die."""
    return STORIES[NAMED[name]].split(", ")


def test_every_job_dies_in_a_story() -> None:
    dying = {act.split()[0] for name in NAMED for act in acts_of(name)}
    assert jobs().keys() - dying == {*READING, *KILLED_AS_A_PROCESS}, (
        "each other job is an act of a story in tests/deaths"
    )


@pytest.mark.long
@THE_DEAD
@pytest.mark.parametrize("name", [story.__name__ for story in FAST])
async def test_what_died_in_the_middle_is_done_once(saved_state: Any, name: str) -> None:
    acts = acts_of(name)
    deaths = await play_story(saved_state, name, acts[len(acts) // 2])
    assert sum(deaths.values()) == 1
    assert not set(acts) - deaths.keys()


@pytest.mark.deep
@THE_DEAD
@pytest.mark.parametrize("name", NAMED)
async def test_what_died_anywhere_is_done_once(saved_state: Any, name: str) -> None:
    deaths = await play_story(saved_state, name, None)
    assert not [act for act in acts_of(name) if not deaths[act]]
