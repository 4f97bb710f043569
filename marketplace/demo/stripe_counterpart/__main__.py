"""Runs the counterpart: `python -m marketplace.demo.stripe_counterpart --port 12111 --state PATH`."""

import argparse
import socket
import time
from collections.abc import Callable
from pathlib import Path

import uvicorn

from marketplace.demo.stripe_counterpart.app import create_counterpart


def main() -> None:
    """Serve on 127.0.0.1 until interrupted, as the arguments say."""
    arguments = _read_arguments()
    serve(
        arguments.port,
        arguments.state,
        control=arguments.control,
        seed=arguments.seed,
        daily_payouts=arguments.daily_payouts,
    )


def serve(
    port: int,
    state: Path | None,
    *,
    control: bool = False,
    seed: str | None = None,
    daily_payouts: bool = False,
    read_time: Callable[[], float] = time.time,
) -> None:
    """Serve on 127.0.0.1 until interrupted, and print the address; port 0 chooses a free port.

    read_time: the counterpart's clock, in Unix seconds.
    """
    # The protocol must be named: asyncio then sends small answers at once instead of 40 ms later.
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind(("127.0.0.1", port))
    except OSError as failure:
        raise SystemExit(f"Port {port} cannot be used: {failure.strerror}.") from None
    listener.listen(128)
    counterpart = create_counterpart(
        state, control=control, seed=seed, daily_payouts=daily_payouts, read_time=read_time
    )
    print(f"listening on http://127.0.0.1:{listener.getsockname()[1]}", flush=True)
    config = uvicorn.Config(counterpart, log_level="critical", access_log=False, lifespan="on", ws="none")
    uvicorn.Server(config).run(sockets=[listener])


def _read_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="A local counterpart of Stripe. No real money moves.")
    parser.add_argument("--port", type=int, default=0, help="port on 127.0.0.1; 0 chooses a free one")
    parser.add_argument("--state", type=Path, default=None, help="SQLite file of its state; in memory when left out")
    parser.add_argument("--control", action="store_true", help="serve the control plane under /_test/")
    parser.add_argument("--seed", default=None, help="make ids and secrets the same in every run")
    parser.add_argument("--daily-payouts", action="store_true", help="pay out by itself every midnight (UTC)")
    return parser.parse_args()


if __name__ == "__main__":
    main()
