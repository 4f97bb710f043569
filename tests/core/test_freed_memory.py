"""A process that keeps what it frees asks the machine for no page twice, and they are the machine's again afterwards."""

import json
import subprocess
import sys

import pytest

NO_MALLOPT = 77
PROGRAM = """
import json, os, resource, sys
from marketplace.core import freed_memory
if not hasattr(__import__("ctypes").CDLL(None), "mallopt"):
    sys.exit(77)
if sys.argv[1] == "keep":
    freed_memory.keep_freed_memory()
faults = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_minflt
pages = lambda: int(open("/proc/self/statm").read().split()[1])
before = faults()
for _ in range(20):
    parts = [bytearray(3_000_001) for _ in range(20)]
    for part in parts:
        part[::4096] = b"x" * len(part[::4096])
    del parts, part
kept = pages()
freed_memory.release_freed_memory()
print(json.dumps([faults() - before, kept - pages()]))
"""


def pages_of_process(how: str) -> tuple[int, int]:
    """Return how many pages a process asked for while it used 60 megabytes twenty times, and how many it released then."""
    done = subprocess.run([sys.executable, "-c", PROGRAM, how], capture_output=True, text=True, check=False)
    if done.returncode == NO_MALLOPT:
        pytest.skip("this C library keeps memory in its own way")
    assert not done.returncode, done.stderr
    asked, released = json.loads(done.stdout)
    return asked, released


def test_what_is_freed_is_used_again_and_released() -> None:
    (kept, released), (mapped, _) = pages_of_process("keep"), pages_of_process("not")
    assert kept < mapped / 5, "pages are asked for once"
    assert released > 10_000, "what is kept is not in use, and the machine's again"
