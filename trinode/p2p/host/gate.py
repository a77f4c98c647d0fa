"""Who may not come: peers, addresses and networks that the operator blocks, and those that are banned for a while. Kept over restarts.

Blocked ones are not dialed, and what they open is closed; connections that there are stay (`opp2p_blockPeer` of op-node does the same). A ban
ends by itself.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

import msgspec

from trinode.p2p.addresses import IpNetwork, parse_ip, parse_network
from trinode.p2p.errors import P2PError
from trinode.p2p.identity import PeerId, parse_peer_id, show_peer_id
from trinode.p2p.state_file import StateFile, read_whole

MOST_BLOCKED = 10_000
"""Of each kind, by the operator."""
MOST_BANNED = 4_096
"""Of each kind; beyond, the ban that ends first is over."""
_SECONDS_BETWEEN_WRITES = 1.0

_What = TypeVar("_What")


class GateDamaged(P2PError):
    """The file of what is blocked cannot be read. Nobody is let in by mistake: the operator mends or removes it."""


class _Kept(msgspec.Struct):
    """The file. Bans: until when, in seconds of Unix time."""

    blocked_peers: list[str] = []
    blocked_addresses: list[str] = []
    blocked_networks: list[str] = []
    banned_peers: dict[str, float] = {}
    banned_addresses: dict[str, float] = {}


class Gate:
    """`wall`: Unix time in seconds. `networks` (`p2p.netrestrict`): found peers are only dialed there; empty: anywhere."""

    def __init__(self, path: Path | None, wall: Callable[[], float], *, networks: Sequence[IpNetwork] = ()) -> None:
        """Reads what was kept. Raises GateDamaged, OSError."""
        self._wall = wall
        self._only = tuple(networks)
        self._peers: dict[PeerId, None] = {}
        self._addresses: dict[str, None] = {}
        self._networks: dict[IpNetwork, None] = {}
        self._banned_peers: dict[PeerId, float] = {}
        self._banned_addresses: dict[str, float] = {}
        self._read(path)
        self._file = StateFile(path, self._snapshot, seconds=_SECONDS_BETWEEN_WRITES)
        self.run = self._file.run
        self.saved = self._file.saved

    def refuses_peer(self, peer_id: PeerId) -> str | None:
        """Why there is no connection with this peer; None: it may come."""
        if peer_id in self._peers:
            return "the peer is blocked"
        return "the peer is banned" if self._is_banned(self._banned_peers, peer_id) else None

    def refuses_address(self, ip: str) -> str | None:
        """Why there is no connection with this IP address; None: there may be one."""
        address = parse_ip(ip)
        if str(address) in self._addresses:
            return "the address is blocked"
        if any(address in network for network in self._networks):
            return "the address is in a blocked network"
        return "the address is banned" if self._is_banned(self._banned_addresses, str(address)) else None

    def is_restricted(self, ip: str) -> bool:
        """Whether an address is outside of the networks that peers are sought in."""
        address = parse_ip(ip)
        return bool(self._only) and not any(address in network for network in self._only)

    def block_peer(self, peer_id: PeerId) -> None:
        """Raises ValueError: too many are blocked."""
        self._block(self._peers, peer_id)

    def unblock_peer(self, peer_id: PeerId) -> None:
        """Lets the peer come again; a ban ends too."""
        self._forget(self._peers, peer_id)
        self._forget(self._banned_peers, peer_id)

    def block_address(self, ip: str) -> None:
        """Raises ValueError: not an IP address, or too many are blocked."""
        self._block(self._addresses, str(parse_ip(ip)))

    def unblock_address(self, ip: str) -> None:
        """Lets the address come again; a ban ends too. Raises ValueError: not an IP address."""
        self._forget(self._addresses, str(parse_ip(ip)))
        self._forget(self._banned_addresses, str(parse_ip(ip)))

    def block_network(self, network: str) -> None:
        """Raises ValueError: not a network, or too many are blocked."""
        self._block(self._networks, parse_network(network))

    def unblock_network(self, network: str) -> None:
        """Raises ValueError: not a network."""
        self._forget(self._networks, parse_network(network))

    def ban_peer(self, peer_id: PeerId, seconds: float) -> None:
        """For so long from now, or for as long as it is banned already."""
        self._ban(self._banned_peers, peer_id, seconds)

    def ban_address(self, ip: str, seconds: float) -> None:
        """For so long from now, or for as long as it is banned already. Raises ValueError: not an IP address."""
        self._ban(self._banned_addresses, str(parse_ip(ip)), seconds)

    @property
    def blocked_peers(self) -> Sequence[PeerId]:
        """By the operator."""
        return tuple(self._peers)

    @property
    def blocked_addresses(self) -> Sequence[str]:
        """By the operator."""
        return tuple(self._addresses)

    @property
    def blocked_networks(self) -> Sequence[str]:
        """By the operator."""
        return tuple(map(str, self._networks))

    @property
    def banned_peers(self) -> Sequence[PeerId]:
        """Those whose ban is not over."""
        now = self._wall()
        return tuple(peer_id for peer_id, until in self._banned_peers.items() if until > now)

    @property
    def banned_addresses(self) -> Sequence[str]:
        """Those whose ban is not over."""
        now = self._wall()
        return tuple(ip for ip, until in self._banned_addresses.items() if until > now)

    def _block(self, blocked: dict[_What, None], what: _What) -> None:
        if len(blocked) >= MOST_BLOCKED and what not in blocked:
            raise ValueError(f"{MOST_BLOCKED} are blocked already")
        blocked[what] = None
        self._file.changed()

    def _forget(self, known: dict[_What, None] | dict[_What, float], what: _What) -> None:
        if what in known:
            del known[what]
            self._file.changed()

    def _ban(self, banned: dict[_What, float], what: _What, seconds: float) -> None:
        now = self._wall()
        until = max(now + seconds, banned.get(what, 0.0))
        for ended in [other for other, end in banned.items() if end <= now]:
            del banned[ended]
        if len(banned) >= MOST_BANNED and what not in banned:
            del banned[min(banned, key=lambda other: banned[other])]
        banned[what] = until
        self._file.changed()

    def _is_banned(self, banned: dict[_What, float], what: _What) -> bool:
        return banned.get(what, 0.0) > self._wall()

    def _read(self, path: Path | None) -> None:
        data = read_whole(path)
        if data is None:
            return
        try:
            kept = msgspec.json.decode(data, type=_Kept)
            self._peers = dict.fromkeys(map(parse_peer_id, kept.blocked_peers))
            self._addresses = {str(parse_ip(ip)): None for ip in kept.blocked_addresses}
            self._networks = dict.fromkeys(map(parse_network, kept.blocked_networks))
            self._banned_peers = {parse_peer_id(text): until for text, until in kept.banned_peers.items()}
            self._banned_addresses = {str(parse_ip(ip)): until for ip, until in kept.banned_addresses.items()}
        except (msgspec.DecodeError, ValueError, RecursionError) as error:
            raise GateDamaged(f"{path}: not a list of blocked peers ({error}). Mend it, or remove it to block nobody") from error

    def _snapshot(self) -> Callable[[], bytes]:
        now = self._wall()
        kept = _Kept(
            [show_peer_id(peer_id) for peer_id in self._peers],
            list(self._addresses),
            [str(network) for network in self._networks],
            {show_peer_id(peer_id): until for peer_id, until in self._banned_peers.items() if until > now},
            {ip: until for ip, until in self._banned_addresses.items() if until > now},
        )
        return lambda: msgspec.json.format(msgspec.json.encode(kept))
