"""Our own record: signed anew, with the next sequence number, whenever what it says changes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from trinode.p2p.addresses import IpAddress
from trinode.p2p.discovery.endpoint import Endpoint
from trinode.p2p.discovery.enr import Enr, OpStackEntry
from trinode.protocol.rlp_codec import encode_bytes, encode_int


@dataclass(frozen=True, slots=True)
class Advertised:
    """What an operator wants to be told of us. `ip`: None where others shall say, and then they say the UDP port as well; `udp`: 0 is the port
    that we listen on.
    """

    ip: IpAddress | None
    tcp: int
    udp: int = 0


class LocalRecord:
    """The record that we hand out. `previous`: what we handed out in an earlier life; its number goes on from there, so that nobody takes the new
    record for an older one. `first_seq`: without it (a time in milliseconds is larger than what was ever counted to).
    """

    def __init__(
        self, private_key: bytes, advertised: Advertised, listening: Endpoint, opstack: OpStackEntry, *, previous: Enr | None, first_seq: int
    ) -> None:
        self._private_key, self._advertised = private_key, advertised
        entries = {b"opstack": opstack.encode(), b"tcp": encode_int(advertised.tcp), b"udp": encode_int(advertised.udp or listening.port)}
        ip = advertised.ip
        if ip is None and not listening.ip.is_unspecified and not listening.ip.is_loopback:
            ip = listening.ip
        entries.update(_ip_entry(ip))
        self._entries: dict[bytes, bytes] = entries
        record = Enr.sign(private_key, previous.seq if previous is not None else first_seq, entries)
        if previous is not None and record.pairs != previous.pairs:
            record = Enr.sign(private_key, previous.seq + 1, entries)
        self.record = record

    def seen_at(self, endpoint: Endpoint) -> bool:
        """Others elected where we are; what an operator said stands above it. True: the record changed."""
        if self._advertised.ip is not None:
            return False
        return self._change({**_ip_entry(endpoint.ip), b"udp" if endpoint.ip.version == 4 else b"udp6": encode_int(endpoint.port)})

    def _change(self, entries: Mapping[bytes, bytes]) -> bool:
        changed = {**self._entries, **entries}
        if changed == self._entries:
            return False
        self._entries = changed
        self.record = Enr.sign(self._private_key, self.record.seq + 1, changed)
        return True


def _ip_entry(ip: IpAddress | None) -> dict[bytes, bytes]:
    if ip is None:
        return {}
    return {b"ip" if ip.version == 4 else b"ip6": encode_bytes(ip.packed)}
