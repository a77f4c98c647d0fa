"""`net_` methods, as op-geth answers them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from trinode.jsonrpc.requests import take_params
from trinode.rpc.dispatch import Handler


class NetNamespace:
    """`peer_count`: how many peers there are now."""

    name = "net"

    def __init__(self, chain_id: int, peer_count: Callable[[], int]) -> None:
        self._chain_id = chain_id
        self._count = peer_count
        self.methods: dict[str, Handler] = {
            "net_version": self._version,
            "net_listening": self._listening,
            "net_peerCount": self._peer_count,
        }

    async def _version(self, params: list[Any]) -> str:
        take_params(params, 0)
        return str(self._chain_id)

    async def _listening(self, params: list[Any]) -> bool:
        """True whatever happens, as geth has it."""
        take_params(params, 0)
        return True

    async def _peer_count(self, params: list[Any]) -> str:
        take_params(params, 0)
        return hex(self._count())
