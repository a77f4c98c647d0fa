"""What kinds of IP addresses there are, for who may name which, and for what counts as one neighbourhood."""

from __future__ import annotations

from enum import IntEnum
from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

IpAddress = IPv4Address | IPv6Address
IpNetwork = IPv4Network | IPv6Network

_V6_NEIGHBOURHOOD = 64
"""Bits: who has one address of such a network usually has all of it."""


class Reach(IntEnum):
    """From where an address can be reached."""

    NOWHERE = 0
    HERE = 1
    SITE = 2
    WORLD = 3


def parse_ip(text: str) -> IpAddress:
    """An address, with IPv4 inside IPv6 (::ffff:1.2.3.4) as IPv4. Raises ValueError."""
    return plain_ip(ip_address(text.partition("%")[0]))


def plain_ip(address: IpAddress) -> IpAddress:
    """The IPv4 address inside an IPv6 one, where it is one."""
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return address if mapped is None else mapped


def parse_network(text: str) -> IpNetwork:
    """A network like 10.0.0.0/8; bits beyond the mask do not matter. Raises ValueError."""
    return ip_network(text.strip(), strict=False)


@lru_cache(maxsize=4096)
def reach_of(ip: str) -> Reach:
    """From where an IP address can be reached; NOWHERE for what is no address of one host."""
    try:
        address = parse_ip(ip)
    except ValueError:
        return Reach.NOWHERE
    if address.is_unspecified or address.is_multicast or str(address) == "255.255.255.255":
        return Reach.NOWHERE
    if address.is_loopback:
        return Reach.HERE
    return Reach.WORLD if address.is_global else Reach.SITE


@lru_cache(maxsize=4096)
def neighbourhood(ip: str) -> str:
    """What limits count as one: an IPv4 address, or the /64 of an IPv6 address. Raises ValueError."""
    address = parse_ip(ip)
    if isinstance(address, IPv4Address):
        return str(address)
    return str(IPv6Network((int(address), _V6_NEIGHBOURHOOD), strict=False))
