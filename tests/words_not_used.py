"""Words that this code base does not use, each with better ones and where it is still right.

Names are those that our code defines, file names included; text is comments, docstrings and other strings, templates,
the English of `fr.po`, scripts, SQL and documents. `python -m tests.words_not_used [PATH …]` lists what is found.
Add a word when a review finds one that had to be read twice.
"""

import ast
import re
import sys
from collections.abc import Iterable, Iterator

from msgspec import Struct

from tests.support.ratchet import rule
from tests.support.source import Finding, nodes_of, strings_in, text_of, tracked

SUFFIXES = (".py", ".html", ".po", ".md", ".sql", ".js", ".css", ".toml", ".yml", ".yaml")
EXEMPT = ("tests/words_not_used.py", "tests/structure/test_words.py", "migrations/history/")
"""This list and its tests; the schema's history, which is generated from `tables.py`."""


class Word(Struct, frozen=True):
    """One word not used.

    `names` and `text` are patterns; case counts only inside `(?-i:…)`, and a blank is any white space. A name is
    searched as its words ("is away" for is_away and IsAway), a file's as "world.py". `right` are phrases in which the
    word is the right one; `right_in` are paths where it is.
    """

    instead: str
    names: str = ""
    text: str = ""
    right: tuple[str, ...] = ()
    right_in: tuple[str, ...] = ()


