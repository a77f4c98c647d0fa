"""Blocks of public chains and of op-geth's devnets, executed by the reference engine: gas, receipts and state come out equal."""

from __future__ import annotations

import gzip
import json
from collections.abc import Sequence

import pytest

from tests.shared import shared
from tests.unit.execution.pyevm.pyevm_state import with_deep_stack
from trinode.execution.create2_deployer import CREATE2_DEPLOYER, CREATE2_DEPLOYER_CODE
from trinode.execution.engine import PreparedTransaction
from trinode.execution.environment import BlockEnvironment
from trinode.execution.forks import execution_rules_of
from trinode.execution.genesis import build_genesis, parse_genesis
from trinode.execution.pyevm.session import PyEvmEngine
from trinode.execution.rules import ExecutionRules
from trinode.execution.state import EMPTY_CODE_HASH, Account, StateChanges, StateReader
from trinode.execution.trie.memory import MemoryNodes
from trinode.execution.trie.state_tries import StateTries
from trinode.execution.trie.witness import Witness
from trinode.protocol.bloom import logs_bloom
from trinode.protocol.deposit import DepositTransaction
from trinode.protocol.header import Header, decode_header, header_hash
from trinode.protocol.receipt import DEPOSIT_RECEIPT_TYPE, Receipt, encode_receipt
from trinode.protocol.transaction import decode_transaction, recover_sender
from trinode.protocol.trie import EMPTY_TRIE_ROOT, ordered_trie_root
from trinode.protocol.types import Address, Hash32
from trinode.rollup.config import parse_rollup_config
from trinode.rollup.fork import Fork

BEACON_ROOTS = bytes.fromhex("000f3df6d732807ef1319fb7b8bb8522d0beac02")
HISTORY = bytes.fromhex("0000f90827f1c53a10cb7a02335b175320002935")


def execute(
    rules: ExecutionRules, chain_id: int, header: Header, state: StateReader, transactions: Sequence[bytes], *, canyon_begins: bool = False
) -> StateChanges:
    """Executes a block's transactions as the fields of its header say; gas and receipts must be the header's."""
    assert header.base_fee_per_gas is not None
    environment = BlockEnvironment(
        rules=rules,
        chain_id=chain_id,
        number=header.number,
        timestamp=header.timestamp,
        fee_recipient=header.beneficiary,
        gas_limit=header.gas_limit,
        base_fee=header.base_fee_per_gas,
        prev_randao=header.prev_randao,
        parent_hash=header.parent_hash,
        parent_beacon_block_root=header.parent_beacon_block_root,
    )
    session = PyEvmEngine().begin(environment, state)
    if canyon_begins:
        session.set_code(CREATE2_DEPLOYER, CREATE2_DEPLOYER_CODE)
    if header.parent_beacon_block_root is not None:
        session.system_call(BEACON_ROOTS, header.parent_beacon_block_root)
    if rules.withdrawals_root_is_message_passer:
        session.system_call(HISTORY, header.parent_hash)
    gas, receipts = 0, []
    for raw in transactions:
        transaction = decode_transaction(raw)
        result = session.apply(PreparedTransaction(raw, transaction, recover_sender(transaction)))
        gas += result.gas_used
        is_deposit = isinstance(transaction, DepositTransaction)
        version = rules.deposit_receipt_version if is_deposit else None
        receipt = Receipt(
            type=DEPOSIT_RECEIPT_TYPE if is_deposit else raw[0] if raw[0] < 0x80 else 0,
            succeeded=result.succeeded,
            cumulative_gas_used=gas,
            logs_bloom=logs_bloom(result.logs),
            logs=result.logs,
            # The receipts root commits to the nonce only together with its version, from Canyon on.
            deposit_nonce=None if version is None else result.deposit_nonce,
            deposit_receipt_version=version,
        )
        receipts.append(encode_receipt(receipt))
    assert gas == header.gas_used
    assert ordered_trie_root(receipts) == header.receipts_root
    return session.finish()


