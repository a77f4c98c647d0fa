"""eth_simulateV1 beside a real op-geth on the recorded chain of all forks: `tox -e peers`.

What is not op-geth's on purpose (what of it is drawn is passed over; see also `tests.simulations.NOT_AS_OP_GETH`):
- since Isthmus it gives back to who calls with a gas price an operator fee that nobody paid;
- two blocks with `validation`, and an override of `difficulty`, crash it since Holocene: here the base block's EIP-1559 parameters hold on,
  and there is an error;
- calls after Jovian on a block before Jovian are an error to it: here data costs what it does by default;
- of Karst's precompiles modexp and P256VERIFY are those of the fork before in that version;
- `logIndex` counts logs of calls that failed, too, which are not there: here it does not;
- two precompiles that are moved to one address: it takes either, here it is an error;
- unknown fields of overrides, blob transactions and `input` with another `data` are errors here, as for eth_call.
"""

from __future__ import annotations

import json
from pathlib import Path
from random import Random
from typing import Any

import pytest

from harness.engine_differential.op_geth import OpGeth, RpcError, find_geth
from harness.execution.files import read_unzipped
from tests.integration.test_traces_beside_op_geth import fill
from tests.shared import shared
from tests.simulation_requests import SimulationRequests
from tests.simulations import ask, differences, simulating, simulations
from trinode.rpc.eth.namespace import EthNamespace

pytestmark = pytest.mark.peers

DRAWN = 400
BY_LABEL = ("safe", "finalized")
"""op-geth here has no such blocks."""
NO_DA_SCALAR = "error calculating DA footprint"
"""Drawn blocks of times after Jovian, on one before."""


def asked(geth: OpGeth, params: list[Any]) -> dict[str, Any]:
    """op-geth's reply, but for its frame."""
    try:
        return {"result": geth.debug("eth_simulateV1", *params)}
    except RpcError as error:
        words = str(error).removeprefix("eth_simulateV1: ").removesuffix(f" ({error.code})")
        return {"error": {"code": error.code, "message": words}}


async def compare(eth: EthNamespace, geth: OpGeth, params: list[Any]) -> list[str]:
    reply = await ask(eth, {"jsonrpc": "2.0", "id": 1, "method": "eth_simulateV1", "params": params})
    ours, theirs = {name: value for name, value in reply.items() if name in ("result", "error")}, asked(geth, params)
    if theirs.get("error", {}).get("message", "").startswith(NO_DA_SCALAR):
        return []
    return [f"{json.dumps(params)[:300]} {each}" for each in differences(ours, theirs) if ".logIndex:" not in each]


async def test_simulations_are_op_geths(tmp_path: Path) -> None:
    program = find_geth()
    if program is None:
        pytest.skip("geth (op-geth) is not in TRINODE_PEERS or on PATH")
    genesis = json.loads(read_unzipped(shared("recordings/forks-genesis.json.gz")))
    found: list[str] = []
    with simulating(tmp_path) as (recorded, eth), OpGeth(program, genesis) as geth:
        await fill(geth, recorded, recorded.config.genesis.l2.hash)
        for simulation in simulations():
            params = simulation.request["params"]
            if params[1] not in BY_LABEL:
                recorded_reply = {name: value for name, value in simulation.response.items() if name in ("result", "error")}
                found += differences(recorded_reply, asked(geth, params), f"recorded {simulation.name}")
        requests = SimulationRequests(Random(11))
        for _ in range(DRAWN):
            found += await compare(eth, geth, requests.draw())
    assert found[:20] == []
