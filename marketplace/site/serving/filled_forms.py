"""Fill in a form in a page's HTML with the typed values; it works for any page, without code in the page.

Hidden fields stay as the page draws them, as do passwords and files, which no page ever sends back.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from html import escape
from html.parser import HTMLParser
from itertools import accumulate
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    Attributes = Mapping[str, str | None]
    Typed = Mapping[str, Sequence[str]]
    Edit = tuple[int, int, str]

UNSEEN: Final = {"hidden", "submit", "button", "image", "reset"}
UNKEPT: Final = UNSEEN | {"password", "file"}
CHOSEN: Final = {"checkbox", "radio"}
CONTROLS: Final = {"input", "select", "textarea"}
MACHINERY: Final = {"_csrf_token", "form_id"}
"""Fields that a form gets new each time that it is drawn."""


@dataclass(slots=True)
class Control:
    """A field of a form: the positions of its tag and its content."""

    tag: str
    attributes: Attributes
    start: int
    end: int
    content_end: int = 0
    options: list[Control] = field(default_factory=list)
    label: str = ""

    @property
    def name(self) -> str:
        """Return its name in the sent form."""
        return self.attributes.get("name") or ""

    @property
    def kind(self) -> str:
        """Return the `type` of an input, or the tag of any other element."""
        return (self.attributes.get("type") or "text").lower() if self.tag == "input" else self.tag

    @property
    def is_seen(self) -> bool:
        """Return whether it is visible."""
        return bool(self.name) and self.kind not in UNSEEN


@dataclass(slots=True)
class Form:
    """A form: its address, the position of its content, and its fields."""

    action: str
    begins: int
    controls: list[Control] = field(default_factory=list)
    folded_in: tuple[Control, ...] = ()
    """The `details` elements around it, which are opened when it is shown again."""

    @property
    def seen(self) -> list[Control]:
        """Return the visible fields."""
        return [control for control in self.controls if control.is_seen]

    def likeness(self, typed: Typed) -> int:
        """Return how many hidden fields have the sent values, to distinguish similar forms of a page."""
        hidden = [one for one in self.controls if one.kind == "hidden" and one.name not in MACHINERY]
        return sum((one.attributes.get("value") or "") in typed.get(one.name, ()) for one in hidden)


class _Reader(HTMLParser):
    """Finds a page's forms."""

    def __init__(self, page: str) -> None:
        super().__init__(convert_charrefs=True)
        self.lines = [0, *accumulate(len(line) + 1 for line in page.split("\n"))]
        self.forms: list[Form] = []
        self._folds: list[Control] = []
        self._form: Form | None = None
        self._control: Control | None = None
        self._label, self._words, self._is_muted = "", list[str](), False
        self._labels: dict[str, str] = {}
        self._labelled: Control | None = None
        self.feed(page)
        self.close()
        for control in (one for form in self.forms for one in form.controls):
            control.label = control.label or self._labels.get(control.attributes.get("id") or "", "")

    def _here(self) -> int:
        line, column = self.getpos()
        return self.lines[line - 1] + column

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note a form, a field or an option."""
        start, attributes = self._here(), dict(attrs)
        end = start + len(self.get_starttag_text() or "")
        if tag == "form" and (attributes.get("method") or "").lower() == "post":
            self._form = Form(attributes.get("action") or "", end, folded_in=tuple(self._folds))
            self.forms.append(self._form)
        elif tag == "details":
            self._folds.append(Control(tag, attributes, start, end))
        elif tag == "label":
            self._label, self._words, self._labelled = attributes.get("for") or "", [], None
        elif tag == "span":
            self._is_muted = "muted" in (attributes.get("class") or "")
        elif self._form and tag in CONTROLS:
            self._control = self._labelled = Control(tag, attributes, start, end)
            self._form.controls.append(self._control)
        elif tag == "option" and self._control:
            self._control.options.append(Control(tag, attributes, start, end))

    def handle_data(self, data: str) -> None:
        """Add a label's words, and an option's if they are its value."""
        if not self._is_muted:
            self._words.append(data)
        if self._control and self._control.options and "value" not in self._control.options[-1].attributes:
            option = self._control.options[-1]
            option.label += data

    def handle_endtag(self, tag: str) -> None:
        """Note where a form or a field ends."""
        if tag == "form":
            self._form = None
        elif tag == "details" and self._folds:
            self._folds.pop()
        elif tag in CONTROLS and self._control:
            self._control.content_end, self._control = self._here(), None
        elif tag == "span":
            self._is_muted = False
        elif tag == "label":
            words = " ".join("".join(self._words).split())
            self._labels[self._label] = words
            if self._labelled and not self._label:
                self._labelled.label = words


def find_form(page: str, leads_to: Callable[[str], bool], typed: Typed) -> Form | None:
    """Return the form of a page with the sent form's address (`leads_to`); of several, the most similar one."""
    return max(
        (form for form in _Reader(page).forms if leads_to(form.action)),
        key=lambda form: form.likeness(typed),
        default=None,
    )


