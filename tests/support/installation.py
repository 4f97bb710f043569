"""An operator's machine: the environment files that `init` makes, the command line under them, and what it starts.

It knows nothing but the commands of the manual: each runs in a process of its own, under the file of its role.
"""

import contextlib
import datetime as dt
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path
from types import TracebackType
from typing import Self

import httpx

from tests.support.ports import free_port
from tests.support.waiting import wait_until

ROOT = Path(__file__).resolve().parents[2]
UNDER_ITS_FILE = 'set -a; . "$0"; set +a; exec "$@"'
"""What the manual says of environment files, for a shell."""
ENDS_WITHIN_SECONDS = 30


class Installation:
    """A folder of environment files and state; processes end with the block: `with Installation(folder) as machine`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.port, self.stripe_port = free_port(), free_port()
        self.url, self.stripe = f"http://127.0.0.1:{self.port}", f"http://127.0.0.1:{self.stripe_port}"
        self.days = 0
        """How many days the clock of all that is started here is ahead."""
        self._running: dict[str, subprocess.Popen[bytes]] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def now(self) -> dt.datetime:
        return dt.datetime.now(dt.UTC) + dt.timedelta(days=self.days)

    # Settings --------------------------------------------------------------------------------------------------------

    def init(self, **given: str) -> str:
        """Have `init` make or check the files; return what it says."""
        command = [sys.executable, "-m", "marketplace", "init", str(self.folder / "environment")]
        environment = {"PATH": os.environ["PATH"]} | given
        ran = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
        assert not ran.stderr, ran.stderr
        return ran.stdout

    def set(self, roles: str, **settings: str) -> None:
        """Write settings into the files of some roles, as someone with an editor does."""
        for role in roles.split():
            path = self.folder / "environment" / f"{role}.env"
            text = path.read_text()
            for name, value in settings.items():
                line, known = f"{name}={shlex.quote(value)}", re.compile(rf"^(# )?{name}=.*$", re.MULTILINE)
                text = f"{known.sub('', text).rstrip()}\n{line}\n"
            path.write_text(text)

    # Commands --------------------------------------------------------------------------------------------------------

    def run(self, *arguments: str, role: str = "jobs", ends_with: int = 0) -> str:
        """Run a command to its end, a good one unless said otherwise; return what it printed."""
        ran = subprocess.run(
            self._command(role, arguments),
            cwd=ROOT,
            env=self._environment(),
            capture_output=True,
            text=True,
            check=False,
        )
        assert ran.returncode == ends_with, (arguments, ran.stdout, ran.stderr)
        return ran.stdout

    def start_stripe(self) -> None:
        self._start("stripe-counterpart", "--port", str(self.stripe_port), "--state", str(self.folder / "stripe.db"))
        wait_until(lambda: self._answers("stripe-counterpart", f"{self.stripe}/v1/balance"))

    def start_site(self) -> None:
        self._start("serve", "--rehearsal", role="web")
        wait_until(lambda: self._answers("serve", f"{self.url}/healthz"))

    def start_jobs(self) -> None:
        self._start("jobs", "--rehearsal")

    def stop(self) -> None:
        """End all that was started here, and wait until it has."""
        for process in self._running.values():
            process.terminate()
        for process in self._running.values():
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(ENDS_WITHIN_SECONDS)
            process.kill()
            process.wait()
        self._running = {}

    def go_on(self, *, days: int) -> None:
        """Let so many days pass: stop everything, and start Stripe and the site again with a clock that is ahead."""
        self.stop()
        self.days += days
        self.start_stripe()
        self.start_site()

    def _start(self, name: str, *arguments: str, role: str = "jobs") -> None:
        with self._log(name).open("ab") as log:
            self._running[name] = subprocess.Popen(
                self._command(role, (name, *arguments)), cwd=ROOT, env=self._environment(), stdout=log, stderr=log
            )

    def _answers(self, name: str, address: str) -> bool:
        """Return whether a process answers at all; one that has ended never will."""
        assert self._running[name].poll() is None, self._log(name).read_text()
        try:
            httpx.get(address)
        except httpx.TransportError:
            return False
        return True

    def _log(self, name: str) -> Path:
        return self.folder / f"{name}.log"

    def _command(self, role: str, arguments: tuple[str, ...]) -> list[str]:
        file = self.folder / "environment" / f"{role}.env"
        return ["sh", "-c", UNDER_ITS_FILE, str(file), sys.executable, "-m", "marketplace", *arguments]

    def _environment(self) -> dict[str, str]:
        return {"PATH": os.environ["PATH"], "PARTAGE_REHEARSAL_DAYS": str(self.days)}
