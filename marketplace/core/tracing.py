"""Request ids and traces: each request or run of a job has one id, which is in every line logged for it.

The id is random and contains nothing about a person. It is in the header `X-Request-Id` of the answer and in each
problem, so that a person who reports one can be helped.

**Traces** go to a collector by OTLP over HTTP if OTEL_EXPORTER_OTLP_ENDPOINT names one; otherwise nothing is imported
and a span costs one look at the settings. A purchase is one trace: calls to Stripe carry `traceparent` in the metadata
of Stripe's objects, so that worker and webhook continue the site's trace. Spans have routes, verbs, statuses and the
class names of exceptions; never a path, a name, an address or an exception's message.
Source: W3C Trace Context (traceparent), OTLP 1.5.
"""

from __future__ import annotations

import contextlib
import functools
import secrets
from typing import TYPE_CHECKING, Any, Final, Literal, TypeVar

import structlog

from marketplace.core.settings import settings

if TYPE_CHECKING:
    from collections.abc import Awaitable, Iterator, Sequence
    from contextlib import AbstractContextManager
    from types import TracebackType

    from opentelemetry.context import Context
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.trace import Span, Tracer

T = TypeVar("T")
CARRIED: Final = "traceparent"
"""The key of Stripe's metadata for a trace."""


class RequestTrace:
    """Give the request handled in the block an id, add it to every line logged there, and return it with any span.

    It is a class, not a generator function, because every request enters one.
    """

    __slots__ = ("before", "method", "span")

    def __init__(self, method: str) -> None:
        """Store the request's method."""
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
        """Restore the previous id and span."""
        try:
            if self.span:
                self.span.__exit__(kind, error, trace)
        finally:
            structlog.contextvars.reset_contextvars(**self.before)


@contextlib.contextmanager
def job_run(job: str) -> Iterator[None]:
    """Add the job's name and an id of this run to every line logged in the block."""
    with structlog.contextvars.bound_contextvars(job=job, run=secrets.token_hex(8)), span(f"job {job}"):
        yield


def request_id() -> str:
    """Return the id of the current request; empty outside of one."""
    return str(structlog.contextvars.get_contextvars().get("request", ""))


# Traces ---------------------------------------------------------------------------------------------------------------


def is_on() -> bool:
    """Return whether a collector is configured."""
    return bool(settings().trace_endpoint)


def span(
    name: str, *, parent: str = "", kind: Literal["server", "client", "internal"] = "internal"
) -> AbstractContextManager[Span | None]:
    """Trace the block as part of the current trace, or of the one in `traceparent`; None without a collector."""
    return _span(name, parent, kind) if is_on() else contextlib.nullcontext()


async def under(name: str, parent: str, work: Awaitable[T]) -> T:
    """Await some work as a part of the trace in `parent`."""
    with span(name, parent=parent):
        return await work


def record(name: str, parents: Sequence[str], began_ns: int) -> None:
    """Record one block's work in each of several traces; began_ns: nanoseconds since 1970."""
    for parent in parents if is_on() else ():
        _tracer().start_span(name, context=_context(parent), start_time=began_ns).end()


def carry(parameters: dict[str, Any]) -> dict[str, Any]:
    """Return the parameters of a call to Stripe with the current trace in their metadata, unless it has one."""
    if not is_on() or not (here := _here()):
        return parameters
    return {
        key: ({CARRIED: here} | value if key == "metadata" else carry(value)) if isinstance(value, dict) else value
        for key, value in parameters.items()
    }


def carried_by(thing: object) -> str:
    """Return the `traceparent` in the metadata of a call's parameters or of an object of Stripe's; '' if absent."""
    metadata = thing.get("metadata") if isinstance(thing, dict) else None
    found = metadata.get(CARRIED) if isinstance(metadata, dict) else None
    return found if isinstance(found, str) else ""


def flush() -> None:
    """Send waiting spans: the exporter itself sends every few seconds, and at the end of the process."""
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
            begun.set_status(trace.StatusCode.ERROR, type(error).__name__)  # its message may quote a person
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
    """Return the context of `traceparent`; None, which means the current one, if it names none."""
    if not parent:
        return None
    from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator  # noqa: PLC0415

    return TraceContextTextMapPropagator().extract({CARRIED: parent})


def _here() -> str:
    from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator  # noqa: PLC0415

    carrier: dict[str, str] = {}
    TraceContextTextMapPropagator().inject(carrier)
    return carrier.get(CARRIED, "")
