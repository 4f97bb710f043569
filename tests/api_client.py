"""The client that `pip install partage` brings, written from the API's own document: `python -m tests.api_client` writes it.

Shapes are what calls take and give, as typed dictionaries; each call is a method. A test compares.
"""

import asyncio
import builtins
import keyword
import re
import subprocess
import sys
from collections.abc import Iterator
from typing import Any, Final

import httpx

from marketplace.site.app import create_app
from tests.support.source import ROOT

FOLDER: Final = ROOT / "marketplace/client"
NOT_FOR_PARTNERS: Final = ("operator",)
LEFT_OUT: Final = ("stream",)
"""A live page, which never ends."""
PLAIN: Final = {"string": "str", "integer": "int", "number": "float", "boolean": "bool", "null": "None"}


async def read_document() -> dict[str, Any]:
    """Return the API's document as the site serves it."""
    transport = httpx.ASGITransport(create_app(manages_pool=False))
    async with httpx.AsyncClient(transport=transport, base_url="http://site.example") as program:
        found: dict[str, Any] = (await program.get("/schema/openapi.json")).json()
        return found


def client_files(document: dict[str, Any]) -> dict[str, str]:
    """Return the two files by name, not yet formatted."""
    used: set[str] = set()
    calls = [text for path, of in document["paths"].items() for text in _calls(path, of, used)]
    shapes = _shapes(document["components"]["schemas"], used)
    imported = ", ".join(
        sorted((name for name in used if any(re.search(rf"\b{name}\b", call) for call in calls)), key=str.lower)
    )
    return {
        "shapes.py": f'"""What calls of the API take and give; {NOTE}"""\n\nfrom __future__ import annotations\n\n'
        "from typing import Any, Literal, NotRequired, TypedDict\n\n\n" + "\n\n".join(shapes),
        "operations.py": f'"""Every call of the API for partners, as a method; {NOTE}"""\n\nfrom __future__ import annotations\n\n'
        "from typing import TYPE_CHECKING, Any, Literal\n\nfrom marketplace.client.asking import Calls, part\n\n"
        "if TYPE_CHECKING:\n    from http.client import HTTPResponse\n\n"
        f"    from marketplace.client.shapes import {imported}\n\n\n"
        'class Operations(Calls):\n    """The calls; a refusal is raised as `Refused`."""\n\n' + "\n".join(calls),
    }


NOTE: Final = "`python -m tests.api_client` writes it from the OpenAPI document."


def _shapes(schemas: dict[str, Any], used: set[str]) -> list[str]:
    """Return the shapes that are used, and those that they use, by name."""
    found: dict[str, str] = {}
    while missing := sorted(used - found.keys()):
        for name in missing:
            found[name] = _shape(name, schemas[name], used)
    return [found[name] for name in sorted(found)]


def _shape(name: str, schema: dict[str, Any], used: set[str]) -> str:
    needed = schema.get("required", ())
    fields = schema.get("properties", {})
    about = schema.get("description") or f"{re.sub(r'(?<=[a-z])(?=[A-Z])', ' ', name).capitalize()}."
    lines = [f"class {name}(TypedDict):", f'    """{about}"""', ""]
    for field, of in fields.items():
        kind = kind_of(of, used)
        lines.append(f"    {field}: {kind}" if field in needed else f"    {field}: NotRequired[{kind}]")
        if of.get("description"):
            lines.append(f'    """{of["description"]}"""')
    return "\n".join(lines) + "\n"


def kind_of(schema: dict[str, Any], used: set[str]) -> str:  # noqa: PLR0911 (one a kind)
    """Return what a schema's values are in Python; shapes that it names are added to `used`."""
    if reference := schema.get("$ref"):
        name = reference.rpartition("/")[2]
        used.add(name)
        return str(name)
    if several := schema.get("oneOf") or schema.get("anyOf"):
        return " | ".join(dict.fromkeys(kind_of(one, used) for one in several))
    if "enum" in schema:
        of = ", ".join(repr(one) for one in schema["enum"] if one is not None).replace("'", '"')
        return f"Literal[{of}]" + (" | None" if None in schema["enum"] else "")
    if "const" in schema:
        return f"Literal[{schema['const']!r}]".replace("'", '"')
    kinds = schema.get("type", "object")
    if isinstance(kinds, list):
        return " | ".join(kind_of({**schema, "type": one}, used) for one in kinds)
    if kinds == "array":
        return f"list[{kind_of(schema.get('items', {}), used)}]"
    return PLAIN.get(kinds, "dict[str, Any]")


def _calls(path: str, operations: dict[str, Any], used: set[str]) -> Iterator[str]:
    for method, operation in operations.items():
        if operation["tags"][0] not in NOT_FOR_PARTNERS and operation["operationId"] not in LEFT_OUT:
            yield _call(path, method.upper(), operation, used)


def _call(path: str, method: str, operation: dict[str, Any], used: set[str]) -> str:
    """Return the method of one call: what its address names first, then its body, then what may be left out."""
    parts, keyed, query, headers = ["self"], [], [], []
    for one in operation["parameters"]:
        name, kind = _name(one["name"]), kind_of(one["schema"], used).removesuffix(" | None")
        if one["in"] == "path":
            parts.append(f"{name}: str")
        else:
            (query if one["in"] == "query" else headers).append(f'"{one["name"]}": {name}')
            keyed.append(f"{name}: {kind}" if one["required"] else f"{name}: {kind} | None = None")
    content = operation.get("requestBody", {}).get("content", {}).get("application/json")
    if content:
        parts.append(f"body: {kind_of(content['schema'], used)}")
    given, gives = _answer(operation, used)
    address = "f" + repr(re.sub(r"\{(\w+)\}", lambda found: f"{{part({_name(found[1])})}}", path)).replace("'", '"')
    asked = [f'"{method}"', address if "{" in path else f'"{path}"']
    asked += [f"query={{{', '.join(query)}}}"] if query else []
    asked += [f"headers={{{', '.join(headers)}}}"] if headers else []
    asked += ["body=body"] if content else []
    signature = ", ".join([*parts, *(["*", *sorted(keyed, key=lambda one: "=" in one)] if keyed else [])])
    about = re.sub(r"\s+", " ", operation["description"].split("\n\n")[0])
    body = (
        f"return self.open({', '.join(asked)})"
        if gives == "file"
        else f"answer: {given} = self.ask({', '.join(asked)})\n        return answer"
    )
    name = operation["operationId"]
    return f'    def {name}({signature}) -> {given}:\n        """{about}"""\n        {body}\n'


def _answer(operation: dict[str, Any], used: set[str]) -> tuple[str, str]:
    content = next(of.get("content", {}) for status, of in operation["responses"].items() if status.startswith("2"))
    if "application/json" in content:
        kind = kind_of(content["application/json"]["schema"], used)
        if kind != "str":
            return kind, "json"
    return "HTTPResponse", "file"


def _name(name: str) -> str:
    """Return a name that Python allows and nobody else has."""
    plain = re.sub(r"\W", "_", name.lower())
    return f"{plain}_" if keyword.iskeyword(plain) or hasattr(builtins, plain) else plain


def formatted(text: str) -> str:
    """Return Python as the repository's formatter writes it."""
    ruff = [sys.executable, "-m", "ruff", "format", "--stdin-filename", str(FOLDER / "x.py"), "-"]
    return subprocess.run(ruff, input=text, capture_output=True, text=True, check=True, cwd=ROOT).stdout


if __name__ == "__main__":
    for name, text in client_files(asyncio.run(read_document())).items():
        (FOLDER / name).write_text(formatted(text))
        print(f"wrote marketplace/client/{name}")
