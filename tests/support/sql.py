"""Which tables a piece of SQL reads and writes, and which SQL a Python file has.

A tokenizer rather than a parser: our SQL comes in fragments and in functions' bodies, which no parser of whole statements
reads. Keywords are upper case throughout (a test holds that), so that `from` in a sentence is no FROM.
"""

import ast
import re
from collections.abc import Iterator
from functools import cache

from msgspec import Struct

from tests.support.source import file_of_module, nodes_of, text_of, tree_of

UNKNOWN = "computed_name"
"""Is written in a text for an interpolation that no constant resolves."""
_TOKEN = re.compile(
    r"""--[^\n]* | /\*.*?\*/                # comments
      | (?P<string>'(?:[^']|'')*')
      | (?P<word>"[^"]+"|[A-Za-z_][A-Za-z_0-9]*)
      | (?P<sign>[(),.;])
      | \$[A-Za-z_]*\$ | \S                 # a dollar quote is skipped, what it quotes is read
    """,
    re.VERBOSE | re.DOTALL,
)
_FROM_INSIDE = {"EXTRACT", "SUBSTRING", "TRIM", "OVERLAY", "POSITION", "BOTH", "LEADING", "TRAILING"}
_NO_UPDATE = {"FOR", "KEY", "DO", "OR", "BEFORE", "AFTER", "ON", "OF", "THEN", "GRANT"}
_ENDS_FROM = {
    "WHERE",
    "GROUP",
    "ORDER",
    "LIMIT",
    "OFFSET",
    "FETCH",
    "UNION",
    "EXCEPT",
    "INTERSECT",
    "RETURNING",
    "SET",
    "VALUES",
    "SELECT",
    "HAVING",
    "WINDOW",
    "FOR",
    "INSERT",
    "UPDATE",
    "DELETE",
    "THEN",
    "LOOP",
    "END",
}
_PASSED_OVER = {"ONLY", "LATERAL", "TABLE", "IF", "EXISTS"}


class Reference(Struct, frozen=True):
    """A table that a text reads or writes; `offset` is where its name begins."""

    table: str
    writes: bool
    offset: int


class _Token(Struct):
    text: str
    offset: int

    @property
    def is_name(self) -> bool:
        return bool(re.fullmatch(r'"[^"]+"|[a-z_][a-z_0-9]*', self.text))

    @property
    def name(self) -> str:
        return self.text.strip('"')


class _Level(Struct):
    """What is known inside one pair of parentheses: whose they are, and whether a FROM list or a relation is under way."""

    function: str = ""
    in_from: bool = False
    expects: bool = False
    writes: bool = False


def references(sql: str) -> list[Reference]:
    """Return every relation that a text names where tables are read or written, common table expressions left out."""
    tokens: list[_Token] = []
    inner: list[Reference] = []
    for match in _TOKEN.finditer(sql):
        if match["string"]:
            inner += [
                Reference(found.table, found.writes, match.start() + 1 + found.offset)
                for found in (references(match["string"][1:-1]) if " " in match["string"] else [])
            ]
            tokens.append(_Token("''", match.start()))
        elif match["word"] or match["sign"]:
            tokens.append(_Token(match[0], match.start()))
    common = set(_common_table_expressions(tokens))
    return [found for found in (*_relations(tokens), *inner) if found.table not in common]


def common_table_expressions(sql: str) -> set[str]:
    """Return the names that a text gives to queries (WITH name AS (SELECT …))."""
    return set(
        _common_table_expressions([_Token(m[0], m.start()) for m in _TOKEN.finditer(sql) if m["word"] or m["sign"]])
    )


def _common_table_expressions(tokens: list[_Token]) -> Iterator[str]:
    """Yield each name before AS [NOT MATERIALIZED] (SELECT …, with or without a list of columns."""
    for at, token in enumerate(tokens):
        if token.text != "AS":
            continue
        after = at + 1
        while after < len(tokens) and tokens[after].text in {"NOT", "MATERIALIZED"}:
            after += 1
        begins = [t.text for t in tokens[after : after + 3]]
        while begins[1:2] == ["("]:
            del begins[1]
        if begins[:1] != ["("] or (begins[1:2] or [""])[0] not in {
            "SELECT",
            "INSERT",
            "UPDATE",
            "DELETE",
            "WITH",
            "VALUES",
            "MERGE",
        }:
            continue
        before = at - 1
        if before > 0 and tokens[before].text == ")":
            while before > 0 and tokens[before].text != "(":
                before -= 1
            before -= 1
        if before >= 0 and tokens[before].is_name:
            yield tokens[before].name


