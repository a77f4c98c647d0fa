"""Files with one block to execute: on a witness, or on a whole state (the form of op-geth's and op-program's `t8n`)."""

from __future__ import annotations

import gzip
import json
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

from harness.execution.cases import AllocCase, ExpectedBlock, HeaderFields, WitnessCase, fields_of
from harness.execution.configs import config_for_execution, config_of_chain
from harness.execution.errors import ExecutionFileError
from harness.recording.errors import FieldError
from harness.recording.wire import from_hex, from_hex_list
from trinode.execution.genesis import Genesis, GenesisError, parse_alloc, parse_genesis
from trinode.protocol.errors import DecodingError
from trinode.protocol.header import Header, decode_header
from trinode.protocol.keccak import keccak256
from trinode.protocol.payload import PayloadAttributes
from trinode.protocol.rlp_codec import decode_list, to_bytes, to_int
from trinode.protocol.types import UINT64, Hash32
from trinode.rollup.config import RollupConfigError
from trinode.rollup.fork import Fork

MAX_FILE_BYTES = 1 << 30


class AttributesWire(msgspec.Struct, rename="camel"):
    """Payload attributes as the Engine API has them; what the fork does not have is left out."""

    timestamp: str
    prev_randao: str
    suggested_fee_recipient: str
    gas_limit: str
    transactions: list[str]
    withdrawals: list[dict[str, str]] | None = None
    parent_beacon_block_root: str | None = None
    eip1559_params: str | None = msgspec.field(default=None, name="eip1559Params")
    min_base_fee: str | None = None


class WitnessWire(msgspec.Struct):
    """A block with its witness."""

    chain_id: int
    fork: str
    number: int
    parent_header_rlp: str
    attributes: AttributesWire
    expected_header_rlp: str
    expected_block_hash: str
    expected_gas_used: int
    witness: list[str]
    override_base_fee: int | None = None


class AllocEnvironmentWire(msgspec.Struct, rename="camel"):
    """Parent and attributes of a block on a whole state."""

    genesis: dict[str, Any]
    previous_header: dict[str, str]
    current_coinbase: str
    current_difficulty: str
    current_gas_limit: str
    current_number: str
    current_timestamp: str
    block_hashes: dict[str, str]
    parent_beacon_block_root: str | None = None


class AllocResultWire(msgspec.Struct, rename="camel"):
    """What is known of the block."""

    state_root: str
    tx_root: str
    receipt_root: str
    logs_bloom: str
    receipts: list[str]


class AllocWire(msgspec.Struct):
    """A block on a whole state."""

    env: AllocEnvironmentWire
    alloc: dict[str, Any]
    txs: list[str]
    result: AllocResultWire


def read_unzipped(path: Path) -> bytes:
    """The contents of a file, unzipped if its name ends in `.gz`. Raises ExecutionFileError."""
    try:
        if path.suffix != ".gz":
            return path.read_bytes()
        with gzip.open(path, "rb") as file:
            data = file.read(MAX_FILE_BYTES + 1)
    except EOFError as error:
        raise ExecutionFileError(path, "", "the file is cut off in the middle") from error
    except (gzip.BadGzipFile, zlib.error) as error:
        raise ExecutionFileError(path, "", f"not intact gzip data: {error}") from error
    except OSError as error:
        raise ExecutionFileError(path, "", error.strerror or str(error)) from error
    if len(data) > MAX_FILE_BYTES:
        raise ExecutionFileError(path, "", f"more than {MAX_FILE_BYTES} bytes")
    return data


