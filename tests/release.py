"""`python3 tests release DIRECTORY` makes what a release publishes: the wheel, its notes, its bill of materials and their SHA-256.

All of it comes from the commit that is checked out, and the same commit gives the same bytes. Where something is missing
nothing is made, and one sentence says what.
"""

import hashlib
import io
import json
import os
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from marketplace.core.version import VERSION

CHANGELOG: Final = "marketplace/site/docs/developer/changelog.md"
TAG: Final = f"v{VERSION}"
WHEEL: Final = f"partage-{VERSION}-py3-none-any.whl"
NOTES: Final = f"partage-{VERSION}.md"
BILL: Final = f"partage-{VERSION}.cdx.json"
SUMS: Final = "SHA256SUMS"
HEADING: Final = re.compile(rf"{re.escape(VERSION)} \(\d{{4}}-\d\d-\d\d\)")
LINK_OF_THE_MANUAL: Final = re.compile(r"\[([^\]]+)\]\((?!https?://)[^)]*\)")


class NotReadyError(Exception):
    """The release cannot be made; the sentence says what is missing."""


def main(arguments: list[str]) -> None:
    """Make the release of this checkout in the folder that the command line names, and print the files."""
    if len(arguments) != 1:
        sys.exit("Name the folder to make the release in: python3 tests release DIRECTORY.")
    try:
        made = make(Path(__file__).resolve().parent.parent, Path(arguments[0]).resolve())
    except NotReadyError as error:
        sys.exit(str(error))
    print(*made, sep="\n")


def make(root: Path, folder: Path) -> list[Path]:
    """Make the release of the checkout at `root` in a folder that is empty or absent; return its files."""
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise NotReadyError(f"{folder} is not an empty folder: name another one.")
    if changed := _run("git", "status", "--porcelain", cwd=root).decode().splitlines():
        raise NotReadyError(f"{changed[0][3:]} is not as it was committed: commit it, or undo the change.")
    notes = notes_of((root / CHANGELOG).read_text(encoding="utf-8"))
    _refuse_another_tag(root)
    instant = _run("git", "log", "-1", "--format=%ct", cwd=root).decode().strip()
    with tempfile.TemporaryDirectory() as place:
        source, made = Path(place, "source"), Path(place, "made")
        made.mkdir()
        with tarfile.open(fileobj=io.BytesIO(_run("git", "archive", "HEAD", cwd=root))) as committed:
            committed.extractall(source, filter="data")
        _build_wheel(source, made, {"SOURCE_DATE_EPOCH": instant})
        (made / NOTES).write_text(notes, encoding="utf-8")
        write_bill(source, made / BILL)
        sums = [f"{hashlib.sha256((made / name).read_bytes()).hexdigest()}  {name}\n" for name in (WHEEL, NOTES, BILL)]
        (made / SUMS).write_text("".join(sums), encoding="utf-8")
        shutil.copytree(made, folder, dirs_exist_ok=True)
    return [folder / name for name in (WHEEL, NOTES, BILL, SUMS)]


def notes_of(changelog: str) -> str:
    """Return the first section of a changelog as a page of its own; refuse one that is not of this version, or empty.

    A link to a page of the manual becomes its words: the notes are read where that page is not beside them.
    """
    _, *sections = re.split(r"^## ", changelog, flags=re.MULTILINE)
    heading, _, text = (sections or [""])[0].partition("\n")
    if not HEADING.fullmatch(heading):
        raise NotReadyError(
            f"The changelog begins with “{heading}”, where a release has “{VERSION} (year-month-day)”: rename it."
        )
    if not text.strip():
        raise NotReadyError(f"The changelog says nothing of {VERSION}: write what it brings.")
    words = LINK_OF_THE_MANUAL.sub(r"\1", text).strip()
    return f"# Partage {heading}\n\n{words}\n"


def write_bill(source: Path, path: Path) -> None:
    """Write the bill of materials (CycloneDX) of what the lock pins, and of this version of Partage."""
    lock = ("requirements.lock", "--pyproject", "pyproject.toml", "--output-reproducible", "--output-file", str(path))
    _run(sys.executable, "-m", "cyclonedx_py", "requirements", *lock, cwd=source)
    bill = json.loads(path.read_text(encoding="utf-8"))
    bill["metadata"]["component"]["version"] = VERSION  # the program reads no version that pyproject.toml refers to
    path.write_text(json.dumps(bill, indent=2) + "\n", encoding="utf-8")


def _refuse_another_tag(root: Path) -> None:
    """Refuse a version whose tag is at another commit: it was released."""
    head = _run("git", "rev-parse", "HEAD", cwd=root)
    if _run("git", "tag", "--list", TAG, cwd=root) and _run("git", "rev-parse", f"{TAG}^{{commit}}", cwd=root) != head:
        raise NotReadyError(f"The tag {TAG} is at another commit: raise VERSION in marketplace/core/version.py.")


def _build_wheel(source: Path, folder: Path, environment: Mapping[str, str]) -> None:
    """Build the wheel with the packages of the tests alone, nothing from a network."""
    pip = ("-m", "pip", "--isolated", "--disable-pip-version-check", "--no-input", "--no-cache-dir", "wheel")
    offline = ("--no-index", "--no-build-isolation", "--no-deps", "--wheel-dir", str(folder), ".")
    _run(sys.executable, *pip, *offline, cwd=source, environment=environment)
    if not (folder / WHEEL).exists():
        raise NotReadyError(f"The wheel is not called {WHEEL}: VERSION is not as version specifiers are written.")


def _run(*command: str, cwd: Path, environment: Mapping[str, str] | None = None) -> bytes:
    """Run a program and return what it prints; refuse with its last words where it fails."""
    variables = {**os.environ, **(environment or {})}
    done = subprocess.run(command, cwd=cwd, env=variables, capture_output=True, check=False)
    if done.returncode:
        last = (done.stderr.decode().strip().splitlines() or ["it says nothing"])[-1]
        raise NotReadyError(f"`{Path(command[0]).name} {' '.join(command[1:])}` fails: {last}")
    return done.stdout
