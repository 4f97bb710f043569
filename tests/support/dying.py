"""Kill -9 at every await: a scene is played again and again, each time in a child that dies one await later.

`python -m tests.support.dying MODULE SCENE URL EVERY` prints how often the scene was killed before it got through. A
module names its scenes in `SCENES`. Every death is of another subject: what `before` made is acted on until the death,
then `after` finishes as workers and people would, in a process of its own, and refuses whatever is not right.
"""

from __future__ import annotations

import asyncio
import datetime as dt
import importlib
import linecache
import os
import re
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from marketplace import clock, database
from marketplace.database import fetch_value

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from types import FrameType

AWAITS = re.compile(r"\bawait\b|\basync (with|for)\b")
ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True, slots=True)
class Scene:
    """What is made, what dies on its way, and how it must end."""

    before: Callable[[str], Awaitable[object]]
    """Makes the subject of that name; in peace."""
    act: Callable[[str], Awaitable[object]]
    """Is killed."""
    after: Callable[[str], Awaitable[object]]
    """Finishes and checks."""
    watched: tuple[str, ...]
    """Ends of the paths of the files whose awaits are counted."""
    later: dt.timedelta = dt.timedelta(minutes=3)
    """How much later `after` happens: beyond a dead worker's lease."""


def killed_everywhere(module: str, scene: str, database_url: str, *, every: int = 1) -> int:
    """Play a scene, killed at every `every`-th await; return how often. The test's environment is the scene's."""
    command = [sys.executable, "-m", "tests.support.dying", module, scene, database_url, str(every)]
    played = subprocess.run(command, cwd=ROOT, check=False, capture_output=True, text=True)
    assert played.returncode == 0, f"{played.stdout[-2000:]}\n{played.stderr[-6000:]}"
    return int(played.stdout.split()[-1])


def in_a_child(url: str, work: Callable[[], Awaitable[object]]) -> bool:
    """Do `work` in a forked child with a pool of its own; tell whether it was killed, and refuse any other failure."""

    async def whole() -> None:
        await database.open_pool(url, size=4)
        await work()
        await database.close_pool()

    child = os.fork()
    if child == 0:
        try:
            asyncio.run(whole())
        except BaseException:  # noqa: BLE001 (a forked child must end here, whatever happened)
            sys.excepthook(*sys.exc_info())
            os._exit(1)
        os._exit(0)
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    assert code in (0, -signal.SIGKILL), f"the child ended with {code}"
    return code != 0


async def dying(scene: Scene, name: str, left: int) -> None:
    """Act, and die before the `left`-th line that is watched and awaits something."""

    def trace(frame: FrameType, event: str, _: Any) -> Any:
        nonlocal left
        if not frame.f_code.co_filename.endswith(scene.watched) or frame.f_code.co_name.startswith("<"):
            return None
        if event == "line" and AWAITS.search(linecache.getline(frame.f_code.co_filename, frame.f_lineno)):
            left -= 1
            if left == 0:
                print(f"{name}: died at {frame.f_code.co_filename}:{frame.f_lineno}", file=sys.stderr, flush=True)
                os.kill(os.getpid(), signal.SIGKILL)
        return trace

    sys.settrace(trace)
    await scene.act(name)
    sys.settrace(None)


async def finish(scene: Scene, name: str) -> None:
    """Wait until the server has buried the dead child's connections, then finish and check."""
    while await fetch_value(  # noqa: ASYNC110 (the server tells nobody when it has buried them)
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
        " AND state <> 'idle'"
    ):
        await asyncio.sleep(0.01)
    with clock.shifted(scene.later):
        await scene.after(name)


def play(scene: Scene, url: str, every: int) -> int:
    """Play a scene until it gets through; return how often it was killed."""
    deaths = 0
    while True:
        name, line = f"{deaths}", 1 + deaths * every
        in_a_child(url, lambda name=name: scene.before(name))  # type: ignore[misc]
        died = in_a_child(url, lambda name=name, line=line: dying(scene, name, line))  # type: ignore[misc]
        in_a_child(url, lambda name=name: finish(scene, name))  # type: ignore[misc]
        if not died:
            return deaths
        deaths += 1


if __name__ == "__main__":
    import stripe

    stripe.HTTPXClient()  # Imported and begun once here rather than in every child.

    print(play(importlib.import_module(sys.argv[1]).SCENES[sys.argv[2]], sys.argv[3], int(sys.argv[4])))
