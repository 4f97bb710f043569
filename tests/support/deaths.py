"""Death at an await, in the process of the test: what dies is never resumed, and its connections break.

Its connections to the database are cut as a dead process's are, everything that it then tries fails at once, and what it
sent before is carried out or not as the server likes. A death takes some milliseconds, where a process takes half a second,
so a whole year can die at each of its awaits. What a process only remembers survives; tests that kill a real process look
at that: `tests/datasets/releases`, `builds`, `backup` and `embedded`.
"""

import asyncio
import contextlib
import faulthandler
import gc
import os
import socket
import sys
import warnings
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Generator
from contextvars import ContextVar
from itertools import count
from typing import Any

from marketplace.core import database
from tests.support.reads import fetch_value
from tests.support.share_of_day import share_of_day
from tests.support.waiting import until

STRANGERS = """
    SELECT count(*), count(*) FILTER (
        WHERE state <> 'active' AND state_change < pg_catalog.clock_timestamp() - interval '20 ms' AND pg_terminate_backend(pid)
    ) AS ended FROM pg_stat_activity
    WHERE datname = current_database() AND usename = current_user AND pid <> pg_backend_pid() AND pid <> ALL($1::int[])"""
"""How many connections nobody alive has; those that wait for their client are ended, as the system does for a dead process.

What is killed while it connects leaves its socket open: asyncpg closes it after an error, and a death is none.
"""
LOCKS_END = """
    SELECT count(pg_terminate_backend(pg_locks.pid)) FROM pg_locks JOIN pg_stat_activity USING (pid)
    WHERE locktype = 'advisory' AND usename = current_user AND pid <> pg_backend_pid() AND datname = current_database()"""
"""A dead process's locks are free at once; here the connection that has them may outlive it."""
EVERY = 4
"""A deep run dies at each so many awaits of a long story; as many days in a row die at all of them."""
PAUSE_SECONDS = 0.002
OURS = "/marketplace/"
BLOCKED_SECONDS = 60
"""How long after its bound a loop that does not even answer that has."""
MOST_HANDLERS = 1_000
"""How often dying work may try to await in its handlers before it counts as stuck."""


def firsts() -> tuple[int, ...]:
    """Return from which await on each fourth one is a death in a deep run: 1 to 4 by the day, all with EVERY_DEATH."""
    return tuple(share_of_day(range(1, EVERY + 1), EVERY))


def first_and_every() -> tuple[int, int]:
    """Return at which await the first death of a deep run is, and how many awaits later the next one."""
    return (1, 1) if os.environ.get("EVERY_DEATH") else (*firsts(), EVERY)


class Killed(BaseException):
    """What is raised where dying work waits, and again wherever it waits on its way out."""


def _place(work: Any) -> Any:
    """Return what the product's own code awaits: the object that its innermost frame waits for.

    What a library awaits on the way, such as a connection, an answer's head and its body, is all one await of ours.
    """
    found = None
    while work is not None:
        frame = getattr(work, "cr_frame", None) or getattr(work, "ag_frame", None)
        work = getattr(work, "cr_await", None) or getattr(work, "ag_await", None)
        if frame is not None and OURS in frame.f_code.co_filename:
            found = work
    return found


class Death:
    """How often something waited, in the task that was begun and in those that it began, and whether it died of it."""

    def __init__(self, last: int | None) -> None:
        """Begin nothing yet. last: the await that it never comes back from, counted from 1; None lets it live."""
        self.last, self.waited, self.has_come = last, 0, False
        self.tasks: list[asyncio.Task[Any]] = []
        self.works: list[Coroutine[Any, Any, object]] = []

    def come(self) -> None:
        """Cut the connections that are in use, as a dead process's are, and let no task wait for what another had."""
        self.has_come = True
        for task in self.tasks:
            if task is not asyncio.current_task():
                task.cancel()
        assert database.DB.pool
        for holder in database.DB.pool._holders:
            if holder._in_use:
                holder.terminate()


_death: ContextVar[Death | None] = ContextVar("death", default=None)


