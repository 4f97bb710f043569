"""Asking the API over HTTPS with the standard library alone: what is refused is raised with the sentence that says why."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any, Final
from urllib.error import HTTPError
from urllib.parse import quote, urlencode, urlsplit
from urllib.request import HTTPRedirectHandler, Request, build_opener

if TYPE_CHECKING:
    from collections.abc import Mapping
    from http.client import HTTPResponse

TOO_MANY: Final = 429
LONGEST_WAIT_SECONDS: Final = 120
HERE: Final = ("localhost", "127.0.0.1", "::1")


class Refused(Exception):  # noqa: N818 (what the API does, as its problem details say it)
    """The API refused: `status` is HTTP's, `detail` a sentence, `problem` all that it said (RFC 9457)."""

    def __init__(self, status: int, problem: dict[str, Any]) -> None:
        """Keep what was said."""
        self.status, self.problem = status, problem
        self.detail = str(problem.get("detail") or problem.get("title") or f"HTTP {status}")
        super().__init__(f"{status}: {self.detail}")


class _NoRedirects(HTTPRedirectHandler):
    """Follows no redirect: a key is for the site it was made on, and for no other."""

    def redirect_request(self, *_: Any) -> None:  # noqa: ANN401 (the standard library's arguments)
        """Return None, which makes a redirect an error."""


class Calls:
    """A site, and the key it is asked with."""

    def __init__(self, site: str, key: str = "", *, timeout: float = 60, language: str = "en") -> None:
        """Take a site's address and an API key, which is needed for all but the catalogue; `timeout` in seconds.

        Refuses an address without https, but of this machine: the key would be read on the way.
        """
        parts = urlsplit(site)
        if parts.scheme != "https" and not (parts.scheme == "http" and parts.hostname in HERE):
            raise ValueError(f"{site} does not begin with https://")
        self.site, self.timeout = site.rstrip("/"), timeout
        self._headers = {"accept-language": language, "user-agent": "partage"}
        if key:
            self._headers["authorization"] = f"Bearer {key}"
        self._opener = build_opener(_NoRedirects)

    def open(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, Any] | None = None,
        headers: Mapping[str, str | None] | None = None,
        body: object = None,
    ) -> HTTPResponse:
        """Ask, and return the answer to be read and closed; wait once where too much was asked. Raises `Refused`."""
        asked = {name: value for name, value in (query or {}).items() if value is not None}
        address = f"{self.site}{path}" + (f"?{urlencode(asked, doseq=True)}" if asked else "")
        sent = self._headers | {name: value for name, value in (headers or {}).items() if value is not None}
        data = None
        if body is not None:
            data, sent["content-type"] = json.dumps(body).encode(), "application/json"
        for is_last in (False, True):
            request = Request(address, data, sent, method=method)  # noqa: S310 (https, or this machine)
            try:
                answer: HTTPResponse = self._opener.open(request, timeout=self.timeout)
            except HTTPError as error:
                with error:
                    refused, wait = _refused(error), error.headers.get("retry-after", "")
                if refused.status != TOO_MANY or is_last or not wait.isdecimal():
                    raise refused from None
                if int(wait) > LONGEST_WAIT_SECONDS:  # such as a limit of a day
                    raise refused from None
                time.sleep(int(wait))
            else:
                return answer
        raise AssertionError("the last attempt answers or raises")

    def ask(self, method: str, path: str, **given: Any) -> Any:  # noqa: ANN401 (JSON)
        """Ask, and return the JSON that is answered; takes what `open` takes. Raises `Refused`."""
        with self.open(method, path, **given) as answer:
            return json.load(answer)


def part(text: str) -> str:
    """Return one part of a path, with any sign that it may have."""
    return quote(str(text), safe="")


def _refused(error: HTTPError) -> Refused:
    """Return what was refused, in the API's own words where they are there."""
    try:
        problem = json.load(error)
    except ValueError:
        problem = {}
    return Refused(error.code, problem if isinstance(problem, dict) else {})
