"""The list of a person's sessions as FastAPI and SQLAlchemy's mapped classes make it; prints seconds of processor a page.

It answers with the same page and the same headers: Jinja as it is, and headers as FastAPI's manual has them added.
Run by `bench http --peers`, in a process that has both packages; the argument is the session's secret.
"""
# mypy: ignore-errors

from __future__ import annotations

import asyncio
import datetime as dt
import hashlib
import importlib.util
import os
import sys
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable  # noqa: TC003 (FastAPI reads the annotations)
from pathlib import Path
from typing import Annotated

from fastapi import Cookie, Depends, FastAPI, HTTPException, Request, Response
from fastapi.responses import HTMLResponse
from sqlalchemy import ForeignKey, func, select
from sqlalchemy.dialects.postgresql import TIMESTAMP, UUID
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker, create_async_engine
from sqlalchemy.orm import DeclarativeBase, Mapped, joinedload, mapped_column, relationship

from marketplace.identity.actors import Actor
from marketplace.identity.sessions import SessionRow
from marketplace.serving.security_headers import security_headers
from marketplace.settings import settings
from marketplace.web.i18n import language
from marketplace.web.pages import Visit, visit


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


database = create_async_engine(
    os.environ["DATABASE_URL"].replace("postgresql://", "postgresql+asyncpg://"), pool_size=1
)
open_session = async_sessionmaker(database, expire_on_commit=False)
app = FastAPI()
place = Path(__file__).with_name("http.py")
specification = importlib.util.spec_from_file_location("bench_http", place)
bench = importlib.util.module_from_spec(specification)
specification.loader.exec_module(bench)
jinja = bench.jinja_as_it_is()


headers = {name.decode(): value.decode() for name, value in security_headers(settings())}


@app.middleware("http")
async def add_headers(request: Request, call_next: Callable[[Request], Awaitable[Response]]) -> Response:
    """Add the headers that keep browsers safe, and the request's id."""
    answer = await call_next(request)
    answer.headers.update(headers | {"cache-control": "private, no-store", "x-request-id": str(uuid.uuid4())})
    return answer


async def rows() -> AsyncIterator[AsyncSession]:
    """Give a request its unit of work."""
    async with open_session() as unit:
        yield unit


async def asker(session: Annotated[str, Cookie()], unit: Annotated[AsyncSession, Depends(rows)]) -> Session:
    """Return the session that asks, with its person."""
    asked = select(Session).options(joinedload(Session.person).joinedload(Person.partner))
    found = await unit.scalar(asked.where(Session.token_hash == hashlib.sha256(session.encode()).hexdigest()))
    if found is None or found.expires_at < dt.datetime.now(dt.UTC):
        raise HTTPException(401)
    return found


@app.get("/en/sessions", response_class=HTMLResponse)
async def sessions(mine: Annotated[Session, Depends(asker)], unit: Annotated[AsyncSession, Depends(rows)]) -> str:
    """Show a person's sessions."""
    now = dt.datetime.now(dt.UTC)
    since = now - dt.timedelta(days=90)
    unread = select(func.count()).where(Message.recipient == str(mine.person_id), Message.created_at > since)
    count = await unit.scalar(unread)
    asked = select(Session).where(Session.person_id == mine.person_id, Session.expires_at > now)
    found = (await unit.scalars(asked.order_by(Session.last_seen_at.desc()))).all()
    person = mine.person
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
    return jinja.engine.get_template("access/sessions.html").render(sessions=listed, csrf_input="")


async def measure() -> float:
    """Return the best of some rounds."""
    cookies = f"session={sys.argv[1]}"
    return min([await bench.seconds(app, cookies) for _ in range(bench.ROUNDS)])


print(asyncio.run(measure()))