class Mortal:
    """A coroutine that is awaited until a death comes, by itself or by a task beside it."""

    def __init__(self, work: Coroutine[Any, Any, object], death: Death) -> None:
        """Begin nothing yet."""
        self.work, self.death = work, death

    def __await__(self) -> Generator[Any, Any, object]:
        """Hand each await on to the loop, until one is the last."""
        death, going, fault, before = self.death, self.work.__await__(), None, None
        while not death.has_come:
            try:
                waits_for = going.throw(fault) if fault else going.send(None)
            except StopIteration as ended:
                return ended.value
            place = _place(self.work)
            death.waited += place is not before
            before = place
            if death.waited == death.last:
                death.come()
                break
            fault = None
            try:
                yield waits_for
            except BaseException as error:  # noqa: BLE001 (any failure of what was awaited is the work's own to handle)
                fault = error
        _let_die(going)
        return None


def _let_die(going: Generator[Any, Any, object]) -> None:
    """Let nothing that work does on its way out have any effect."""
    for _ in range(MOST_HANDLERS):
        try:
            going.throw(Killed())
        except (Killed, Exception, StopIteration):  # noqa: BLE001 (it is dead in every case)
            return
    raise AssertionError("dying work goes on awaiting")


async def _mortal(work: Coroutine[Any, Any, object], death: Death) -> object:
    return await Mortal(work, death)


def _born(loop: asyncio.AbstractEventLoop, work: Any, **how: Any) -> asyncio.Task[Any]:
    """Make a task as the loop would; one that is begun by what is to die dies with it."""
    death = _death.get()
    task = asyncio.Task(_mortal(work, death) if death else work, loop=loop, **how)
    if death:
        death.tasks.append(task)
        death.works.append(work)
    return task


async def _live(work: Callable[[], Awaitable[object]], death: Death) -> None:
    """Do work until it is done or dead, with all the tasks that it began, and until the server has buried what it did."""

    async def whole() -> None:
        await work()

    async def apart() -> None:
        _death.set(death)
        await Mortal(whole(), death)

    loop = asyncio.get_running_loop()
    loop.set_task_factory(_born)
    try:
        death.tasks.append(asyncio.create_task(apart()))
        await death.tasks[0]
    finally:
        loop.set_task_factory(None)
        if death.has_come:
            for task in death.tasks:
                task.cancel()
            await asyncio.gather(*death.tasks, return_exceptions=True)
            for begun in death.works:
                begun.close()  # one that was to begin when death came
            await _join_threads(loop)
            _refill_pool()
            await until(is_alone, pause=PAUSE_SECONDS)


async def _join_threads(loop: Any) -> None:
    """Let the threads end that work had begun: a process takes them with it, here they would go on beside the next try."""
    if executor := loop._default_executor:
        loop._default_executor = None
        await asyncio.to_thread(executor.shutdown)


def _refill_pool() -> None:
    """Put into the pool again what work held that died before it had its connection: the next process would have its own pool."""
    pool = database.DB.pool
    assert pool
    for holder in pool._holders:
        if not holder._in_use and holder not in pool._queue._queue:
            pool._queue.put_nowait(holder)


@contextlib.asynccontextmanager
async def the_dead_rest() -> AsyncIterator[None]:
    """Let what the dead leave pass in silence, and close at the end what they had open, as the system does for a process."""
    loop: Any = asyncio.get_running_loop()
    before = loop.get_exception_handler()
    known = _open_sockets()  # held, so that no later one has the id of one of them
    loop.set_exception_handler(lambda *_: None)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        try:
            yield
        finally:
            url = database.DB.config["dsn"]
            await database.close_pool()
            ours = {id(one) for one in known}
            left, cut = [one for one in _open_sockets() if id(one) not in ours], list[Any]()
            for transport in list(loop._transports.values()):
                behind = transport.get_extra_info("socket")
                if behind and behind.fileno() in {one.fileno() for one in left}:
                    transport.abort()
                    cut.append(behind)
            await until(lambda: all(one.fileno() < 0 for one in cut), pause=PAUSE_SECONDS)
            for one in left:
                if one.fileno() >= 0:
                    loop.remove_reader(one.fileno())
                    loop.remove_writer(one.fileno())
                    one.close()
            gc.collect()
            await database.open_pool(url)
            loop.set_exception_handler(before)


