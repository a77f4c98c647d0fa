"""Where nodes are: IP addresses with UDP ports, and which of them may be told by whom."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from ipaddress import ip_network

from trinode.p2p.addresses import IpAddress

_SUBNET_BITS = {4: 24, 6: 48}
"""What one operator has at little cost counts as one, where addresses are counted."""
_LOWEST_PORT = 1025
"""A told record must not make us send to the ports of other services."""


@dataclass(frozen=True, slots=True)
class Endpoint:
    """An address that UDP packets come from and go to."""

    ip: IpAddress
    port: int

    def __str__(self) -> str:
        return f"[{self.ip}]:{self.port}" if self.ip.version == 6 else f"{self.ip}:{self.port}"


def subnet_of(ip: IpAddress) -> bytes:
    """What addresses of one network have in common, as a key."""
    return ip.packed[: _SUBNET_BITS[ip.version] // 8]


_LOCAL_NETWORKS = tuple(ip_network(net) for net in ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "169.254.0.0/16", "fc00::/7", "fe80::/10"))


@lru_cache(maxsize=4096)
def is_local(ip: IpAddress) -> bool:
    """Whether it is this machine's or its network's own: there a subnet is not an operator."""
    return ip.is_loopback or any(ip in network for network in _LOCAL_NETWORKS if network.version == ip.version)


def may_be_told(told: Endpoint, teller: IpAddress) -> bool:
    """Whether a node at `teller` may make us send packets to this endpoint."""
    return told.port >= _LOWEST_PORT and means_the_same(told.ip, teller)


def means_the_same(ip: IpAddress, teller: IpAddress) -> bool:
    """Whether an address that a node at `teller` speaks of is the same one here. Addresses that only a network of its own reaches are others in
    ours; taken at their word, anybody outside could make us speak to what is inside.
    """
    if ip.is_unspecified or ip.is_multicast:
        return False
    if ip.is_loopback:
        return teller.is_loopback
    if is_local(ip):
        return is_local(teller)
    return ip.is_global
