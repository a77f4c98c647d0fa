"""op-geth's `admin_` methods and op-node's `opp2p_`, while there is no P2P."""

from __future__ import annotations

import gzip
import json
from typing import Any

import msgspec

from tests.shared import shared
from tests.unit.execution.small_chain import config_of
from trinode.jsonrpc.requests import answer
from trinode.protocol.types import BlockId
from trinode.rollup.fork import Fork
from trinode.rpc.dispatch import Namespace
from trinode.rpc.execution_admin import ExecutionAdminNamespace
from trinode.rpc.opp2p import Opp2pNamespace

HEAD = BlockId(7, b"\x07" * 32)
OFF = "P2P is not in this version"


async def ask(namespace: Namespace, method: str, *params: Any) -> Any:
    request = msgspec.json.encode({"jsonrpc": "2.0", "id": 1, "method": method, "params": params})
    return msgspec.json.decode(await answer(request, namespace.methods))


async def test_what_the_node_is() -> None:
    config = config_of(Fork.ISTHMUS)
    admin = ExecutionAdminNamespace(config, "trinode/v1", "/data", lambda: HEAD)
    info = (await ask(admin, "admin_nodeInfo"))["result"]
    eth = info["protocols"]["eth"]
    assert (info["name"], info["enode"], info["ports"]) == ("trinode/v1", "", {"discovery": 0, "listener": 0})
    assert (eth["network"], eth["head"], eth["genesis"]) == (config.l2_chain_id, "0x" + 32 * "07", "0x" + config.genesis.l2.hash.hex())
    assert eth["config"]["isthmusTime"] == eth["config"]["pragueTime"] == config.fork_times[Fork.ISTHMUS]
    assert (await ask(admin, "admin_peers"))["result"] == []
    assert (await ask(admin, "admin_datadir"))["result"] == "/data"


async def test_nobody_can_be_connected_with() -> None:
    admin = ExecutionAdminNamespace(config_of(Fork.ISTHMUS), "trinode/v1", "/data", lambda: HEAD)
    for method in ("addPeer", "removePeer", "addTrustedPeer", "removeTrustedPeer"):
        error = (await ask(admin, f"admin_{method}", "enode://" + 1000 * "a"))["error"]
        assert error["code"] == -32000 and error["message"].startswith("there is no P2P") and len(error["message"]) < 150
        assert (await ask(admin, f"admin_{method}"))["error"]["code"] == -32602


async def test_opp2p_is_answered_as_op_node_does_without_p2p() -> None:
    with gzip.open(shared("recordings/rpc-goldens.json.gz")) as file:
        recorded = json.load(file)["rpc"]
    (golden,) = [each for each in recorded if isinstance(each["request"], dict) and each["request"]["method"].startswith("opp2p_")]
    ours = await ask(Opp2pNamespace(OFF), golden["request"]["method"])
    assert ours["error"].pop("data") == {"err": OFF}
    assert ours == golden["response"]
