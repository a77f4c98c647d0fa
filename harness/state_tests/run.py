"""Executes one state test as a node would execute a block's only transaction, and judges what comes of it.

State tests have no system calls, withdrawals or requests: a transaction, nothing else. BLOCKHASH of block n gives
keccak256 of n in decimal digits, as all runners of this format have it.
"""

from __future__ import annotations

import traceback
from dataclasses import dataclass
from typing import Literal, TypeAlias

from harness.execution.states import TrieState
from harness.state_tests.exceptions import BLOB_TRANSACTION, BLOCK_GAS_LIMIT, DECODING, SIGNATURE, rules_meant
from harness.state_tests.fixture import StateTest, account_of, state_of, storage_of, to_bytes
from harness.state_tests.rules import ethereum_rules
from trinode.execution.engine import Engine, PreparedTransaction
from trinode.execution.environment import BlockEnvironment
from trinode.execution.errors import InvalidTransaction
from trinode.execution.recovery import recover_sender
from trinode.execution.rules import EvmFork
from trinode.execution.state import StateChanges
from trinode.execution.trie.memory import MemoryNodes
from trinode.execution.trie.state_tries import StateTries
from trinode.protocol import rlp_codec
from trinode.protocol.keccak import keccak256
from trinode.protocol.l1_cost import blob_base_fee
from trinode.protocol.receipt import Log
from trinode.protocol.transaction import BlobTransaction, SignatureError, Transaction, TransactionDecodingError, decode_transaction
from trinode.protocol.trie import EMPTY_TRIE_ROOT
from trinode.protocol.types import Hash32

EVM_FORKS = {"Paris": EvmFork.PARIS, "Shanghai": EvmFork.SHANGHAI, "Cancun": EvmFork.CANCUN, "Prague": EvmFork.PRAGUE, "Osaka": EvmFork.OSAKA}
FORKS_BEFORE_PARIS = frozenset({"Frontier", "Homestead", "Byzantium", "ConstantinopleFix", "Istanbul", "Berlin", "London"})

Outcome: TypeAlias = Literal["passed", "failed", "excluded"]

EXCLUSIONS = {
    "before_paris": "forks before Paris: no OP Stack chain has had their EVM since Bedrock",
    "blob_transaction": "blob transactions: L2 refuses them whatever they hold, and each was seen to be refused",
    "git_lfs_pointer": "the archive has a git-lfs pointer in the place of the file: the tests are not there",
}
"""Why a test does not apply, by name."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What became of a test. `reason`: the exclusion's name; `problems`: what is wrong, a line each."""

    file: str
    name: str
    fork: str
    index: int
    outcome: Outcome
    reason: str = ""
    problems: tuple[str, ...] = ()


def judge(test: StateTest, engine: Engine) -> Verdict:
    """Execute a test."""
    if test.fork in FORKS_BEFORE_PARIS:
        return Verdict(test.file, test.name, test.fork, test.index, "excluded", "before_paris")
    try:
        outcome, reason, problems = _judge(test, engine)
    except Exception:  # noqa: BLE001 - whatever escapes is a bug that this test has found, and the next test is to run
        outcome, reason, problems = "failed", "", traceback.format_exc().splitlines()
    return Verdict(test.file, test.name, test.fork, test.index, outcome, reason, tuple(problems))


def _judge(test: StateTest, engine: Engine) -> tuple[Outcome, str, list[str]]:
    pre = state_of(test.pre)
    before = tries_of(pre)
    logs, changes, refusal = _execute(test, engine, pre, before)
    after, _ = before.updated(changes)
    problems = []
    if test.raw[:1] == BlobTransaction.TYPE_BYTE:
        # Whatever else is wrong with it, unless it has no form at all.
        allowed = {BLOB_TRANSACTION} | (rules_meant(test.exception) & {DECODING} if test.exception else set())
        if refusal not in allowed:
            problems.append(f"a blob transaction, refused by {refusal}, expected {sorted(allowed)}")
        if after.root != before.root:
            problems.append("a transaction that was refused has changed the state")
        return ("failed", "", problems) if problems else ("excluded", "blob_transaction", [])
    if test.exception is None and refusal is not None:
        problems.append(f"refused by {refusal}, expected to be valid")
    if test.exception is not None and refusal not in rules_meant(test.exception):
        problems.append(f"refused by {refusal}, expected {test.exception}, that is {sorted(rules_meant(test.exception))}")
    logs_hash = keccak256(rlp_codec.encode([[log.address, list(log.topics), log.data] for log in logs]))
    if logs_hash != test.logs_hash:
        problems.append(f"logs hash 0x{logs_hash.hex()}, expected 0x{test.logs_hash.hex()} ({len(logs)} logs)")
    if after.root != test.post_root:
        problems.append(f"state root 0x{after.root.hex()}, expected 0x{test.post_root.hex()}")
        problems += _differences(test, pre, changes, after)
    return "failed" if problems else "passed", "", problems


