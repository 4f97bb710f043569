"""Programs that find imported what others wrote: each is forked off a process that imported what those before it did.

What lies below a program's own folder is its own: each imports that itself, and so may be of another version than the one
before. It saves a program a third of its time, which matters where a hundred of them run.
"""

import contextlib
import importlib
import json
import os
import runpy
import signal
import socket
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NoReturn

CRASHED = 70
"""The exit code of a program that ended by an exception: not 1, by which pytest says that a test failed."""
LONGEST = 1 << 17
"""Bytes of what is asked for, its environment included."""


class Warm:
    """Runs Python programs, one after the other."""

    def __init__(self) -> None:
        """Start the process that they are forked off."""
        self._line, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            command = [sys.executable, str(Path(__file__)), str(theirs.fileno())]
            self._server = subprocess.Popen(command, pass_fds=(theirs.fileno(),))
        self._running: int | None = None

    def start(self, words: Sequence[str], folder: Path, environment: Mapping[str, str], streams: Sequence[int]) -> None:
        """Start a program in a folder, once the one before has ended: `-m` and a module, or a file, and its arguments.

        streams: three descriptors; the program reads the first and writes to the others.
        """
        assert self._running is None, "the one before has not ended"
        asked = json.dumps([list(words), str(folder), dict(environment)]).encode()
        socket.send_fds(self._line, [asked], list(streams))
        self._running = int(self._line.recv(LONGEST))

    def wait(self) -> int:
        """Return the exit code of the program that was started last, negative where a signal ended it."""
        code = int(self._line.recv(LONGEST))
        self._running = None
        return code

    def stop(self) -> None:
        """Kill the program that was started last, unless it was waited for."""
        if self._running is not None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self._running, signal.SIGKILL)
            self.wait()

    def end(self) -> None:
        """End the process."""
        self._line.close()
        self._server.wait()


def serve(line: socket.socket) -> None:
    """Fork a program off for each message, and import then what it needed."""
    while True:
        asked, streams, _, _ = socket.recv_fds(line, LONGEST, 3)
        if not asked:
            return
        reading, writing = os.pipe()
        child = os.fork()
        if child == 0:
            line.close()
            become(*json.loads(asked), streams, writing)
        for one in (*streams, writing):
            os.close(one)
        line.send(str(child).encode())
        with os.fdopen(reading) as names:
            needed = names.read().split()
        code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        for name in needed:
            with contextlib.suppress(Exception):  # what is no module of its own, or cannot be imported twice
                importlib.import_module(name)
        line.send(str(code).encode())


def become(
    words: list[str], folder: str, environment: dict[str, str], streams: Sequence[int], writing: int
) -> NoReturn:
    """Be that program, say what it imported from elsewhere, and end."""
    os.chdir(folder)
    os.environ.clear()
    os.environ |= environment
    for number, one in enumerate(streams):
        os.dup2(one, number)
    sys.path[0] = folder
    code = CRASHED
    try:
        if words[0] == "-m":
            sys.argv = words[1:]
            runpy.run_module(words[1], run_name="__main__", alter_sys=True)
        else:
            sys.argv = words
            runpy.run_path(words[0], run_name="__main__")
        code = 0
    except SystemExit as ended:
        code = ended.code if isinstance(ended.code, int) else int(ended.code is not None)
    except BaseException:  # noqa: BLE001 (a forked child must end here, in every case)
        sys.excepthook(*sys.exc_info())
    with os.fdopen(writing, "w") as names:
        names.write("\n".join(name for name, module in list(sys.modules.items()) if is_of_others(name, module, folder)))
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


def is_of_others(name: str, module: object, folder: str) -> bool:
    """Return whether a module lies elsewhere than below the folder of a program."""
    path = getattr(module, "__file__", None)
    return bool(path) and name != "__main__" and not str(path).startswith(f"{folder}/")


if __name__ == "__main__":
    serve(socket.socket(fileno=int(sys.argv[1])))
