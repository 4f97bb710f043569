"""What the manual, README and .github name exists: files, functions, commands; their blocks of code are checked."""

import argparse
import ast
import importlib
import importlib.util
import re
import shlex
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import sqlglot
import yaml

from marketplace.__main__ import parser
from marketplace.client import __main__ as client
from marketplace.core.settings import ROLES
from migrations.schema import tables
from tests.benchmarks._bench import read_arguments
from tests.support.blocks import Block, blocks_of
from tests.support.source import ROOT, text_of, tracked

PAGES = [path for path in tracked("*.md") if path.startswith(("README.md", ".github/", "marketplace/site/docs/"))]
PACKAGES = ("marketplace", "pricing", "migrations", "tests")
NAME = re.compile(r"[a-z_][a-z0-9_]*(?:\.[A-Za-z_][A-Za-z0-9_]*)+")
NO_NAMES = (".py", ".md", ".sql", ".po", ".svg", ".lock", ".toml", ".html", ".yml", ".yaml", ".css", ".env", ".signal")
PARSERS = {"marketplace": parser, "partage": client.parser}
PROGRAMS_OF_OTHERS = {"git", "docker", "pg_basebackup", "pre-commit", "uv", "curl", "openssl", "sha256sum"}
"""Programs that a block may call and this machine need not have; their arguments are not checked."""


def spans_of(page: str) -> list[str]:
    return re.findall(r"`([^`\n]+)`", re.sub(r"^ *```.*?^ *```$", "", text_of(page), flags=re.MULTILINE | re.DOTALL))


@cache
def tracked_folders() -> frozenset[str]:
    return frozenset(str(parent) for path in tracked("*") for parent in Path(path).parents)


def exists(path: str) -> bool:
    """Return whether a path of the repository exists; a package's file may be named without `marketplace/`."""
    found = path.rstrip("/")
    return any(one in tracked_folders() or one in tracked("*") for one in (found, f"marketplace/{found}"))


def find_object(name: str) -> object | None:
    """Return what `ledger.queries.get_balance` names, with or without `marketplace.` before it; None for nothing."""
    for full in (name, f"marketplace.{name}"):
        parts = full.split(".")
        for at in range(len(parts), 0, -1):
            if parts[0] in PACKAGES and importlib.util.find_spec(parts[0]) and (found := _module(parts[:at])):
                for part in parts[at:]:
                    found = getattr(found, part, None)
                return found
    return None


def _module(parts: list[str]) -> Any:
    try:
        return importlib.import_module(".".join(parts))
    except ModuleNotFoundError:
        return None


@cache
def ours() -> frozenset[str]:
    """Return the first part of every name of ours: packages, packages, single files of the marketplace."""
    return frozenset({*PACKAGES, *(path.split("/")[1].removesuffix(".py") for path in tracked("marketplace/*.py"))})


def is_name(span: str) -> bool:
    """Return whether a span is the dotted name of something of ours."""
    bare = span.removesuffix("()")
    return bool(NAME.fullmatch(bare)) and bare.split(".")[0] in ours() and not bare.endswith(NO_NAMES)


@pytest.mark.parametrize("page", PAGES)
def test_every_file_that_a_page_names_exists(page: str) -> None:
    named = [span for span in spans_of(page) if "/" in span and re.fullmatch(r"[\w.-]*\w(/[\w.-]+)*/?", span)]
    assert not [span for span in named if not exists(span) and not re.search("NNNN|NAME", span)]


@pytest.mark.parametrize("page", PAGES)
def test_every_function_that_a_page_names_exists(page: str) -> None:
    gone = [span for span in spans_of(page) if is_name(span) and find_object(span.removesuffix("()")) is None]
    assert not gone


@pytest.mark.parametrize("page", [page for page in PAGES if "/life-of-" in page])
def test_every_table_that_a_life_writes_exists(page: str) -> None:
    known = {table._meta.tablename for table in tables()}
    written = [row.rstrip("|").rpartition("|")[2] for row in text_of(page).splitlines() if row.startswith("| ")]
    named = [name for cell in written for name in re.findall(r"`([^`]+)`", cell)]
    assert named
    assert not set(named) - known


@pytest.mark.parametrize("page", [page for page in PAGES if not page.startswith("marketplace/site/docs/")])
def test_every_link_to_a_file_leads_somewhere(page: str) -> None:
    links = re.findall(r"\]\(([^)#]+)", text_of(page))
    gone = [link for link in links if not link.startswith("http") and not (ROOT / page).parent.joinpath(link).exists()]
    assert not gone


