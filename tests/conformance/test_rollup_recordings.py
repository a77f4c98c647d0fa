"""Every recorded L2 block: L1 attributes, system config, upgrade deposits, references, as op-node made them."""

from __future__ import annotations

import gzip
import json
from collections import Counter
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import pytest

from tests.shared import SHARED, shared
from trinode.protocol.deposit import TRANSACTION_DEPOSITED_TOPIC, decode_deposit_log, encode_deposit
from trinode.protocol.header import Header, decode_header
from trinode.protocol.keccak import keccak256
from trinode.protocol.receipt import Receipt, decode_receipt
from trinode.protocol.types import BlockId
from trinode.rollup.config import RollupConfig, parse_rollup_config
from trinode.rollup.fork import Fork
from trinode.rollup.l1_attributes import l1_info_deposit
from trinode.rollup.l1_chain import L1ChainConfig, parse_l1_chain_config
from trinode.rollup.l2_block import L2Block, L2BlockRef, l2_block_of, read_l2_block
from trinode.rollup.system_config import SystemConfig, update_system_config

NAMES = sorted(path.name for path in SHARED.glob("recordings/*.jsonl.gz")) or ["steady-karst.jsonl.gz"]
FORKS = "forks-regolith-to-karst.jsonl.gz"


@dataclass(frozen=True)
class RecordedBlock:
    """An `l2_block` line."""

    line: dict[str, Any]
    header: Header
    hash: bytes
    transactions: tuple[bytes, ...]

    @property
    def deposits(self) -> list[bytes]:
        return [raw for raw in self.transactions if raw[0] == 0x7E]


@dataclass
class Recording:
    """A recording without its blobs."""

    config: RollupConfig
    l1_chain_config: L1ChainConfig
    start: L2Block
    origins: dict[bytes, tuple[Header, list[Receipt]]] = field(default_factory=dict)
    blocks: list[RecordedBlock] = field(default_factory=list)


def unhex(text: str) -> bytes:
    return bytes.fromhex(text[2:])


def block_id(value: dict[str, Any]) -> BlockId:
    return BlockId(value["number"], unhex(value["hash"]))


@cache
def load(name: str) -> Recording:
    with gzip.open(shared(f"recordings/{name}"), "rt") as lines:
        head = json.loads(next(lines))
        recording = Recording(
            parse_rollup_config(head["rollup_config"]),
            parse_l1_chain_config(head["l1_chain_config"]),
            start_block(head),
        )
        for text in lines:
            line = json.loads(text)
            if line["type"] == "l1_block":
                rlp = unhex(line["header_rlp"])
                receipts = [decode_receipt(unhex(raw)) for raw in line["receipts"] or []]
                recording.origins[keccak256(rlp)] = (decode_header(rlp), receipts)
            elif line["type"] == "l2_block":
                rlp = unhex(line["header_rlp"])
                transactions = tuple(unhex(raw) for raw in line["transactions"])
                recording.blocks.append(RecordedBlock(line, decode_header(rlp), keccak256(rlp), transactions))
    return recording


def start_block(head: dict[str, Any]) -> L2Block:
    start, rlp = head["l2_start"], unhex(head["l2_start"]["header_rlp"])
    header = decode_header(rlp)
    ref = L2BlockRef(
        keccak256(rlp),
        header.number,
        header.parent_hash,
        header.timestamp,
        block_id(start["l1_origin"]),
        start["sequence_number"],
    )
    return L2Block(ref, (), SystemConfig.from_json(start["system_config"]))


def read(config: RollupConfig, block: RecordedBlock) -> L2Block:
    return l2_block_of(config, block.header, block.hash, block.transactions)


def user_deposits(config: RollupConfig, l1_hash: bytes, receipts: list[Receipt]) -> list[bytes]:
    found = []
    logs = ((receipt, log) for receipt in receipts for log in receipt.logs)
    for index, (emitter, log) in enumerate(logs):
        mine = emitter.succeeded and log.address == config.deposit_contract_address
        if mine and log.topics and log.topics[0] == TRANSACTION_DEPOSITED_TOPIC:
            found.append(encode_deposit(decode_deposit_log(log, l1_hash, index)))
    return found


@pytest.mark.parametrize("name", NAMES)
def test_the_start_block_is_read_from_its_header(name: str) -> None:
    recording = load(name)
    ref = recording.start.ref
    if ref.number != recording.config.genesis.l2.number:
        return  # the recording has not got its transactions
    block = read_l2_block(
        recording.config,
        hash=ref.hash,
        number=ref.number,
        parent_hash=ref.parent_hash,
        timestamp=ref.timestamp,
        gas_limit=0,
        extra_data=b"whatever",
        transactions=(),
    )
    assert block == recording.start


