"""Discovery nodes on a simulated network: packets take time, get lost, and nothing depends on a clock or a socket."""

from __future__ import annotations

import heapq
import random
from collections.abc import Sequence
from ipaddress import IPv4Address
from itertools import count

from trinode.p2p.discovery.contact import Contact, Reach
from trinode.p2p.discovery.endpoint import Endpoint
from trinode.p2p.discovery.enr import Enr, OpStackEntry
from trinode.p2p.discovery.limits import Limits
from trinode.p2p.discovery.local_record import Advertised, LocalRecord
from trinode.p2p.discovery.node import Cadence, DiscoveryNode

OP_MAINNET = OpStackEntry(10, 0)


class DiscoveryNetwork:
    """Nodes at addresses of their own, 10 to 50 milliseconds from each other."""

    def __init__(self, seed: int = 1, loss: float = 0.0) -> None:
        self.entropy = random.Random(seed)
        self.loss = loss
        self.now = 0.0
        self.nodes: dict[Endpoint, DiscoveryNode] = {}
        self.found: dict[Endpoint, list[Enr]] = {}
        self.sent: list[tuple[Endpoint, Endpoint, bytes]] = []
        self._count = count()
        self._deadlines: dict[Endpoint, float] = {}
        self._flying: list[tuple[float, int, Endpoint, Endpoint, bytes]] = []
        self._outside: dict[Endpoint, Endpoint] = {}

    def address(self, number: int) -> Endpoint:
        """A public address; each in a network of its own."""
        return Endpoint(IPv4Address(bytes([20 + number // 250, number % 250, 7, 1])), 9222)

    def join(
        self,
        number: int,
        bootnodes: Sequence[Contact | Enr] = (),
        *,
        opstack: OpStackEntry = OP_MAINNET,
        advertise: bool = True,
        at: Endpoint | None = None,
        limits: Limits | None = None,
    ) -> DiscoveryNode:
        """A node more."""
        at = at or self.address(number)
        key = random.Random(number).randbytes(32)
        advertised = Advertised(at.ip if advertise else None, 9222)
        local = LocalRecord(key, advertised, Endpoint(IPv4Address(0), at.port), opstack, previous=None, first_seq=1)
        found: list[Enr] = []
        self.found[at] = found
        node = DiscoveryNode(
            key,
            local,
            reach=Reach(),
            bootnodes=bootnodes,
            found=found.append,
            wanted=lambda: True,
            entropy=random.Random(number + 1000),
            now=self.now,
            limits=limits,
            cadence=Cadence(),
        )
        self.nodes[at] = node
        return node

    def send(self, source: Endpoint, destination: Endpoint, data: bytes) -> None:
        """A packet from anybody."""
        source = self._outside.get(source, source)
        destination = next((inside for inside, outside in self._outside.items() if outside == destination), destination)
        self.sent.append((source, destination, data))
        if self.entropy.random() >= self.loss:
            arrival = self.now + self.entropy.uniform(0.01, 0.05)
            heapq.heappush(self._flying, (arrival, next(self._count), source, destination, data))

    def run(self, until: float) -> None:
        """Lets time pass."""
        for at in self.nodes:
            self._flush(at)
        while True:
            waker = min(self._deadlines, key=lambda at: self._deadlines[at])
            arrival = self._flying[0][0] if self._flying else float("inf")
            due = min(self._deadlines[waker], arrival)
            if due > until:
                self.now = until
                return
            self.now = max(self.now, due)
            if arrival <= self._deadlines[waker]:
                _, _, source, destination, data = heapq.heappop(self._flying)
                if destination in self.nodes:
                    self.nodes[destination].receive(data, source, self.now)
                    self._flush(destination)
            else:
                self.nodes[waker].tick(self.now)
                self._flush(waker)

    def translate_pair(self, inside: Endpoint, outside: Endpoint) -> None:
        """Puts a node behind a translator of addresses."""
        self._outside[inside] = outside

    def leave(self, at: Endpoint) -> None:
        """A node is gone, without a word."""
        del self.nodes[at]
        self._deadlines.pop(at, None)

    def _flush(self, at: Endpoint) -> None:
        """Sends what a node wants sent, and notes when it wants to wake."""
        node = self.nodes[at]
        while node.outgoing:
            destination, data = node.outgoing.popleft()
            self.send(at, destination, data)
        self._deadlines[at] = node.next_deadline()