def tries_of(state: StateChanges) -> StateTries:
    """The tries of a whole state."""
    nodes = MemoryNodes()
    tries, stored = StateTries(nodes, EMPTY_TRIE_ROOT).updated(state)
    nodes.apply(stored)
    return tries


def _execute(test: StateTest, engine: Engine, pre: StateChanges, tries: StateTries) -> tuple[tuple[Log, ...], StateChanges, str | None]:
    """Logs, changes, and the rule that refused the transaction."""
    environment = _environment(test)
    try:
        transaction = decode_transaction(test.raw)
        prepared = _prepared(test, transaction)
    except SignatureError:
        return (), StateChanges(), SIGNATURE
    except TransactionDecodingError:
        return (), StateChanges(), DECODING
    if transaction.gas_limit > environment.gas_limit:
        # Not the engine's but the block's rule, which its executor checks.
        return (), StateChanges(), BLOCK_GAS_LIMIT
    session = engine.begin(environment, TrieState(tries, pre.codes.__getitem__, block_hash))
    try:
        logs, refusal = session.apply(prepared).logs, None
    except InvalidTransaction as error:
        logs, refusal = (), error.rule
    return logs, session.finish(), refusal


def _prepared(test: StateTest, transaction: Transaction) -> PreparedTransaction:
    sender = recover_sender(transaction)
    if isinstance(sender, SignatureError):
        raise sender
    if sender != test.sender:
        raise AssertionError(f"sent by 0x{sender.hex()}, expected 0x{test.sender.hex()}")
    return PreparedTransaction(test.raw, transaction, sender)


def block_hash(number: int) -> Hash32:
    """The hash that the block with that number is taken to have."""
    return keccak256(str(number).encode())


def _environment(test: StateTest) -> BlockEnvironment:
    fields, evm = test.environment, EVM_FORKS[test.fork]
    number = int(fields.current_number, 16)
    excess = int(fields.current_excess_blob_gas, 16)
    return BlockEnvironment(
        rules=ethereum_rules(evm),
        chain_id=test.chain_id,
        number=number,
        timestamp=int(fields.current_timestamp, 16),
        fee_recipient=to_bytes(fields.current_coinbase),
        gas_limit=int(fields.current_gas_limit, 16),
        base_fee=int(fields.current_base_fee, 16),
        prev_randao=to_bytes(fields.current_random),
        parent_hash=block_hash(number - 1),
        blob_base_fee=blob_base_fee(excess, test.blob_base_fee_update_fraction) if evm >= EvmFork.CANCUN else 1,
    )


def _differences(test: StateTest, pre: StateChanges, changes: StateChanges, after: StateTries) -> list[str]:
    """Which accounts are not as expected."""
    expected = {to_bytes(address): fields for address, fields in test.post.items()}
    found = []
    for address in sorted(expected.keys() | pre.accounts.keys() | changes.accounts.keys()):
        fields = expected.get(address)
        account, wanted = after.account(address), account_of(fields) if fields else None
        if account is None or wanted is None:
            if account is not wanted:
                found.append(f"account 0x{address.hex()}: {account}, expected {wanted}")
            continue
        for field, value, wanted_value in zip(account._fields, account, wanted, strict=True):
            if value != wanted_value:
                texts = [item.hex() if isinstance(item, bytes) else str(item) for item in (value, wanted_value)]
                found.append(f"account 0x{address.hex()}: {field} {texts[0]}, expected {texts[1]}")
        slots = storage_of(fields) if fields else {}
        for slot in sorted(slots.keys() | pre.storage.get(address, {}).keys() | changes.storage.get(address, {}).keys()):
            value, wanted_slot = after.storage(address, slot), slots.get(slot, 0)
            if value != wanted_slot:
                found.append(f"account 0x{address.hex()}: slot 0x{slot:x} is 0x{value:x}, expected 0x{wanted_slot:x}")
    if not found:
        root = tries_of(state_of(test.post)).root
        found.append(f"no account differs; the tries of the expected state have the root 0x{root.hex()}")
    return found
