"""A product is one file: elsewhere nothing is chosen by the name of one.

What differs between products is a field of its entry. A default or a row of the demo's may name one; a `match`, a
comparison, a key or a condition in SQL or a template may not.
"""

import ast
import re
from collections.abc import Iterable, Iterator

from marketplace.privacy.product_registry import PRODUCTS
from tests.support.ratchet import check, rule
from tests.support.source import Finding, nodes_of, product_files, sql_files, text_of, tracked

OWN = "marketplace/privacy/products/"
SOURCES = "marketplace/consent/switches/rules.py"
"""Sources of data, which people switch: one has the name of a product."""
QUOTED = re.compile(rf"""(['"])({"|".join(PRODUCTS)})\1""")


def _names(nodes: Iterable[ast.expr | ast.pattern | None]) -> Iterator[tuple[str, int]]:
    """Yield the products that constants among these expressions name, alone or in a collection."""
    for node in nodes:
        match node:
            case ast.Constant(value=str(name)) if name in PRODUCTS:
                yield name, node.lineno
            case ast.MatchValue(value=value):
                yield from _names([value])
            case ast.Tuple(elts=inner) | ast.List(elts=inner) | ast.Set(elts=inner):
                yield from _names(inner)


def choices(nodes: Iterable[ast.AST]) -> Iterator[tuple[str, int]]:
    """Yield the products by whose name Python chooses, with the line."""
    for node in nodes:
        match node:
            case ast.match_case(pattern=pattern):
                parts = pattern.patterns if isinstance(pattern, ast.MatchOr) else [pattern]
                yield from _names(parts)
            case ast.Compare(left=left, comparators=others):
                yield from _names([left, *others])
            case ast.Dict(keys=keys):
                yield from _names(keys)
            case ast.Subscript(slice=key, ctx=ast.Load()):
                yield from _names([key])
            case ast.Call(func=ast.Attribute(attr="get" | "pop"), args=[key, *_]):
                yield from _names([key])


@rule
def chosen_by_product() -> list[Finding]:
    """Return where something is chosen by a product's name outside its file."""
    python = [(path, found) for path in product_files() for found in choices(nodes_of(path))]
    texts = [
        (path, (match[2], text_of(path).count("\n", 0, match.start()) + 1))
        for path in (*sql_files(), *tracked("marketplace/*.html"))
        for match in QUOTED.finditer(re.sub(r"--.*", "", text_of(path)))
    ]
    return [
        Finding(path, line, f"chooses by the product {name}; make it a field of `privacy.product.Product`")
        for path, (name, line) in (*python, *texts)
        if not path.startswith((OWN, SOURCES))
    ]


def test_nothing_is_chosen_by_a_products_name() -> None:
    check(chosen_by_product)


def test_a_choice_by_a_products_name_is_found() -> None:
    planted = """
match product:
    case "stays" | "flows": pass
    case "presence": pass
titles = {"arrivals": 1}
if product == "flows" or product in ("stays",): pass
titles["presence"], titles.get("flows")
"""
    found = [name for name, _ in choices(ast.walk(ast.parse(planted)))]
    assert sorted(found) == sorted(["stays", "flows", "presence", "arrivals", "flows", "stays", "presence", "flows"])
    assert not list(choices(ast.walk(ast.parse('product: str = "presence"\nshown["flows"] = 1'))))
