"""`opp2p_` methods, while there is no P2P: none is available, as with op-node's `p2p.disable`, and the error says why."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, NoReturn

from trinode.jsonrpc.declared import Declared, Param, declare
from trinode.jsonrpc.kinds import ANY_OBJECT, BOOLEAN, NULL_RESULT, QUANTITY_RESULT, STRING, STRING_RESULT, list_of
from trinode.jsonrpc.requests import METHOD_NOT_FOUND, RpcError

_NAMES = list_of(STRING_RESULT)
_TOLD = {
    "self": ("What the node is in the network", ANY_OBJECT),
    "peerStats": ("How many peers there are of each kind", ANY_OBJECT),
    "peerCount": ("How many peers there are", QUANTITY_RESULT),
    "discoveryTable": ("The nodes that discovery knows", _NAMES),
    "listBlockedPeers": ("Peers that are not connected with", _NAMES),
    "listBlockedAddrs": ("IP addresses that are not connected with", _NAMES),
    "listBlockedSubnets": ("Networks that are not connected with", _NAMES),
}
_DONE = {
    "blockPeer": ("Does not connect with a peer any more", "id"),
    "unblockPeer": ("May connect with a peer again", "id"),
    "blockAddr": ("Does not connect with an IP address any more", "ip"),
    "unblockAddr": ("May connect with an IP address again", "ip"),
    "blockSubnet": ("Does not connect with a network any more", "subnet"),
    "unblockSubnet": ("May connect with a network again", "subnet"),
    "protectPeer": ("Keeps a peer whatever it does", "id"),
    "unprotectPeer": ("Takes back that a peer is kept", "id"),
    "connectPeer": ("Connects with a peer", "address"),
    "disconnectPeer": ("Ends the connection with a peer", "id"),
}


class Opp2pNamespace:
    """op-node's methods. `why`: P2P is off, in a few words."""

    name = "opp2p"

    def __init__(self, why: str) -> None:
        peers = "opp2p_peers"
        connected = Param("connected", BOOLEAN)
        self.methods: dict[str, Declared] = {
            peers: declare(_refusal(peers, why), "The peers that are known, or only those that are connected", connected, result=ANY_OBJECT)
        }
        for short, (summary, result) in _TOLD.items():
            name = f"opp2p_{short}"
            self.methods[name] = declare(_refusal(name, why), summary, result=result)
        for short, (summary, param) in _DONE.items():
            name = f"opp2p_{short}"
            self.methods[name] = declare(_refusal(name, why), summary, Param(param, STRING), result=NULL_RESULT)


def _refusal(name: str, why: str) -> Callable[..., Awaitable[NoReturn]]:
    async def refuse(*_: Any) -> NoReturn:
        raise RpcError(METHOD_NOT_FOUND, f"the method {name} does not exist/is not available", why)

    return refuse
