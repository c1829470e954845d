"""What stands between the functions and the provider: a TCP relay that can be down, slow, hanging or cut connections."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import threading
from collections.abc import Iterator

from bench.soak.faults import Mode

DELAY = 1.0
"""Seconds by which everything that the provider sends is late while it is slow."""

_ABORT = b"\x01\x00\x00\x00\x00\x00\x00\x00"  # SO_LINGER on, 0 s: closing resets


class Gate:
    """The relay, on a free port of 127.0.0.1, in a thread of its own. `mode` None lets everything pass."""

    def __init__(self) -> None:
        self._listener = _listening(0)
        self.port: int = self._listener.getsockname()[1]
        self.upstream_port = 0
        self._mode: Mode | None = None
        self._loop = asyncio.new_event_loop()
        self._server: asyncio.Server | None = None
        self._writers: set[asyncio.StreamWriter] = set()

    @contextlib.contextmanager
    def open(self) -> Iterator[Gate]:
        """Relay until the block ends; `upstream_port` must be known before the first connection."""
        thread = threading.Thread(target=self._loop.run_forever, name="gate", daemon=True)
        thread.start()
        self._call(self._listen(self._listener))
        try:
            yield self
        finally:
            self._call(self._close())
            self._loop.call_soon_threadsafe(self._loop.stop)
            thread.join()
            self._loop.close()

    def set(self, mode: Mode | None) -> None:
        """Break, or mend. Connections that are open are cut where there is nobody to answer any more."""
        self._call(self._change(mode))

    def _call(self, work: asyncio.Task[None] | object) -> None:
        asyncio.run_coroutine_threadsafe(work, self._loop).result(10)  # type: ignore[arg-type]

    async def _change(self, mode: Mode | None) -> None:
        before, self._mode = self._mode, mode
        if mode == "down":
            await self._close()
        elif before == "down":
            await self._listen(_listening(self.port))
        if mode in {"resetting", "hanging"}:
            self._cut()

    async def _listen(self, listener: socket.socket) -> None:
        self._server = await asyncio.start_server(self._relay, sock=listener)

    async def _close(self) -> None:
        if self._server is not None:
            self._server.close()
            self._server = None
        self._cut()

    def _cut(self) -> None:
        for writer in list(self._writers):
            writer.transport.abort()

    async def _relay(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.add(writer)
        try:
            if self._mode == "hanging":
                await reader.read()  # until whoever waits gives up
                return
            there, away = await asyncio.open_connection("127.0.0.1", self.upstream_port)
            self._writers.add(away)
            try:
                await asyncio.gather(self._pump(reader, away), self._pump(there, writer, answers=True))
            finally:
                self._writers.discard(away)
                away.close()
        except OSError:
            pass  # Either side is gone, which is what a gate is for.
        finally:
            self._writers.discard(writer)
            writer.close()

    async def _pump(
        self, source: asyncio.StreamReader, sink: asyncio.StreamWriter, *, answers: bool = False
    ) -> None:
        while data := await source.read(65536):
            if answers and self._mode == "slow":
                await asyncio.sleep(DELAY)
            if answers and self._mode == "resetting":
                sink.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _ABORT)
                sink.transport.abort()
                return
            if self._mode == "hanging":
                continue
            sink.write(data)
            await sink.drain()
        if not sink.is_closing():
            sink.close()


def _listening(port: int) -> socket.socket:
    listener = socket.create_server(("127.0.0.1", port), reuse_port=False)
    listener.setblocking(False)
    return listener
