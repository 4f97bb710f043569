"""Firefox, driven by WebDriver BiDi over its own socket: what Playwright cannot do with a stock Firefox.

A page is what its person sees and does: addresses, clicks where things are drawn, words on the screen. One that lets
nothing through but us is started for each test, with a profile that is thrown away.
"""

import asyncio
import base64
import contextlib
import itertools
import json
import os
import re
import struct
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, Final, Self
from urllib.parse import urlsplit

from tests.support.waiting import until

PREFERENCES: Final = {
    "app.update.disabledForTesting": True,
    "browser.safebrowsing.malware.enabled": False,
    "browser.safebrowsing.phishing.enabled": False,
    "datareporting.policy.dataSubmissionEnabled": False,
    "network.captive-portal-service.enabled": False,
    "network.connectivity-service.enabled": False,
    "services.settings.server": "data:,#",
    "intl.accept_languages": "en-GB",
}
STARTS_WITHIN_SECONDS: Final = 60
PATIENCE_SECONDS: Final = 20.0
TEXT, CONTINUED, CLOSED, PING, PONG = 1, 0, 8, 9, 10
SHORT, TWO_BYTES, EIGHT_BYTES = 126, 126, 127
"""Lengths of frames: what fits into seven bits, and what says that two or eight bytes follow (RFC 6455)."""
WHERE: Final = """
  if (!found) return null;
  found.scrollIntoView({block: 'center', behavior: 'instant'});
  const [box] = found.getClientRects();  // of the first line, where a text has several
  return [Math.round(box.x + Math.min(box.width / 2, 20)), Math.round(box.y + box.height / 2)];
}"""
FIND: Final = f"""(wanted) => {{
  const shown = [...document.querySelectorAll('main a, main button, main summary, header a, form button')]
    .filter(one => one.checkVisibility());
  const found = shown.find(one => one.textContent.trim().replace(/\\s+/g, ' ') === wanted)
    ?? shown.find(one => one.textContent.includes(wanted));{WHERE}"""
FIND_LINK: Final = f"""(address) => {{
  const found = [...document.querySelectorAll('main a')].find(one => one.getAttribute('href') === address);{WHERE}"""
ARRIVED: Final = """() => !window.isBefore && location.protocol !== 'about:' && document.readyState === 'complete'"""
"""Between two pages there may be an empty one, `about:blank`, which is complete."""
FILL: Final = """(fields) => {
  for (const [label, value] of Object.entries(fields)) {
    const box = [...document.querySelectorAll('label')].find(one => one.textContent.includes(label))?.control;
    if (!box) throw new Error('no field ' + label);
    box.value = value;
    box.dispatchEvent(new Event('change', {bubbles: true}));
  }
}"""