@pytest.mark.parametrize("name", NAMES)
def test_block_references(name: str) -> None:
    recording = load(name)
    for block in recording.blocks:
        ref = read(recording.config, block).ref
        assert ref.l1_origin == block_id(block.line["l1_origin"])
        assert ref.sequence_number == block.line["sequence_number"]
        assert (ref.number, ref.hash) == (block.line["number"], unhex(block.line["hash"]))


@pytest.mark.parametrize("name", NAMES)
def test_deposits_and_attributes_of_every_block(name: str) -> None:
    """From the parent alone (its system config as read back from it) and the L1 origin, as derivation does it."""
    recording = load(name)
    config, parent = recording.config, recording.start
    for block in recording.blocks:
        origin_hash = unhex(block.line["l1_origin"]["hash"])
        origin, receipts = recording.origins[origin_hash]
        system_config, sequence_number = parent.system_config, block.line["sequence_number"]
        users: list[bytes] = []
        if sequence_number == 0:
            system_config, _ = update_system_config(
                system_config, receipts, config, l1_inclusion_timestamp=origin.timestamp
            )
            users = user_deposits(config, origin_hash, receipts)
        timestamp = parent.ref.timestamp + config.block_time
        l1_info = l1_info_deposit(
            config, recording.l1_chain_config, system_config, sequence_number, origin, origin_hash, timestamp
        )
        upgrades, upgrade_gas = config.upgrade_transactions(l2_timestamp=timestamp)
        where = f"{name} block {block.line['number']}"
        assert encode_deposit(l1_info) == block.transactions[0], where
        assert [*users, *upgrades] == block.deposits[1:], where
        assert system_config.gas_limit + upgrade_gas == block.header.gas_limit, where
        check_attributes(config, system_config, block.line["attributes"], timestamp)
        parent = read(config, block)


def check_attributes(
    config: RollupConfig, system_config: SystemConfig, attributes: dict[str, Any] | None, timestamp: int
) -> None:
    if attributes is None:
        return
    rules = config.rules(l2_timestamp=timestamp)
    assert attributes["timestamp"] == timestamp
    assert (attributes["withdrawals"] is not None) is rules.withdrawals
    assert (attributes["parent_beacon_block_root"] is not None) is rules.parent_beacon_block_root
    expected_params = "0x" + system_config.eip1559_params.hex() if rules.eip1559_params else None
    assert attributes["eip1559_params"] == expected_params
    assert attributes["min_base_fee"] == (system_config.min_base_fee if rules.min_base_fee else None)


def test_the_recording_across_forks_has_every_activation_block() -> None:
    recording = load(FORKS)
    config = recording.config
    counts: Counter[Fork] = Counter()
    for block in recording.blocks:
        fork = config.activation_block_fork(l2_timestamp=block.header.timestamp)
        if fork is not None:
            counts[fork] = len(config.upgrade_transactions(l2_timestamp=block.header.timestamp)[0])
    assert counts == {
        Fork.CANYON: 0,
        Fork.DELTA: 0,
        Fork.ECOTONE: 6,
        Fork.FJORD: 3,
        Fork.GRANITE: 0,
        Fork.HOLOCENE: 0,
        Fork.ISTHMUS: 8,
        Fork.JOVIAN: 5,
        Fork.KARST: 31,
    }


def test_karst_gas_comes_and_goes() -> None:
    recording = load(FORKS)
    config = recording.config
    index = next(
        index
        for index, block in enumerate(recording.blocks)
        if config.is_activation_block(Fork.KARST, l2_timestamp=block.header.timestamp)
    )
    before, activation, after = (recording.blocks[index + step].header.gas_limit for step in (-1, 0, 1))
    assert (activation, after) == (before + 55_370_657, before)
    assert read(config, recording.blocks[index]).system_config.gas_limit == before


def test_the_recording_across_forks_has_updates_that_are_skipped() -> None:
    recording = load(FORKS)
    seen: Counter[str] = Counter()
    for header, receipts in recording.origins.values():
        before = SystemConfig(bytes(20), bytes(32), bytes(32), 1)
        after, problems = update_system_config(
            before, receipts, recording.config, l1_inclusion_timestamp=header.timestamp
        )
        seen["problems"] += len(problems)
        seen["changed"] += after != before
    assert seen["problems"] > 3
    assert seen["changed"] > 20
