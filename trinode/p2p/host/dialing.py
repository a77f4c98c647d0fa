"""A connection with a peer that may be at several addresses: one after the other, each with a short start before the next (RFC 8305's way)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

import trio
from trio.abc import Stream

from trinode.p2p.errors import DialFailed, P2PError
from trinode.p2p.host.gate import Gate
from trinode.p2p.host.limits import HostLimits
from trinode.p2p.host.network import Network
from trinode.p2p.identity import PeerId
from trinode.p2p.multiaddr import Multiaddr
from trinode.p2p.transport.connection import Connection

HEAD_START = 0.25
"""Seconds that an attempt has for itself before the next begins."""
_ADDRESSES_PER_NAME = 4
_CLOSING_SECONDS = 1.0

Upgrade = Callable[[Stream, bool, PeerId | None], Awaitable[Connection]]
"""`trinode.p2p.transport.upgrade` for our identity: the raw stream, whether we dialed, who must be there."""


@dataclass(frozen=True, slots=True)
class Dialed:
    """A connection, and where to: `address` as it was given, `ip` and `port` what was dialed."""

    connection: Connection
    address: Multiaddr
    ip: str
    port: int


class Dialer:
    """Opens connections that the gate allows."""

    def __init__(self, network: Network, upgrade: Upgrade, gate: Gate, limits: HostLimits) -> None:
        self._network = network
        self._upgrade = upgrade
        self._gate = gate
        self._limits = limits

    async def dial(self, peer_id: PeerId, addresses: Sequence[Multiaddr]) -> Dialed:
        """The first connection that comes about. Raises DialFailed, with what happened at each address."""
        reasons: list[str] = []
        came: list[Dialed] = []
        try:
            with trio.move_on_after(self._limits.dial_seconds) as patience:
                targets = await self._targets(addresses, reasons)
                async with trio.open_nursery() as nursery:
                    for address, ip in targets:
                        over = trio.Event()
                        nursery.start_soon(self._attempt, peer_id, address, ip, over, came, reasons, nursery.cancel_scope)
                        with trio.move_on_after(HEAD_START):
                            await over.wait()
        except trio.Cancelled:
            for dialed in came:
                await close(dialed.connection)
            raise
        if came:
            return came[0]
        if patience.cancelled_caught:
            reasons.append(f"nothing more within {self._limits.dial_seconds:.0f} seconds")
        raise DialFailed("; ".join(reasons) or "no address to dial")

    async def _targets(self, addresses: Sequence[Multiaddr], reasons: list[str]) -> Sequence[tuple[Multiaddr, str]]:
        targets: dict[tuple[str, int], Multiaddr] = {}
        for address in addresses:
            try:
                ips = [address.host] if address.is_ip else (await self._network.resolve(address.kind, address.host))[:_ADDRESSES_PER_NAME]
            except OSError as error:
                reasons.append(f"{address}: {error}")
                continue
            for ip in ips:
                refusal = self._gate.refuses_address(ip)
                if refusal is None:
                    targets.setdefault((ip, address.port), address)
                else:
                    reasons.append(f"{address}: {refusal}")
        return [(address, ip) for (ip, _), address in targets.items()][: self._limits.dial_targets]

    async def _attempt(
        self,
        peer_id: PeerId,
        address: Multiaddr,
        ip: str,
        over: trio.Event,
        came: list[Dialed],
        reasons: list[str],
        others: trio.CancelScope,
    ) -> None:
        try:
            raw = await self._network.connect(ip, address.port)
            connection = await self._upgrade(raw, True, peer_id)
        except (P2PError, OSError, trio.TooSlowError, trio.BrokenResourceError, trio.ClosedResourceError) as error:
            reasons.append(f"{address}: {str(error) or type(error).__name__}")
            over.set()
            return
        if came:
            await close(connection)
            return
        came.append(Dialed(connection, address, ip, address.port))
        others.cancel()


async def close(connection: Connection) -> None:
    """Closes a connection, also when we are being cancelled, in a short time."""
    with trio.CancelScope(shield=True, deadline=trio.current_time() + _CLOSING_SECONDS):
        await connection.aclose()
