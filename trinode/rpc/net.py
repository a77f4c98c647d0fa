"""`net_` methods, as op-geth answers them."""

from __future__ import annotations

from collections.abc import Callable

from trinode.jsonrpc.declared import Declared, declare
from trinode.jsonrpc.kinds import BOOLEAN_RESULT, QUANTITY_RESULT


class NetNamespace:
    """`peer_count`: how many peers there are now."""

    name = "net"

    def __init__(self, chain_id: int, peer_count: Callable[[], int]) -> None:
        self._chain_id = chain_id
        self._count = peer_count
        self.methods: dict[str, Declared] = {
            "net_version": declare(self._version, "The chain's number, in decimal digits", result={"type": "string", "pattern": "^[0-9]+$"}),
            "net_listening": declare(self._listening, "True", result=BOOLEAN_RESULT),
            "net_peerCount": declare(self._peer_count, "How many peers there are", result=QUANTITY_RESULT),
        }

    def _version(self) -> str:
        return str(self._chain_id)

    def _listening(self) -> bool:
        """True whatever happens, as geth has it."""
        return True

    def _peer_count(self) -> str:
        return hex(self._count())
