"""Environment files: a process's settings and keys, one file for each role, readable by its owner alone.

A shell (`set -a; . web.env`), systemd (`EnvironmentFile=`) and Compose (`env_file:`) read them alike. Existing values
are never changed: missing keys are made, and missing settings are added. Each file is replaced in one step, so a
process that reads it during a write, or after a writer died, finds the old file or the new one.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
import secrets
import shlex
import stat
import tempfile
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from marketplace.core import clock
from marketplace.core.errors import Conflict, Invalid
from marketplace.core.sealing import public_key
from marketplace.core.settings import ROLES, Make, Settings

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

OWNER_ONLY: Final = 0o600
OTHERS_WRITE: Final = 0o022
_PLAIN: Final = re.compile(r"[\w@%+=:,./-]*", re.ASCII)
_LINE: Final = re.compile(r"(?:export\s+)?([A-Za-z_]\w*)=(.*)", re.ASCII)


def complete(folder: Path, given: Mapping[str, str]) -> list[str]:
    """Make the keys that the files in `folder` lack, add missing settings, and return a line about each file.

    given: the process's own environment; a file's values have priority. Refuses, and changes nothing, if two files have
    different keys, or a file does not belong to this account.
    """
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    with _locked(folder):
        for left in (found for role in ROLES for found in folder.glob(f".{role}.env.*")):
            left.unlink()  # keys that a killed run had not yet renamed
        known = {role: read_file(folder / f"{role}.env") for role in ROLES}
        values = dict(given) | _keys(known, given)
        files = [
            (folder / f"{role}.env", *_completed(folder / f"{role}.env", role, known[role], values)) for role in ROLES
        ]
        for path, text, _ in files:
            _write(path, text)
    return [f"{path}: {added} added." for path, _, added in files]


def read_file(path: Path) -> dict[str, str]:
    """Return the variables of an environment file, empty if it does not exist; refuses a malformed line."""
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return {}
    except UnicodeDecodeError:
        raise Invalid(f"{path} is not a text in UTF-8: save it as one.") from None
    found = {}
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        match = _LINE.fullmatch(line.strip())
        try:
            words = shlex.split(match[2]) if match else []
        except ValueError:
            match = None
        if match is None or len(words) > 1:
            raise Invalid(f"{path}, line {number}, is not NAME=VALUE; put quotes around a value with spaces.")
        found[match[1]] = "".join(words)
    return found


@contextlib.contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Let one process at a time write here, in a folder where nobody else may write."""
    if folder.stat().st_mode & OTHERS_WRITE:
        raise Invalid(f"Other accounts may write in {folder}: run `chmod go-w {folder}` first.")
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _keys(known: Mapping[str, Mapping[str, str]], given: Mapping[str, str]) -> dict[str, str]:
    """Return every key: from the files, else from `given`, else new."""
    keys: dict[str, str] = {}
    for f in fields(Settings):
        variable, make = f.metadata["variable"], f.metadata["make"]
        if make is None:
            continue
        values = {role: known[role][variable] for role in ROLES if known[role].get(variable)}
        if len(set(values.values())) > 1:
            raise Conflict(f"{variable} differs between {' and '.join(f'{role}.env' for role in values)}.")
        keys[variable] = next(iter(values.values()), given.get(variable, ""))
    opens, seals = keys["PARTAGE_BID_KEY"], keys["PARTAGE_BID_PUBLIC_KEY"]
    if seals and not opens:
        raise Conflict(
            "PARTAGE_BID_PUBLIC_KEY is set and PARTAGE_BID_KEY is not: put the key that opens bids back first."
        )
    keys = {variable: value or _made(variable) for variable, value in keys.items()}
    if seals and seals != _public_half(opens):
        raise Conflict("PARTAGE_BID_PUBLIC_KEY is not the public half of PARTAGE_BID_KEY.")
    return keys | {"PARTAGE_BID_PUBLIC_KEY": _public_half(keys["PARTAGE_BID_KEY"])}


def _public_half(opens: str) -> str:
    try:
        return public_key(opens)
    except ValueError:
        raise Invalid("PARTAGE_BID_KEY must be 64 hex digits: an X25519 private key.") from None


def _made(variable: str) -> str:
    """Return a new key for this setting."""
    (make,) = (f.metadata["make"] for f in fields(Settings) if f.metadata["variable"] == variable)
    if make is Make.TEXT:
        return secrets.token_urlsafe(32)
    if make is Make.NAMED:
        return f"{clock.now():k%Y_%m_%d}:{secrets.token_hex(32)}"
    return secrets.token_hex(32)


def _completed(path: Path, role: str, known: Mapping[str, str], values: Mapping[str, str]) -> tuple[str, str]:
    """Return the text of one file with its missing values, and the names of the new ones."""
    text, added = _owned_text(path), []
    for f in fields(Settings):
        variable = f.metadata["variable"]
        if role not in f.metadata["roles"] or known.get(variable):
            continue
        value = values.get(variable, "")
        text = _with_value(text, variable, value, f.metadata)
        if value:
            added.append(variable)
    return text, ", ".join(added) or "nothing"


def _with_value(text: str, variable: str, value: str, stated: Mapping[str, Any]) -> str:
    """Return a file's text with a value for one setting, or with a line to fill in if a needed value is missing."""
    line = f"{variable}={_quoted(variable, value)}"
    empty = re.compile(rf"^(export\s+)?{variable}=['\"\s]*$", re.MULTILINE)
    if empty.search(text):
        return empty.sub(lambda _: line, text, count=1) if value else text
    commented = re.compile(rf"^# {variable}=.*$", re.MULTILINE)
    if commented.search(text):
        return commented.sub(lambda _: line, text, count=1) if value else text
    if not value and not stated["needed"]:
        line = f"# {variable}={_quoted(variable, stated['default'])}"
    gap = "\n" if text and not text.endswith("\n\n") else ""
    end = "" if not text or text.endswith("\n") else "\n"
    return f"{text}{end}{gap}# {stated['description']}\n{line}\n"


def _quoted(variable: str, value: str) -> str:
    """Return a value in a form that shells, systemd and Compose all read."""
    if _PLAIN.fullmatch(value):
        return value
    if "'" not in value and "\n" not in value:
        return f"'{value}'"
    if not re.search(r'["$`\\\n]', value):
        return f'"{value}"'
    raise Invalid(f"{variable} has signs that no environment file can hold.")


def _owned_text(path: Path) -> str:
    """Return a file's text, empty if it does not exist; refuses anything but a file of this account."""
    try:
        found = path.lstat()
    except FileNotFoundError:
        return ""
    if not stat.S_ISREG(found.st_mode) or found.st_uid != os.geteuid():
        raise Invalid(f"{path} is not a file of this account's own.")
    return path.read_text(encoding="utf-8")


def _write(path: Path, text: str) -> None:
    """Replace a file as a whole; one that has this text already is not changed."""
    if path.exists() and path.read_text(encoding="utf-8") == text:
        path.chmod(OWNER_ONLY)
        return
    descriptor, new = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")  # created with mode 0600
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(descriptor)
        Path(new).replace(path)
    except BaseException:
        Path(new).unlink(missing_ok=True)
        raise
    folder = os.open(path.parent, os.O_RDONLY)
    os.fsync(folder)
    os.close(folder)
