"""Kill -9 at every await: a scene is played again and again, each time in a child that dies one await later.

`python -m tests.support.dying MODULE SCENE URL FIRST EVERY` prints how often the scene was killed before it got through. A
module names its scenes in `SCENES`. Every death is of another subject, or of one that has to survive them all: what
`before` made is acted on until the death, then `after` finishes as workers and people would, in another process, which
survives all deaths, and refuses anything that is not right.
"""

from __future__ import annotations

import ast
import asyncio
import contextlib
import datetime as dt
import importlib
import multiprocessing
import os
import signal
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from functools import cache, partial
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any

from marketplace import clock, database
from tests.support.reads import fetch, fetch_value
from tests.support.waiting import until

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from multiprocessing.connection import Connection
    from types import FrameType

A_FEW = 8
"""Deaths, from one look at everything to the next."""
OTHERS_AT_WORK = """
    SELECT state, wait_event, query FROM pg_stat_activity
    WHERE datname = current_database() AND backend_type = 'client backend' AND pid <> pg_backend_pid() AND state <> 'idle'"""
ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True, slots=True)
class Scene:
    """What is made, what dies on its way, and how it must end."""

    before: Callable[[str], Awaitable[object]] | None
    """Makes the subject of that name, in peace; without it every death is of the one subject that is there."""
    act: Callable[[str], Awaitable[object]]
    """Is killed."""
    after: Callable[[str], Awaitable[object]]
    """Finishes and checks."""
    counted: tuple[str, ...]
    """Ends of the paths of the files whose awaits are counted."""
    whole: Callable[[], Awaitable[object]] | None = None
    """Checks everything there is, after every few deaths and at the end."""
    later: dt.timedelta = dt.timedelta(minutes=3)
    """How much later `after` happens: beyond a dead worker's lease."""
    apart: dt.timedelta = dt.timedelta(0)
    """How much later each subject is than the one before."""


