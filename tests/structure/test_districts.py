"""The districts: nothing lies beside them, what they use lies below, and inside one no packages form a circle."""

import re
from collections import defaultdict
from collections.abc import Iterator

from piccolo.columns import ForeignKey

from marketplace.core.districts import DISTRICTS
from migrations.schema import function_files, tables
from tests.support.districts import beside_the_districts, district_of, floor_of, is_below, packages, without_caption
from tests.support.ratchet import check, rule
from tests.support.source import (
    PRODUCT,
    Finding,
    file_of_module,
    imports_of,
    package_of,
    planted,
    product_files,
    sql_files,
    text_of,
)
from tests.support.sql import references, texts_of
from tests.support.table_owners import files_with_sql, owner_of

Use = tuple[str, str, str, int, str]
"""A package, the one that it uses, and where: path, line, what it uses."""


def test_nothing_lies_beside_the_districts() -> None:
    assert not beside_the_districts()
    assert set(DISTRICTS) <= packages().keys()


@rule
def imports_upward() -> list[Finding]:
    """Return the imports of a district that is not below."""
    return [
        Finding(path, line, f"{here} imports {module}, which is not below it")
        for path in product_files()
        if floor_of(here := package_of(path)) is not None
        for module, line in imports_of(path)
        if module.split(".")[0] in PRODUCT
        and module.count(".")
        and floor_of(there := package_of(module.replace(".", "/"))) is not None
        and not is_below(there, here)
    ]


def test_imports_point_down_the_districts() -> None:
    check(imports_upward)


def by_import() -> Iterator[Use]:
    """Yield each import of one module of ours by another."""
    for path in product_files():
        for module, line in imports_of(path):
            if other := file_of_module(module):
                yield package_of(path), package_of(other), path, line, module


def by_key() -> Iterator[Use]:
    """Yield each foreign key."""
    for table in tables():
        module = table.__module__.replace(".", "/")
        for column in table._meta.columns:
            if isinstance(column, ForeignKey):
                there = column._foreign_key_meta.resolved_references.__module__.replace(".", "/")
                yield package_of(module), package_of(there), f"{module}.py", 1, f"the key {column._meta.name}"


def by_sql() -> Iterator[Use]:
    """Yield each table that SQL reads or writes, and each database function that it calls."""
    functions = {
        name: package_of(path)
        for path in sql_files("functions.sql")
        for name in re.findall(r"\bCREATE (?:OR REPLACE )?FUNCTION (\w+)", text_of(path))
    }
    call = re.compile(rf"\b({'|'.join(functions)})\(")
    for path in files_with_sql():
        for text in texts_of(path):
            for found in references(text.sql):
                if owner := owner_of().get(found.table):
                    yield package_of(path), owner, path, text.line, found.table
            for match in call.finditer(text.sql):
                yield package_of(path), functions[match[1]], path, text.line, match[1]


def in_circles(found: list[Use]) -> list[Finding]:
    """Return the uses inside a district that are part of a circle of its packages."""
    inside = [use for use in found if use[0] != use[1] and district_of(use[0]) == district_of(use[1])]
    used = defaultdict(set)
    for here, there, *_ in inside:
        used[here].add(there)
    reached = {here: _reached(here, used) for here in list(used)}
    return [
        Finding(path, line, f"{here} uses {there} ({what}), which uses it in turn")
        for here, there, path, line, what in inside
        if here in reached.get(there, set())
    ]


def _reached(start: str, used: dict[str, set[str]]) -> set[str]:
    found: set[str] = set()
    waiting = [start]
    while waiting:
        new = used.get(waiting.pop(), set()) - found
        found |= new
        waiting += new
    return found


@rule
def circles_of_packages() -> list[Finding]:
    """Return the circles of packages inside a district."""
    return in_circles([*by_import(), *by_key(), *by_sql()])


def test_packages_of_a_district_form_no_circle() -> None:
    check(circles_of_packages)


def test_database_functions_are_made_before_they_are_called() -> None:
    """A trigger's function must be there when the trigger is made."""
    texts = [path.read_text() for path in function_files()]
    made = {
        name: at for at, text in enumerate(texts) for name in re.findall(r"\bCREATE OR REPLACE FUNCTION (\w+)", text)
    }
    late = [name for at, text in enumerate(texts) for name in re.findall(r"\b(\w+)\(", text) if made.get(name, -1) > at]
    assert not late


def test_districts_and_packages_say_in_a_line_what_they_are() -> None:
    assert not without_caption()


def test_templates_and_packages_have_one_name() -> None:
    """A template is called by its package's name alone, `ledger/balance.html`: no two districts have one of a name."""
    names = [package.partition("/")[2] for package in packages() if "/" in package]
    assert sorted(names) == sorted(set(names))


def test_a_circle_of_packages_is_found() -> None:
    upward = {"marketplace/money/ledger/planted_circle.py": "from marketplace.money.credit import actions"}
    with planted({**upward, "marketplace/money/credit/planted_circle.sql": "SELECT FROM journal_entry;"}):
        assert {one.sentence for one in circles_of_packages()} == {
            "money/credit uses money/ledger (journal_entry), which uses it in turn",
            "money/ledger uses money/credit (marketplace.money.credit.actions), which uses it in turn",
        }


def test_a_circle_of_three_is_found_and_a_chain_is_none() -> None:
    def use(here: str, there: str) -> Use:
        return here, there, "a.py", 1, "a table"

    found = [
        use("money/credit", "money/ledger"),
        use("money/ledger", "money/payments"),
        use("money/payments", "core/web"),
    ]
    assert not in_circles(found)
    assert len(in_circles([*found, use("money/payments", "money/credit")])) == 3