def _relations(tokens: list[_Token]) -> Iterator[Reference]:  # noqa: C901, PLR0912 (one case a keyword)
    levels = [_Level()]
    trigger = ""
    texts = ["", "", *(token.text for token in tokens), "", ""]
    at = 0
    while at < len(tokens):
        token, level = tokens[at], levels[-1]
        two_before, before, after = texts[at], texts[at + 1], texts[at + 3]
        at += 1
        match token.text:
            case "(":
                levels.append(
                    _Level(function=before.upper(), expects=level.expects and after not in {"SELECT", "WITH", "VALUES"})
                )
                levels[-1].in_from = levels[-1].expects
                level.expects = False
            case ")":
                if len(levels) > 1:
                    levels.pop()
            case ",":
                level.expects, level.writes = level.in_from, level.writes and level.in_from
            case ";":
                levels, trigger = [_Level()], ""
            case "FROM":
                if (
                    level.function in _FROM_INSIDE
                    or before in _FROM_INSIDE
                    or (before == "DISTINCT" and two_before in {"IS", "NOT"})
                ):
                    continue
                level.in_from = level.expects = True
                level.writes = before == "DELETE"
            case "JOIN":
                level.expects, level.writes = True, False
            case "USING":
                level.expects = level.in_from = after != "("
                level.writes = False
            case "INTO":
                level.expects = level.writes = before in {"INSERT", "MERGE"}
            case "UPDATE":
                level.expects = level.writes = before not in _NO_UPDATE and before != ","
                level.in_from = False
            case "COPY":
                level.expects = level.writes = True
            case "TRUNCATE":
                level.expects = level.writes = level.in_from = True
            case "TRIGGER":
                trigger = texts[at + 3] if before in {"CREATE", "CONSTRAINT"} or two_before == "OR" else ""
            case "ON":
                level.expects = bool(trigger)
                level.writes = trigger not in {"", "AFTER"}  # one that fires afterwards changes no row of the table
                trigger = ""
            case text if text in _ENDS_FROM:
                level.in_from = level.expects = False
            case text if text in _PASSED_OVER:
                pass
            case _ if level.expects and token.is_name:
                while at + 1 < len(tokens) and tokens[at].text == "." and tokens[at + 1].is_name:
                    at += 2
                level.expects = False
                follows = tokens[at].text if at < len(tokens) else ""
                named = tokens[at - 1]
                if follows != "(" or level.writes:
                    yield Reference(named.name, level.writes and follows != "TO", token.offset)
                if level.writes and not level.in_from:
                    level.writes = False
            case _:
                level.expects = False


class Text(Struct, frozen=True):
    """A string of a Python file or a `.sql` file, interpolations resolved; `line` is where it begins."""

    path: str
    line: int
    sql: str


def texts_of(path: str) -> list[Text]:
    """Return every string of a Python file but docstrings, f-strings and sums with their constants filled in; or all of a `.sql` file."""
    if path.endswith(".sql"):
        return [Text(path, 1, text_of(path))]
    inside: set[int] = set()
    texts = []
    for node in nodes_of(path):
        if id(node) in inside or _is_docstring(node):
            inside |= {id(child) for child in ast.walk(node)}
        elif isinstance(node, ast.JoinedStr | ast.BinOp) or (
            isinstance(node, ast.Constant) and isinstance(node.value, str)
        ):
            sql = resolve(node, path)
            if sql.strip() and sql.strip() != UNKNOWN:
                texts.append(Text(path, node.lineno, sql))
                inside |= {id(child) for child in ast.walk(node)}
    return texts


def _is_docstring(node: ast.AST) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)


def resolve(node: ast.expr, path: str) -> str:  # noqa: PLR0911 (one case a shape)
    """Return what a string expression can be: module constants filled in, both sides of a choice, else `UNKNOWN`."""
    match node:
        case ast.Constant(value=str(value)):
            return value
        case ast.JoinedStr(values=parts):
            return "".join(resolve(part, path) for part in parts)
        case ast.FormattedValue(value=value):
            return resolve(value, path)
        case ast.BinOp(left=left, op=ast.Add(), right=right):
            return resolve(left, path) + resolve(right, path)
        case ast.IfExp(body=body, orelse=orelse):
            return " , ".join(text for text in (resolve(body, path), resolve(orelse, path)) if text.strip())
        case ast.Name(id=name):
            return _constant(path, name)
        case ast.Attribute(value=ast.Name(id=module), attr=name):
            origin = _imports_of(path).get(module)
            return _constant(file_of_module(".".join(origin)), name) if origin else UNKNOWN
    return UNKNOWN


@cache
def _constant(path: str | None, name: str) -> str:
    """Return the text of a module's constant, followed through imports."""
    if path is None:
        return UNKNOWN
    for statement in tree_of(path).body:
        match statement:
            case ast.Assign(targets=[ast.Name(id=target)], value=value) if target == name:
                return resolve(value, path)
            case ast.AnnAssign(target=ast.Name(id=target), value=ast.expr() as value) if target == name:
                return resolve(value, path)
    origin = _imports_of(path).get(name)
    return _constant(file_of_module(origin[0]), origin[1]) if origin else UNKNOWN


@cache
def _imports_of(path: str) -> dict[str, tuple[str, str]]:
    """Return each name that a file imports from a module of ours, as (module, name)."""
    return {
        alias.asname or alias.name: (node.module, alias.name)
        for node in nodes_of(path)
        if isinstance(node, ast.ImportFrom) and node.module and node.module.split(".")[0] == "marketplace"
        for alias in node.names
    }
