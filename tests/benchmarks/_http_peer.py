"""The list of a person's sessions as FastAPI and SQLAlchemy's mapped classes make it; prints seconds of processor a page.

It answers with the same page and the same headers, which is compared: with the form's token, by Jinja as it is, and with
a middleware of plain ASGI, the fastest that FastAPI's manual knows. It does not do the rest of what every request passes
at our site: limits, deadlines, idle sessions, sealed names, the trail of staff.
Run by `bench http --peers`, in a process that has both packages; the argument is the cookies of a browser that is
signed in, and it prints, as JSON, seconds of processor a page, a digest of the page, and its headers.
"""
# mypy: ignore-errors

import asyncio
import datetime as dt
import hashlib
import json
import os
import secrets
import sys
import uuid
from collections.abc import AsyncIterator
from typing import Annotated

from fastapi import Cookie, Depends, FastAPI, HTTPException
from fastapi.responses import HTMLResponse
from litestar.types import ASGIApp, Receive, Scope, Send
from litestar.types import Message as Sent
from markupsafe import Markup
from sqlalchemy import ForeignKey, exists, func, select, tuple_
from sqlalchemy.dialects.postgresql import TIMESTAMP, UUID
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker, create_async_engine
from sqlalchemy.orm import DeclarativeBase, Mapped, joinedload, mapped_column, relationship

from marketplace.core.settings import settings
from marketplace.core.web.i18n import language
from marketplace.core.web.pages import Visit, visit
from marketplace.people.identity.actors import Actor
from marketplace.people.identity.sessions import SessionRow
from marketplace.site.serving.form_tokens import token_of
from marketplace.site.serving.security_headers import security_headers
from tests.benchmarks import http as bench


class Base(DeclarativeBase):
    """The mapped classes."""


class Partner(Base):
    __tablename__ = "partner"
    id: Mapped[uuid.UUID] = mapped_column(UUID, primary_key=True)
    vetted_at: Mapped[dt.datetime | None] = mapped_column(TIMESTAMP(timezone=True))


class Person(Base):
    __tablename__ = "person"
    id: Mapped[uuid.UUID] = mapped_column(UUID, primary_key=True)
    name: Mapped[str]
    email: Mapped[str]
    subscriber: Mapped[int | None]
    staff_role: Mapped[str | None]
    partner_id: Mapped[uuid.UUID | None] = mapped_column("partner", ForeignKey("partner.id"))
    partner: Mapped[Partner | None] = relationship()


class Session(Base):
    __tablename__ = "session"
    token_hash: Mapped[str] = mapped_column(primary_key=True)
    person_id: Mapped[uuid.UUID] = mapped_column("person", ForeignKey("person.id"))
    person: Mapped[Person] = relationship()
    created_at: Mapped[dt.datetime] = mapped_column(TIMESTAMP(timezone=True))
    expires_at: Mapped[dt.datetime] = mapped_column(TIMESTAMP(timezone=True))
    last_seen_at: Mapped[dt.datetime | None] = mapped_column(TIMESTAMP(timezone=True))
    device: Mapped[str]
    network: Mapped[str]
    awaits_factor: Mapped[bool]


class Message(Base):
    __tablename__ = "message"
    id: Mapped[uuid.UUID] = mapped_column(UUID, primary_key=True)
    audience: Mapped[str]
    recipient: Mapped[str]
    created_at: Mapped[dt.datetime] = mapped_column(TIMESTAMP(timezone=True))


class MessageRead(Base):
    __tablename__ = "message_read"
    message: Mapped[uuid.UUID] = mapped_column(ForeignKey("message.id"), primary_key=True)
    reader: Mapped[uuid.UUID] = mapped_column(ForeignKey("person.id"), primary_key=True)


database = create_async_engine(
    os.environ["DATABASE_URL"].replace("postgresql://", "postgresql+asyncpg://"), pool_size=1
)
open_session = async_sessionmaker(database, expire_on_commit=False)
app = FastAPI()
jinja = bench.jinja_as_it_is()


class AddHeaders:
    """Add the headers that keep browsers safe, and the request's id."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app
        self.headers = [*security_headers(settings()), (b"cache-control", b"private, no-store")]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def send_with_headers(message: Sent) -> None:
            if message["type"] == "http.response.start":
                request_id = (b"x-request-id", secrets.token_hex(8).encode())
                message["headers"] = [*message["headers"], *self.headers, request_id]
            await send(message)

        await self.app(scope, receive, send_with_headers)


app.add_middleware(AddHeaders)


async def unit_of_work() -> AsyncIterator[AsyncSession]:
    """Give a request its unit of work."""
    async with open_session() as unit:
        yield unit


async def asker(session: Annotated[str, Cookie()], unit: Annotated[AsyncSession, Depends(unit_of_work)]) -> Session:
    """Return the session that asks, with its person."""
    asked = select(Session).options(joinedload(Session.person).joinedload(Person.partner))
    found = await unit.scalar(asked.where(Session.token_hash == hashlib.sha256(session.encode()).hexdigest()))
    if found is None or found.expires_at < dt.datetime.now(dt.UTC):
        raise HTTPException(401)
    return found


async def form_token(session: Annotated[str, Cookie()], csrftoken: Annotated[str, Cookie()]) -> str:
    """Return the token of this browser's forms."""
    return token_of(session, csrftoken)


@app.get("/en/sessions", response_class=HTMLResponse)
async def sessions(
    mine: Annotated[Session, Depends(asker)],
    unit: Annotated[AsyncSession, Depends(unit_of_work)],
    token: Annotated[str, Depends(form_token)],
) -> str:
    """Show a person's sessions."""
    now = dt.datetime.now(dt.UTC)
    person = mine.person
    theirs = tuple_(Message.audience, Message.recipient).in_(
        [("person", str(person.id)), ("role", person.staff_role or "")]
    )
    is_read = exists().where(MessageRead.message == Message.id, MessageRead.reader == person.id)
    unread = select(func.count()).where(theirs, Message.created_at > now - dt.timedelta(days=90), ~is_read)
    count = await unit.scalar(unread)
    asked = select(Session).where(Session.person_id == mine.person_id, Session.expires_at > now)
    found = (await unit.scalars(asked.order_by(Session.last_seen_at.desc()))).all()
    language.set("en")
    actor = Actor(name=person.name, person=person.id, role=person.staff_role, unread=count or 0)
    visit.set(Visit("/sessions", "", actor))
    listed = [
        SessionRow(
            id=one.token_hash[:16],
            created_at=one.created_at,
            last_seen_at=one.last_seen_at,
            device=one.device,
            network=one.network,
            is_this=one is mine,
        )
        for one in found
    ]
    field = Markup('<input type="hidden" name="_csrf_token" value="{}" />').format(token)
    return jinja.engine.get_template("sign_in/sessions.html").render(sessions=listed, csrf_input=field)


async def measure() -> dict[str, object]:
    """Return the best of some rounds, and what was answered."""
    body, headers = await bench.page_and_headers(app, sys.argv[1])
    best = min([await bench.seconds_a_page(app, sys.argv[1]) for _ in range(bench.SIZE)])
    return {"seconds": best, "page": hashlib.sha256(body).hexdigest(), "headers": bench.comparable(headers)}


print(json.dumps(asyncio.run(measure())))
