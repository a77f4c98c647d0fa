"""Genesis blocks from genesis.json, the file that op-geth starts a chain from.

What of a header the file leaves open follows from the forks that are active at its time (specification: canyon, ecotone
and isthmus, exec-engine; EIP-1559, EIP-4788, EIP-4844, EIP-4895, EIP-7685). Decompression and JSON are the caller's.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

from trinode.execution.block import MESSAGE_PASSER
from trinode.execution.errors import MissingState
from trinode.execution.forks import execution_rules_of
from trinode.execution.state import EMPTY_CODE_HASH, Account, StateChanges
from trinode.execution.trie.memory import MemoryNodes
from trinode.execution.trie.nodes import TrieNodes
from trinode.execution.trie.state_tries import StateTries
from trinode.protocol.header import EMPTY_OMMERS_HASH, EMPTY_REQUESTS_HASH, Header, header_hash
from trinode.protocol.keccak import keccak256
from trinode.protocol.trie import EMPTY_TRIE_ROOT
from trinode.protocol.types import UINT64, Address, Hash32
from trinode.rollup.config import RollupConfig
from trinode.rollup.config_parts import ChainOpConfig
from trinode.rollup.fork import SCHEDULED_FORKS, Fork

UINT256 = 2**256 - 1
_INITIAL_BASE_FEE = 1_000_000_000
_GETH_HAS_NO_TIME_FOR = frozenset((Fork.DELTA,))

T = TypeVar("T")


class GenesisError(ValueError):
    """A genesis.json object is malformed. `field` is a path such as `alloc.0x42….balance`; the message begins with it."""

    def __init__(self, field: str, problem: str) -> None:
        super().__init__(f"{field}: {problem}" if field else problem)
        self.field = field
        self.problem = problem


@dataclass(frozen=True, slots=True)
class GenesisChainConfig:
    """The `config` of a genesis.json: op-geth's form of the forks. Delta, which geth does not know, comes with Ecotone."""

    chain_id: int
    fork_times: Mapping[Fork, int]
    chain_op_config: ChainOpConfig | None


@dataclass(frozen=True, slots=True)
class Genesis:
    """What a genesis.json says. Base fee in wei, gas in gas, timestamp in seconds; None where it says nothing.

    `alloc`: the accounts, as what changes in the empty state. `state_hash`: the root of a state that is not in the file
    (a chain that was migrated); `alloc` is empty then.
    """

    timestamp: int
    gas_limit: int
    difficulty: int
    beneficiary: Address
    extra_data: bytes
    mix_hash: Hash32
    nonce: int
    number: int
    gas_used: int
    parent_hash: Hash32
    base_fee_per_gas: int | None
    excess_blob_gas: int | None
    blob_gas_used: int | None
    alloc: StateChanges = field(repr=False)
    state_hash: Hash32 | None = None
    config: GenesisChainConfig | None = None


@dataclass(frozen=True, slots=True)
class GenesisBlock:
    """A genesis block with its state: `changes` and `nodes` are those from the empty state; `tries` hold all in memory."""

    header: Header
    hash: Hash32
    changes: StateChanges
    tries: StateTries
    nodes: TrieNodes


def build_genesis(genesis: Genesis, config: RollupConfig) -> GenesisBlock:
    """The genesis block and its state. Forks are those of `config`, which alone decides.

    Raises MissingState if the file only has the hash of its state, UnknownFork if a fork at genesis has unknown rules.
    """
    if genesis.state_hash is not None:
        raise MissingState(f"the genesis file has only the hash 0x{genesis.state_hash.hex()} of its state, not the state")
    reader = MemoryNodes()
    tries, nodes = StateTries(reader, EMPTY_TRIE_ROOT).updated(genesis.alloc)
    reader.apply(nodes)
    header = genesis_header(genesis, config, tries.root, tries.storage_root(MESSAGE_PASSER))
    return GenesisBlock(header, header_hash(header), genesis.alloc, tries, nodes)


