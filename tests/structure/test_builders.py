"""What tests share: it lies beside no test, each name says one thing, and a district's builders point down the floors."""

import ast
import re
from collections import defaultdict
from collections.abc import Iterable

from marketplace.core.districts import DISTRICTS
from tests.support.districts import floor_of, is_below
from tests.support.ratchet import check, rule
from tests.support.source import Finding, imports_of, tracked, tree_of

Import = tuple[str, str, int]
"""Which file imports which module, on which line."""
Definition = tuple[str, str, int]
"""A file, the name that it defines, and the line."""
BUILDERS = re.compile(rf"tests/({'|'.join(DISTRICTS)})/builders\b")
OUTSIDE = "marketplace.demo."
"""The banks, platforms and Stripe that play the world outside: builders speak to them as the product does."""
PROGRAMS = "main"
"""What each program calls its own beginning."""


def files_of_tests() -> list[str]:
    return [path for path in tracked("*.py") if path.startswith("tests/")]


def all_imports() -> list[Import]:
    return [(path, module, line) for path in files_of_tests() for module, line in imports_of(path)]


def definitions() -> list[Definition]:
    """Return the public helpers at the top of each module: functions, fixtures and classes that are no tests."""
    return [
        (path, node.name, node.lineno)
        for path in files_of_tests()
        for node in tree_of(path).body
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef)
        and not node.name.startswith(("test_", "_"))
        and node.name != PROGRAMS
    ]


def of_tests(imports: Iterable[Import]) -> list[Finding]:
    return [
        Finding(path, line, f"imports {module}: what tests share lies in builders, in a conftest or in tests/support")
        for path, module, line in imports
        if module.startswith("tests.") and module.rpartition(".")[2].startswith("test_")
    ]


def defined_twice(found: Iterable[Definition]) -> list[Finding]:
    places = defaultdict(list)
    for path, name, line in found:
        places[name].append((path, line))
    return [
        Finding(path, line, f"defines {name}, as {others[0][0]} does: use that one, or say what differs in the name")
        for name, others in places.items()
        for path, line in others[1:]
    ]


def upward(imports: Iterable[Import]) -> list[Finding]:
    """Return what a district's builders import of a district above it, or of its tests."""
    found = []
    for path, module, line in imports:
        of_builders = BUILDERS.match(path)
        is_ours = module.startswith(("marketplace.", "tests.")) and not module.startswith(OUTSIDE)
        there = module.split(".")[1] if is_ours else ""
        if of_builders and floor_of(there) is not None and not is_below(there, of_builders[1]):
            found.append(Finding(path, line, f"the builders of {of_builders[1]} import {module}, which is not below"))
    return found


@rule
def imports_of_test_modules() -> list[Finding]:
    """Return the imports of one test module by another module."""
    return of_tests(all_imports())


@rule
def helpers_defined_twice() -> list[Finding]:
    """Return the public helpers of tests whose name another module has too."""
    return defined_twice(definitions())


@rule
def builders_upward() -> list[Finding]:
    """Return the imports of builders that do not point down the floors."""
    return upward(all_imports())


def test_no_test_module_is_imported() -> None:
    check(imports_of_test_modules)


def test_no_helper_is_defined_twice() -> None:
    check(helpers_defined_twice)


def test_builders_point_down_the_floors() -> None:
    check(builders_upward)


def test_each_planted_fault_is_found() -> None:
    assert of_tests([("tests/money/test_a.py", "tests.sales.orders.test_b", 3)])
    assert not of_tests([("tests/money/test_a.py", "tests.sales.builders.shop", 3)])
    helper = ("tests/money/builders.py", "open_shop", 1)
    assert not defined_twice([helper])
    assert len(defined_twice([helper, ("tests/sales/test_a.py", "open_shop", 9), ("tests/a.py", "open_shop", 9)])) == 2
    for module in ("tests.sales.builders.shop", "marketplace.sales.orders", "marketplace.oversight.invariants"):
        assert upward([("tests/money/builders.py", module, 1)])
        assert not upward([("tests/oversight/builders.py", module, 1), ("tests/site/builders/ways.py", module, 1)])
    assert not upward([("tests/money/builders.py", "marketplace.demo.bank", 1)])
    assert not upward([("tests/money/test_a.py", "marketplace.sales.orders", 1)])
