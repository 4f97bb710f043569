"""A little OTLP collector: receives traces over HTTP as protobuf, and keeps their spans."""

import contextlib
import gzip
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer

from msgspec import Struct
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)


class SpanSeen(Struct, frozen=True):
    """A span as it came."""

    name: str
    trace: str
    attributes: dict[str, str]
    status: str


class Collector(HTTPServer):
    """Receives on a free port of this machine."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), TraceReceiver)
        self.spans: list[SpanSeen] = []
        self.bodies: list[bytes] = []

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class TraceReceiver(BaseHTTPRequestHandler):
    """Answers POST /v1/traces. Source: OTLP 1.5, OTLP/HTTP."""

    server: Collector

    def do_POST(self) -> None:
        assert self.path == "/v1/traces", self.path
        body = self.rfile.read(int(self.headers["content-length"]))
        if self.headers.get("content-encoding") == "gzip":
            body = gzip.decompress(body)
        sent = ExportTraceServiceRequest.FromString(body)
        self.server.bodies.append(body)
        self.server.spans += [
            SpanSeen(
                span.name,
                span.trace_id.hex(),
                {pair.key: str(pair.value) for pair in span.attributes},
                span.status.message,
            )
            for resource in sent.resource_spans
            for scope in resource.scope_spans
            for span in scope.spans
        ]
        self.send_response(200)
        self.send_header("content-type", "application/x-protobuf")
        self.end_headers()
        self.wfile.write(ExportTraceServiceResponse().SerializeToString())

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@contextlib.contextmanager
def collecting() -> Iterator[Collector]:
    """Receive while the block runs."""
    with Collector() as collector:
        thread = threading.Thread(target=collector.serve_forever, daemon=True)
        thread.start()
        try:
            yield collector
        finally:
            collector.shutdown()
            thread.join()
