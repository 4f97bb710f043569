"""Sizes, docstrings and lines that the formatter may not touch."""

import ast
from collections.abc import Iterator

from tests.support.ratchet import check, rule
from tests.support.source import Finding, nodes_of, product_files, sql_files, text_of, tracked

LONGEST_FILE, LONGEST_FUNCTION, LONGEST_TEMPLATE_LINE, MOST_UNFORMATTED = 500, 60, 200, 50
GENERATED = ("migrations/history/", "marketplace/client/shapes.py")


def length_of(path: str) -> int:
    return text_of(path).count("\n")


@rule
def long_files() -> list[Finding]:
    """Return the files of more than 500 lines."""
    return [
        Finding(path, LONGEST_FILE + 1, f"is line {LONGEST_FILE + 1} of {length_of(path)}; split the file by subject")
        for path in (*tracked("*.py"), *sql_files())
        if length_of(path) > LONGEST_FILE and not path.startswith(GENERATED)
    ]


@rule
def long_functions() -> list[Finding]:
    """Return the product's functions of more than 60 lines, docstring included."""
    return [
        Finding(path, node.lineno, f"{node.name} is {length} lines long, and {LONGEST_FUNCTION} fit a screen")
        for path in product_files()
        for node in nodes_of(path)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and (length := (node.end_lineno or 0) - node.lineno + 1) > LONGEST_FUNCTION
    ]


@rule
def long_template_lines() -> list[Finding]:
    """Return the lines of templates of more than 200 characters."""
    return [
        Finding(path, number, f"has {len(line)} characters; break it inside a tag, inside {{{{ }}}}, or between blocks")
        for path in tracked("*.html")
        for number, line in enumerate(text_of(path).splitlines(), 1)
        if path.startswith("marketplace/") and len(line) > LONGEST_TEMPLATE_LINE
    ]


@rule
def unformatted_lines() -> list[Finding]:
    """Return every `fmt: skip` of the repository, where there are 50 or more of them."""
    found = [
        Finding(path, number, "keeps the formatter off; let it wrap the line, or move SQL to queries.sql")
        for path in tracked("*.py")
        for number, line in enumerate(text_of(path).splitlines(), 1)
        if line.rstrip().endswith("# fmt: skip")
    ]
    return found if len(found) >= MOST_UNFORMATTED else []


def public_definitions(path: str) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef | ast.Module]:
    """Yield a file's module, and its public functions, classes and methods."""
    module = nodes_of(path)[0]
    assert isinstance(module, ast.Module)
    yield module
    waiting: list[ast.AST] = [module]
    while waiting:
        for node in ast.iter_child_nodes(waiting.pop()):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) and not node.name.startswith(
                "_"
            ):
                yield node
                if isinstance(node, ast.ClassDef):
                    waiting.append(node)


@rule
def undocumented() -> list[Finding]:
    """Return what is public and has no docstring."""
    return [
        Finding(path, getattr(node, "lineno", 1), f"{getattr(node, 'name', 'the module')} has no docstring")
        for path in product_files()
        if not path.startswith(GENERATED)
        for node in public_definitions(path)
        if not ast.get_docstring(node) and (not isinstance(node, ast.Module) or text_of(path).strip())
    ]


def raised_by(function: ast.FunctionDef) -> set[str]:
    """Return the names of the refusals that a function raises itself."""
    names = set()
    for node in ast.walk(function):
        if isinstance(node, ast.Raise) and node.exc is not None:
            raised = node.exc.func if isinstance(node.exc, ast.Call) else node.exc
            names.add(getattr(raised, "id", getattr(raised, "attr", "")))
    return names - {"", "AssertionError", "SystemExit", "StopIteration", "NotImplementedError"}


@rule
def vague_docstrings() -> list[Finding]:
    """Return the public functions of `pricing`, `privacy` and `release_gate` whose docstring names no refusal, or no array, of theirs."""
    found = []
    for path in product_files():
        if not path.startswith(("pricing/", "marketplace/privacy/", "marketplace/datasets/releases/dossier.py")):
            continue
        for node in public_definitions(path):
            text = ast.get_docstring(node) if isinstance(node, ast.FunctionDef) else None
            if not isinstance(node, ast.FunctionDef) or text is None:
                continue
            owner = class_docstring(path, node)
            found += [
                Finding(path, node.lineno, f"{node.name} raises {name}, which its docstring leaves out")
                for name in sorted(raised_by(node))
                if name not in text + owner
            ]
            found += [
                Finding(path, node.lineno, f"{node.name} does not describe the array {argument.arg}: shape, unit")
                for argument in (*node.args.args, *node.args.kwonlyargs)
                if argument.annotation
                and ast.unparse(argument.annotation).startswith(("NDArray", "np.ndarray"))
                and argument.arg not in text + owner
            ]
    return found


def class_docstring(path: str, function: ast.FunctionDef) -> str:
    """Return the docstring of the class that a method belongs to; a class says once what all its methods share."""
    for node in nodes_of(path):
        if isinstance(node, ast.ClassDef) and function in node.body:
            return ast.get_docstring(node) or ""
    return ""


def test_no_file_is_longer_than_500_lines() -> None:
    check(long_files)


def test_no_function_is_longer_than_a_screen() -> None:
    check(long_functions)


def test_no_line_of_a_template_is_longer_than_200_characters() -> None:
    check(long_template_lines)


def test_the_formatter_is_off_for_fewer_than_50_lines() -> None:
    check(unformatted_lines)


def test_everything_public_has_a_docstring() -> None:
    check(undocumented)


def test_mathematics_says_its_arrays_and_refusals() -> None:
    check(vague_docstrings)
