"""Hostile requests, made from the site's own route table: the same seed is the same requests, and a new route is in them.

Each request is right but for what is hostile in it, so that it comes as far as it can: its path, its query, its headers,
its body's encoding, or the fields and files of its form.
"""

import io
import json
import random
import re
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, get_args, get_type_hints

from litestar import Litestar
from litestar.datastructures import UploadFile
from msgspec import Struct

NOBODY = "00000000-0000-4000-8000-000000000000"
TEXTS: tuple[str, ...] = (
    "",
    " ",
    "\0",
    "a\0b",
    "\ud800".encode("utf-16", "surrogatepass").decode("utf-16", "replace"),
    "\u202e\u2066drowssap",
    "e\u0301" * 500,
    "👩‍👩‍👧‍👦" * 50,
    "x" * 300,
    "x" * 20_000,
    "'; DROP TABLE person; --",
    "\\' OR 1=1 --",
    "<script>alert(1)</script>",
    "{{ 7 * 7 }}{% raw %}",
    "${jndi:ldap://x/y}",
    "../../../../etc/passwd",
    "%2e%2e%2f%2e%2e%2f",
    "http://169.254.169.254/latest/meta-data",
    "//evil.example/%5c..",
    "javascript:alert(1)",
    "a\r\nSet-Cookie: session=1",
    "=HYPERLINK(1)",
    "%s%n%x",
    "0",
    "-0",
    "-1",
    "1e400",
    "NaN",
    "Infinity",
    "0x10",
    "1_000",
    "٣",
    "²",
    "9" * 40,
    "9" * 5000,
    "9223372036854775807",
    "9223372036854775808",
    "-9223372036854775809",
    "1.0000000000000000000000001",
    "true",
    "null",
    "[]",
    "0000-00-00",
    "0001-01-01",
    "9999-12-31",
    "9999-12-31T23:59:60+24:00",
    "2026-02-30",
    "2026-13",
    NOBODY,
    NOBODY.upper(),
    NOBODY.replace("-", ""),
    "{" + NOBODY + "}",
    "urn:uuid:" + NOBODY,
    "ffffffff-ffff-ffff-ffff-ffffffffffff",
    "FR7630006000011234567890189",
    "someone@people.example",
    "@",
    "a" * 300 + "@people.example",
)
VALUES: tuple[Any, ...] = (
    *TEXTS,
    None,
    True,
    0,
    -1,
    1.5,
    10**30,
    -(10**30),
    2**63,
    [],
    {},
    [[]],
    {"": None},
    [None] * 1000,
    {"a": {"b": [1, {"c": 2}]}},
)
NUMBERS = {"int": ("0", "-1", "9" * 40, "9223372036854775808", "1e3", "٣", "1" * 200, "x")}
PARTS = (*tuple(text for text in TEXTS if text), "%00", "%ff%fe", "%c0%ae%c0%ae", "..%2f", "%252e", ";a=b", "a%0d%0ab")
HEADERS: tuple[tuple[str, bytes], ...] = (
    ("accept", b"application/json;q=zz, */*;q=-1"),
    ("accept", b"\xff\xfe"),
    ("accept-language", b"xx-" + b"y" * 5000),
    ("accept-language", b"fr;q=NaN,en;q=1e400"),
    ("accept-encoding", b"gzip;q=x, br, \xff"),
    ("authorization", b"Bearer"),
    ("authorization", b"Bearer " + b"\xff" * 300),
    ("authorization", b"Basic ===="),
    ("cookie", b"session; =; session=\xff\xfe; csrftoken=.;;"),
    ("cookie", b"session=" + b"a" * 8000),
    ("host", b"evil.example:99999"),
    ("host", b"[::1"),
    ("referer", b"http://[::1/%zz"),
    ("referer", b"//evil.example"),
    ("range", b"bytes=9-1,-0,--1"),
    ("range", b"bytes=0-99999999999999999999999999"),
    ("range", b"lines=\xff"),
    ("if-none-match", b'"' * 500),
    ("if-modified-since", b"Thu, 32 Jan 0000 99:99:99 GMT"),
    ("idempotency-key", b" "),
    ("idempotency-key", b"\xff" * 300),
    ("idempotency-key", b"k" * 10_000),
    ("x-forwarded-for", b"'; --, 999.1.1.1, ::ffff:\xff"),
    ("x-request-id", b"\xff\r" + b"a" * 3000),
    ("user-agent", b"\xf0\x9f\x92\xa9" * 400),
    ("stripe-signature", b"t=9999999999999999999999,v1=\xff"),
    ("content-length", b"0"),
    ("expect", b"100-continue"),
    ("traceparent", b"00-zz-\xff-1"),
    ("last-event-id", b"\xff" + b"9" * 400),
)


