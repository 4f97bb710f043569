"""The demo does what an operator can: it uses what commands, pages, routes and jobs use, and writes no SQL of its own."""

import ast
import re
from collections.abc import Iterable, Iterator
from typing import Final

from tests.support.source import file_of_module, nodes_of, product_files, strings_in, tree_of

ENTRY_POINT: Final = re.compile(
    r"marketplace/(commands/\w+|[\w/]*/(\w+_)?pages|[\w/]*/(\w+_)?api|[a-z]+/jobs|site/(jobs/own|webhooks|app|serving/server))\.py"
)
"""Where people, machines, Stripe and the clock come in."""
DEMO: Final = re.compile(r"marketplace/demo/\w+\.py")
READS: Final = re.compile(r"marketplace/([\w/]+[/_]queries|core/clock)\.py")
WRITES_SQL: Final = re.compile(
    r"\s*(WITH\b.*)?\b(INSERT\s+INTO|UPDATE\s+\w+\s+SET|DELETE\s+FROM|TRUNCATE|MERGE\s+INTO|COPY)\b"
)
BESIDE_THEM: Final = {
    "marketplace.core.database.fetch_column": "reading",
    "marketplace.core.database.fetch_row": "reading",
    "marketplace.core.database.fetch_rows": "reading",
    "marketplace.core.database.fetch_scalar": "reading",
    "marketplace.core.database.open_pool": "what each command does first, in one event loop here",
    "marketplace.core.database.close_pool": "and last",
    "marketplace.core.database.transaction": "an auction and its first bids are one step, so that a start that was stopped repeats it",
    "marketplace.site.jobs.scheduler.ticking": "the worker of `jobs`, in one event loop with the site",
}
"""What else the demo may wait for, each with its reason."""


def uses(path: str) -> Iterator[tuple[str, int]]:
    """Yield every function or name of a module of ours that a file mentions, as `module.name`, with the line."""
    modules, names = dict[str, str](), dict[str, str]()
    for node in nodes_of(path):
        if isinstance(node, ast.ImportFrom) and node.module:
            for alias in node.names:
                whole = f"{node.module}.{alias.name}"
                (modules if file_of_module(whole) else names)[alias.asname or alias.name] = whole
    for node in nodes_of(path):
        if isinstance(node, ast.Name) and node.id in names:
            yield names[node.id], node.lineno
        elif isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id in modules:
            yield f"{modules[node.value.id]}.{node.attr}", node.lineno


def is_awaited(name: str) -> bool:
    """Return whether this is an asynchronous function of ours: what is not can neither read nor write the database."""
    module, _, function = name.rpartition(".")
    path = file_of_module(module)
    if path is None:
        return False
    return any(isinstance(node, ast.AsyncFunctionDef) and node.name == function for node in tree_of(path).body)


def files_like(pattern: re.Pattern[str]) -> Iterable[str]:
    found = [path for path in product_files() if pattern.fullmatch(path)]
    assert found, pattern.pattern
    return found


def test_the_demo_does_what_commands_pages_routes_and_jobs_do() -> None:
    reached = {name for path in files_like(ENTRY_POINT) for name, _ in uses(path)}
    mentioned, found = set[str](), list[str]()
    for path in files_like(DEMO):
        for name, line in uses(path):
            mentioned.add(name)
            owner = file_of_module(name.rpartition(".")[0]) or ""
            if owner.startswith("marketplace/demo/") or READS.fullmatch(owner) or not is_awaited(name):
                continue
            if name not in reached and name not in BESIDE_THEM:
                found.append(f"{path}:{line} {name}: no command, page, route or job does that")
    assert not found, "\n".join(found)
    assert BESIDE_THEM.keys() <= mentioned, "an exception that nothing needs any more"


def test_the_demo_writes_no_sql() -> None:
    found = [
        f"{path}:{line} writes: an action of the package does that"
        for path in files_like(DEMO)
        for text, line in strings_in(nodes_of(path))
        if WRITES_SQL.match(text)
    ]
    found += [
        f"{path}:{line} {name}: a table is its package's to write"
        for path in files_like(DEMO)
        for name, line in uses(path)
        if name.rpartition(".")[0].endswith("tables")
    ]
    assert not found, "\n".join(found)
