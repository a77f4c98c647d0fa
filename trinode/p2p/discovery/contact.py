"""Nodes as we reach them: by a record, or by what an enode URL says (a key and an address, unsigned)."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from trinode.p2p.addresses import IpAddress, parse_ip
from trinode.p2p.discovery.endpoint import Endpoint
from trinode.p2p.discovery.enr import Enr, parse_enr
from trinode.p2p.discovery.identity_scheme import NodeId, compressed_key, node_id_of
from trinode.p2p.errors import ProtocolViolation

_ENODE = re.compile(r"enode://(?P<key>[0-9a-fA-F]{128})@(?P<host>\[[0-9a-fA-F:.]+\]|[0-9.]+):(?P<tcp>\d{1,5})(?:\?discport=(?P<udp>\d{1,5}))?")


@dataclass(frozen=True, slots=True)
class Contact:
    """Somebody whom we can send packets to. `record`: None until it was asked for."""

    public_key: bytes
    node_id: NodeId
    endpoint: Endpoint
    record: Enr | None


@dataclass(frozen=True, slots=True)
class Reach:
    """What our socket reaches: IP versions, in order of preference, and which addresses an operator allows."""

    versions: tuple[int, ...] = (4,)
    permits: Callable[[IpAddress], bool] = lambda _ip: True

    def contact(self, record: Enr) -> Contact | None:
        """How to speak to the node; None: it has no address that we reach."""
        for version in self.versions:
            endpoint = record.udp(version)
            if endpoint is not None and self.reaches(endpoint):
                return Contact(record.public_key, record.node_id, endpoint, record)
        return None

    def reaches(self, endpoint: Endpoint) -> bool:
        """Whether packets may go there."""
        return endpoint.ip.version in self.versions and self.permits(endpoint.ip)


def parse_node(text: str) -> Contact | Enr:
    """A node as operators write it: `enr:…` or `enode://key@ip:port?discport=port`. Raises ProtocolViolation; names of hosts are not looked up."""
    if not text.startswith("enode:"):
        return parse_enr(text)
    match = _ENODE.fullmatch(text)
    if match is None:
        raise ProtocolViolation("not an enode URL with an IP address (enode://128 hex digits@ip:port)")
    key = compressed_key(bytes.fromhex(match["key"]))
    port = int(match["udp"] or match["tcp"])
    try:
        ip = parse_ip(match["host"].strip("[]"))
    except ValueError as error:
        raise ProtocolViolation(f"an enode URL with another host than an IP address: {error}") from error
    if not 0 < port < 1 << 16:
        raise ProtocolViolation(f"an enode URL with port {port}")
    return Contact(key, node_id_of(key), Endpoint(ip, port), None)