@pytest.mark.parametrize(
    "name",
    [
        "op-mainnet-109279675-regolith",
        "op-mainnet-109279688-regolith",
        "op-mainnet-109279689-regolith",
        "op-mainnet-120794432-ecotone",
        "op-mainnet-121049889-ecotone",
        "op-mainnet-121057303-ecotone",
        "op-sepolia-22880944-holocene",
        "op-sepolia-26207960-holocene",
        "op-sepolia-26207963-holocene",
        "unichain-mainnet-10211000-holocene",
        "unichain-mainnet-10215000-holocene",
        "celo-sepolia-1022860-isthmus-depositsonly",
        "celo-sepolia-2346038-isthmus-depositsonly",
    ],
)
def test_blocks_of_public_chains(name: str) -> None:
    block = json.loads(gzip.decompress(shared(f"data/exec/{name}.json.gz").read_bytes()))
    parent, header = (decode_header(bytes.fromhex(block[field][2:])) for field in ("parent_header_rlp", "expected_header_rlp"))
    transactions = [bytes.fromhex(raw[2:]) for raw in block["attributes"]["transactions"]]
    rules = execution_rules_of(Fork[block["fork"].upper()])
    witness = Witness((bytes.fromhex(preimage[2:]) for preimage in block["witness"]), parent)
    changes = with_deep_stack(lambda: execute(rules, block["chain_id"], header, witness, transactions))
    assert witness.tries.updated(changes)[0].root == header.state_root


class ChainState:
    """The state at the head of a chain that grows, all of it in memory."""

    def __init__(self, genesis: Header, changes: StateChanges) -> None:
        self._nodes = MemoryNodes()
        self._tries = StateTries(self._nodes, EMPTY_TRIE_ROOT)
        self._codes: dict[Hash32, bytes] = {EMPTY_CODE_HASH: b""}
        self._hashes: dict[int, Hash32] = {}
        self.append(genesis, changes)

    def append(self, header: Header, changes: StateChanges) -> None:
        self._tries, nodes = self._tries.updated(changes)
        self._nodes.apply(nodes)
        self._codes.update(changes.codes)
        self._hashes[header.number] = header_hash(header)
        assert self._tries.root == header.state_root, f"block {header.number}"

    def account(self, address: Address) -> Account | None:
        return self._tries.account(address)

    def storage(self, address: Address, slot: int) -> int:
        return self._tries.storage(address, slot)

    def has_storage(self, address: Address) -> bool:
        return self._tries.storage_root(address) != EMPTY_TRIE_ROOT

    def code(self, code_hash: Hash32) -> bytes:
        return self._codes[code_hash]

    def block_hash(self, number: int) -> Hash32:
        return self._hashes[number]


@pytest.mark.parametrize(
    ("recording", "genesis", "blocks"),
    [
        ("recordings/forks-regolith-to-karst.jsonl.gz", "recordings/forks-genesis.json.gz", 258),
        ("data/exec/karst-precompiles.jsonl.gz", "data/exec/karst-precompiles-genesis.json.gz", 334),
    ],
)
def test_chains_from_their_genesis(recording: str, genesis: str, blocks: int) -> None:
    """All forks from Regolith to Karst, with the blocks that activate them."""
    with gzip.open(shared(genesis)) as file:
        parsed = parse_genesis(json.load(file))
    with gzip.open(shared(recording)) as file:
        head, *lines = map(json.loads, file)
    config = parse_rollup_config(head["rollup_config"])
    start = build_genesis(parsed, config)
    assert start.hash == config.genesis.l2.hash
    recorded = [line for line in lines if line["type"] == "l2_block"]

    def follow() -> None:
        parent = start.header
        state = ChainState(parent, start.changes)
        for line in recorded:
            header = decode_header(bytes.fromhex(line["header_rlp"][2:]))
            assert header.parent_hash == header_hash(parent)
            fork, before = (config.fork_at(l2_timestamp=block.timestamp) for block in (header, parent))
            rules, begins = execution_rules_of(fork), before < Fork.CANYON <= fork
            transactions = [bytes.fromhex(raw[2:]) for raw in line["transactions"]]
            state.append(header, execute(rules, config.l2_chain_id, header, state, transactions, canyon_begins=begins))
            parent = header

    with_deep_stack(follow)
    assert len(recorded) == blocks