def genesis_header(genesis: Genesis, config: RollupConfig, state_root: Hash32, message_passer_storage_root: Hash32 = EMPTY_TRIE_ROOT) -> Header:
    """The header of the genesis block over a state with that root. Raises UnknownFork.

    A block below the rollup's own genesis is one of the chain before Bedrock: it has no base fee.
    """
    rules = execution_rules_of(config.fork_at(l2_timestamp=genesis.timestamp))
    legacy = genesis.number < config.genesis.l2.number
    base_fee = _INITIAL_BASE_FEE if genesis.base_fee_per_gas is None else genesis.base_fee_per_gas
    withdrawals_root = EMPTY_TRIE_ROOT if rules.withdrawals else None
    if rules.withdrawals_root_is_message_passer:
        withdrawals_root = message_passer_storage_root
    return Header(
        parent_hash=genesis.parent_hash,
        ommers_hash=EMPTY_OMMERS_HASH,
        beneficiary=genesis.beneficiary,
        state_root=state_root,
        transactions_root=EMPTY_TRIE_ROOT,
        receipts_root=EMPTY_TRIE_ROOT,
        logs_bloom=bytes(256),
        difficulty=genesis.difficulty,
        number=genesis.number,
        gas_limit=genesis.gas_limit,
        gas_used=genesis.gas_used,
        timestamp=genesis.timestamp,
        extra_data=genesis.extra_data,
        prev_randao=genesis.mix_hash,
        nonce=genesis.nonce.to_bytes(8, "big"),
        base_fee_per_gas=None if legacy else base_fee,
        withdrawals_root=withdrawals_root,
        blob_gas_used=(genesis.blob_gas_used or 0) if rules.parent_beacon_block_root else None,
        excess_blob_gas=(genesis.excess_blob_gas or 0) if rules.parent_beacon_block_root else None,
        parent_beacon_block_root=bytes(32) if rules.parent_beacon_block_root else None,
        requests_hash=EMPTY_REQUESTS_HASH if rules.withdrawals_root_is_message_passer else None,
    )


# ---- JSON ----


def parse_genesis(json_object: object) -> Genesis:
    """The genesis of a genesis.json object: numbers in hex, decimal or JSON's own, byte strings in hex with or without
    0x. Raises GenesisError.
    """
    values = _object(json_object, "")

    def optional(name: str, parse: Callable[[object, str], T]) -> T | None:
        return None if values.get(name) is None else parse(values[name], name)

    def required(name: str, parse: Callable[[object, str], T]) -> T:
        if values.get(name) is None:
            raise GenesisError(name, "missing")
        return parse(values[name], name)

    alloc = parse_alloc(required("alloc", _object))
    state_hash = optional("stateHash", _hash)
    if state_hash is not None and alloc.accounts:
        raise GenesisError("stateHash", "given together with accounts in alloc")
    return Genesis(
        timestamp=required("timestamp", _uint64),
        gas_limit=required("gasLimit", _uint64),
        difficulty=required("difficulty", _uint256),
        beneficiary=optional("coinbase", _address) or bytes(20),
        extra_data=optional("extraData", _data) or b"",
        mix_hash=optional("mixHash", _hash) or bytes(32),
        nonce=optional("nonce", _uint64) or 0,
        number=optional("number", _uint64) or 0,
        gas_used=optional("gasUsed", _uint64) or 0,
        parent_hash=optional("parentHash", _hash) or bytes(32),
        base_fee_per_gas=optional("baseFeePerGas", _uint256),
        excess_blob_gas=optional("excessBlobGas", _uint64),
        blob_gas_used=optional("blobGasUsed", _uint64),
        alloc=alloc,
        state_hash=state_hash,
        config=optional("config", _chain_config),
    )


def parse_alloc(accounts: Mapping[str, Any], path: str = "alloc") -> StateChanges:
    """The accounts of an `alloc`, by address. Every account that is listed exists, an empty one too, as in geth. Raises
    GenesisError.
    """
    changes = StateChanges()
    for name, value in accounts.items():
        where = f"{path}.{name}"
        address, account = _address(name, where), _object(value, where)
        if address in changes.accounts:
            raise GenesisError(where, "a second account at this address")
        code = _data(account.get("code") or "", f"{where}.code")
        code_hash = keccak256(code) if code else EMPTY_CODE_HASH
        if code:
            changes.codes[code_hash] = code
        nonce = _uint64(account.get("nonce") or 0, f"{where}.nonce")
        balance = _uint256(account.get("balance") or 0, f"{where}.balance")
        changes.accounts[address] = Account(nonce, balance, code_hash)
        slots = _object(account.get("storage") or {}, f"{where}.storage").items()
        storage = {_slot(key, f"{where}.storage"): _slot(slot, f"{where}.storage.{key}") for key, slot in slots}
        if written := {slot: value for slot, value in storage.items() if value}:
            changes.storage[address] = written
    return changes


