"""A network without sockets, for tests on MockClock: every machine has an IP address, some have names, and some are down."""

from __future__ import annotations

from collections.abc import Sequence

import trio
from trio.abc import Stream
from trio.testing import memory_stream_pair

from trinode.p2p.host.network import Arrived


class MemoryPort:
    """As Listening has it."""

    def __init__(self, wires: Wires, ip: str, port: int) -> None:
        self.ip, self.port = ip, port
        self._wires = wires
        self.send, self._receive = trio.open_memory_channel[Arrived](1000)

    async def accept(self) -> Arrived:
        return await self._receive.receive()

    async def aclose(self) -> None:
        del self._wires.ports[self.ip, self.port]
        await self._receive.aclose()


class Wires:
    """What all machines hang on. `silent`: addresses that take a connection and never answer. `connects`: where to, in order."""

    def __init__(self) -> None:
        self.ports: dict[tuple[str, int], MemoryPort] = {}
        self.names: dict[str, list[str]] = {}
        self.silent: set[str] = set()
        self.connects: list[tuple[str, int]] = []
        self.ends: list[Stream] = []
        self._next_port = 40_000

    def port(self) -> int:
        self._next_port += 1
        return self._next_port


class MemoryNetwork:
    """As Network has it, for the machine at `ip`."""

    def __init__(self, wires: Wires, ip: str) -> None:
        self._wires = wires
        self.ip = ip

    async def listen(self, ip: str, port: int) -> MemoryPort:
        await trio.lowlevel.checkpoint()
        listening = MemoryPort(self._wires, self.ip, port or self._wires.port())
        if (listening.ip, listening.port) in self._wires.ports:
            raise OSError(98, "Address already in use")
        self._wires.ports[listening.ip, listening.port] = listening
        return listening

    async def connect(self, ip: str, port: int) -> Stream:
        await trio.sleep(0.001)
        self._wires.connects.append((ip, port))
        ours, theirs = memory_stream_pair()
        if ip not in self._wires.silent:
            listening = self._wires.ports.get((ip, port))
            if listening is None:
                raise ConnectionRefusedError(111, "Connection refused")
            listening.send.send_nowait(Arrived(theirs, self.ip, self._wires.port()))
        self._wires.ends += [ours, theirs]
        return ours

    async def resolve(self, kind: str, name: str) -> Sequence[str]:
        await trio.lowlevel.checkpoint()
        if name not in self._wires.names:
            raise OSError(-2, "Name or service not known")
        return self._wires.names[name]

    def own_addresses(self, ip: str) -> Sequence[str]:
        return [self.ip]
