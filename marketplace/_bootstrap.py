"""Standard library only: make `.venv` from a hashed lock file when needed, then continue inside it.

It continues in the folder where it was called: files that the command line names, and those it makes, are there.

An install that was interrupted leaves no stamp, so the next start finishes it; two starts at once take turns.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
INSTALLER = ROOT / ".installer.lock"
OLDEST_PYTHON = (3, 11)


def ensure(module: str, lock: str = "requirements.lock") -> None:
    """Return when already inside an environment that has what `lock` names; otherwise make one and run `module` in it."""
    if sys.version_info < OLDEST_PYTHON:
        sys.exit(f"Partage needs Python 3.11 or newer; this is {sys.version.split()[0]}.")
    if not (ROOT / lock).exists():
        return  # an installed package, not a checkout: pip has installed what it needs
    venv = Path(os.environ.get("PARTAGE_VENV", ROOT / ".venv"))
    python = venv / "bin" / "python"
    wanted = hashlib.sha256((ROOT / lock).read_bytes() + sys.version.encode()).hexdigest()
    stamp = venv / f"installed-{lock.replace('/', '-')}"
    inside = Path(sys.prefix).resolve() == venv.resolve()
    if _is(stamp, wanted) and inside:
        return
    if not inside and sys.prefix != sys.base_prefix and "PARTAGE_VENV" not in os.environ:
        return  # somebody else's environment (uv run, a container): it is theirs to fill
    venv.parent.mkdir(parents=True, exist_ok=True)
    with (venv.parent / ".venv.lock").open("w") as turn:
        fcntl.flock(turn, fcntl.LOCK_EX)
        if not _is(stamp, wanted):
            _install(venv, python, ROOT / lock)
            stamp.write_text(wanted)
    os.environ["PATH"] = f"{python.parent}{os.pathsep}{os.environ.get('PATH', '')}"
    os.execv(python, [str(python), str(ROOT / module), *sys.argv[1:]])  # noqa: S606 (our own interpreter, no shell)


def _is(stamp: Path, wanted: str) -> bool:
    return stamp.exists() and stamp.read_text() == wanted


def _install(venv: Path, python: Path, lock: Path) -> None:
    count = sum("==" in line for line in lock.read_text().splitlines())
    print(f"Installing {count} packages into {venv} (once)…", flush=True)
    base = sys.executable if sys.prefix == sys.base_prefix else str(Path(sys.base_prefix) / "bin" / "python3")
    uv = shutil.which("uv")
    if uv and _is_done(uv, "venv", "--quiet", "--allow-existing", "--python", base, str(venv)):
        if _uv_installs(uv, python, lock):
            return
    elif not python.exists() and not _is_done(base, "-m", "venv", str(venv), capture_output=True):
        shutil.rmtree(venv, ignore_errors=True)  # Debian without python3-venv: a bare environment, filled from outside
        _run([base, "-m", "venv", "--without-pip", str(venv)])
    pip = [str(python), "-m", "pip"]
    if not _is_done(*pip, "--version", capture_output=True):
        pip = [base, "-m", "pip", "--python", str(python)]
        if not _is_done(*pip, "--version", capture_output=True):
            sys.exit("Python's venv module is incomplete here. Run once: apt install python3-venv (or install uv).")
    install = [*pip, "install", "--disable-pip-version-check", "--no-input", "--require-hashes", "-r"]
    if (
        not uv
        and _is_done(*install, str(INSTALLER), capture_output=True)
        and _uv_installs(str(python.with_name("uv")), python, lock)
    ):
        return
    _run([*install, str(lock)])


def _uv_installs(uv: str, python: Path, lock: Path) -> bool:
    """Install with uv, in a third of pip's time; False leaves it to pip (no certificate of this network's, a broken shim)."""
    os.environ.setdefault("UV_SYSTEM_CERTS", "true")  # as pip does: trust what the machine trusts
    return _is_done(uv, "pip", "install", "--python", str(python), "--require-hashes", "-r", str(lock))


def _is_done(*command: str, capture_output: bool = False) -> bool:
    """Return whether a command ended well."""
    return not subprocess.run(command, capture_output=capture_output, check=False).returncode


def _run(command: list[str]) -> None:
    if not _is_done(*command):
        sys.exit(f"This step failed: {' '.join(command[:4])} … Run the same command again to continue.")