def _zip_bomb() -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.csv", b"0" * 5_000_000)
    return packed.getvalue()


XML = '<?xml version="1.0"?>'
FILES: tuple[bytes, ...] = (
    b"",
    b"\0",
    b"\xff\xfe\0\xd8",
    b"{" * 10_000,
    b"[" * 50_000,
    b"{}",
    b'{"type":"FeatureCollection","features":[{"type":"Feature","geometry":{"type":"Polygon","coordinates":[[[1e400,"a"]]]}}]}',
    b'{"type":"FeatureCollection","features":[{"type":"Feature","properties":null,"geometry":null}]}',
    b"a,b\n1" + b",2" * 20_000,
    b'"' * 1001,
    b"zone,name,wkt\n1,x,POLYGON((0 0,1 1",
    b"PAR1\0\0\0\0PAR1",
    b"%PDF-1.7\n%%EOF",
    _zip_bomb(),
    zlib.compress(b"0" * 5_000_000),
    (XML + "<Document/>").encode(),
    (XML + "<Document><BkToCstmrStmt/></Document>").encode(),
    (XML + "<Document><CstmrPmtStsRpt/></Document>").encode(),
    (
        XML
        + '<Document xmlns="urn:iso:std:iso:20022:tech:xsd:camt.053.001.08"><BkToCstmrStmt><Stmt/></BkToCstmrStmt></Document>'
    ).encode(),
    (XML + '<!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/passwd">]><a>&x;</a>').encode(),
    (XML + '<!DOCTYPE a [<!ENTITY x "1"><!ENTITY y "&x;&x;&x;&x;">]><a>&y;</a>').encode(),
    b"<a>" * 5000,
    b'<?xml version="1.0" encoding="UTF-7"?>+ADw-a+AD4-',
    "<?xml version='1.0' encoding='utf-16'?><a/>".encode("utf-16"),
)
PLAIN = b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._~%;=@"
"""Signs of a path or query that are sent as they are."""
BODIES: tuple[tuple[str, bytes], ...] = (
    ("application/json", b""),
    ("application/json", b"\xff\xfe\0"),
    ("application/json", b"null"),
    ("application/json", b"[" * 5000),
    ("application/json", b'{"a":' * 5000),
    ("application/json", b'{"quote":"\\ud800"}'),
    ("application/json", b"1" * 5000),
    ("application/json", '{"a":1}'.encode("utf-16")),
    ("application/json; charset=utf-7", b"{}"),
    ("application/x-www-form-urlencoded", b"&=&&;=%zz%"),
    ("application/x-www-form-urlencoded", b"a=%ff%fe&a[]=1&a[b][c]=2"),
    ("application/x-www-form-urlencoded", b"&".join(b"f%d=1" % n for n in range(5000))),
    ("application/x-www-form-urlencoded; charset=nonsense", b"a=1"),
    ("multipart/form-data", b"--x\r\n\r\n--x--"),
    ("multipart/form-data; boundary=", b"----"),
    ("multipart/form-data; boundary=x", b"--x\r\nContent-Disposition: form-data; name=\r\n\r\n"),
    (
        "multipart/form-data; boundary=x",
        b"--x\r\nContent-Disposition: form-data; name=\"\xff\"; filename*=utf-8''%zz\r\n\r\na\r\n--x--",
    ),
    ("multipart/form-data; boundary=" + "y" * 5000, b"--y"),
    ("text/xml", b"<a/>"),
    ("application/msgpack", b"\xc1\xff"),
    ("application/octet-stream", bytes(range(256))),
    ("nonsense", b"a"),
    ("", b"a"),
)


@dataclass(frozen=True, slots=True)
class Ask:
    """A request as it is sent; `path` is already escaped. `about` says what is hostile in it."""

    route: str
    method: str
    path: bytes
    headers: tuple[tuple[str, bytes], ...]
    about: str
    fields: dict[str, str] | None = None
    files: dict[str, bytes] = field(default_factory=dict)
    body: bytes | None = None


@dataclass(frozen=True, slots=True)
class Place:
    """A route with the names of what it reads: path, query, fields of its form or JSON, and which of those are files."""

    method: str
    path: str
    query: tuple[str, ...]
    fields: tuple[str, ...]
    uploads: tuple[str, ...]
    is_for_machines: bool


