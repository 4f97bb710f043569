"""Every sentence a person can read has natural French, in the fr.po of its package, and none there is stale."""

import ast
import functools
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from babel.messages.pofile import read_po
from jinja2.ext import babel_extract

from marketplace.core.web.i18n import typeset
from tests.support.source import Finding, nodes_of, package_of, product_files

PACKAGE = Path(__file__).resolve().parents[3] / "marketplace"
TEMPLATES = [path for path in sorted(PACKAGE.glob("*/*/templates/*.html")) if path.parts[-4] != "demo"]
"""All but those of the local Stripe counterpart, which speaks as Stripe does."""
REFUSALS = {"Invalid", "NotAllowed", "NotFound", "Conflict", "Expired"}
SPOKEN_IN_PYTHON = {"_", "gettext", "Words"}
TABLES_OF_SENTENCES = {"SENTENCES", "HEADINGS", "ADVICE", "SOMETHING", "FAILED"}
"""Names of module constants whose strings are translated where they are used."""
UNSPOKEN = (
    *("marketplace/_bootstrap", "marketplace/__main__", "marketplace/commands/", "marketplace/demo/"),
    *("marketplace/core/settings", "marketplace/core/setting_checks", "marketplace/core/environment_files"),
    *("marketplace/core/database", "marketplace/core/backup/"),
    *("marketplace/money/payments/account_", "marketplace/money/payments/transfers"),
    "marketplace/datasets/geography/address_",
)
"""Beginnings of the files whose refusals are read on a terminal, in English."""
NOT_SENTENCES = re.compile(r"^[\W\d_]*$")
CODE = tuple(path for path in product_files() if path.startswith("marketplace/"))


def sentences_of_templates() -> Iterator[tuple[str, str]]:
    """Yield (package, message) for every `_()` and `{% trans %}`."""
    for path in TEMPLATES:
        with path.open("rb") as file:
            options = {"trim_blocks": "true", "lstrip_blocks": "true", "newstyle_gettext": "true"}
            for _, _, message, _ in babel_extract(file, ["_", "gettext", "ngettext"], [], options):
                for text in [message] if isinstance(message, str) else [part for part in message or () if part]:
                    yield str(path.parent.parent.relative_to(PACKAGE)), text


def named_refusals() -> set[str]:
    """Return the refusals' names, those derived from them included."""
    names = set(REFUSALS)
    classes = [
        (node.name, {base.id if isinstance(base, ast.Name) else getattr(base, "attr", "") for base in node.bases})
        for path in CODE
        for node in nodes_of(path)
        if isinstance(node, ast.ClassDef)
    ]
    while more := {name for name, bases in classes if bases & names} - names:
        names |= more
    return names


def sentences_of_code() -> Iterator[tuple[str, str]]:
    """Yield (package, message) for every refusal's sentence, gettext call and table of sentences."""
    refusals = named_refusals()
    for path in CODE:
        package = package_of(path)
        if path.startswith(UNSPOKEN):
            continue
        for node in nodes_of(path):
            if isinstance(node, ast.Call) and node.args:
                name = node.func.id if isinstance(node.func, ast.Name) else getattr(node.func, "attr", "")
                if name in refusals | SPOKEN_IN_PYTHON:
                    yield from ((package, text) for text in strings(node.args[0]))
            elif (
                isinstance(node, ast.Assign)
                and {getattr(target, "id", "") for target in node.targets} & TABLES_OF_SENTENCES
            ):
                values = node.value.values if isinstance(node.value, ast.Dict) else [node.value]
                yield from ((package, text) for value in values for text in strings(value))


def strings(node: ast.expr) -> list[str]:
    """Return the whole strings an expression may be: a constant, or either branch of a choice."""
    if isinstance(node, ast.Constant):
        return [node.value] if isinstance(node.value, str) else []
    if isinstance(node, ast.IfExp):
        return strings(node.body) + strings(node.orelse)
    return []


@functools.cache
def catalogues() -> dict[str, dict[str, str]]:
    """Return each package's translations."""
    found = {}
    for path in sorted([*PACKAGE.glob("*/fr.po"), *PACKAGE.glob("*/*/fr.po")]):
        with path.open("rb") as file:
            found[str(path.parent.relative_to(PACKAGE))] = {
                str(message.id): str(message.string) for message in read_po(file, locale="fr") if message.id
            }
    return found


