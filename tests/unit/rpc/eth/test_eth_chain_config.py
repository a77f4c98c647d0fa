"""eth_config (EIP-7910), eth_getStorageValues, eth_pendingTransactions."""

from __future__ import annotations

import gzip
import json
from dataclasses import replace
from typing import Any

import pytest

from tests.shared import shared
from tests.unit.engine.block_tree import WRITER, write
from tests.unit.execution.small_chain import GENESIS_TIME, config_of
from tests.unit.rpc.eth.eth_chain import EthChain, data
from trinode.execution.errors import UnknownFork
from trinode.jsonrpc.fields import InvalidParams
from trinode.protocol.types import BlockId
from trinode.rollup.chains import chain_by_name
from trinode.rollup.config import parse_rollup_config
from trinode.rollup.fork import Fork
from trinode.rpc.eth.chain_config import config_at, fork_id, fork_times

HOLOCENE_TIME, ISTHMUS_TIME, KARST_TIME = 2000, 3000, 4000
GENESIS = bytes.fromhex("41527482732c7d4846b1cf23092aff3e708084414afd02792fe3590d323e2b41")


def test_the_fork_id_is_what_op_geth_tells_its_peers() -> None:
    """In its node record (admin_nodeInfo), at the end of the recording of all forks."""
    with gzip.open(shared("recordings/forks-regolith-to-karst.jsonl.gz")) as file:
        config = parse_rollup_config(json.loads(file.readline())["rollup_config"])
    assert config.genesis.l2.hash == GENESIS
    assert fork_id(GENESIS, fork_times(config)).hex() == "308a0aa7"
    assert config_at(config, 2**40)["current"]["forkId"] == "0x308a0aa7"


def test_fork_ids_of_ethereum_itself() -> None:
    """EIP-2124's test vectors."""
    genesis = bytes.fromhex("d4e56740f876aef8c010b86a40d5f56745a118d0906a34e69aec8c0db1cb8fa3")
    homestead, dao = 1_150_000, 1_920_000
    assert [fork_id(genesis, forks).hex() for forks in ((), (homestead,), (homestead, dao))] == ["fc64ec04", "97c2c34c", "91d1f948"]


def test_forks_now_next_and_last() -> None:
    later_forks = {Fork.HOLOCENE: HOLOCENE_TIME, Fork.ISTHMUS: ISTHMUS_TIME, Fork.JOVIAN: KARST_TIME, Fork.KARST: KARST_TIME}
    config = config_of(Fork.GRANITE, later=later_forks)
    first, later, done = (config_at(config, time) for time in (GENESIS_TIME, ISTHMUS_TIME, KARST_TIME))
    assert [first[name]["activationTime"] for name in ("current", "next", "last")] == [0, HOLOCENE_TIME, KARST_TIME]
    assert [later[name]["activationTime"] for name in ("current", "next", "last")] == [ISTHMUS_TIME, KARST_TIME, KARST_TIME]
    assert (done["next"], done["last"]) == (None, None)
    assert done["current"] == first["last"] == later["next"]
    assert "BLS12_G1ADD" not in first["current"]["precompiles"]
    assert later["current"]["precompiles"]["BLS12_G1ADD"] == f"0x{0x0B:040x}"
    assert first["current"]["precompiles"]["P256VERIFY"] == f"0x{0x100:040x}"
    assert list(first["current"]["systemContracts"]) == ["BEACON_ROOTS_ADDRESS"]
    assert later["current"]["systemContracts"]["HISTORY_STORAGE_ADDRESS"] == "0x0000f90827f1c53a10cb7a02335b175320002935"
    assert (done["current"]["chainId"], done["current"]["blobSchedule"]) == ("0x385", None)


def test_op_mainnet_began_before_bedrock() -> None:
    config = chain_by_name("op-mainnet")
    other = replace(config, genesis=replace(config.genesis, l2=BlockId(config.genesis.l2.number, bytes(32))))
    assert config_at(config, 1_704_992_401) == config_at(other, 1_704_992_401)


def test_a_fork_whose_rules_are_not_known_is_not_told_of_in_part() -> None:
    with pytest.raises(UnknownFork):
        config_at(config_of(Fork.KARST, later={Fork.LAGOON: 5000}), GENESIS_TIME)


async def test_the_configuration_is_that_of_the_head(chain: EthChain) -> None:
    chain.extend(1)
    found = await chain.eth()("config")
    assert found == config_at(chain.tree.config, chain.blocks[-1].header.timestamp)


async def test_slots_of_several_accounts_at_once(chain: EthChain) -> None:
    chain.add(write(1, 0xAB))
    chain.add(write(1, 0xCD))
    eth = chain.eth()
    word, nobody = f"0x{1:064x}", "0x" + "77" * 20
    asked = {data(WRITER): [word, f"0x{2:064x}"], nobody: [word]}
    assert await eth("getStorageValues", asked, "latest") == {data(WRITER): [f"0x{0xCD:064x}", f"0x{0:064x}"], nobody: [f"0x{0:064x}"]}
    assert (await eth("getStorageValues", asked, "0x1"))[data(WRITER)][0] == f"0x{0xAB:064x}"
    assert await eth.error("getStorageValues", {nobody: [word] * 1025}) == {"code": -38026, "message": "too many slots (max 1024)"}
    nothing: list[dict[str, Any]] = [{}, {nobody: []}, {nobody: None}]
    for empty in nothing:
        assert await eth.error("getStorageValues", empty) == {"code": -32602, "message": "empty request"}
    wrong: list[Any] = [{nobody: ["0x0"]}, {"0x77": [word]}, [], {nobody: word}]
    for each in wrong:
        with pytest.raises(InvalidParams):
            await eth("getStorageValues", each)


async def test_the_node_has_no_transactions_of_its_own(chain: EthChain) -> None:
    assert await chain.eth()("pendingTransactions") == []
