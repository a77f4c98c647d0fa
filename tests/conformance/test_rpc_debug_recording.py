"""The `debug_` methods that do not trace, over a store of the recorded chain: what op-geth replied, and witnesses that blocks are executed from."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import msgspec
import pytest

from harness.execution.chain_files import read_chain_file
from harness.execution.run import checked_genesis
from tests.shared import shared
from trinode.engine.stateless.witness_reply import read_witness
from trinode.execution.block import BlockExecutor, ExecutedBlock, Parent
from trinode.execution.evm.engine import FastEngine
from trinode.execution.trie.witness import Witness
from trinode.jsonrpc.requests import answer
from trinode.protocol.keccak import keccak256
from trinode.rollup.config import RollupConfig
from trinode.rollup.json_fields import to_hex
from trinode.rpc.debug.namespace import DebugNamespace
from trinode.storage.identity import ChainIdentity
from trinode.storage.store import Store

SAMPLE = 7
"""Every so many blocks; the others are for the long profile."""


@dataclass(frozen=True)
class Served:
    """The methods over the chain."""

    config: RollupConfig
    store: Store
    namespace: DebugNamespace
    blocks: list[ExecutedBlock]

    async def ask(self, method: str, *params: Any) -> dict[str, Any]:
        """The reply."""
        request = {"jsonrpc": "2.0", "id": 1, "method": f"debug_{method}", "params": params}
        reply: dict[str, Any] = msgspec.json.decode(await answer(msgspec.json.encode(request), self.namespace.methods))
        return reply

    async def result(self, method: str, *params: Any) -> Any:
        """The result."""
        reply = await self.ask(method, *params)
        assert "result" in reply, reply
        return reply["result"]


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    chain = read_chain_file(shared("recordings/forks-regolith-to-karst.jsonl.gz"))
    genesis = checked_genesis(chain)
    executor = BlockExecutor(chain.config, FastEngine())
    identity = ChainIdentity(chain.config.l2_chain_id, genesis.hash)
    with Store.create(tmp_path_factory.mktemp("debug") / "store", identity, genesis, history=None) as store:
        blocks = []
        for expected in chain.blocks:
            blocks.append(executor.build(store.parent_for(store.head.hash), expected.attributes))
            store.append(blocks[-1])
        yield Served(chain.config, store, DebugNamespace(chain.config, store), blocks)


async def test_raw_blocks_receipts_and_transactions_are_those_of_op_geth(served: Served) -> None:
    with gzip.open(shared("recordings/rpc-goldens.json.gz")) as file:
        recorded = json.load(file)["rpc"]
    compared: dict[str, int] = {}
    for golden in recorded:
        request = golden["request"]
        if isinstance(request, dict) and request["method"].startswith("debug_getRaw"):
            reply = msgspec.json.decode(await answer(msgspec.json.encode(request), served.namespace.methods))
            assert reply == golden["response"], golden["name"]
            compared[request["method"]] = compared.get(request["method"], 0) + 1
    assert compared == {"debug_getRawHeader": 20, "debug_getRawBlock": 10, "debug_getRawReceipts": 10, "debug_getRawTransaction": 53}


async def test_the_chain_config_is_that_of_the_genesis_file(served: Served) -> None:
    with gzip.open(shared("recordings/forks-genesis.json.gz")) as file:
        written = json.load(file)["config"]
    ours = await served.result("chainConfig")
    assert {name: ours.get(name) for name in written} == written
    assert ours.keys() - written.keys() <= {"depositContractAddress", "terminalTotalDifficulty"}


async def verify(served: Served, block: ExecutedBlock) -> int:
    """Executes a block on the witness that is served for it; how many nodes that has."""
    header = block.header
    witness = read_witness(await served.result("executionWitness", hex(header.number)))
    parent = witness.headers[0]
    assert parent.hash == header.parent_hash
    state = Witness(witness.preimages.values(), parent.header)
    executor = BlockExecutor(served.config, FastEngine())
    assert executor.check(Parent(parent.header, parent.hash, state, state.tries), header, block.transactions).hash == block.hash
    return len(witness.preimages)


async def test_blocks_are_executed_on_their_witnesses(served: Served) -> None:
    assert min([await verify(served, block) for block in served.blocks[::SAMPLE]]) > 20


@pytest.mark.long
async def test_all_blocks_are_executed_on_their_witnesses(served: Served) -> None:
    assert len([await verify(served, block) for block in served.blocks]) == 258


async def test_what_is_in_a_witness_is_found_by_its_hash(served: Served) -> None:
    by_hash = to_hex(served.blocks[100].hash)
    witness = await served.result("executionWitnessByBlockHash", by_hash)
    assert witness == await served.result("executionWitness", by_hash) == await served.result("executionWitness", hex(101))
    for item in [*witness["state"], *witness["codes"]]:
        digest = keccak256(bytes.fromhex(item[2:]))
        assert await served.result("dbGet", to_hex(digest)) == await served.result("preimage", to_hex(digest)) == item
    transaction = served.blocks[100].transactions[0]
    assert await served.result("preimage", to_hex(keccak256(transaction))) == to_hex(transaction)
    assert await served.result("preimage", by_hash) == await served.result("getRawHeader", by_hash)


@pytest.mark.parametrize("number", [0, 1, 130, 258])
async def test_pages_of_accounts_are_the_whole_state(served: Served, number: int) -> None:
    header = served.store.blocks.header(served.store.blocks.canonical_hash(number) or b"")
    assert header is not None
    start = "0x"
    found: dict[str, tuple[str, dict[str, Any]]] = {}
    while True:
        page = await served.result("accountRange", hex(number), start, 100, True, False, False)
        assert page["root"] == header.state_root.hex()
        found |= {each["key"]: (address, each) for address, each in page["accounts"].items()}
        if "next" not in page:
            break
        start = to_hex(msgspec.json.decode(f'"{page["next"]}"', type=bytes))
    state = served.store.state_at(served.store.blocks.canonical_hash(number) or b"")
    assert sorted(found) == sorted(to_hex(keccak256(address)) for address in state.addresses())
    for address, shown in found.values():
        account = state.account(bytes.fromhex(address[2:]))
        assert account is not None
        assert (shown["balance"], shown["nonce"], shown["codeHash"]) == (str(account.balance), account.nonce, to_hex(account.code_hash))
        assert shown["address"] == address.lower()
        for slot, value in shown.get("storage", {}).items():
            assert state.storage(bytes.fromhex(address[2:]), int(slot, 16)) == int(value, 16) > 0
