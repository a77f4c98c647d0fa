"""Discovery on a real UDP socket: one task that reads, one that keeps time, and a file that is written now and then."""

from __future__ import annotations

import random
import socket
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import structlog
import trio

from trinode.p2p.addresses import IpAddress, parse_ip
from trinode.p2p.discovery.contact import Contact, Reach
from trinode.p2p.discovery.endpoint import Endpoint
from trinode.p2p.discovery.enr import Enr, OpStackEntry
from trinode.p2p.discovery.limits import Limits
from trinode.p2p.discovery.local_record import Advertised, LocalRecord
from trinode.p2p.discovery.node import Cadence, DiscoveryNode
from trinode.p2p.discovery.packet import MAX_SIZE
from trinode.p2p.discovery.saved import Saved, UnreadableFile, load, save
from trinode.p2p.identity import Identity

_log = structlog.get_logger("trinode.p2p.discovery")
_SAVE_EVERY = 300.0
"""Seconds."""


@dataclass(frozen=True, slots=True)
class DiscoverySettings:
    """What an operator says. `listen`: port 0 is any; `path`: where the table is kept, None nowhere; `permits`: which addresses we speak with."""

    listen: Endpoint
    advertised: Advertised
    chain_id: int
    bootnodes: Sequence[Contact | Enr]
    path: Path | None = None
    permits: Callable[[IpAddress], bool] = lambda _ip: True
    limits: Limits = field(default_factory=Limits)
    cadence: Cadence = field(default_factory=Cadence)


class Discovery:
    """Our node of the discovery network. `found(record)` is called, on the trio thread, with nodes of our chain, and must not wait; `wanted()` says
    whether more of them are.
    """

    def __init__(self, identity: Identity, settings: DiscoverySettings, *, found: Callable[[Enr], None], wanted: Callable[[], bool]) -> None:
        self._identity, self._settings, self._found, self._wanted = identity, settings, found, wanted
        self._node: DiscoveryNode | None = None
        self._woken = trio.Event()
        self._sleeps_until = 0.0

    @property
    def local_enr(self) -> Enr | None:
        """Our own record; None before we listen."""
        return self._node.local.record if self._node is not None else None

    def table(self) -> list[str]:
        """The records of the nodes that we know, as text."""
        return [str(entry.record) for entry in self._node.table.entries()] if self._node is not None else []

    def live_nodes(self) -> int:
        """How many of them answered us lately."""
        return sum(entry.live for entry in self._node.table.entries()) if self._node is not None else 0

    @property
    def dropped(self) -> Counter[str]:
        """Packets that were not used, by reason."""
        return self._node.dropped if self._node is not None else Counter()

    def add(self, record: Enr) -> bool:
        """Takes a node into the table. False: it is not in (we do not listen yet, it has no address that we reach, or there is no room)."""
        if self._node is None:
            return False
        taken = self._node.add(record, trio.current_time())
        self._woken.set()
        return taken

    async def run(self, task_status: trio.TaskStatus[Endpoint] = trio.TASK_STATUS_IGNORED) -> None:
        """Listens, answers and searches until cancelled; started with where it listens. Raises OSError: the address cannot be listened on."""
        settings = self._settings
        with _udp_socket(settings.listen) as sock:
            await sock.bind((str(settings.listen.ip), settings.listen.port))
            listening = Endpoint(settings.listen.ip, sock.getsockname()[1])
            saved = await self._load()
            self._node = node = self._make_node(listening, saved)
            for record in saved.nodes:
                node.add(record, trio.current_time())
            _log.info("discovery listens", address=str(listening), record=str(node.local.record), known=len(node.table))
            task_status.started(listening)
            try:
                async with trio.open_nursery() as nursery:
                    nursery.start_soon(self._read, sock, node)
                    nursery.start_soon(self._keep_time, sock, node)
                    nursery.start_soon(self._save_often, node)
            finally:
                with trio.CancelScope(shield=True):
                    await self._save(node)

    def _make_node(self, listening: Endpoint, saved: Saved) -> DiscoveryNode:
        settings = self._settings
        previous = saved.record if saved.record is not None and saved.record.public_key == self._identity.public_key.data else None
        local = LocalRecord(
            self._identity.private_key,
            settings.advertised,
            listening,
            OpStackEntry(settings.chain_id, 0),
            previous=previous,
            first_seq=int(time.time() * 1000),
        )
        return DiscoveryNode(
            self._identity.private_key,
            local,
            reach=Reach((listening.ip.version,) if listening.ip.version == 4 else (6, 4), settings.permits),
            bootnodes=settings.bootnodes,
            found=self._found,
            wanted=self._wanted,
            entropy=random.SystemRandom(),
            now=trio.current_time(),
            limits=settings.limits,
            cadence=settings.cadence,
        )

    async def _read(self, sock: trio.socket.SocketType, node: DiscoveryNode) -> None:
        while True:
            try:
                data, address = await sock.recvfrom(MAX_SIZE + 1)
            except ConnectionError:
                continue  # somebody whom we wrote to does not listen: the system tells it to whoever reads next
            used = node.receive(data, Endpoint(parse_ip(address[0]), address[1]), trio.current_time())
            if used and node.next_deadline() < self._sleeps_until:
                self._woken.set()
            await _send_all(sock, node)

    async def _keep_time(self, sock: trio.socket.SocketType, node: DiscoveryNode) -> None:
        while True:
            self._woken, self._sleeps_until = trio.Event(), node.next_deadline()
            with trio.move_on_at(self._sleeps_until):
                await self._woken.wait()
            node.tick(trio.current_time())
            await _send_all(sock, node)

    async def _save_often(self, node: DiscoveryNode) -> None:
        while True:
            await trio.sleep(_SAVE_EVERY)
            await self._save(node)

    async def _load(self) -> Saved:
        if self._settings.path is None:
            return Saved()
        try:
            return await trio.to_thread.run_sync(load, self._settings.path)
        except (UnreadableFile, OSError) as error:
            _log.warning("discovery begins without what it knew", error=str(error))
            return Saved()

    async def _save(self, node: DiscoveryNode) -> None:
        if self._settings.path is None:
            return
        saved = Saved(node.local.record, tuple(entry.record for entry in node.table.entries() if entry.live))
        try:
            await trio.to_thread.run_sync(save, self._settings.path, saved)
        except OSError as error:
            _log.warning("the nodes that discovery knows could not be saved", error=str(error))


def _udp_socket(listen: Endpoint) -> trio.socket.SocketType:
    """A socket of the address's kind; one for IPv6 speaks IPv4 as well."""
    if listen.ip.version == 4:
        return trio.socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock = trio.socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
    sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
    return sock


async def _send_all(sock: trio.socket.SocketType, node: DiscoveryNode) -> None:
    while node.outgoing:
        endpoint, data = node.outgoing.popleft()
        ip = f"::ffff:{endpoint.ip}" if sock.family == socket.AF_INET6 and endpoint.ip.version == 4 else str(endpoint.ip)
        try:
            await sock.sendto(data, (ip, endpoint.port))
        except OSError as error:  # no way there: the request will have no answer
            _log.debug("a packet was not sent", to=str(endpoint), error=str(error))
