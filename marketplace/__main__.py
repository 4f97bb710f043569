"""The command line: `python3 marketplace COMMAND`, `python -m marketplace COMMAND`, `uv run marketplace COMMAND`."""

from __future__ import annotations

import argparse
import atexit
import errno
import locale
import os
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Final, NoReturn

FULL: Final = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
SERVERS: Final = ("demo", "serve", "stripe-counterpart", "witness")


def parser() -> argparse.ArgumentParser:
    """Return the command line; README's table of commands is checked against it."""
    from marketplace.commands.registry import COMMANDS
    from marketplace.core.version import VERSION

    whole = argparse.ArgumentParser(prog="marketplace", description="Partage: anonymous aggregates, sold fairly.")
    whole.add_argument("--version", action="version", version=f"Partage {VERSION}", help="print the version")
    commands = whole.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for command in COMMANDS:
        sub = commands.add_parser(command.name, help=command.description, description=command.description)
        sub.set_defaults(run=command.run)
        command.arguments(sub)
    return whole


def log_plainly() -> None:
    """Log what failed without the values at hand: they hold people's secrets, and drawing them holds everyone up."""
    import structlog

    renderer = structlog.dev.ConsoleRenderer(
        colors=sys.stdout.isatty(), exception_formatter=structlog.dev.plain_traceback
    )
    structlog.configure(processors=[*structlog.get_config()["processors"][:-1], renderer])


def keep_memory(command: str) -> None:
    """Let a command keep what it frees while it computes; not those that serve, which last for months and compute little."""
    from marketplace.core.freed_memory import keep_freed_memory

    if command not in SERVERS:
        keep_freed_memory()


def main() -> None:
    """Run one command; a refusal, a store that does not answer and a file that cannot be used are one sentence and code 1."""
    if find_spec("msgspec") is None:
        sys.exit("Only the client is installed here; `pip install 'partage[server]'` brings the marketplace.")
    log_plainly()
    arguments = parser().parse_args()
    from marketplace.core.errors import Refusal, Unavailable

    keep_memory(arguments.command)
    try:
        sys.exit(arguments.run(arguments))
    except Unavailable as refusal:
        sys.exit(refusal.cause)
    except Refusal as refusal:
        sys.exit(str(refusal))
    except KeyboardInterrupt:
        sys.exit(130)
    except OSError as error:
        if error.errno in FULL:
            sys.exit(
                f"The disk{f' of {error.filename}' if error.filename else ''} is full: make room, then run it again."
            )
        if error.filename is None:
            raise
        sys.exit(f"{error.filename}: {error.strerror}.")
    except Exception as error:
        if type(error).__module__.partition(".")[0] != "obstore":
            raise
        from marketplace.core.object_store import sentence_of

        sys.exit(sentence_of(error))


def speak_utf8() -> None:
    """Begin anew in UTF-8 where the locale has another encoding: files would be read in it, and half of our signs not printed."""
    if sys.flags.utf8_mode or os.environ.get("PYTHONUTF8") == "1" or locale.getencoding().lower() == "utf-8":
        return
    os.execve(sys.executable, [sys.executable, *sys.orig_argv[1:]], os.environ | {"PYTHONUTF8": "1"})  # noqa: S606 (ourselves)


def start() -> NoReturn:
    """Run `main` in a process of its own and end it with what was to be done at exit, but not taken apart.

    Threads of the object store's client may just then hand over their last answer; one that finds the interpreter half
    gone aborts the process (Python before 3.14), and the command's own exit code is lost.
    """
    code = 0
    speak_utf8()
    if sys.stderr is None:  # closed by the process that started us
        sys.stderr = Path(os.devnull).open("w")  # noqa: SIM115 (until the process ends)
    if sys.stdout is None:  # what a command prints may be shown once only: nothing is done before somebody can read it
        print("Standard output is closed: send it to a file, or to /dev/null.", file=sys.stderr)
        os._exit(1)
    try:
        main()
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else int(end.code is not None)
        if isinstance(end.code, str):
            print(end.code, file=sys.stderr)
    except Exception:  # noqa: BLE001 (as the interpreter itself does: shown, and exit code 1)
        code = 1
        sys.excepthook(*sys.exc_info())
    atexit._run_exitfuncs()  # noqa: SLF001 (what `os._exit` leaves out, and nothing public runs)
    try:
        sys.stdout.flush()
    except OSError:  # its reader has gone, or the disk is full
        code = code or 1
    sys.stderr.flush()
    os._exit(code)


if __name__ == "__main__":
    if not __package__:
        sys.path[0] = str(Path(__file__).resolve().parent.parent)
        from marketplace._bootstrap import ensure

        ensure("marketplace")
    start()
