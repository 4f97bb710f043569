"""A stranger's first minutes: a clean clone below a closed home, one command; then kill -9, Ctrl-C, a taken port, no network."""

import contextlib
import os
import pwd
import re
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.support.ports import free_port
from tests.support.waiting import wait_until

ROOT = Path(__file__).resolve().parent.parent.parent
pytestmark = [pytest.mark.deep, pytest.mark.alone]
SECONDS_TO_INSTALL_AND_START = 420
START_AGAIN_RATIO = 2.0
"""Starting again takes at most so many times what importing the site does, on the same machine at the same time."""


def pythons() -> tuple[str, str]:
    """Return the oldest and the newest supported interpreter that this machine has; one is both where it has no other."""
    found: dict[str, str] = {}
    for candidate in (
        sys.executable,
        *(shutil.which(f"python3.{minor}") for minor in (11, 12, 13)),
        "/usr/bin/python3",
    ):
        if candidate and Path(candidate).exists():
            version = subprocess.run(
                [candidate, "-c", "import sys; print(sys.version_info[:2], sys._base_executable)"],
                capture_output=True,
                text=True,
                check=False,
            )
            if matched := re.match(r"\(3, (11|12|13)\) (.+)", version.stdout):
                found.setdefault(matched[1], matched[2])
    versions = sorted(found)
    return found[versions[0]], found[versions[-1]]


@pytest.fixture
def account(request: pytest.FixtureRequest) -> Iterator[dict[str, Any]]:
    """Be root, or an ordinary user made for this test."""
    if request.param == "this account":
        yield {}
        return
    if os.geteuid() != 0:
        pytest.skip("making an ordinary user takes root; this run already is an ordinary user")
    subprocess.run(["useradd", "--system", "--no-create-home", "partage-stranger"], check=False, capture_output=True)
    entry = pwd.getpwnam("partage-stranger")
    yield {"user": entry.pw_uid, "group": entry.pw_gid, "extra_groups": []}
    subprocess.run(["userdel", "partage-stranger"], check=False, capture_output=True)


class Demo:
    """A running `python3 marketplace demo` of a clone."""

    def __init__(self, python: str, clone: Path, account: dict[str, Any], port: int, **extra: str) -> None:
        self.started = time.monotonic()
        environment = {"PATH": os.environ["PATH"], "HOME": str(clone.parent / "home"), "PORT": str(port), **extra}
        self.process = subprocess.Popen(
            [python, "marketplace", "demo"],
            cwd=clone,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
            **account,
        )
        self.output: list[str] = []
        self.ready = threading.Event()
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        assert self.process.stdout
        for line in self.process.stdout:
            self.output.append(line)
            if "Partage is at" in line:
                self.seconds = time.monotonic() - self.started
                self.ready.set()
        self.process.stdout.close()

    def wait(self) -> str:
        assert self.ready.wait(SECONDS_TO_INSTALL_AND_START), "".join(self.output)
        return re.search(r"Partage is at (\S+)", "".join(self.output))[1]  # type: ignore[index]

    def stop(self, number: int) -> int:
        self.process.send_signal(number)
        return self.process.wait(30)

    def end(self) -> None:
        self.process.kill()
        self.process.wait(30)


def left_running(clone: Path) -> list[str]:
    """Return the processes that still work in the clone's folder or for its database."""
    listed = subprocess.run(["ps", "-eo", "pid,args"], capture_output=True, text=True, check=True).stdout
    return [line for line in listed.splitlines() if str(clone) in line and "defunct" not in line]


@pytest.mark.parametrize(
    ("python", "account"), [*zip(pythons(), ("this account", "an ordinary user"), strict=True)], indirect=["account"]
)
def test_one_command_from_a_clean_clone(
    python: str, account: dict[str, Any], tmp_path_factory: pytest.TempPathFactory
) -> None:
    home = tmp_path_factory.mktemp("stranger")
    home.chmod(0o700)  # as many homes are: PostgreSQL's own account, which root needs, cannot pass through
    if account:
        for folder in (home.parent, home.parent.parent):
            folder.chmod(0o755)
    if account and not _may_run(python, account):
        pytest.skip(f"{python} is below a closed home: an ordinary user of this machine cannot run it")
    clone = home / "clone"
    subprocess.run(["git", "clone", "--quiet", str(ROOT), str(clone)], check=True)
    (home / "home").mkdir()
    if account:
        subprocess.run(["chown", "-R", str(account["user"]), str(home)], check=True)
    port = free_port()
    with contextlib.ExitStack() as after:
        first = Demo(python, clone, account, port)
        after.callback(first.end)
        address = first.wait()
        assert address.endswith(f":{port}")
        assert "partner" in "".join(first.output)
        before = _look(address)
        first.stop(signal.SIGKILL)
        _until_nothing_is_left(clone)

        again = Demo(python, clone, account, port, PIP_INDEX_URL="http://127.0.0.1:9", UV_OFFLINE="1")
        after.callback(again.end)
        assert _look(again.wait()) == before, "nothing is lost by kill -9"
        assert again.stop(signal.SIGINT) == 0
        _until_nothing_is_left(clone)

        with socket.socket() as occupied:
            occupied.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            occupied.bind(("127.0.0.1", port))
            occupied.listen()
            third = Demo(python, clone, account, port)
            after.callback(third.end)
            assert third.wait() != address
            assert f"Port {port} is taken" in "".join(third.output)
            seconds = min(again.seconds, third.seconds)
            third.stop(signal.SIGTERM)
            ratio = seconds / _seconds_to_import(clone, account)
            print(f"{python}: first start {first.seconds:.1f} s with its install, again {seconds:.1f} s, {ratio:.2f} ×")
            assert ratio < START_AGAIN_RATIO
        _until_nothing_is_left(clone)


def _seconds_to_import(clone: Path, account: dict[str, Any]) -> float:
    """Return how long the clone's site takes to be imported, at best."""
    command = [clone / ".venv" / "bin" / "python", "-c", "import marketplace.site.app, marketplace.demo.demo"]
    seconds = []
    for _ in range(3):
        begun = time.monotonic()
        subprocess.run(command, cwd=clone, check=True, **account)
        seconds.append(time.monotonic() - begun)
    return min(seconds)


def _may_run(python: str, account: dict[str, Any]) -> bool:
    try:
        return not subprocess.run([python, "--version"], check=False, capture_output=True, **account).returncode
    except PermissionError:
        return False


def _look(address: str) -> list[str]:
    page = httpx.get(f"{address}/en/", follow_redirects=True, timeout=30)
    assert page.status_code == 200
    return re.findall(r"/datasets/[a-z0-9-]+", page.text)


def _until_nothing_is_left(clone: Path) -> None:
    wait_until(lambda: not left_running(clone), 20)
