"""Someone at a browser without scripts: reads pages, presses their buttons and fills their fields, and has a phone.

A form is found by what its button says, and sent with all that is in it already, as a browser does. A field that the
page does not have cannot be filled.
"""

import contextlib
import datetime as dt
import re
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import urljoin

import httpx
import lxml.html
import pyotp

PASSWORD = "a long enough password of somebody"
PATIENCE_SECONDS = 60


class PhoneVisitor:
    """One browser; `now` is what the time is for its owner's phone."""

    def __init__(self, base: str, now: Callable[[], dt.datetime]) -> None:
        self.http = httpx.Client(
            base_url=base, headers={"Accept-Language": "en"}, follow_redirects=True, timeout=PATIENCE_SECONDS
        )
        self.now = now
        self.secret = ""
        self.page: Any = None
        self.text = ""
        self.path = ""

    def go(self, address: str) -> str:
        """Open a page of the site, in English unless the address says otherwise; return what it says."""
        is_whole = address.startswith(("http", "/en/", "/fr/", "/api/"))
        return self._read(self.http.get(address if is_whole else f"/en{address}"))

    def press(self, button: str, /, **fields: str) -> str:
        """Fill fields of the form whose button says so, press it, and return what the next page says."""
        return self._send(self._form(button), fields, b"")

    def upload(self, button: str, file: bytes, /, **fields: str) -> str:
        """Do the same where the form asks for a file."""
        return self._send(self._form(button), fields, file)

    def _send(self, form: Any, fields: dict[str, str], file: bytes) -> str:
        for empty in form.xpath(".//input[not(@value) and not(@type='checkbox' or @type='radio' or @type='file')]"):
            empty.set("value", "")  # a browser sends it empty, lxml not at all
        for name, value in fields.items():
            form.fields[name] = value
        address = urljoin(self.path, form.get("action") or "")
        values = dict(form.form_values())
        if form.method == "GET":
            return self._read(self.http.get(address, params=values))
        files = {"file": ("file.xml", file, "application/xml")} if file else None
        return self._read(self.http.post(address, data=values, files=files))

    def link(self, pattern: str) -> str:
        """Return the first address on the page that has this pattern."""
        found = [one.get("href") for one in self.page.iter("a") if re.search(pattern, one.get("href") or "")]
        assert found, (pattern, self.path, self.text)
        return str(found[0])

    def read(self, path: str) -> str:
        """Return the text of the one element at an XPath."""
        [found] = self.page.xpath(path)
        return str(found.text_content()).strip()

    def button(self, begins: str) -> str:
        """Return what the one button says that begins so."""
        labels = [_label_of(one) for one in self.page.iter("button")]
        [found] = [one for one in labels if one.startswith(begins)] or [f"none of {labels} on {self.path}"]
        return found

    def _form(self, button: str) -> Any:
        for one in self.page.iter("button"):
            if _label_of(one) == button:
                return next(one.iterancestors("form"))
        raise AssertionError(f"no button says {button!r} on {self.path}: {self.text}")

    def _read(self, answer: httpx.Response) -> str:
        self.path = str(answer.url)
        self.page = lxml.html.document_fromstring(answer.text) if answer.text.strip() else None
        main = self.page.find(".//main") if self.page is not None else None
        whole = self.page if main is None else main
        self.text = " ".join(" ".join(whole.itertext()).split()) if whole is not None else ""
        assert answer.status_code == httpx.codes.OK, (self.path, answer.status_code, self.text[-3000:])
        return self.text

    # Coming in -------------------------------------------------------------------------------------------------------

    def join(self, link: str) -> None:
        """Accept an invitation to the staff: choose a password, and add an authenticator app to it."""
        self.go(link)
        self.press("Join", password=PASSWORD)
        self.go(self.link("/profile/factors$"))
        self.press("Add an app")
        self.secret = self.read("//code[@class='secret']")
        self.press("Confirm", code=self._code())

    def sign_in(self, email: str) -> None:
        """Sign in by password, and by the app where there is one."""
        self.go("/sign-in")
        self.press("Sign in", email=email, password=PASSWORD)
        if self.secret:
            self.press("Go on", code=self._code())

    def _code(self) -> str:
        return pyotp.TOTP(self.secret).at(self.now())


@contextlib.contextmanager
def visitors(number: int, base: str, now: Callable[[], dt.datetime]) -> Iterator[list[PhoneVisitor]]:
    """Open so many browsers, closed with the block."""
    with contextlib.ExitStack() as open_ones:
        people = [PhoneVisitor(base, now) for _ in range(number)]
        for one in people:
            open_ones.enter_context(one.http)
        yield people


def _label_of(button: Any) -> str:
    return str(button.get("aria-label") or " ".join(button.text_content().split()))
