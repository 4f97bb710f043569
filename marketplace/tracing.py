"""Who asked for what: one id a request or run of a job, in every line that is logged while it is answered; and traces.

The id is random and says nothing about a person. It is in the header `X-Request-Id` of the answer and in each problem,
so that who reports one can be helped.

**Traces** go to a collector by OTLP over HTTP where OTEL_EXPORTER_OTLP_ENDPOINT names one; without it nothing is imported
and a span costs one look at the settings. A purchase is one trace: what asks Stripe carries `traceparent` in the metadata
of Stripe's objects, so that worker and webhook continue what the site began. Spans have routes, verbs, statuses and the
names of exceptions' classes; never a path, a name, an address or an exception's own words.
Source: W3C Trace Context (traceparent), OTLP 1.5.
"""

from __future__ import annotations

import contextlib
import functools
import secrets
from typing import TYPE_CHECKING, Any, Final, Literal, TypeVar

import structlog

from marketplace.settings import settings

if TYPE_CHECKING:
    from collections.abc import Awaitable, Iterator, Sequence
    from contextlib import AbstractContextManager
    from types import TracebackType

    from opentelemetry.context import Context
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.trace import Span, Tracer

T = TypeVar("T")
CARRIED: Final = "traceparent"
"""The key of Stripe's metadata that a trace travels under."""


class RequestTrace:
    """Give what is answered in the block an id, and put it into every line logged there; return it with the span, if any.

    A class, not a function that yields: every request enters one.
    """

    __slots__ = ("before", "method", "span")

    def __init__(self, method: str) -> None:
        """State how it is asked."""
        self.method = method

    def __enter__(self) -> tuple[str, Span | None]:
        """Begin, and return the id and the span."""
        made = secrets.token_hex(8)
        self.before = structlog.contextvars.bind_contextvars(request=made)
        self.span = span(self.method, kind="server") if is_on() else None
        begun = self.span.__enter__() if self.span else None
        if begun:
            begun.set_attributes({"http.request.method": self.method, "partage.request": made})
        return made, begun

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Be as before."""
        try:
            if self.span:
                self.span.__exit__(kind, error, trace)
        finally:
            structlog.contextvars.reset_contextvars(**self.before)


@contextlib.contextmanager
def job_run(job: str) -> Iterator[None]:
    """Put the job's name and an id of this run into every line logged in the block."""
    with structlog.contextvars.bound_contextvars(job=job, run=secrets.token_hex(8)), span(f"job {job}"):
        yield


def request_id() -> str:
    """Return the id of the request that is being answered; nothing outside of one."""
    return str(structlog.contextvars.get_contextvars().get("request", ""))


# Traces ---------------------------------------------------------------------------------------------------------------


def is_on() -> bool:
    """Return whether a collector is named."""
    return bool(settings().trace_endpoint)


def span(
    name: str, *, parent: str = "", kind: Literal["server", "client", "internal"] = "internal"
) -> AbstractContextManager[Span | None]:
    """Trace the block as part of what is under way, or of the trace whose `traceparent` is given; None without a collector."""
    return _span(name, parent, kind) if is_on() else contextlib.nullcontext()


async def under(name: str, parent: str, work: Awaitable[T]) -> T:
    """Await some work as a part of the trace that `parent` names."""
    with span(name, parent=parent):
        return await work


def record(name: str, parents: Sequence[str], began_ns: int) -> None:
    """Write, into each of several traces, that what one block did at once was done for it; began_ns: nanoseconds since 1970."""
    for parent in parents if is_on() else ():
        _tracer().start_span(name, context=_context(parent), start_time=began_ns).end()


def carry(parameters: dict[str, Any]) -> dict[str, Any]:
    """Return what a call to Stripe says with the trace under way in its metadata, unless it carries one already."""
    if not is_on() or not (here := _here()):
        return parameters
    return {
        key: ({CARRIED: here} | value if key == "metadata" else carry(value)) if isinstance(value, dict) else value
        for key, value in parameters.items()
    }


def carried_by(thing: object) -> str:
    """Return the `traceparent` in the metadata of a call's parameters, or of one of Stripe's objects; '' where there is none."""
    metadata = thing.get("metadata") if isinstance(thing, dict) else None
    found = metadata.get(CARRIED) if isinstance(metadata, dict) else None
    return found if isinstance(found, str) else ""


def flush() -> None:
    """Hand over what waits to be sent: the exporter sends every few seconds by itself, and at the end of the process."""
    if is_on():
        _provider(settings().trace_endpoint).force_flush()


@contextlib.contextmanager
def _span(name: str, parent: str, kind: str) -> Iterator[Span]:
    from opentelemetry import trace  # noqa: PLC0415 (a site without traces need not wait for it)

    with _tracer().start_as_current_span(
        name,
        context=_context(parent),
        kind=trace.SpanKind[kind.upper()],
        record_exception=False,
        set_status_on_exception=False,
    ) as begun:
        try:
            yield begun
        except BaseException as error:
            begun.set_status(trace.StatusCode.ERROR, type(error).__name__)  # its words may have a person's in them
            raise


@functools.cache
def _provider(endpoint: str) -> TracerProvider:
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter  # noqa: PLC0415 (as above)
    from opentelemetry.sdk.resources import Resource  # noqa: PLC0415
    from opentelemetry.sdk.trace import TracerProvider  # noqa: PLC0415
    from opentelemetry.sdk.trace.export import BatchSpanProcessor  # noqa: PLC0415

    provider = TracerProvider(resource=Resource.create({"service.name": "partage"}))
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(endpoint=f"{endpoint.rstrip('/')}/v1/traces")))
    return provider


def _tracer() -> Tracer:
    return _provider(settings().trace_endpoint).get_tracer("marketplace")


def _context(parent: str) -> Context | None:
    """Return the context that `traceparent` names; None, which is what is under way, where it names none."""
    if not parent:
        return None
    from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator  # noqa: PLC0415

    return TraceContextTextMapPropagator().extract({CARRIED: parent})


def _here() -> str:
    from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator  # noqa: PLC0415

    carrier: dict[str, str] = {}
    TraceContextTextMapPropagator().inject(carrier)
    return carrier.get(CARRIED, "")