class Socket:
    """As much of a WebSocket's client as BiDi needs."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Speak over an opened connection."""
        self._reader, self._writer = reader, writer

    @classmethod
    async def open(cls, address: str) -> Self:
        """Shake hands at an address such as ws://127.0.0.1:9222/session."""
        parts = urlsplit(address)
        assert parts.hostname
        reader, writer = await asyncio.open_connection(parts.hostname, parts.port)
        key = base64.b64encode(os.urandom(16)).decode()
        wanted = f"GET {parts.path} HTTP/1.1\r\nHost: {parts.netloc}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        writer.write(f"{wanted}Sec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n\r\n".encode())
        answer = await reader.readuntil(b"\r\n\r\n")
        assert b" 101 " in answer.partition(b"\r\n")[0], answer
        return cls(reader, writer)

    async def send(self, text: str, kind: int = TEXT) -> None:
        """Send a message in one frame, masked as a client's must be."""
        data, mask = text.encode(), os.urandom(4)
        head = bytes([0x80 | kind])
        if len(data) < SHORT:
            head += bytes([0x80 | len(data)])
        elif len(data) < 1 << 16:
            head += bytes([0x80 | TWO_BYTES]) + struct.pack("!H", len(data))
        else:
            head += bytes([0x80 | EIGHT_BYTES]) + struct.pack("!Q", len(data))
        whole = int.from_bytes((mask * (len(data) // 4 + 1))[: len(data)]) ^ int.from_bytes(data)
        self._writer.write(head + mask + whole.to_bytes(len(data)))
        await self._writer.drain()

    async def close(self) -> None:
        """Close the connection."""
        self._writer.close()
        await self._writer.wait_closed()

    async def receive(self) -> str:
        """Return the next message; ConnectionError once the other side has closed."""
        parts = bytearray()
        while True:
            first, second = await self._reader.readexactly(2)
            length = second & 0x7F
            if length == TWO_BYTES:
                [length] = struct.unpack("!H", await self._reader.readexactly(2))
            elif length == EIGHT_BYTES:
                [length] = struct.unpack("!Q", await self._reader.readexactly(8))
            data, kind = await self._reader.readexactly(length), first & 0x0F
            if kind == CLOSED:
                raise ConnectionError("Firefox closed the connection")
            if kind == PING:
                await self.send(data.decode(), PONG)
            elif kind in {TEXT, CONTINUED}:
                parts += data
                if first & 0x80:
                    return parts.decode()


class Fox:
    """A tab of Firefox, and the person at it."""

    def __init__(self, socket: Socket, base: str) -> None:
        """Sit down before an open connection; `base` is where the site is."""
        self._socket, self.base, self._ids, self._tab = socket, base, itertools.count(1), ""

    async def _ask(self, method: str, **parameters: Any) -> dict[str, Any]:
        number = next(self._ids)
        await self._socket.send(json.dumps({"id": number, "method": method, "params": parameters}))
        while True:
            answer = json.loads(await asyncio.wait_for(self._socket.receive(), 3 * PATIENCE_SECONDS))
            if answer.get("id") == number:
                if answer["type"] == "error":
                    raise RuntimeError(f"{method}: {answer['message']}")
                return dict(answer["result"])

    async def begin(self) -> None:
        """Begin a session in the tab that is open."""
        await self._ask("session.new", capabilities={})
        self._tab = (await self._ask("browsingContext.getTree"))["contexts"][0]["context"]
        await self.resize(1280, 900)

    async def leave(self) -> None:
        """End the connection; the process ends after it."""
        await self._socket.close()

    async def resize(self, width: int, height: int) -> None:
        """Look through a window of so many pixels."""
        await self._ask("browsingContext.setViewport", context=self._tab, viewport={"width": width, "height": height})

    async def run(self, function: str, *arguments: Any) -> Any:
        """Call a function of the page's with JSON and return the JSON that it returns."""
        called = f"({function})(...{json.dumps(arguments)})"
        expression = f"(async () => JSON.stringify(await {called}) ?? 'null')()"
        answer = await self._ask(
            "script.evaluate", expression=expression, target={"context": self._tab}, awaitPromise=True
        )
        if answer["type"] == "exception":
            raise AssertionError(answer["exceptionDetails"]["text"])
        return json.loads(answer["result"]["value"])

    async def go(self, path: str) -> None:
        """Type an address of the site."""
        await self._ask("browsingContext.navigate", context=self._tab, url=self.base + path, wait="complete")

    async def fill(self, **fields: str) -> None:
        """Fill fields by a part of their labels, with _ for spaces."""
        await self.run(FILL, {label.replace("_", " "): value for label, value in fields.items()})

    async def click(self, name: str) -> None:
        """Click what bears a name where it is drawn, and wait for the page that it leads to."""
        await self._click(FIND, name)

    async def click_link(self, address: str) -> None:
        """Click the first link to an address where it is drawn, and wait for the page that it leads to."""
        await self._click(FIND_LINK, address)

    async def _click(self, find: str, what: str) -> None:
        await self.until(find, what)
        place = await self.run(find, what)
        await self.run("() => { window.isBefore = true; }")
        press = [{"type": "pointerDown", "button": 0}, {"type": "pointerUp", "button": 0}]
        moved: dict[str, Any] = {"type": "pointerMove", "x": place[0], "y": place[1]}
        mouse = {"type": "pointer", "id": "mouse", "actions": [moved, *press]}
        await self._ask("input.performActions", context=self._tab, actions=[mouse])
        await self.until(ARRIVED)

    async def read(self, text: str) -> None:
        """Wait until the page shows a text."""
        await self.until("(wanted) => document.body?.innerText.includes(wanted)", text)

    async def until(self, function: str, *arguments: Any) -> None:
        """Wait until a function of the page's is true, over pages that come and go."""

        async def is_so() -> object:
            with contextlib.suppress(RuntimeError):  # the page that was asked is gone
                return await self.run(function, *arguments)
            return None

        await until(is_so, PATIENCE_SECONDS)


@contextlib.asynccontextmanager
async def firefox_at(base: str, executable: str, folder: Path) -> AsyncIterator[Fox]:
    """Run a Firefox with a new profile in a folder, and yield its tab."""
    _make_profile(folder)
    arguments = ("--headless", "--no-remote", "--profile", str(folder), "--remote-debugging-port", "0", "about:blank")
    process = await asyncio.create_subprocess_exec(
        executable, *arguments, stderr=asyncio.subprocess.PIPE, env=os.environ | {"HOME": str(folder)}
    )
    try:
        assert process.stderr
        async with asyncio.timeout(STARTS_WITHIN_SECONDS):
            address = await _address_of(process.stderr)
        draining = asyncio.create_task(process.stderr.read())  # what it complains of must not fill the pipe
        fox = Fox(await Socket.open(f"{address}/session"), base)
        try:
            await fox.begin()
            yield fox
        finally:
            await fox.leave()
            draining.cancel()
    finally:
        process.terminate()
        await process.wait()


def _make_profile(folder: Path) -> None:
    folder.mkdir(parents=True)
    lines = [f'user_pref("{name}", {json.dumps(value)});\n' for name, value in PREFERENCES.items()]
    (folder / "user.js").write_text("".join(lines))


async def _address_of(complaints: asyncio.StreamReader) -> str:
    async for line in complaints:
        if found := re.search(r"BiDi listening on (ws://\S+)", line.decode()):
            return found[1]
    raise AssertionError("Firefox ended before it listened")
