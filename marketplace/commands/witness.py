"""`witness`: A second machine that checks that the public log only grows."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from marketplace.commands.command import Command

if TYPE_CHECKING:
    import argparse

    from marketplace.oversight.public_log.witness import Witness


def arguments(parser: argparse.ArgumentParser) -> None:
    """Add its arguments."""
    parser.add_argument("url", help="the log's address, https://…/log/1")
    parser.add_argument("--key", required=True, help="the log's key as it is published: name+id+base64")
    parser.add_argument("--folder", type=Path, default=Path("witness"), help="where its key and what it saw are kept")
    parser.add_argument(
        "--name", default="", help="what it is called, such as witness.example/1; the host's unless said"
    )
    parser.add_argument("--port", type=int, default=0, help="listen here for heads that the log submits; 0: look only")
    parser.add_argument(
        "--every", type=int, default=60, help="seconds between looks at the log; 0: look once, then end"
    )


def run(arguments: argparse.Namespace) -> int:
    """Look at a log, cosign its heads as long as each contains the one before, and show them; ends with 1 at two histories."""
    import asyncio
    import socket

    from marketplace.core.errors import Invalid
    from marketplace.oversight.public_log.witness import Witness
    from pricing.log.notes import read_key
    from pricing.refusals import PricingRefusal

    try:
        key = read_key(arguments.key)
    except PricingRefusal as problem:
        raise Invalid("--key: {problem}", problem=problem) from problem
    witness = Witness(arguments.folder, arguments.name or f"{socket.gethostname()}/witness", key)
    print(f"This witness's key: {witness.key}", flush=True)
    return asyncio.run(_witness(witness, arguments.url.rstrip("/"), every=arguments.every, port=arguments.port))


async def _witness(witness: Witness, url: str, *, every: int, port: int) -> int:
    """Look repeatedly, and answer requests in between; return the exit status."""
    import asyncio
    import contextlib
    import sys

    import httpx
    import uvicorn

    from marketplace.core.errors import Refusal
    from marketplace.site.serving.server import listen
    from pricing.refusals import PricingRefusal

    server = uvicorn.Server(uvicorn.Config(witness, log_level="warning", lifespan="off"))
    serving = asyncio.create_task(server.serve(listen("127.0.0.1", port))) if port else None

    def read(path: str) -> bytes | None:
        answer = client.get(f"{url}/{path}")
        return answer.content if answer.status_code == httpx.codes.OK else None

    with httpx.Client(timeout=30) as client:
        while serving is None or not serving.done():
            try:
                print(await asyncio.to_thread(witness.look, read), flush=True)
            except (httpx.HTTPError, PricingRefusal) as error:
                print(f"The log does not answer as a log: {error}", file=sys.stderr, flush=True)
            except Refusal as refusal:
                print(refusal, file=sys.stderr, flush=True)
                server.should_exit = True
                if serving:
                    await serving
                return 1
            if not every:
                break
            with contextlib.suppress(asyncio.TimeoutError):
                await asyncio.wait_for(asyncio.shield(serving or asyncio.Event().wait()), every)
    server.should_exit = True
    return 0


COMMAND = Command("witness", run, arguments)
