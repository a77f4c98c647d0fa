"""Genesis blocks: the forms that genesis.json comes in, the header by fork, the state root against another trie, and errors that name the field."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest
import rlp
from trie.hexary import HexaryTrie

from trinode.execution.errors import MissingState, UnknownFork
from trinode.execution.genesis import Genesis, GenesisError, build_genesis, genesis_header, parse_genesis
from trinode.execution.state import EMPTY_CODE_HASH, Account
from trinode.protocol.header import EMPTY_REQUESTS_HASH, Header, header_hash
from trinode.protocol.keccak import keccak256
from trinode.protocol.trie import EMPTY_TRIE_ROOT
from trinode.rollup.chains import chain_by_name
from trinode.rollup.config import ChainOpConfig, RollupConfig
from trinode.rollup.fork import SCHEDULED_FORKS, Fork

PASSER = "4200000000000000000000000000000000000016"
CODE = "0x6001600055"
ALLOC: dict[str, Any] = {
    "0x" + "aa" * 20: {"balance": "0x10", "nonce": "0x2", "code": CODE, "storage": {"0x" + "00" * 31 + "01": "0x" + "00" * 31 + "7f"}},
    "bb" * 20: {"balance": "1000"},
    "CC" * 20: {"storage": {"2": "ff", "0x03": "0x0"}, "balance": 5},
    "dd" * 20: {},
    PASSER: {"balance": "0x0", "code": "6000", "storage": {"0x0": "0x2a"}},
}
JSON: dict[str, Any] = {
    "config": None,
    "nonce": "0x0",
    "timestamp": "0x64",
    "extraData": "0x424544524f434b",
    "gasLimit": "0x1c9c380",
    "difficulty": "0x0",
    "mixHash": "0x" + "00" * 32,
    "coinbase": "0x4200000000000000000000000000000000000011",
    "alloc": ALLOC,
    "number": "0x0",
    "gasUsed": "0x0",
    "parentHash": "0x" + "00" * 32,
    "baseFeePerGas": "0x3b9aca00",
}


def config_at(fork: Fork) -> RollupConfig:
    """A chain that is at `fork` from its genesis on."""
    chain = chain_by_name("op-sepolia")
    return replace(chain, fork_times={scheduled: 0 for scheduled in SCHEDULED_FORKS if scheduled <= fork})


def parsed(**changes: object) -> Genesis:
    return parse_genesis(JSON | changes)


def oracle_root(leaves: Mapping[bytes, bytes]) -> bytes:
    trie = HexaryTrie({})
    for key, value in leaves.items():
        trie[keccak256(key)] = value
    return bytes(trie.root_hash)


def oracle_account(nonce: int, balance: int, storage: Mapping[int, int], code: bytes) -> bytes:
    root = oracle_root({slot.to_bytes(32, "big"): rlp.encode(value) for slot, value in storage.items()})
    return bytes(rlp.encode([nonce, balance, root, keccak256(code)]))


def test_an_alloc_in_the_forms_that_files_have() -> None:
    alloc = parsed().alloc
    code = bytes.fromhex(CODE[2:])
    assert alloc.accounts[b"\xaa" * 20] == Account(2, 16, keccak256(code))
    assert alloc.accounts[b"\xbb" * 20] == Account(0, 1000, EMPTY_CODE_HASH)
    assert alloc.accounts[b"\xdd" * 20] == Account(0, 0, EMPTY_CODE_HASH)  # it exists, for it is listed
    assert alloc.storage[b"\xcc" * 20] == {2: 0xFF}  # a slot of 0 is not written
    assert alloc.codes[keccak256(code)] == code


def test_the_state_root_is_that_of_another_trie() -> None:
    expected = oracle_root({
        b"\xaa" * 20: oracle_account(2, 16, {1: 0x7F}, bytes.fromhex(CODE[2:])),
        b"\xbb" * 20: oracle_account(0, 1000, {}, b""),
        b"\xcc" * 20: oracle_account(0, 5, {2: 0xFF}, b""),
        b"\xdd" * 20: oracle_account(0, 0, {}, b""),
        bytes.fromhex(PASSER): oracle_account(0, 0, {0: 0x2A}, b"\x60\x00"),
    })
    block = build_genesis(parsed(), config_at(Fork.KARST))
    assert block.header.state_root == block.tries.root == expected
    assert block.hash == header_hash(block.header)
    assert block.nodes[b"", ""] is not None


@pytest.mark.parametrize("fork", [fork for fork in Fork if fork <= Fork.KARST])
def test_the_header_has_the_fields_of_its_fork(fork: Fork) -> None:
    header = build_genesis(parsed(), config_at(fork)).header
    assert header.base_fee_per_gas == 1_000_000_000
    assert header.extra_data == b"BEDROCK"
    passer_root = oracle_root({bytes(32): rlp.encode(0x2A)})
    if fork >= Fork.ISTHMUS:
        assert header.withdrawals_root == passer_root
    else:
        assert header.withdrawals_root == (EMPTY_TRIE_ROOT if fork >= Fork.CANYON else None)
    blob_fields = (header.blob_gas_used, header.excess_blob_gas, header.parent_beacon_block_root)
    assert blob_fields == ((0, 0, bytes(32)) if fork >= Fork.ECOTONE else (None, None, None))
    assert header.requests_hash == (EMPTY_REQUESTS_HASH if fork >= Fork.ISTHMUS else None)


def test_a_fork_with_unknown_rules() -> None:
    with pytest.raises(UnknownFork):
        build_genesis(parsed(), config_at(Fork.LAGOON))


def test_without_a_base_fee_it_is_that_of_london() -> None:
    header = build_genesis(parsed(baseFeePerGas=None), config_at(Fork.BEDROCK)).header
    assert header.base_fee_per_gas == 1_000_000_000
    assert build_genesis(parsed(baseFeePerGas="0x0"), config_at(Fork.BEDROCK)).header.base_fee_per_gas == 0


def test_a_state_that_is_not_in_the_file() -> None:
    genesis = parsed(alloc={}, stateHash="0x" + "11" * 32)
    with pytest.raises(MissingState):
        build_genesis(genesis, config_at(Fork.BEDROCK))
    assert genesis.state_hash is not None
    header = genesis_header(genesis, config_at(Fork.CANYON), genesis.state_hash)
    assert header.state_root == b"\x11" * 32
    assert isinstance(header, Header)


def test_forks_in_geths_form() -> None:
    optimism = {"eip1559Elasticity": 6, "eip1559Denominator": 50}
    times = {"regolithTime": 0, "canyonTime": 5, "ecotoneTime": 7, "fjordTime": None}
    found = parsed(config={"chainId": 901, "optimism": optimism, **times}).config
    assert found is not None
    assert found.chain_id == 901
    assert found.fork_times == {Fork.REGOLITH: 0, Fork.CANYON: 5, Fork.DELTA: 7, Fork.ECOTONE: 7}
    assert found.chain_op_config == ChainOpConfig(6, 50, 50)


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"timestamp": None}, "timestamp"),
        ({"gasLimit": None}, "gasLimit"),
        ({"difficulty": None}, "difficulty"),
        ({"alloc": None}, "alloc"),
        ({"alloc": []}, "alloc"),
        ({"timestamp": "0x1" + "0" * 16}, "timestamp"),
        ({"timestamp": -1}, "timestamp"),
        ({"timestamp": "0x"}, "timestamp"),
        ({"timestamp": "1_0"}, "timestamp"),
        ({"timestamp": "abc"}, "timestamp"),
        ({"timestamp": True}, "timestamp"),
        ({"timestamp": 1.5}, "timestamp"),
        ({"mixHash": "0x00"}, "mixHash"),
        ({"coinbase": "0x" + "zz" * 20}, "coinbase"),
        ({"extraData": "0x4 4"}, "extraData"),
        ({"extraData": 7}, "extraData"),
        ({"stateHash": "0x" + "11" * 32}, "stateHash"),
        ({"config": {}}, "config.chainId"),
        ({"config": {"chainId": 1, "canyonTime": "x"}}, "config.canyonTime"),
        ({"config": {"chainId": 1, "optimism": {}}}, "config.optimism.eip1559Denominator"),
        ({"alloc": {"0x12": {}}}, "alloc.0x12"),
        ({"alloc": {"aa" * 20: {}, "0x" + "AA" * 20: {}}}, "alloc.0x" + "AA" * 20),
        ({"alloc": {"aa" * 20: 1}}, "alloc." + "aa" * 20),
        ({"alloc": {"aa" * 20: {"balance": "0x1" + "0" * 64}}}, "alloc." + "aa" * 20 + ".balance"),
        ({"alloc": {"aa" * 20: {"code": "0x1"}}}, "alloc." + "aa" * 20 + ".code"),
        ({"alloc": {"aa" * 20: {"storage": {"0x1": "0x" + "11" * 33}}}}, "alloc." + "aa" * 20 + ".storage.0x1"),
        ({"alloc": {"aa" * 20: {"storage": {"g": "0x1"}}}}, "alloc." + "aa" * 20 + ".storage"),
    ],
)
def test_an_error_names_its_field(changes: dict[str, object], field: str) -> None:
    with pytest.raises(GenesisError) as caught:
        parsed(**changes)
    assert caught.value.field == field
    assert str(caught.value).startswith(field)


def test_not_an_object() -> None:
    with pytest.raises(GenesisError, match="must be an object"):
        parse_genesis([])