def places(app: Litestar, machine_paths: tuple[str, ...]) -> list[Place]:
    """Return every route of ours, once a method."""
    found = []
    for route in app.routes:
        for handler in getattr(route, "route_handlers", ()):
            if "expectation" not in handler.opt:
                continue
            read = handler.parsed_fn_signature.parameters
            query = tuple(
                getattr(one.kwarg_definition, "query", None) or name
                for name, one in read.items()
                if type(one.kwarg_definition).__name__ == "QueryParameter"
            )
            form = read["data"].annotation if "data" in read else None
            hints = get_type_hints(form) if isinstance(form, type) and issubclass(form, Struct) else {}
            uploads = tuple(name for name, of in hints.items() if of is UploadFile or UploadFile in get_args(of))
            found += [
                Place(method, route.path, query, tuple(hints), uploads, route.path.startswith(machine_paths))
                for method in sorted(handler.http_methods - {"HEAD", "OPTIONS"})
            ]
    return sorted(found, key=lambda place: (place.path, place.method))


def _escaped(text: str) -> bytes:
    """Return a part of a path as a client may send it: escapes that are there stay."""
    return b"".join(bytes([sign]) if sign in PLAIN else b"%%%02X" % sign for sign in text.encode("utf-8", "replace"))


def _path(place: Place, chance: random.Random, known: dict[str, list[str]], *, hostile: bool) -> bytes:
    """Return an address of a route: what a parameter names is there, as far as is known, unless the path is hostile."""

    def part(match: re.Match[str]) -> str:
        name, kind = match[1], match[2]
        if hostile:
            return chance.choice(PARTS + NUMBERS.get(kind, ()))
        ids = known.get(name) or {"uuid": [NOBODY], "int": ["1"]}.get(kind, ["nobodys"])
        return chance.choice(ids)

    filled = re.sub(r"{(\w+):(\w+)}", part, place.path)
    escaped = b"/".join(_escaped(one) for one in filled.split("/"))
    if hostile and "{" not in place.path:
        escaped += chance.choice((b"/", b"//", b"/..", b"/%00", b"%20", b";x", b"/" + b"a" * 3000, b"%ff"))
    return escaped if place.is_for_machines else chance.choice((b"/en", b"/fr")) + escaped


def _query(place: Place, chance: random.Random) -> bytes:
    named = [*place.query, "page", "next", "zz"]
    pairs = [(chance.choice(named), chance.choice(TEXTS)) for _ in range(chance.randint(1, 4))]
    return b"&".join(_escaped(name) + b"=" + _escaped(text[:5000]) for name, text in pairs) + chance.choice(
        (b"", b"&&=", b"&%ff")
    )


def asks(every: list[Place], count: int, seed: int, known: dict[str, list[str]] | None = None) -> Iterator[Ask]:
    """Yield so many hostile requests, of every route in turn. known: ids that are there, by a path's parameter."""
    chance = random.Random(seed)  # noqa: S311 (the same requests each time)
    for number in range(count):
        yield _ask(every[number % len(every)], chance, known or {})


def _ask(place: Place, chance: random.Random, known: dict[str, list[str]]) -> Ask:
    kinds = ["path", "query", "header"]
    if place.method != "GET":
        kinds = ["fields", "fields", "fields", "body", *(["files"] * 3 if place.uploads else []), *kinds]
    about = chance.choice(kinds)
    path = _path(place, chance, known, hostile=about == "path")
    if about == "query":
        path += b"?" + _query(place, chance)
    headers = (chance.choice(HEADERS),) if about == "header" else ()
    route, fields, files, body = f"{place.method} {place.path}", None, {}, None
    if about == "body":
        content_type, body = chance.choice(BODIES)
        headers = (("content-type", content_type.encode()),)
    elif place.method != "GET":
        fields = {name: chance.choice(TEXTS) for name in place.fields if name != "form_id" and chance.random() > 0.1}
        fields["form_id"] = NOBODY if chance.random() > 0.1 else chance.choice(TEXTS)
        files = {name: chance.choice(FILES) for name in place.uploads}
        if place.is_for_machines:
            sent = {name: chance.choice(VALUES) for name in place.fields if chance.random() > 0.2}
            body, fields = json.dumps(sent, ensure_ascii=chance.random() > 0.5).encode("utf-8", "replace"), None
            headers = (
                ("content-type", b"application/json"),
                ("idempotency-key", b"k%d" % chance.randint(0, 9)),
                *headers,
            )
    return Ask(route, place.method, path, headers, about, fields, files, body)