async def killed_everywhere(module: str, scene: str, database_url: str, *, first: int = 1, every: int = 1) -> int:
    """Play a scene, killed at every `every`-th await from the `first` on; return how often. The test's environment is the scene's."""
    command = [sys.executable, "-m", "tests.support.dying", module, scene, database_url, str(first), str(every)]
    played = await asyncio.create_subprocess_exec(*command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    printed, troubles = (text.decode() for text in await played.communicate())
    assert played.returncode == 0, f"{printed[-2000:]}\n{troubles[-6000:]}"
    return int(printed.split()[-1])


def in_a_child(url: str, work: Callable[[], Awaitable[object]], imported: Path | None = None) -> bool:
    """Do `work` in a forked child with a pool of its own; return whether it was killed, and refuse any other failure.

    imported: a file for the names of the modules that the child had at its end.
    """

    async def whole() -> None:
        await database.open_pool(url, size=4)
        await work()
        await database.close_pool()

    child = os.fork()
    if child == 0:
        try:
            asyncio.run(whole())
            if imported:
                imported.write_text("\n".join(sys.modules))
        except BaseException:  # noqa: BLE001 (a forked child must end here, in every case)
            sys.excepthook(*sys.exc_info())
            os._exit(1)
        os._exit(0)
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    assert code in (0, -signal.SIGKILL), f"the child ended with {code}"
    return code != 0


@cache
def awaits(path: str) -> dict[int, int]:
    """Return the lines of a file that await something, each with the last line of what it begins."""
    lines: dict[int, int] = {}
    for node in ast.walk(ast.parse(Path(path).read_text())):
        if isinstance(node, ast.Await):
            lines[node.lineno] = max(lines.get(node.lineno, 0), node.end_lineno or 0)
        elif isinstance(node, ast.AsyncWith | ast.AsyncFor):
            lines.setdefault(node.lineno, node.lineno)
        elif isinstance(node, ast.comprehension) and node.is_async:
            lines.setdefault(node.target.lineno, node.target.lineno)
    return lines


async def dying(scene: Scene, name: str, left: int) -> None:
    """Act, and die before the `left`-th await of what is watched.

    A call of several lines comes back to its first one when its arguments are made: that is the same await.
    """

    def trace(frame: FrameType, event: str, _: Any) -> Any:
        del event
        code = frame.f_code
        if not code.co_filename.endswith(scene.counted):
            return None
        ends, before, counted = awaits(code.co_filename), 0, 0

        def in_it(frame: FrameType, event: str, _: Any) -> Any:
            nonlocal left, before, counted
            line = frame.f_lineno
            if event == "line":
                if line in ends and not (line == counted and line < before <= ends[line]):
                    left, counted = left - 1, line
                    if left == 0:
                        print(f"{name}: died at {code.co_filename}:{line}", file=sys.stderr, flush=True)
                        os.kill(os.getpid(), signal.SIGKILL)
                before = line
            return in_it

        return in_it

    sys.settrace(trace)
    await scene.act(name)
    sys.settrace(None)


async def finish(scene: Scene, name: str, *, whole: bool) -> None:
    """Wait until the server has buried the dead child's connections, then finish and check."""
    try:
        await until(lambda: fetch_value(f"SELECT NOT EXISTS ({OTHERS_AT_WORK})"))
    except AssertionError:
        print(await fetch(OTHERS_AT_WORK), file=sys.stderr)
        raise
    with clock.shifted(scene.later):
        await scene.after(name)
        if scene.whole and whole:
            await scene.whole()


def _import_what_is_needed(scene: Scene, url: str) -> None:
    """Play the scene once, unharmed, and import here all that it imported on its way: a second a child otherwise."""
    if (before := scene.before) is None:
        return

    async def whole() -> None:
        for part in (before, scene.act):
            await part("unharmed")
        await finish(scene, "unharmed", whole=True)

    with tempfile.TemporaryDirectory() as folder:
        in_a_child(url, whole, imported := Path(folder, "imported"))
        for name in imported.read_text().split():
            with contextlib.suppress(ImportError):
                importlib.import_module(name)


class Survivor:
    """The process that makes each subject, and finishes and checks it after the death of who acted."""

    def __init__(self, scene: Scene, url: str) -> None:
        """Fork it; this process must have no pool."""
        self._line, theirs = multiprocessing.Pipe()
        self._process = multiprocessing.get_context("fork").Process(
            target=_survive, args=(scene, url, theirs), daemon=True
        )
        self._process.start()
        theirs.close()

    def ask(self, verb: str, name: str, at: dt.timedelta) -> None:
        """Have it do one of `_survive`'s verbs, that much later; what it refuses is on its stderr."""
        self._line.send((verb, name, at))
        try:
            self._line.recv()
        except EOFError:
            raise AssertionError(f"{name} was not right: {verb}") from None

    def end(self) -> None:
        """End it."""
        self._line.send(None)
        self._process.join()


def _survive(scene: Scene, url: str, line: Connection) -> None:
    verbs: dict[str, Callable[[str], Awaitable[object]]] = {
        "finish": partial(finish, scene, whole=False),
        "finish all": partial(finish, scene, whole=True),
    }
    if scene.before:
        verbs["make"] = scene.before

    async def whole() -> None:
        await database.open_pool(url, size=4)
        while asked := await asyncio.to_thread(line.recv):
            verb, name, at = asked
            with clock.shifted(at):
                await verbs[verb](name)
            line.send(verb)
        await database.close_pool()

    asyncio.run(whole())


def play(scene: Scene, url: str, first: int, every: int) -> int:
    """Play a scene until it gets through; return how often it was killed."""
    _import_what_is_needed(scene, url)
    for module in list(sys.modules.values()):
        if (path := getattr(module, "__file__", None)) and path.endswith(scene.counted):
            awaits(path)  # read here once, not in every child
    survivor = Survivor(scene, url)
    for deaths in count():
        name, line, at = str(deaths), first + deaths * every, scene.apart * deaths
        if scene.before:
            survivor.ask("make", name, at)
        with clock.shifted(at):
            died = in_a_child(url, partial(dying, scene, name, line))
        survivor.ask("finish" if died and deaths % A_FEW else "finish all", name, at)
        if not died:
            break
    survivor.end()
    return deaths


if __name__ == "__main__":
    print(play(importlib.import_module(sys.argv[1]).SCENES[sys.argv[2]], sys.argv[3], *map(int, sys.argv[4:])))
