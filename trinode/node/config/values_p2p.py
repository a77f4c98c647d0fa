"""The kinds of values that only the peer-to-peer network's options have. Texts are looked at as such; what they mean is read at the start."""

from __future__ import annotations

import re
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from pathlib import Path
from typing import NoReturn

from trinode.node.config.values import PATH, BadValue, Kind

MEMORY = "memory"
"""In place of a path: kept in memory alone, and lost when the node ends."""

_MOST_SHOWN = 100
_ENR = re.compile(r"enr:[A-Za-z0-9_-]{100,400}={0,2}", re.ASCII)  # EIP-778: 300 bytes at most
_MULTIADDRESS = re.compile(
    r"/(?:ip4/[\d.]{7,15}|ip6/[0-9A-Fa-f:.]{2,45}|dns(?:4|6)?/[A-Za-z0-9._-]{1,253})/tcp/\d{1,5}/p2p/[1-9A-HJ-NP-Za-km-z]{40,60}", re.ASCII
)
_SCORE = re.compile(r"-?\d{1,9}(?:\.\d{1,9})?", re.ASCII)
_AGENT = re.compile(r"[!-~]{1,64}", re.ASCII)


def _refuse(text: str, wanted: str) -> NoReturn:
    raise BadValue(f"{text[:_MOST_SHOWN]!r} is not {wanted}")


def _parse_ip(text: str) -> str:
    try:
        return str(ip_address(text if "%" not in text else ""))
    except ValueError:
        _refuse(text, "an IP address")


def _parse_subnet(text: str) -> IPv4Network | IPv6Network:
    try:
        return ip_network(text)
    except ValueError:
        _refuse(text, "a network such as 10.0.0.0/8")


def _parse_enr(text: str) -> str:
    return text if _ENR.fullmatch(text) else _refuse(text, "a node record, which begins with enr:")


def _parse_multiaddress(text: str) -> str:
    return text if _MULTIADDRESS.fullmatch(text) else _refuse(text, "a peer's address such as /ip4/192.0.2.1/tcp/9222/p2p/16Uiu2HA...")


def _parse_score(text: str) -> float:
    return float(text) if _SCORE.fullmatch(text) else _refuse(text, "a score such as -100")


def _parse_agent(text: str) -> str:
    return text if _AGENT.fullmatch(text) else _refuse(text, "a name of 1 to 64 printable characters without spaces")


def _parse_store(text: str) -> Path | str:
    if text.lower() == MEMORY:
        return MEMORY
    found: Path = PATH.parse(text)
    return found


IP = Kind("IP", _parse_ip)
SUBNET = Kind("NETWORK", _parse_subnet)
ENR = Kind("ENR", _parse_enr)
MULTIADDRESS = Kind("MULTIADDR", _parse_multiaddress)
SCORE = Kind("NUMBER", _parse_score, lambda value: f"{value:g}", bare=True)
AGENT = Kind("NAME", _parse_agent)
STORE_PATH = Kind("PATH", _parse_store)