@functools.cache
def spoken() -> list[tuple[str, str]]:
    """Return every (package, message) that somebody may read, each once."""
    shown = {*sentences_of_templates(), *sentences_of_code()}
    return sorted((package, text) for package, text in shown if not NOT_SENTENCES.match(text))


def of_all_catalogues() -> Iterator[tuple[str, str, str]]:
    """Yield (package, message, French) for every translation."""
    for package, catalogue in catalogues().items():
        yield from ((package, text, french) for text, french in catalogue.items())


def test_every_sentence_has_french() -> None:
    known = {text for _, text, french in of_all_catalogues() if french}
    missing = [f"marketplace/{package}/fr.po lacks msgid {text!r}" for package, text in spoken() if text not in known]
    assert not missing, "\n".join(missing)


def test_a_text_of_a_registry_is_written_where_it_is_made() -> None:
    """Only so do these tests see that each has French."""
    unseen = [
        Finding(path, node.lineno, "makes Words of something other than one text")
        for path in CODE
        for node in nodes_of(path)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "Words"
        if node.keywords or len(node.args) != 1 or not strings(node.args[0])
    ]
    assert not unseen


def test_no_translation_is_stale() -> None:
    shown = {text for _, text in spoken()} | read_elsewhere()
    stale = [
        f"marketplace/{package}/fr.po has {text!r}" for package, text, _ in of_all_catalogues() if text not in shown
    ]
    assert not stale, "French for what nobody says:\n" + "\n".join(stale)


@functools.cache
def read_elsewhere() -> frozenset[str]:
    """Return every string constant of the code: a message may reach gettext through a name or a dictionary."""
    constants = {
        node.value
        for path in CODE
        for node in nodes_of(path)
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    }
    paragraphs = (part for text in constants if "\n" in text for part in text.split("\n\n"))
    return frozenset(constants | {" ".join(part.split()) for part in paragraphs})  # as the page of the API says them


def placeholders(text: str) -> Counter[str]:
    return Counter(re.findall(r"%\(\w+\)[sd]|\{\w+[^{}]*\}", text))


def test_placeholders_match() -> None:
    wrong = [
        (package, text) for package, text, french in of_all_catalogues() if placeholders(text) != placeholders(french)
    ]
    assert not wrong, wrong


def test_french_keeps_its_typography() -> None:
    """A space before ; : ? ! » (made a no-break one when read), and the curly apostrophe."""
    shown = [(package, typeset(french)) for package, _, french in of_all_catalogues()]
    wrong = [
        f"marketplace/{package}/fr.po: {french}"
        for package, french in shown
        if re.search(r"[^\s\u202f\u00a0][;?!»](?:\s|$)|[^\s\u202f\u00a0]:\s|[ ][;:?!»](?:\s|$)|« |\w'\w", french)
    ]
    assert not wrong, "\n".join(wrong)


def test_no_message_has_two_translations() -> None:
    translations: dict[str, set[str]] = {}
    for catalogue in catalogues().values():
        for text, french in catalogue.items():
            translations.setdefault(text, set()).add(french)
    assert not {text: found for text, found in translations.items() if len(found) > 1}


def test_a_catalogue_has_each_message_once() -> None:
    """Babel keeps the last one of two and says nothing."""
    for package, catalogue in catalogues().items():
        written = (PACKAGE / package / "fr.po").read_text(encoding="utf-8")
        assert written.count("\nmsgid ") == len(catalogue), package


def test_no_template_writes_a_constant_as_money_or_a_date() -> None:
    """Jinja works such a thing out once, in the language of the first who reads the page: a French page said €0.00."""
    constant = re.compile(r"\{\{[^}|]*?(?:^|[ (])-?\d+ \| (?:money|number|date|moment|percent)")
    found = [
        f"{path.name}: {line.strip()[:160]}"
        for path in TEMPLATES
        for line in path.read_text().splitlines()
        if constant.search(line)
    ]
    assert found == []