def _open_sockets() -> list[socket.socket]:
    return [one for one in gc.get_objects() if isinstance(one, socket.socket) and one.fileno() >= 0]


async def awaits_of(work: Callable[[], Awaitable[object]]) -> int:
    """Do work in peace, and return at how many awaits it could have died."""
    death = Death(None)
    await _live(work, death)
    return death.waited


async def killed_once(work: Callable[[], Awaitable[object]], last: int) -> bool:
    """Do work until its `last`-th await; return whether it died there."""
    death = Death(last)
    await _live(work, death)
    return death.has_come


def living_backends() -> list[int]:
    """Return the process of the server behind each connection that the pool still has."""
    pool = database.DB.pool
    assert pool
    return [holder._con.get_server_pid() for holder in pool._holders if holder.is_connected()]


async def is_alone() -> bool:
    """Return whether the server has buried the dead: every connection of theirs is gone, and with it what it did.

    Those that only idled were once left for later, until some thousand deaths had left more of them than the server has.
    One that is ended holds its locks until it is gone: jobs that find one wait for their next turn.
    """
    async with database.transaction():
        await database.execute("SET LOCAL ROLE NONE")  # the role that serves may not end them
        return not await fetch_value(STRANGERS, living_backends()) and not await fetch_value(LOCKS_END)


async def killed_at_every_await(
    work: Callable[[], Awaitable[object]],
    between: Callable[[], Awaitable[object]],
    *,
    first: int = 1,
    every: int = 1,
) -> int:
    """Try work again and again, each time killed `every` awaits later, until it gets through; return how often it died.

    What a try has finished the next one skips: where work is of several parts, a later part dies at its later awaits alone.
    between: what passes between two tries, such as the lease of a worker that died. first: where the first one dies.
    """
    for deaths in count():
        if not await killed_once(work, first + deaths * every):
            return deaths
        await between()
    raise AssertionError


def _chain(work: Any) -> str:
    """Return where each frame of a coroutine waits, the outermost first, through what may die."""
    lines = []
    while work is not None:
        frame = next((its for name in ("cr_frame", "gi_frame", "ag_frame") if (its := getattr(work, name, None))), None)
        if frame is None:
            break
        lines.append(f"    {frame.f_code.co_filename}:{frame.f_lineno} in {frame.f_code.co_qualname}")
        if frame.f_code is Mortal.__await__.__code__:
            work = frame.f_locals["self"].work
            continue
        work = next(
            (its for name in ("cr_await", "gi_yieldfrom", "ag_await") if (its := getattr(work, name, None))), None
        )
    return "\n".join(lines)


@contextlib.asynccontextmanager
async def bounded(seconds: float, describe: Callable[[], str] = str) -> AsyncIterator[None]:
    """Fail once `seconds` are over, with where every task waits and what `describe` says; nothing hangs for good.

    Where the loop itself is blocked, the process ends a minute later with the stack of every thread on its standard error.
    """
    loop, ours, found = asyncio.get_running_loop(), asyncio.current_task(), list[str]()
    assert ours

    def end() -> None:
        waits = [f"{task.get_name()}:\n{_chain(task.get_coro())}" for task in asyncio.all_tasks(loop)]
        found.append("\n".join([f"not over within {seconds} seconds; {describe()}", *waits]))
        ours.cancel()

    faulthandler.dump_traceback_later(seconds + BLOCKED_SECONDS, exit=True, file=sys.__stderr__)
    ending = loop.call_later(seconds, end)
    try:
        yield
    except asyncio.CancelledError:
        if not found:
            raise
        raise AssertionError(found[0]) from None
    finally:
        ending.cancel()
        faulthandler.cancel_dump_traceback_later()
