"""`serve`: The site in production."""

from __future__ import annotations

from typing import TYPE_CHECKING

from marketplace.commands.command import Command, begin, database_server, refuse_unready, rehearsal_argument, with_pool

if TYPE_CHECKING:
    import argparse


def run(arguments: argparse.Namespace) -> int:
    """Serve the site in production; refuses the local Stripe counterpart, one-click sign-in, demo keys and the key that opens bids."""
    from functools import partial

    import uvicorn

    from marketplace.core.setting_checks import refuse_role
    from marketplace.core.settings import settings
    from marketplace.site.app import create_app
    from marketplace.site.serving.server import STOP_SECONDS, configured, keep_loaded, listen

    begin(arguments)
    refuse_role(settings(), serving=True)
    is_embedded = not settings().database_url
    with database_server():
        with_pool(
            partial(refuse_unready, is_embedded=is_embedded)
        )  # a fault is one sentence here, and a framework's trace once it serves
        listening = listen(settings().host, settings().port)
        app = create_app(access_log=settings().access_log)
        config = configured(
            app,
            lifespan="on",  # a site that cannot start says why, and serves nobody
            timeout_graceful_shutdown=STOP_SECONDS,
        )
        host, port = listening[0].getsockname()[:2]
        print(f"The site listens on http://{host}:{port}, and is {settings().url}.", flush=True)
        keep_loaded()
        uvicorn.Server(config).run(sockets=listening)
    return 0


COMMAND = Command("serve", run, rehearsal_argument)
