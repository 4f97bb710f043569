"""A forgotten entry fails: what the source defines of a kind is what its registry lists."""

import ast
from collections.abc import Collection, Iterable, Iterator
from typing import Final

import pytest

from marketplace.delivery.downloads.formats.registry import FORMATS
from marketplace.finance.bookkeeping.exports.registry import EXPORT_FORMATS
from marketplace.finance.reconciliation.exceptions.registry import EXCEPTIONS
from marketplace.finance.task_kinds import TASKS
from marketplace.people.messages.registry import KINDS as MESSAGES
from marketplace.privacy.product_registry import PRODUCTS
from marketplace.sales.auctions.registry import KINDS as AUCTIONS
from tests.support.ratchet import check, rule
from tests.support.source import Finding, nodes_of, product_files

REGISTRIES: Final[dict[str, Collection[str]]] = {
    "MessageKind": MESSAGES,
    "ExceptionKind": EXCEPTIONS,
    "Product": PRODUCTS,
    "AuctionKind": AUCTIONS,
    "ExportFormat": EXPORT_FORMATS,
    "FileFormat": FORMATS,
    "TaskKind": TASKS,
}
"""The class of an entry → its registry, by code."""


def entries_defined(kind: str) -> Iterator[tuple[str, ast.Call]]:
    """Yield where the product defines an entry of a class: the file and the call."""
    for path in product_files():
        for node in nodes_of(path):
            match node:
                case ast.Call(func=ast.Name(id=name) | ast.Attribute(attr=name)) if name == kind:
                    yield path, node


def forgotten(kind: str, defined: Iterable[tuple[str, ast.Call]], listed: Collection[str]) -> Iterator[Finding]:
    """Yield the entries that their registry does not list, or that have no code of their own."""
    seen: set[object] = set()
    for path, call in defined:
        given = {word.arg: word.value for word in call.keywords}
        code = getattr(given.get("code", call.args[0] if call.args else None), "value", None)
        if code not in listed:
            yield Finding(path, call.lineno, f"{kind} {code} is in no registry: list it")
        if code in seen:
            yield Finding(path, call.lineno, f"{kind} {code} is defined twice")
        seen.add(code)


@rule
def entries_forgotten() -> list[Finding]:
    """Return the entries of registries that are defined and not listed."""
    return [found for kind, listed in REGISTRIES.items() for found in forgotten(kind, entries_defined(kind), listed)]


def test_every_entry_that_is_defined_is_listed() -> None:
    check(entries_forgotten)


@pytest.mark.parametrize("kind", REGISTRIES)
def test_an_entry_that_is_forgotten_is_found(kind: str) -> None:
    defined = list(entries_defined(kind))
    assert len(defined) == len(REGISTRIES[kind])
    for code in REGISTRIES[kind]:
        without = set(REGISTRIES[kind]) - {code}
        assert [found.sentence for found in forgotten(kind, defined, without)] == [
            f"{kind} {code} is in no registry: list it"
        ]
    [twice] = forgotten(kind, [*defined, defined[0]], REGISTRIES[kind])
    assert twice.sentence.endswith("is defined twice")
