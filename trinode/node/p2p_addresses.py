"""The addresses that an operator gives: where this node listens and is reached, and where others are. What is wrong with one is said in one line."""

from __future__ import annotations

import os
import socket
from collections.abc import Awaitable, Callable, Mapping, Sequence
from errno import EADDRNOTAVAIL

import trio

from trinode.node.start import StartError
from trinode.p2p.discovery.contact import Contact, parse_node
from trinode.p2p.discovery.enr import Enr
from trinode.p2p.errors import P2PError, ProtocolViolation
from trinode.p2p.identity import PeerId, PublicKey
from trinode.p2p.multiaddr import Multiaddr

_INLINE = b"\x00"
"""Peer ids that begin so have a whole key in them."""


def read_static(texts: Sequence[str]) -> Mapping[PeerId, Sequence[Multiaddr]]:
    """The peers of `p2p.static`, each with its addresses. Raises StartError."""
    static: dict[PeerId, list[Multiaddr]] = {}
    for text in texts:
        try:
            address = Multiaddr.parse(text)
            assert address.peer_id is not None
            _check_key(address.peer_id)
        except (ValueError, P2PError) as error:
            raise StartError(f"p2p.static: {text}: {error}. The other node tells its address in its log, and by opp2p_self") from error
        static.setdefault(address.peer_id, []).append(address)
    return static


def _check_key(peer_id: PeerId) -> None:
    """A peer id has no checksum: with a wrong letter the key in it is none, more often than not. Raises ProtocolViolation."""
    if peer_id[:1] == _INLINE:
        PublicKey.decode(peer_id[2:]).verifies(b"", b"")


def read_bootnodes(texts: Sequence[str]) -> list[Contact | Enr]:
    """Raises StartError."""
    try:
        return [parse_node(text) for text in texts]
    except ProtocolViolation as error:
        raise StartError(f"p2p.bootnodes: {error}. Copy the record whole, or leave it out") from error


async def resolved(host: str | None) -> str | None:
    """The IP address of a host's name, or itself. Raises StartError."""
    if host is None:
        return None
    try:
        found = await trio.socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except OSError as error:
        raise StartError(f"p2p.advertise.ip: {host}: {error.strerror}. Give an IP address, or mend the name") from error
    return str(found[0][4][0])


async def listening(kind: str, host: str, port: int, run: Callable[..., Awaitable[object]], *, task_status: trio.TaskStatus[None]) -> None:
    """Runs what listens at a port. Raises StartError where that cannot be had, and what it raises later."""
    async with trio.open_nursery() as nursery:
        try:
            await nursery.start(run)
        except* OSError as group:
            error = _first_of(group)
            change = "ip" if error.errno == EADDRNOTAVAIL else kind
            problem = f"p2p: cannot listen at {host}:{port} ({kind}): {os.strerror(error.errno or 0)}"
            raise StartError(f"{problem}; change p2p.listen.{change}, or add p2p.disable") from error
        task_status.started()


def _first_of(group: BaseExceptionGroup[OSError]) -> OSError:
    first: BaseException = group
    while isinstance(first, BaseExceptionGroup):
        first = first.exceptions[0]
    assert isinstance(first, OSError)
    return first
