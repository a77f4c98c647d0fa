"""`admin_` methods of execution clients, as op-geth answers them, while there is no P2P. To be exposed to trusted callers alone.

Left out: startHTTP, stopHTTP, startWS, stopWS (the configuration says what is served), exportChain, importChain (files on the node's disk for
whoever asks), peerEvents.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from trinode.jsonrpc.declared import Declared, Param, declare
from trinode.jsonrpc.kinds import ANY_OBJECT, BOOLEAN_RESULT, STRING, STRING_RESULT, list_of, object_of
from trinode.protocol.types import BlockId
from trinode.rollup.config import RollupConfig
from trinode.rollup.json_fields import to_hex
from trinode.rpc.debug.chain_config import chain_config_object
from trinode.rpc.eth.errors import server_error

_PEER_METHODS = {
    "admin_addPeer": "Stays connected with a peer",
    "admin_addTrustedPeer": "Lets a peer connect whatever the limits",
    "admin_removePeer": "Disconnects a peer",
    "admin_removeTrustedPeer": "Takes back that a peer is trusted",
}


class ExecutionAdminNamespace:
    """`client`: name and version. `datadir`: the folder of the node's data. `head`: the last block."""

    name = "admin"

    def __init__(self, config: RollupConfig, client: str, datadir: str, head: Callable[[], BlockId]) -> None:
        self._config = config
        self._client = client
        self._path = datadir
        self._head = head
        peer = Param("enode", STRING)
        self.methods: dict[str, Declared] = {
            "admin_datadir": declare(self._datadir, "The folder of the node's data", result=STRING_RESULT),
            "admin_nodeInfo": declare(self._node_info, "What the node is", result=object_of({"name": STRING_RESULT, "protocols": ANY_OBJECT})),
            "admin_peers": declare(self._peers, "Who the node is connected with", result=list_of(ANY_OBJECT)),
            **{name: declare(self._refuse, what, peer, result=BOOLEAN_RESULT) for name, what in _PEER_METHODS.items()},
        }

    async def _datadir(self) -> str:
        return self._path

    async def _node_info(self) -> dict[str, Any]:
        """Without an identity in a network, there is none to tell: op-geth's fields for it are empty."""
        genesis = self._config.genesis.l2
        protocol = {
            "network": self._config.l2_chain_id,
            "genesis": to_hex(genesis.hash),
            "config": chain_config_object(self._config),
            "head": to_hex(self._head().hash),
        }
        nobody = {"id": "", "enode": "", "enr": "", "ip": "", "ports": {"discovery": 0, "listener": 0}, "listenAddr": ""}
        return nobody | {"name": self._client, "protocols": {"eth": protocol}}

    async def _peers(self) -> list[dict[str, Any]]:
        """Nobody."""
        return []

    async def _refuse(self, enode: str) -> bool:
        raise server_error(f"there is no P2P in this version, and nothing to do with {enode[:64]!r}")