def _chain_config(value: object, path: str) -> GenesisChainConfig:
    values = _object(value, path)
    times: dict[Fork, int] = {}
    for fork in SCHEDULED_FORKS:
        time = values.get(f"{fork.label}Time")
        if fork not in _GETH_HAS_NO_TIME_FOR and time is not None:
            times[fork] = _uint64(time, f"{path}.{fork.label}Time")
    if Fork.ECOTONE in times:
        times[Fork.DELTA] = times[Fork.ECOTONE]
    op_config = values.get("optimism")
    return GenesisChainConfig(
        chain_id=_uint64(values.get("chainId"), f"{path}.chainId"),
        fork_times=dict(sorted(times.items())),
        chain_op_config=None if op_config is None else _op_config(_object(op_config, f"{path}.optimism"), f"{path}.optimism"),
    )


def _op_config(values: Mapping[str, Any], path: str) -> ChainOpConfig:
    denominator = _uint64(values.get("eip1559Denominator"), f"{path}.eip1559Denominator")
    canyon = values.get("eip1559DenominatorCanyon")
    return ChainOpConfig(
        eip1559_elasticity=_uint64(values.get("eip1559Elasticity"), f"{path}.eip1559Elasticity"),
        eip1559_denominator=denominator,
        eip1559_denominator_canyon=denominator if canyon is None else _uint64(canyon, f"{path}.eip1559DenominatorCanyon"),
    )


# ---- values ----


def _object(value: object, path: str) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise GenesisError(path, f"must be an object, not {_shown(value)}")
    return value


def _number(value: object, path: str, maximum: int) -> int:
    if isinstance(value, str):
        digits, base = (value[2:], 16) if value[:2] in ("0x", "0X") else (value, 10)
        # int() alone takes signs, spaces and underscores.
        if not digits.isascii() or not digits.isalnum():
            raise GenesisError(path, f"not a number: {_shown(value)}")
        try:
            value = int(digits, base)
        except ValueError:
            raise GenesisError(path, f"not a number: {_shown(value)}") from None
    if not isinstance(value, int) or isinstance(value, bool):
        raise GenesisError(path, "missing" if value is None else f"must be a number, not {_shown(value)}")
    if not 0 <= value <= maximum:
        raise GenesisError(path, f"must be 0 to {maximum:#x}, not {value:#x}")
    return value


def _uint64(value: object, path: str) -> int:
    return _number(value, path, UINT64)


def _uint256(value: object, path: str) -> int:
    return _number(value, path, UINT256)


def _data(value: object, path: str) -> bytes:
    if not isinstance(value, str):
        raise GenesisError(path, f"must be a hex string, not {_shown(value)}")
    digits = value[2:] if value[:2] in ("0x", "0X") else value
    try:
        data = bytes.fromhex(digits)
    except ValueError:
        raise GenesisError(path, f"not hex: {_shown(value)}") from None
    if 2 * len(data) != len(digits):  # fromhex skips spaces
        raise GenesisError(path, f"not hex: {_shown(value)}")
    return data


def _sized(value: object, path: str, size: int) -> bytes:
    data = _data(value, path)
    if len(data) != size:
        raise GenesisError(path, f"must have {size} bytes, not {len(data)}")
    return data


def _address(value: object, path: str) -> Address:
    return _sized(value, path, 20)


def _hash(value: object, path: str) -> Hash32:
    return _sized(value, path, 32)


def _slot(value: object, path: str) -> int:
    """A key or value of a storage: up to 32 bytes, big-endian, where files leave zeros out in front."""
    if isinstance(value, str):
        digits = value[2:] if value[:2] in ("0x", "0X") else value
        value = "0" + digits if len(digits) % 2 else digits
    data = _data(value, path)
    if len(data) > 32:
        raise GenesisError(path, f"must have at most 32 bytes, not {len(data)}")
    return int.from_bytes(data, "big")


def _shown(value: object) -> str:
    return repr(value)[:60]
