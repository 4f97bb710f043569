"""The fault at every await, tried on work that is right and on work that is not: the first ends as in peace, the second does not."""

import asyncio
import os
import signal
import subprocess
import sys
import threading

import pytest

from marketplace.core import database
from marketplace.core.database import execute, transaction
from tests.support.deaths import (
    STRANGERS,
    awaits_of,
    bounded,
    is_alone,
    killed_at_every_await,
    killed_once,
    living_backends,
    the_dead_rest,
)
from tests.support.reads import fetch, fetch_value
from tests.support.waiting import until

ADD = "INSERT INTO subscriber (reference) VALUES ($1) ON CONFLICT DO NOTHING"
SLOW_SECONDS = 0.2
MOST_ROUNDS = 12
"""How often the loop goes round, and more, while a connection is made."""


async def add_lines() -> None:
    """Add two lines in one transaction, and one in each of two tasks."""
    async with transaction():
        await execute(ADD, 1)
        await execute(ADD, 2)
    await asyncio.gather(*(asyncio.create_task(execute(ADD, line)) for line in (3, 4)))


async def count_up() -> None:
    """Do what is not safe to do again: read, then write apart."""
    last = await fetch_value("SELECT max(reference) FROM subscriber")
    await execute(ADD, last + 1)
    await execute("SELECT 1")


async def lines() -> list[int]:
    return [row["reference"] for row in await fetch("SELECT reference FROM subscriber ORDER BY 1")]


@pytest.mark.long
async def test_what_dies_at_each_await_did_all_of_a_transaction_or_nothing_and_its_tasks_die_too() -> None:
    seen = []

    async def look() -> None:
        seen.append(tuple(await lines()))

    async with the_dead_rest():
        deaths = await killed_at_every_await(add_lines, look)
    assert deaths >= 5
    assert (1,) not in seen, "half a transaction"
    assert {(), (1, 2)} <= set(seen)
    assert await lines() == [1, 2, 3, 4]
    assert await awaits_of(add_lines) >= 5


async def add_beside_a_slow_connection() -> None:
    """Add a line while another connection idles whose process at the server is slow to notice anything."""
    pool = database.DB.pool
    assert pool
    async with pool.acquire() as connection:
        backend = connection.get_server_pid()
        os.kill(backend, signal.SIGSTOP)
        asyncio.get_running_loop().call_later(SLOW_SECONDS, os.kill, backend, signal.SIGCONT)
        await execute(ADD, 1)
        await execute(ADD, 2)


@pytest.mark.long
async def test_what_dies_while_it_connects_leaves_no_connection() -> None:
    pool = database.DB.pool
    assert pool
    deaths = 0

    async def add_after(rounds: int) -> None:
        for _ in range(rounds):
            await asyncio.sleep(0)
        await execute(ADD, 2)

    async def bury() -> None:
        nonlocal deaths
        deaths += 1
        await until(is_alone)  # a busy server may show a connection of the dead only after their death was over

    async with the_dead_rest():
        for rounds in range(MOST_ROUNDS):

            async def connect_anew(rounds: int = rounds) -> None:
                await pool.expire_connections()
                await asyncio.gather(asyncio.create_task(execute(ADD, 1)), asyncio.create_task(add_after(rounds)))

            await killed_at_every_await(connect_anew, bury)
        assert await fetch_value(STRANGERS, living_backends()) == 0
    assert deaths > MOST_ROUNDS


@pytest.mark.long
async def test_no_connection_of_the_dead_outlives_them() -> None:
    """A year dies some thousand times: were one left each time, they would soon be more than the server has."""
    left = []

    async def count_strangers() -> None:
        left.append(await fetch_value(STRANGERS, living_backends()))

    async with the_dead_rest():
        assert await killed_at_every_await(add_beside_a_slow_connection, count_strangers) >= 2
    assert not any(left), f"connections that nobody alive has, after each death: {left}"


@pytest.mark.long
async def test_work_that_is_not_safe_to_repeat_shows() -> None:
    await execute(ADD, 1)

    async def nothing() -> None: ...

    async with the_dead_rest():
        assert await killed_at_every_await(count_up, nothing) >= 2
    assert await lines() != [1, 2], "it counted twice"


@pytest.mark.long
async def test_no_thread_of_the_dead_goes_on_beside_the_next_try() -> None:
    begun, ended, goes_on = list[int](), list[int](), threading.Event()

    def write() -> None:
        begun.append(1)
        threading.Timer(SLOW_SECONDS, goes_on.set).start()
        goes_on.wait()
        ended.append(1)

    async def work() -> None:
        tries = len(begun)
        writing = asyncio.create_task(asyncio.to_thread(write))
        await until(lambda: len(begun) > tries)
        await execute("SELECT 1")
        await writing

    async with the_dead_rest():
        await killed_once(work, await awaits_of(work))
    assert len(ended) == len(begun) == 2


async def test_what_hangs_fails_at_its_bound_and_says_where_it_waits() -> None:
    async def wait_for_ever() -> None:
        await asyncio.Event().wait()

    with pytest.raises(AssertionError, match=r"in May(?s:.*)wait_for_ever(?s:.*)locks\.py:\d+ in Event\.wait"):
        async with bounded(0.2, lambda: "in May"):
            await killed_once(wait_for_ever, 1_000)
    async with bounded(60):
        assert await awaits_of(add_lines) >= 5


def test_a_loop_that_is_blocked_ends_with_the_stack_of_each_thread() -> None:
    program = """
import asyncio, threading
from tests.support import deaths
deaths.BLOCKED_SECONDS = 0.2
async def block():
    async with deaths.bounded(0.1):
        threading.Event().wait()
asyncio.run(block())
"""
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=False)
    assert ended.returncode == 1
    assert "in block" in ended.stderr
