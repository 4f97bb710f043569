"""The embedded server's folder while a killed process's server is still ending there."""

import fcntl
import tempfile
import threading
from pathlib import Path

from marketplace.core.postgres import EmbeddedPostgres

ENDS_AFTER_SECONDS = 0.3


def test_a_server_that_is_ending_is_waited_for() -> None:
    with tempfile.TemporaryDirectory(prefix="partage-lock-") as folder:
        Path(folder).chmod(0o755)
        with (Path(folder) / "postgres.lock").open("a+") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            threading.Timer(ENDS_AFTER_SECONDS, fcntl.flock, (lock, fcntl.LOCK_UN)).start()
            with EmbeddedPostgres(Path(folder), durable=False) as server:
                assert server.run_sql("SELECT 1") == "1"