@pytest.mark.parametrize("block", [b for page in PAGES for b in blocks_of(page)], ids=lambda b: f"{b.page}:{b.line}")
def test_every_block_of_code_is_right(block: Block) -> None:
    match block.language:
        case "shell":
            for line in re.sub(r"\\\n\s*", "", block.text).splitlines():
                check_command(shlex.split(line, comments=True))
        case "python":
            # What a partner writes for a client needs that client and a link: tests of links run it in its environment.
            check_python(block.text, is_run=not block.page.startswith("marketplace/site/docs/partner/"))
        case "sql":
            assert sqlglot.parse(block.text, dialect="postgres")
        case "yaml":
            yaml.safe_load(block.text)
        case "text":
            assert block.text.strip()
        case other:
            pytest.fail(f"a block of code names its language: shell, python, sql, yaml or text, not {other!r}")


def check_command(words: list[str]) -> None:
    """Fail unless a command line can be run: its program, module, sub-command, options, test paths and benchmark exist."""
    while words and re.fullmatch(r"[A-Z_]+=\S*", words[0]):
        words = words[1:]
    match words:
        case [] | ["cd", _] | ["python3", "tests", "release", _]:
            pass
        case ["set", "-a;", ".", file, "set", "+a"]:
            assert file in {f"environment/{role}.env;" for role in ROLES}, file
        case ["python3", "marketplace" as program, *arguments] | ["marketplace" | "partage" as program, *arguments]:
            if arguments != ["--help"]:
                parse(arguments, program)
        case ["python3", "tests", "bench", *arguments]:
            assert read_arguments(arguments).name
        case ["python3", "tests", *arguments]:
            assert all(argument == "deep" or exists(argument) for argument in arguments), arguments
        case ["python3" | "python" | ".venv/bin/python", "-m", module, *arguments]:
            assert importlib.util.find_spec(module), module
            paths = [argument for argument in arguments if "/" in argument]
            assert all(map(exists, paths)), paths
        case [program, *_]:
            assert program in PROGRAMS_OF_OTHERS, words


def parse(arguments: list[str], program: str = "marketplace") -> argparse.Namespace:
    """Read a command line as the product does; fail where it would refuse."""
    try:
        return PARSERS[program]().parse_args(arguments)
    except SystemExit:
        pytest.fail(f"`{program} {shlex.join(arguments)}` is refused")


def check_python(text: str, *, is_run: bool = True) -> None:
    """Run the text, which only defines; fail unless it is Python whose imports of ours exist."""
    for node in ast.walk(ast.parse(text)):
        for name in names_imported(node):
            assert find_object(name) is not None, name
    code = compile(text, "a block of the manual", "exec")
    if is_run:
        exec(code, {"__name__": "block"})  # noqa: S102 (our own text)


def names_imported(node: ast.AST) -> Iterator[str]:
    match node:
        case ast.ImportFrom(module=str(module), names=names) if module.split(".")[0] in PACKAGES:
            yield from (f"{module}.{alias.name}" for alias in names)
        case ast.Import(names=names):
            yield from (alias.name for alias in names if alias.name.split(".")[0] in PACKAGES)


def test_the_finders_find() -> None:
    assert isinstance(find_object("money.ledger.chart"), ModuleType)
    assert find_object("marketplace.core.clock.now") is find_object("core.clock.now")
    assert find_object("core.clock.never") is None
    assert is_name("money.ledger.chart.TITLES")
    assert not is_name("settings.py")
    assert exists("money/ledger/chart.py")
    assert not exists("money/ledger/never.py")
    for wrong in ("python3 marketplace dance", "python3 tests tests/never", "python -m tests.never", "dance"):
        with pytest.raises((AssertionError, pytest.fail.Exception)):
            check_command(shlex.split(wrong))
    with pytest.raises(AssertionError):
        check_python("from marketplace.core.clock import never")


def test_hooks_run_programs_of_ours_and_fetch_nothing() -> None:
    configuration = yaml.safe_load(text_of(".pre-commit-config.yaml"))
    assert {repository["repo"] for repository in configuration["repos"]} == {"local"}
    for hook in configuration["repos"][0]["hooks"]:
        assert hook["language"] == "system"
        check_command(shlex.split(hook["entry"]))
    for path in (".pre-commit-config.yaml", ".editorconfig", ".github/CONTRIBUTING.md", ".github/SECURITY.md"):
        assert "://" not in text_of(path)