LOCKED = r"(?:lock|row|advisory)"
TAKE = "take|takes|taking|taken|took"
TAKEN = "bids?|answers?|events?|webhooks?|orders?|deposits?|evidence|requests?|content|objects?|commands?|debits?|entry|entries"
WORDS = (
    Word(
        "publish, notify, report, save, send, show, say, state, reveal, distinguish",
        names=r"\b(tell|tells|telling|told)\b",
        text=r"\b(tell|tells|telling|told)\b",
        right=(
            r"\b(tell|tells|telling|told) [^.;:]{0,60}\bapart\b",
            r"\btells? (us|you|them)\b",
            r"\btells? the same story\b",
        ),
        right_in=("marketplace/core/object_store.py",),  # a file has a `tell`
    ),
    Word(
        "submit, acquire, accept, receive, charge, reserve, process, reverse, withdraw",
        names=r"\b(take|takes|taking|taken|took)\b",
        text=rf"\b(?:{TAKE})\b(?=[^.;:,]{{0,25}}\b(?:{TAKEN})\b)|\b(?:{TAKEN}) (?:was |is |were |are |be )?taken\b"
        r"|\b(?:is|are|was|were|be|been|being)(?: (?:already|never|not|once|first))? taken\b"
        rf"|\b(?:{TAKE})\b(?=[^.;:]{{0,40}}\b(?:back|away)\b)",
        right=(
            rf"\b(?:{TAKE}) (?:part|place|effect|turns|care|over|up|into account|too long|as long|longer|time|long)\b",
            rf"\b(?:{TAKE}) (?:\w+ ){{0,4}}(?:byte|bit|second|minute|hour|day|week|month|megabyte|argument|place|part|lock)s?\b",
            r"\b(?:email|name|address|port|number|code|username) [^.;]{0,25}\b(?:is|was|are)(?: already)? taken\b",
            r"\btaken (?:from|as|together|over|up|into)\b",
            r"\bin order\b",
            rf"\b(?:bank|Stripe|holder|payer|dispute)\b[^.;]{{0,20}} (?:{TAKE})\b[^.;]{{0,40}}\bback\b",
        ),
    ),
    Word(
        "lock, locked (a hold is the ledger's word)",
        names=r"^(hold|hold periods|hold offers|hold sales|hold of|hold auction|held|held row|held at|held in|holds)$",
        text=rf"\b(hold|holds|held|holding)\b[^.;]{{0,30}}\b{LOCKED}\b|\block\b[^.;]{{0,25}}\b(held|holds|hold|holding)\b",
        right=(r"\brow groups?\b",),
        right_in=(
            "marketplace/subscribers/earnings/",
            "marketplace/subscribers/payouts/",
            "marketplace/sales/orders/",
            "tests/subscribers/builders/",
            "tests/subscribers/earnings/",
            "tests/subscribers/payouts/",
            "tests/sales/orders/",
        ),
    ),
    Word(
        "status, balance, current, open, valid, is",
        names=r"\b(stand|stands|standing|standings|stood)\b",
        text=r"\b(stand|stands|standing|standings|stood)\b",
        right=(r"\b(stand|stands|standing|stood) (for|in for|alone|still)\b", r"\bstand-in\b", r"\bstanding orders?\b"),
    ),
    Word("failed, errors", names=r"\bamiss\b", text=r"\bamiss\b"),
    Word(
        "off_session, absent, remove, delete, elsewhere",
        names=r"\baway\b",
        text=r"\b(is|are|was|were|be|while|charged?|payer|payers|partner) away\b"
        r"|\b(take|takes|taken|took|put|puts|give|gives|given|send|sends|sent|fold|folds)\b[^.;]{0,30}\baway\b",
        right=(r"\b(right|straight|far) away\b", r"\baway from\b"),
    ),
    Word(
        "re-encrypt, reseal, enforce retention, reserve, saved method (keep hides what is deleted)",
        names=r"^((apply|is) kept|keep (names|details|window|dictionaries)|count and keep|(?-i:Kept))$",
        text=r"\bkeep-(names|details)\b",
    ),
    Word(
        "who, everyone who, anyone who, the person who, the one that",
        names=r"\b(whoever|whomever)\b",
        text=r"\b(whoever|whomever)\b",
    ),
    Word(
        "everything that, anything, all that, any, regardless of, in every case",
        names=r"\bwhatever\b",
        text=r"\bwhatever\b",
        right=(r"\bwhatever (the|its|their|his|her|your)\b", r"\bin whatever (order|currency)\b"),
    ),
    Word(
        "who, the people that (whom only after a preposition)",
        names=r"\bwhom\b",
        text=r"\bwhom\b",
        right=(r"\b(to|for|of|by|with|from|about|in|at|on|against|between|among|than|behind) whom\b",),
    ),
    Word("entry point, API, prefix, handler, boundary, web server", names=r"\bdoors?\b", text=r"\bdoors?\b"),
    Word(
        "the service, the marketplace, the code base",
        names=r"\bhouses?\b",
        text=r"\bhouses?\b",
        right=(r"\b(auction|clearing) houses?\b", r"\bin-house\b", r"\btest[_ ]house\b", r"\bhouse numbers?\b"),
    ),
    Word(
        "slice, folder, package, space",
        names=r"\brooms\b|\broom (of|is)\b",
        text=r"\brooms?\b",
        right=(r"\broom (for|to|on|at|left)\b", r"\b(no|enough|more|much|makes?|made|is|was) room\b"),
    ),
    Word("queue, bid queue", names=r"\blanes?\b", text=r"\blanes?\b"),
    Word("security headers", names=r"\bcalm\b"),
    Word(
        "lock, exclusive, database.exclusive",
        names=r"^(turns|alone|speaking)$|\bturns\.py\b",
        text=r"\bturns\.take\b",
        right_in=("pricing/", "tests/pricing/"),
    ),
    Word("counting query, reference SQL", names=r"(?-i:\bQuestion\b)|^(question|definition)\.py$"),
    Word("a name for what is answered: BidReceipt, Counts", names=r"^(?-i:Answer)$"),
    Word("reverse auction, stripe calls", names=r"^(calls|call pages|contributors)\.py$|^award calls$"),
    Word("state, seed, fixtures, builders", names=r"\bworlds?\b|^(world|worlds)\.py$"),
    Word(
        "invoices, documents, PDF",
        names=r"\bpapers?\b",
        text=r"\bpapers\b",
        right=(r"\b(scientific|academic) papers\b",),
    ),
    Word(
        "refund, dispute, chargeback, charged back, return, reopen",
        names=r"\bmoney ?back\b|\b(goes|going|gives?|puts?|comes?|coming) back\b|^back$|^lost minor$|^more lost$|\bcomes home\b",
        right_in=("marketplace/demo/",),
    ),
    Word("refresh, fetch, check, process", names=r"^look (for|into|again)\b"),
    Word("send, request", names=r"^ask for\b"),
    Word(
        "write off, written off, close, release",
        names=r"\blet go\b",
        text=r"\blets? go\b|\blet [^.;]{1,25} go\b(?! on\b)",
    ),
    Word("clearing account, non-blocking", names=r"^(hangs on|watched)$", text=r"\bhangs on\b"),
    Word(
        "a name that says which columns or rows: ORDER_SELECT, REMAINING_MINOR",
        names=r"(?-i:^(WHOLE|LEFT|BOOK|BACK|ALL|OURS|PAID)$)",
        right_in=("tests/",),
    ),
    Word("ReportProgress, report", names=r"^(say|said|says)$|(?-i:^Say$)|\bsay hello\b"),
    Word("BATCH_SIZE", names=r"(?-i:^AT ONCE$)"),
    Word("line index, LineIndex", names=r"(?-i:^Numbers$)|^people\.py$", right_in=("tests/",)),
)


def _pattern(*alternatives: str, blank: str = " ") -> re.Pattern[str]:
    found = "|".join(f"(?:{alternative})" for alternative in alternatives if alternative)
    return re.compile(found.replace(" ", blank) if found else r"(?!)", re.IGNORECASE)


