"""Pages of mail: a person's choices, the link that stops a kind, the operator's view, and the demo's letters."""

from __future__ import annotations

import datetime as dt
import email
import email.policy
import hmac
import uuid
from typing import TYPE_CHECKING, Annotated

from litestar import get, post
from litestar.params import FromPath, QueryParameter
from litestar.response import Redirect, Template  # noqa: TC002 (Litestar reads a handler's annotations)
from msgspec import Struct

from marketplace.core import clock
from marketplace.core.errors import NotFound
from marketplace.core.settings import settings
from marketplace.core.web.pages import PageNumber, page, see
from marketplace.people.identity.guards import VisitorRequest, expect, signed_in, staff
from marketplace.people.mail import actions, queries
from marketplace.people.mail.transports import folder_of
from marketplace.people.mail.writing import STOP, Stop
from marketplace.people.messages.links import link_token
from marketplace.people.messages.registry import KINDS

if TYPE_CHECKING:
    from email.message import EmailMessage
    from pathlib import Path

SHOWN_LETTERS = 100


# What people choose -----------------------------------------------------------------------------------------------


def _who(request: VisitorRequest) -> tuple[uuid.UUID, list[str]]:
    """Return the person of the request, and the readers of message kinds that they belong to."""
    actor = request.user
    if actor is None or actor.person is None:
        raise NotFound("There is nothing here.")
    if actor.role:
        return actor.person, [actor.role]
    return actor.person, ["partner" if actor.partner else "subscriber"]


@get("/inbox/choices", guards=[signed_in], opt=expect("signed in"))
async def choices_page(request: VisitorRequest, saved: Annotated[str, QueryParameter(name="saved")] = "") -> Template:
    """Show which messages a person also gets by mail, and which cannot be stopped."""
    person, readers = _who(request)
    stopped, kinds = await queries.list_stopped(person), queries.kinds_to_choose(readers)
    return page("mail/choices.html", kinds=kinds, stopped=stopped, saved=bool(saved))


@post("/inbox/choices", guards=[signed_in], opt=expect("signed in"), status_code=200)
async def choose(request: VisitorRequest) -> Redirect:
    """Record which kinds a person wants by mail."""
    person, readers = _who(request)
    wanted = (await request.form()).getall("wanted", [])
    offered = [kind.code for kind in queries.kinds_to_choose(readers)]
    await actions.choose_mail(person, offered, [str(code) for code in wanted])
    return see("/inbox/choices?saved=yes")


# The link that stops a kind, without signing in -------------------------------------------------------------------


def read_stop(token: str) -> Stop:
    """Return the person and the kind whose mail a link's token stops; refuses NotFound for an invalid token."""
    person, _, rest = token.partition(".")
    kind, _, signature = rest.partition(".")
    try:
        stop = Stop(uuid.UUID(hex=person), kind)
    except ValueError:
        raise NotFound("This link is not whole: copy all of it from the letter.") from None
    expected = link_token(f"{STOP} {stop.kind}", stop.person)
    if not hmac.compare_digest(expected.encode(), signature.encode()) or stop.kind not in KINDS:
        raise NotFound("This link is not whole: copy all of it from the letter.")
    return stop


@get("/stop-mail/{token:str}", opt=expect("anyone", stranger=200))
async def stop_page(token: FromPath[str]) -> Template:
    """Ask for confirmation, so that programs that follow links stop nothing."""
    return page("mail/stop.html", kind=KINDS[read_stop(token).kind], token=token, is_stopped=False)


@post("/stop-mail/{token:str}", opt=expect("anyone", stranger=200), status_code=200)
async def stop(token: FromPath[str]) -> Template:
    """Stop the mail: a person's own click, or their mail program's (RFC 8058)."""
    stopped = read_stop(token)
    await actions.stop_mail(stopped.person, [stopped.kind])
    return page("mail/stop.html", kind=KINDS[stopped.kind], token=token, is_stopped=True)


# The operator's view ----------------------------------------------------------------------------------------------


@get("/staff/mail", guards=[staff("steward", "finance", "auditor")], opt=expect("steward", "finance", "auditor"))
async def mail_page(request: VisitorRequest, number: PageNumber = 1) -> Template:
    """Show how many letters went out, and those that reached nobody."""
    counts = await queries.count_letters(clock.now() - dt.timedelta(days=30))
    letters = await queries.list_troubled_letters(number)
    may_send = request.user is not None and request.user.role == "steward"
    return page("mail/mail.html", counts=counts, letters=letters, kinds=KINDS, may_send=may_send)


@post(
    "/staff/mail/{letter:uuid}/again", guards=[staff("steward")], opt=expect("steward", stranger=200), status_code=200
)
async def send_again(letter: FromPath[uuid.UUID]) -> Redirect:
    """Send a letter again that reached nobody."""
    await actions.send_again(letter)
    return see("/staff/mail")


# The demo's letters -----------------------------------------------------------------------------------------------


class DemoLetter(Struct, frozen=True):
    """A letter as the demo's page shows it; `links` are the addresses in it."""

    name: str
    to: str
    subject: str
    sent_at: dt.datetime
    text: str
    links: list[str]


def _demo_folder() -> Path:
    folder = folder_of(settings().smtp_url)
    if folder is None or not settings().one_click:
        raise NotFound("There is nothing here.")
    return folder


def _read(path: Path) -> DemoLetter:
    message: EmailMessage = email.message_from_bytes(path.read_bytes(), policy=email.policy.default)
    body = message.get_body(("plain",))
    text = str(body.get_content()) if body else ""
    links = [word for word in text.split() if word.startswith(("http://", "https://"))]
    sent_at = dt.datetime.fromtimestamp(path.stat().st_mtime, dt.UTC)
    return DemoLetter(path.stem, str(message["To"]), str(message["Subject"]), sent_at, text, links)


@get("/demo/mail", opt=expect("anyone"))
async def demo_letters() -> Template:
    """Show the letters that the demo sent, the latest first; closed outside the demo."""
    paths = sorted(_demo_folder().glob("*.eml"), key=lambda path: path.stat().st_mtime, reverse=True)
    return page("mail/demo_letters.html", letters=[_read(path) for path in paths[:SHOWN_LETTERS]])


@get("/demo/mail/{letter:uuid}", opt=expect("anyone", stranger=200))
async def demo_letter(letter: FromPath[uuid.UUID]) -> Template:
    """Show one of the demo's letters; closed outside the demo."""
    path = _demo_folder() / f"{letter}.eml"
    if not path.is_file():
        raise NotFound("There is nothing here.")
    return page("mail/demo_letter.html", letter=_read(path))


ROUTES = [choices_page, choose, stop_page, stop, mail_page, send_again, demo_letters, demo_letter]