def fill(page: str, form: Form, typed: Typed, *, above: str, at_fault: str = "") -> str:
    """Return the page with the form filled in with the typed values.

    above: markup at the form's beginning. at_fault: the field that is marked and gets the cursor; the first field if it
    is not visible.
    """
    focus = next((one for one in form.seen if one.name == at_fault), next(iter(form.seen), None))
    remaining = {name: list(values) for name, values in typed.items()}
    edits: list[Edit] = [(form.begins, form.begins, above)]
    edits += [(one.start, one.end, _tag(one.tag, {**one.attributes, "open": None})) for one in form.folded_in]
    for control in form.seen:
        edits += _edits(control, remaining, is_focus=control is focus, is_at_fault=control.name == at_fault)
    for start, end, text in sorted(edits, reverse=True):
        page = page[:start] + text + page[end:]
    return page


def _edits(control: Control, typed: dict[str, list[str]], *, is_focus: bool, is_at_fault: bool) -> Iterator[Edit]:
    """Return the changes of one field; of fields with one name, each gets its own typed value."""
    values = typed.get(control.name, [])
    if control.tag == "select":
        yield from _choose(control.options, values)
    elif control.tag == "textarea" and values:
        text = escape(values.pop(0))
        yield control.end, control.content_end, f"\n{text}" if text.startswith(("\n", "\r")) else text
    attributes = dict(control.attributes)
    if control.tag == "input":
        attributes = _filled(control, values, is_at_fault=is_at_fault)
    attributes |= {"autofocus": None} if is_focus else {}
    attributes |= {"aria-invalid": "true"} if is_at_fault else {}
    if attributes != control.attributes:
        yield control.start, control.end, _tag(control.tag, attributes)


def _filled(control: Control, values: list[str], *, is_at_fault: bool) -> dict[str, str | None]:
    """Return an input's attributes with its typed or ticked value."""
    attributes = dict(control.attributes)
    if control.kind in CHOSEN:
        attributes.pop("checked", None)
        if (attributes.get("value") or "on") in values:
            attributes["checked"] = None
    elif control.kind not in UNKEPT and values:
        attributes["value"] = values.pop(0)
        if is_at_fault:  # a browser empties a field whose text does not fit its type
            attributes["type"] = "text"
    return attributes


def _choose(options: Sequence[Control], values: Sequence[str]) -> Iterator[Edit]:
    """Choose the chosen options; if an option no longer exists, the page's own choice remains."""
    chosen = [option for option in options if (option.attributes.get("value") or option.label.strip()) in values]
    for option in options if chosen else ():
        attributes = {name: value for name, value in option.attributes.items() if name != "selected"}
        yield option.start, option.end, _tag("option", attributes | ({"selected": None} if option in chosen else {}))


def _tag(name: str, attributes: Attributes) -> str:
    written = (key if value is None else f'{key}="{escape(value)}"' for key, value in attributes.items())
    return f"<{' '.join((name, *written))}>"