PATTERNS = [
    (word, _pattern(word.names), _pattern(word.text, blank=r"\s+"), _pattern(*word.right, blank=r"\s+"))
    for word in WORDS
]
"""Each word with what to look for in names and in text, and the phrases in which it is right."""
ANY_NAME, ANY_TEXT = _pattern(*(w.names for w in WORDS)), _pattern(*(w.text for w in WORDS), blank=r"\s+")


def find_in_name(name: str, path: str, line: int) -> Iterator[Finding]:
    """Yield a finding for every word not used in one name; a file's name ends in its suffix."""
    words = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", " ", name.strip("_").replace("_", " "))
    if not ANY_NAME.search(words):
        return
    for word, in_names, _, right in PATTERNS:
        if in_names.search(right.sub("", words)) and not path.startswith(word.right_in or "\0"):
            yield Finding(path, line, f"the name {name} is not plain English here; use: {word.instead}")


def find_in_text(text: str, path: str, first_line: int) -> Iterator[Finding]:
    """Yield a finding for every word not used in a text that begins on `first_line`."""
    if not ANY_TEXT.search(text):
        return
    for word, _, in_text, right in PATTERNS:
        if path.startswith(word.right_in or "\0"):
            continue
        rest = right.sub(lambda phrase: re.sub(r"\S", "\0", phrase[0]), text)
        for match in in_text.finditer(rest):
            line = first_line + text.count("\n", 0, match.start())
            around = " ".join(text[max(0, match.start() - 25) : match.end() + 25].split())
            yield Finding(path, line, f"“{' '.join(match[0].split())}” in “…{around}…”; use: {word.instead}")


def names_in(nodes: Iterable[ast.AST]) -> Iterator[tuple[str, int]]:
    """Yield every name that a module defines, with its line: functions, classes, parameters, variables, attributes."""
    for node in nodes:
        match node:
            case ast.Name(ctx=ast.Store()):
                yield node.id, node.lineno
            case ast.Attribute(ctx=ast.Store()):
                yield node.attr, node.lineno
            case ast.arg():
                yield node.arg, node.lineno
            case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.ClassDef():
                yield node.name, node.lineno


def comments_in(source: str) -> Iterator[tuple[str, int]]:
    """Yield the comments of a Python file with the line each begins on; those on lines that follow each other as one."""
    lines: list[str] = []
    last = 0
    for comment in re.finditer(r"(?:^[ ]*|  )#+ ?(.*)$", source, re.MULTILINE):
        here = source.count("\n", 0, comment.start(1)) + 1
        if lines and here != last + 1:
            yield "\n".join(lines), last - len(lines) + 1
            lines = []
        lines.append(comment[1])
        last = here
    if lines:
        yield "\n".join(lines), last - len(lines) + 1


def texts_in(path: str) -> Iterator[tuple[str, int]]:
    """Yield the texts of a file with the line each begins on: Python's strings and comments, the English of `fr.po`, paragraphs."""
    source = text_of(path)
    if path.endswith(".py"):
        yield from strings_in(nodes_of(path))
        yield from comments_in(source)
    elif path.endswith(".po"):
        for entry in re.finditer(r'^msgid(?:_plural)? ((?:".*"\s*)+)', source, re.MULTILINE):
            yield re.sub(r'"[ \t]*\n[ \t]*"', "", entry[1]), source.count("\n", 0, entry.start()) + 1
    else:
        for paragraph in re.finditer(r"\S(?:.|\n(?!\s*\n))*", source):
            yield paragraph[0], source.count("\n", 0, paragraph.start()) + 1


def find_in_file(path: str) -> list[Finding]:
    """Return the findings of one file; a name that it defines several times counts once."""
    found = list(find_in_name(path.rpartition("/")[2], path, 1))
    if path.endswith(".py"):
        first: dict[str, int] = {}
        for name, line in names_in(nodes_of(path)):
            first[name] = min(line, first.get(name, line))
        found += [finding for name, line in first.items() for finding in find_in_name(name, path, line)]
    if path.endswith(".sql"):
        for function in re.finditer(r"\bFUNCTION (\w+)", text_of(path)):
            found += find_in_name(function[1], path, text_of(path).count("\n", 0, function.start()) + 1)
    for text, line in texts_in(path):
        found += find_in_text(text, path, line)
    return found


@rule
def words_not_used() -> list[Finding]:
    """Return every word not used in the repository."""
    paths = [path for path in tracked("*") if path.endswith(SUFFIXES) and not path.startswith(EXEMPT)]
    return [finding for path in paths for finding in find_in_file(path)]


if __name__ == "__main__":
    findings = [f for f in sorted(words_not_used()) if f.path.startswith(tuple(sys.argv[1:]) or "")]
    print(*findings, f"{len(findings)} findings", sep="\n")
