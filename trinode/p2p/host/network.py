"""The network under the host: TCP, or in tests something without sockets."""

from __future__ import annotations

import socket
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import trio
from trio.abc import Stream

from trinode.p2p.addresses import parse_ip
from trinode.p2p.multiaddr import DNS4, DNS6

_FAMILIES = {DNS4: socket.AF_INET, DNS6: socket.AF_INET6}
_FAR_AWAY = {socket.AF_INET: "192.0.2.1", socket.AF_INET6: "2001:db8::1"}  # documentation addresses: nothing is sent there


@dataclass(frozen=True, slots=True)
class Arrived:
    """A connection that somebody has opened, and from where."""

    stream: Stream
    ip: str
    port: int


class Listening(Protocol):
    """An open port. `ip` may be 0.0.0.0 or ::."""

    ip: str
    port: int

    async def accept(self) -> Arrived:
        """The next connection. Raises OSError: not now (no file descriptor is left)."""

    async def aclose(self) -> None:
        """Closes the port."""


class Network(Protocol):
    """What the host needs of a network."""

    async def listen(self, ip: str, port: int) -> Listening:
        """Opens a port, any if 0. Raises OSError."""

    async def connect(self, ip: str, port: int) -> Stream:
        """Raises OSError."""

    async def resolve(self, kind: str, name: str) -> Sequence[str]:
        """The IP addresses of a name; `kind`: dns, dns4 or dns6. Raises OSError."""

    def own_addresses(self, ip: str) -> Sequence[str]:
        """Where this machine can be reached that listens there: at `ip`, or for 0.0.0.0 and :: at what it has."""


class _TcpPort:
    def __init__(self, listener: trio.SocketListener) -> None:
        self._listener = listener
        name = listener.socket.getsockname()
        self.ip, self.port = str(name[0]), int(name[1])

    async def accept(self) -> Arrived:
        while True:
            stream = await self._listener.accept()
            try:
                name = stream.socket.getpeername()
            except OSError:  # gone again already
                await trio.aclose_forcefully(stream)
                continue
            return Arrived(stream, str(parse_ip(name[0])), int(name[1]))

    async def aclose(self) -> None:
        await self._listener.aclose()


class TcpNetwork:
    """TCP over IPv4 and IPv6."""

    async def listen(self, ip: str, port: int) -> Listening:
        """As Network has it."""
        (listener,) = await trio.open_tcp_listeners(port, host=ip)
        return _TcpPort(listener)

    async def connect(self, ip: str, port: int) -> Stream:
        """As Network has it."""
        opened = trio.socket.socket(socket.AF_INET6 if ":" in ip else socket.AF_INET, socket.SOCK_STREAM)
        try:
            await opened.connect((ip, port))
        except BaseException:
            opened.close()
            raise
        return trio.SocketStream(opened)

    async def resolve(self, kind: str, name: str) -> Sequence[str]:
        """As Network has it."""
        found = await trio.socket.getaddrinfo(name, None, family=_FAMILIES.get(kind, socket.AF_UNSPEC), type=socket.SOCK_STREAM)
        return list(dict.fromkeys(str(entry[4][0]) for entry in found))

    def own_addresses(self, ip: str) -> Sequence[str]:
        """As Network has it: loopback, and the address that goes out to the world."""
        address = parse_ip(ip)
        if not address.is_unspecified:
            return [str(address)]
        family = socket.AF_INET if address.version == 4 else socket.AF_INET6
        own = ["127.0.0.1" if family == socket.AF_INET else "::1"]
        with socket.socket(family, socket.SOCK_DGRAM) as probe:
            try:
                probe.connect((_FAR_AWAY[family], 9))
            except OSError:  # no way out of this machine
                return own
            outward = str(probe.getsockname()[0])
        return own if outward in own else [outward, *own]
