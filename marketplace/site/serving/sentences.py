"""The words of the framework's own refusals for people: the heading of their page, and one sentence."""

from __future__ import annotations

import re
from http import HTTPStatus
from typing import TYPE_CHECKING

from marketplace.core.errors import Refusal
from marketplace.core.web.i18n import gettext

if TYPE_CHECKING:
    from litestar.exceptions import HTTPException

SOMETHING = "That did not work"
UNKNOWN = "That did not work."
HEADINGS = {
    400: "That cannot be read",
    401: "Sign in first",
    403: "Not possible here",
    404: "There is nothing here",
    405: "Not this way",
    409: "That contradicts what is recorded",
    410: "Its time has passed",
    413: "Too large",
    415: "Another kind of content is needed",
    422: "Please check what you sent",
    429: "A little slower",
    500: "Something failed",
    503: "Just a moment",
}
SENTENCES = {
    400: "This request is malformed; go back, check what you wrote and try again.",
    403: "This form is no longer valid; go back, reload the page and try again.",
    404: "There is nothing at this address.",
    405: "This address does not accept that kind of request.",
    413: "That is too large; at most {limit} MB is accepted.",
    415: "This address accepts another kind of content.",
    429: "Too many requests; wait a minute and try again.",
}


def http_sentence(error: HTTPException) -> str:
    """Return a sentence for a refusal of the framework; it names the wrong fields, without the framework's words."""
    fields = at_fault(error)
    if error.status_code == HTTPStatus.BAD_REQUEST and fields:
        return gettext("Missing or malformed: {fields}.").format(fields=", ".join(fields))
    return gettext(SENTENCES.get(error.status_code, UNKNOWN))


def at_fault(error: Exception) -> list[str]:
    """Return the names of the wrong fields in a refusal of ours or the framework's."""
    if isinstance(error, Refusal):
        return [str(error.fields["field"])] if "field" in error.fields else []
    extra = getattr(error, "extra", None)
    errors = [
        (str(item.get("key", "")), str(item.get("message", ""))) for item in extra or [] if isinstance(item, dict)
    ]
    named = [
        pair for key, message in errors for pair in (re.findall(r"field `(\w+)`|\$\.(\w+)", message) or [(key, "")])
    ]
    return list(dict.fromkeys(one or other for one, other in named if one or other))