def read_genesis(path: Path) -> Genesis:
    """A genesis.json, zipped or not. Raises ExecutionFileError."""
    try:
        return parse_genesis(json.loads(read_unzipped(path)))
    except (json.JSONDecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ExecutionFileError(path, "", f"not JSON: {error}") from error
    except GenesisError as error:
        raise ExecutionFileError(path, error.field, error.problem) from error


def read_block_file(path: Path) -> WitnessCase | AllocCase:
    """A file with one block. Raises ExecutionFileError."""
    data = read_unzipped(path)
    try:
        wire = msgspec.json.decode(data)
        if isinstance(wire, dict) and "witness" in wire:
            return _witness_case(path, msgspec.convert(wire, WitnessWire))
        if isinstance(wire, dict) and "alloc" in wire and "txs" in wire:
            return _alloc_case(path, msgspec.convert(wire, AllocWire))
    except FieldError as error:
        raise ExecutionFileError(path, error.field, error.message) from error
    except GenesisError as error:
        raise ExecutionFileError(path, error.field, error.problem) from error
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ExecutionFileError(path, "", str(error)) from error
    raise ExecutionFileError(path, "", "neither a block with its witness nor a block with its whole state (alloc)")


# ---- a block with its witness ----


def _witness_case(path: Path, wire: WitnessWire) -> WitnessCase:
    header, block_hash = header_from_hex(wire.expected_header_rlp, "expected_header_rlp")
    parent, parent_hash = header_from_hex(wire.parent_header_rlp, "parent_header_rlp")
    if from_hex(wire.expected_block_hash, "expected_block_hash", 32) != block_hash:
        raise FieldError("expected_block_hash", f"expected_header_rlp hashes to 0x{block_hash.hex()}")
    if header.parent_hash != parent_hash:
        raise FieldError("parent_header_rlp", "is not the header of the expected block's parent")
    if header.number != wire.number or header.gas_used != wire.expected_gas_used:
        raise FieldError("number" if header.number != wire.number else "expected_gas_used", "differs from expected_header_rlp")
    fork = next((fork for fork in Fork if fork.label == wire.fork), None)
    if fork is None:
        raise FieldError("fork", f"unknown: {wire.fork!r}")
    attributes = _attributes(wire.attributes)
    return WitnessCase(
        path=path,
        config=config_of_chain(wire.chain_id, fork, attributes.timestamp),
        parent=parent,
        parent_hash=parent_hash,
        block=ExpectedBlock(header.number, attributes, fields_of(header), block_hash),
        preimages=from_hex_list(wire.witness, "witness"),
        base_fee=wire.override_base_fee,
    )


def _attributes(wire: AttributesWire) -> PayloadAttributes:
    place = "attributes."
    if wire.withdrawals:
        raise FieldError(place + "withdrawals", "L2 blocks have none")
    return PayloadAttributes(
        timestamp=_quantity(wire.timestamp, place + "timestamp"),
        prev_randao=from_hex(wire.prev_randao, place + "prevRandao", 32),
        suggested_fee_recipient=from_hex(wire.suggested_fee_recipient, place + "suggestedFeeRecipient", 20),
        withdrawals=None if wire.withdrawals is None else (),
        parent_beacon_block_root=_optional(wire.parent_beacon_block_root, place + "parentBeaconBlockRoot", 32),
        transactions=from_hex_list(wire.transactions, place + "transactions"),
        no_tx_pool=True,
        gas_limit=_quantity(wire.gas_limit, place + "gasLimit"),
        eip1559_params=_optional(wire.eip1559_params, place + "eip1559Params", 8),
        min_base_fee=None if wire.min_base_fee is None else _quantity(wire.min_base_fee, place + "minBaseFee"),
    )


def header_from_hex(text: str, field: str) -> tuple[Header, Hash32]:
    """A header and its hash from hex RLP. Raises FieldError."""
    rlp = from_hex(text, field)
    try:
        return decode_header(rlp), keccak256(rlp)
    except DecodingError as error:
        raise FieldError(field, str(error)) from error


# ---- a block with its whole state ----


def _alloc_case(path: Path, wire: AllocWire) -> AllocCase:
    environment = wire.env
    genesis = parse_genesis(environment.genesis)
    if genesis.config is None:
        raise FieldError("env.genesis.config", "missing")
    try:
        config = config_for_execution(genesis.config.chain_id, genesis.config.fork_times, genesis.config.chain_op_config)
    except RollupConfigError as error:
        raise FieldError("env.genesis.config", str(error)) from error
    parent = _previous_header(environment.previous_header)
    number = _quantity(environment.current_number, "env.currentNumber")
    place = "env.blockHashes"
    ancestors = {_quantity(key, place): from_hex(value, f"{place}.{key}", 32) for key, value in environment.block_hashes.items()}
    if number != parent.number + 1 or parent.number not in ancestors:
        raise FieldError("env.currentNumber", "previousHeader is not its parent, or blockHashes lacks it")
    timestamp = _quantity(environment.current_timestamp, "env.currentTimestamp")
    rules = config.rules(l2_timestamp=timestamp)
    attributes = PayloadAttributes(
        timestamp=timestamp,
        # After the merge, what was the difficulty is the randomness.
        prev_randao=_quantity(environment.current_difficulty, "env.currentDifficulty", 2**256 - 1).to_bytes(32, "big"),
        suggested_fee_recipient=from_hex(environment.current_coinbase, "env.currentCoinbase", 20),
        withdrawals=() if rules.withdrawals else None,
        parent_beacon_block_root=_optional(environment.parent_beacon_block_root, "env.parentBeaconBlockRoot", 32),
        transactions=from_hex_list(wire.txs, "txs"),
        no_tx_pool=True,
        gas_limit=_quantity(environment.current_gas_limit, "env.currentGasLimit"),
    )
    gas_used, succeeded = _outcomes(wire.result.receipts)
    block = ExpectedBlock(number, attributes, _result_fields(wire.result), None, gas_used, succeeded)
    return AllocCase(path, config, parent, ancestors, parse_alloc(wire.alloc), block)


def _previous_header(values: Mapping[str, str]) -> Header:
    place = "env.previousHeader"

    def data(name: str, size: int | None = None) -> bytes:
        if name not in values:
            raise FieldError(f"{place}.{name}", "missing")
        return from_hex(values[name], f"{place}.{name}", size)

    def number(name: str) -> int:
        if name not in values:
            raise FieldError(f"{place}.{name}", "missing")
        return _quantity(values[name], f"{place}.{name}", 2**256 - 1)

    return Header(
        parent_hash=data("parentHash", 32),
        ommers_hash=data("ommersHash", 32),
        beneficiary=data("beneficiary", 20),
        state_root=data("stateRoot", 32),
        transactions_root=data("transactionsRoot", 32),
        receipts_root=data("receiptsRoot", 32),
        logs_bloom=data("logsBloom", 256),
        difficulty=number("difficulty"),
        number=number("number"),
        gas_limit=number("gasLimit"),
        gas_used=number("gasUsed"),
        timestamp=number("timestamp"),
        extra_data=data("extraData"),
        prev_randao=data("mixHash", 32),
        nonce=data("nonce", 8),
        base_fee_per_gas=number("baseFeePerGas") if "baseFeePerGas" in values else None,
        withdrawals_root=data("withdrawalsRoot", 32) if "withdrawalsRoot" in values else None,
        blob_gas_used=number("blobGasUsed") if "blobGasUsed" in values else None,
        excess_blob_gas=number("excessBlobGas") if "excessBlobGas" in values else None,
        parent_beacon_block_root=data("parentBeaconBlockRoot", 32) if "parentBeaconBlockRoot" in values else None,
    )


def _result_fields(result: AllocResultWire) -> HeaderFields:
    return {
        "state_root": from_hex(result.state_root, "result.stateRoot", 32),
        "transactions_root": from_hex(result.tx_root, "result.txRoot", 32),
        "receipts_root": from_hex(result.receipt_root, "result.receiptRoot", 32),
        "logs_bloom": from_hex(result.logs_bloom, "result.logsBloom", 256),
    }


def _outcomes(receipts: list[str]) -> tuple[tuple[int, ...], tuple[bool, ...]]:
    """Gas and success of each transaction, from receipts in geth's form for its database: type, status, cumulative gas, ..."""
    gas_used: list[int] = []
    succeeded: list[bool] = []
    for index, raw in enumerate(from_hex_list(receipts, "result.receipts")):
        try:
            fields = decode_list(raw)
            cumulative = to_int(fields[2], 8)
            succeeded.append(to_bytes(fields[1]) == b"\x01")
        except (DecodingError, IndexError) as error:
            raise FieldError(f"result.receipts[{index}]", str(error)) from error
        gas_used.append(cumulative - sum(gas_used))
    return tuple(gas_used), tuple(succeeded)


def _optional(text: str | None, field: str, size: int) -> bytes | None:
    return None if text is None else from_hex(text, field, size)


def _quantity(text: str, field: str, maximum: int = UINT64) -> int:
    data = from_hex("0x0" + text[2:] if text.startswith("0x") and len(text) % 2 else text, field)
    value = int.from_bytes(data, "big")
    if not data or value > maximum:
        raise FieldError(field, f"not a number up to {maximum:#x}: {text[:80]!r}")
    return value
