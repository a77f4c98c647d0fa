"""What is known of peers, there or not: where they are, what they said of themselves, how far away they are. Kept over restarts, within bounds.

Who it is that must go when it is full: whom we have not reached ourselves, the longest untouched first. So whoever connects to us under many
identities drives out others of that kind, and not the peers that have proven good.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import msgspec
import structlog

from trinode.p2p.identity import PeerId, parse_peer_id, show_peer_id
from trinode.p2p.multiaddr import Multiaddr
from trinode.p2p.state_file import StateFile, read_whole

MOST_PEERS = 1_000
MOST_ADDRESSES = 16
"""Of one peer; the one that expires first goes."""
FOUND_SECONDS = 24 * 3600.0
"""An address from discovery, or one that was reached, holds for so long."""
CLAIMED_SECONDS = 1800.0
"""An address that a peer names for its own, from when it said so or was last connected."""
_SECONDS_BETWEEN_WRITES = 30.0
_SMOOTHING = 0.1
"""Weight of a new round trip in the latency (as go-libp2p's)."""

_log = structlog.get_logger()


@dataclass(slots=True)
class KnownPeer:
    """`addresses`: until when each holds, in Unix time. `latency`: seconds, smoothed. `reached`: we dialed it with success.

    `enr`, `chain_id`: of its node record where discovery found one; "" and 0 otherwise.
    """

    addresses: dict[Multiaddr, float] = field(default_factory=dict)
    agent: str = ""
    protocol_version: str = ""
    protocols: tuple[str, ...] = ()
    latency: float | None = None
    reached: bool = False
    enr: str = ""
    chain_id: int = 0


class _KeptPeer(msgspec.Struct, omit_defaults=True):
    addresses: dict[str, float]
    agent: str = ""
    protocol_version: str = ""
    protocols: list[str] = []
    latency: float | None = None
    reached: bool = False
    enr: str = ""
    chain_id: int = 0


class Peerstore:
    """`wall`: Unix time in seconds. Peers in `held` are not driven out (the host puts in who is connected)."""

    def __init__(self, path: Path | None, wall: Callable[[], float], *, most_peers: int = MOST_PEERS) -> None:
        """Reads what was kept; a file that cannot be read is left aside, with a warning. Raises OSError."""
        self._wall = wall
        self._most = most_peers
        self._peers: dict[PeerId, KnownPeer] = {}  # the longest untouched first
        self.held: set[PeerId] = set()
        self._read(path)
        self._file = StateFile(path, self._snapshot, seconds=_SECONDS_BETWEEN_WRITES)
        self.run = self._file.run
        self.saved = self._file.saved

    def __len__(self) -> int:
        return len(self._peers)

    def __contains__(self, peer_id: PeerId) -> bool:
        return peer_id in self._peers

    def peers(self) -> Sequence[PeerId]:
        """All that are known, the longest untouched first."""
        return tuple(self._peers)

    def get(self, peer_id: PeerId) -> KnownPeer | None:
        """What is known of a peer; not to be changed by the caller."""
        return self._peers.get(peer_id)

    def addresses(self, peer_id: PeerId) -> Sequence[Multiaddr]:
        """Where a peer may be, without its id, what holds longest first."""
        known, now = self._peers.get(peer_id), self._wall()
        if known is None:
            return ()
        return [address for address, until in sorted(known.addresses.items(), key=lambda item: -item[1]) if until > now]

    def add_addresses(self, peer_id: PeerId, addresses: Sequence[Multiaddr], seconds: float) -> None:
        """They hold for so long from now, or as long as they did."""
        known, until = self._touch(peer_id), self._wall() + seconds
        for address in addresses:
            bare = address.of(None)
            known.addresses[bare] = max(until, known.addresses.get(bare, 0.0))
        while len(known.addresses) > MOST_ADDRESSES:
            del known.addresses[min(known.addresses, key=lambda other: known.addresses[other])]

    def found(self, peer_id: PeerId, addresses: Sequence[Multiaddr], *, enr: str, chain_id: int) -> None:
        """Discovery has found the peer's node record."""
        self.add_addresses(peer_id, addresses, FOUND_SECONDS)
        known = self._peers[peer_id]
        known.enr, known.chain_id = enr, chain_id

    def reached(self, peer_id: PeerId, address: Multiaddr) -> None:
        """A dial came through."""
        self.add_addresses(peer_id, [address], FOUND_SECONDS)
        self._peers[peer_id].reached = True

    def identified(self, peer_id: PeerId, *, agent: str | None, protocol_version: str | None, protocols: Sequence[str] | None) -> None:
        """What a peer says of itself; None: it did not say."""
        known = self._touch(peer_id)
        known.agent = known.agent if agent is None else agent
        known.protocol_version = known.protocol_version if protocol_version is None else protocol_version
        known.protocols = known.protocols if protocols is None else tuple(protocols)

    def measured(self, peer_id: PeerId, seconds: float) -> None:
        """A round trip to the peer took so long."""
        known = self._touch(peer_id)
        known.latency = seconds if known.latency is None else (1 - _SMOOTHING) * known.latency + _SMOOTHING * seconds

    def sweep(self) -> None:
        """Forgets addresses that do not hold any more, and peers of which nothing is left."""
        now, gone = self._wall(), []
        for peer_id, known in self._peers.items():
            for address in [address for address, until in known.addresses.items() if until <= now]:
                del known.addresses[address]
            if not known.addresses and peer_id not in self.held:
                gone.append(peer_id)
        for peer_id in gone:
            del self._peers[peer_id]
        if gone:
            self._file.changed()

    def _touch(self, peer_id: PeerId) -> KnownPeer:
        known = self._peers.pop(peer_id, None)
        if known is None:
            known = KnownPeer()
            if len(self._peers) >= self._most:
                self._drive_one_out()
        self._peers[peer_id] = known
        self._file.changed()
        return known

    def _drive_one_out(self) -> None:
        may_go = [peer_id for peer_id in self._peers if peer_id not in self.held]
        victim = next((peer_id for peer_id in may_go if not self._peers[peer_id].reached), may_go[0] if may_go else None)
        if victim is not None:
            del self._peers[victim]

    def _read(self, path: Path | None) -> None:
        data = read_whole(path)
        if data is None:
            return
        try:
            self._peers = dict(_restored(msgspec.json.decode(data, type=dict[str, _KeptPeer])))
        except (msgspec.DecodeError, ValueError, RecursionError) as error:
            _log.warning(f"{path}: known peers cannot be read, they are sought anew: {error}")
        while len(self._peers) > self._most:
            self._drive_one_out()

    def _snapshot(self) -> Callable[[], bytes]:
        copy = {peer_id: replace(known, addresses=dict(known.addresses)) for peer_id, known in self._peers.items()}
        return lambda: msgspec.json.encode({show_peer_id(peer_id): _to_keep(known) for peer_id, known in copy.items()})


def _to_keep(known: KnownPeer) -> _KeptPeer:
    addresses = {str(address): until for address, until in known.addresses.items()}
    said = (known.agent, known.protocol_version, list(known.protocols), known.latency, known.reached, known.enr, known.chain_id)
    return _KeptPeer(addresses, *said)


def _restored(kept: dict[str, _KeptPeer]) -> Iterator[tuple[PeerId, KnownPeer]]:
    for peer_id, peer in kept.items():
        addresses = {Multiaddr.parse(text): until for text, until in peer.addresses.items()}
        said = (peer.agent, peer.protocol_version, tuple(peer.protocols), peer.latency, peer.reached, peer.enr, peer.chain_id)
        yield parse_peer_id(peer_id), KnownPeer(addresses, *said)
