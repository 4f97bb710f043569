"""A bucket over HTTP as far as an S3 client needs one to put, read, look up and delete objects; it counts what it is asked."""

import contextlib
import hashlib
import re
import threading
from collections import Counter
from collections.abc import Iterator
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from marketplace.core import object_store


class Bucket(ThreadingHTTPServer):
    """Objects by path, and how often each method was asked for; `url` is the endpoint."""

    daemon_threads = True

    def __init__(self) -> None:
        """Listen on a free port."""
        super().__init__(("127.0.0.1", 0), _Asked)
        self.objects: dict[str, bytes] = {}
        self.asked: Counter[str] = Counter()
        self.url = f"http://127.0.0.1:{self.server_address[1]}"

    @property
    def environment(self) -> dict[str, str]:
        """Return the settings that lead the site here."""
        return {
            "PARTAGE_OBJECTS": "s3://partage",
            "AWS_ENDPOINT_URL": self.url,
            "AWS_ALLOW_HTTP": "true",
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
            "AWS_REGION": "eu-west-3",
        }


class _Asked(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: Bucket

    def do_PUT(self) -> None:
        """Store an object."""
        self.server.objects[self.path] = self.rfile.read(int(self.headers["content-length"]))
        self._answer(200)

    def do_DELETE(self) -> None:
        """Delete an object, or none."""
        self.server.objects.pop(self.path, None)
        self._answer(204)

    def do_HEAD(self) -> None:
        """Say how large an object is."""
        self._send(with_body=False)

    def do_GET(self) -> None:
        """Send an object, or a range of it."""
        self._send(with_body=True)

    def _send(self, *, with_body: bool) -> None:
        whole = self.server.objects.get(self.path)
        if whole is None:
            self._answer(404)
            return
        wanted = re.fullmatch(r"bytes=(\d+)-(\d+)", self.headers.get("range", ""))
        if wanted is None:
            self._answer(200, whole, with_body=with_body)
            return
        start, end = int(wanted[1]), min(int(wanted[2]) + 1, len(whole))
        self._answer(206, whole[start:end], range_=f"bytes {start}-{end - 1}/{len(whole)}", with_body=with_body)

    def _answer(self, status: int, body: bytes = b"", *, range_: str = "", with_body: bool = True) -> None:
        self.server.asked[self.command] += 1
        self.send_response(status)
        self.send_header("content-length", str(len(body)))
        self.send_header("last-modified", formatdate(usegmt=True))
        self.send_header("etag", f'"{hashlib.sha256(body).hexdigest()}"')
        if range_:
            self.send_header("content-range", range_)
        self.end_headers()
        if with_body:
            self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Print nothing."""


@contextlib.contextmanager
def bucket() -> Iterator[Bucket]:
    """Serve an empty bucket."""
    with Bucket() as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        object_store.open_at.cache_clear()  # the address of every bucket here is the same
        yield server
        object_store.open_at.cache_clear()
        server.shutdown()
        thread.join()
