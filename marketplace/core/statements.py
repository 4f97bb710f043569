"""The statements of a package: SQL in the package's `queries.sql`, each named and described, loaded by name.

A block begins with a line `-- name: list_orders`. Comment lines follow that describe the statement and its parameters,
then the statement, whose last line ends with `;`. A text shared by several statements is a block `-- fragment:
order_columns` (no `;`), which `{order_columns}` inserts; a fragment may insert others. `SQL =
load_statements(__package__)` in the package's module, then `SQL["list_orders"]`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from importlib.resources import files
from typing import Final

from msgspec import Struct

FILE: Final = "queries.sql"
_HEADING: Final = re.compile(r"-- (name|fragment): *(\S.*?)? *")
_NAME: Final = re.compile(r"[a-z][a-z0-9_]*")
_INSERTION: Final = re.compile(r"\{([a-z][a-z0-9_]*)\}")


class StatementError(Exception):
    """A `queries.sql` is malformed, or a name is not in it; the sentence begins with file and line."""


class Invariant(Struct, frozen=True):
    """A sentence that must always be true, and the statement whose rows are the offenders.

    A package lists those of its tables in its `invariants.py`. An invariant is needed only if no type, CHECK, key or
    trigger can enforce it; rows in progress do not offend.
    """

    sentence: str
    sql: str
    values: tuple[object, ...] | Callable[[], tuple[object, ...]] = ()
    """Values for the statement's parameters $1, $2, …: account numbers and the currency; a function if a registry lists
    them."""

    def values_now(self) -> tuple[object, ...]:
        """Return the values under the present registries."""
        return self.values if isinstance(self.values, tuple) else self.values()


class Block(Struct, frozen=True):
    """One statement or fragment of the file: `sql` is without the `;`, with `{fragment}` not yet inserted."""

    name: str
    is_fragment: bool
    line: int
    description: str
    sql: str


class Statements(Mapping[str, str]):
    """The statements of one `queries.sql` by name, fragments inserted; an unknown name is a `StatementError`."""

    def __init__(self, path: str, statements: Mapping[str, str]) -> None:
        """Remember the file of the statements, for the sentence on an unknown name."""
        self._path, self._statements = path, dict(statements)

    def __getitem__(self, name: str) -> str:
        """Return the statement called `name`."""
        if name not in self._statements:
            raise StatementError(f"{self._path} has no statement named {name}.")
        return self._statements[name]

    def __contains__(self, name: object) -> bool:
        """Return whether there is a statement called `name`."""
        return name in self._statements

    def __iter__(self) -> Iterator[str]:
        """Yield the names in the file's order."""
        return iter(self._statements)

    def __len__(self) -> int:
        """Return how many statements there are."""
        return len(self._statements)


@cache
def load_statements(package: str, file: str = FILE) -> Statements:
    """Return the statements of a package's `queries.sql`, or another file, read once, also from an installed wheel.

    Raises `StatementError` when the file is missing or malformed.
    """
    path = f"{package.replace('.', '/')}/{file}"
    source = files(package) / file
    if not source.is_file():
        raise StatementError(f"{path} does not exist.")
    return read_statements(source.read_text("utf-8"), path)


def read_statements(text: str, path: str) -> Statements:
    """Return the statements in the text of a `queries.sql`, every fragment inserted.

    Raises `StatementError` when the text is malformed, or when a block inserts a fragment that is not there or itself.
    """
    blocks = read_blocks(text, path)
    fragments = {block.name: block for block in blocks if block.is_fragment}
    return Statements(path, {block.name: _insert(block, fragments, path) for block in blocks if not block.is_fragment})


def _insert(block: Block, fragments: Mapping[str, Block], path: str, inside: tuple[str, ...] = ()) -> str:
    def replacement(match: re.Match[str]) -> str:
        name = match[1]
        if name not in fragments:
            raise StatementError(f"{path}:{block.line} {block.name} inserts {{{name}}}, which is no fragment.")
        if name in (*inside, block.name):
            raise StatementError(f"{path}:{block.line} {block.name} inserts itself through {{{name}}}.")
        return _insert(fragments[name], fragments, path, (*inside, block.name))

    return _INSERTION.sub(replacement, block.sql)


def read_blocks(text: str, path: str) -> list[Block]:
    """Return the statements and fragments in the text of a `queries.sql`, in its order.

    Raises `StatementError` when a block has no name, a name used before or no SQL; when a statement has no `;` at its
    end or a fragment has one; when text outside a block is no comment.
    """
    blocks: list[Block] = []
    lines = text.splitlines()
    starts = [n for n, line in enumerate(lines) if _HEADING.fullmatch(line)]
    _check_outside(lines[: starts[0] if starts else len(lines)], path, first_line=1)
    for start, end in zip(starts, [*starts[1:], len(lines)], strict=True):
        block = _read_block(lines[start:end], path, start + 1)
        if block.name in {earlier.name for earlier in blocks}:
            raise StatementError(f"{path}:{block.line} {block.name} is the name of an earlier block.")
        blocks.append(block)
    return blocks


def _read_block(lines: list[str], path: str, line: int) -> Block:
    heading = _HEADING.fullmatch(lines[0])
    assert heading, "a block begins with its heading"
    name, is_fragment, here = heading[2] or "", heading[1] == "fragment", f"{path}:{line}"
    if not _NAME.fullmatch(name):
        raise StatementError(f"{here} {name!r} is no name: small letters, digits and underscores.")
    body = next((n for n, text in enumerate(lines) if text.strip() and not text.startswith("--")), len(lines))
    last = next((n for n, text in enumerate(lines) if n >= body and text.rstrip().endswith(";")), None)
    if body == len(lines):
        raise StatementError(f"{here} {name} has no SQL.")
    if is_fragment and last is not None:
        raise StatementError(f"{path}:{line + last} the fragment {name} has a `;`, which only a statement has.")
    if not is_fragment and last is None:
        raise StatementError(f"{here} {name} has no `;` at the end of a line.")
    if last is not None:
        _check_outside(lines[last + 1 :], path, first_line=line + last + 1)
    sql = "\n".join(lines[body : len(lines) if last is None else last + 1]).rstrip()
    description = " ".join(text.removeprefix("--").strip() for text in lines[1:body] if text.strip())
    return Block(name, is_fragment, line, description, sql.removesuffix(";").rstrip())


def _check_outside(lines: list[str], path: str, first_line: int) -> None:
    for n, text in enumerate(lines, first_line):
        if text.strip() and not text.startswith("--"):
            raise StatementError(f"{path}:{n} is outside a block: begin one with `-- name:` or `-- fragment:`.")
