"""Chains of blocks with their genesis: JSON Lines as in recordings, of which the lines `recording` and `l2_block` are read.

A file may leave out what only derivation needs. What it may have beyond recordings: gas and success of each transaction.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec

from harness.execution.cases import ChainCase, ExpectedBlock, fields_of
from harness.execution.errors import ExecutionFileError
from harness.execution.files import header_from_hex, read_genesis, read_unzipped
from harness.recording.errors import FieldError
from harness.recording.wire import AttributesWire, Quantity, from_hex, from_hex_list
from trinode.protocol.payload import PayloadAttributes
from trinode.rollup.config import RollupConfig, RollupConfigError, parse_rollup_config


class ChainHeadWire(msgspec.Struct, tag_field="type", tag="recording"):
    """The first line."""

    name: str
    rollup_config: dict[str, Any]
    l2_genesis: str | None = None
    execution_departs_at: Quantity | None = None


class ChainBlockWire(msgspec.Struct, tag_field="type", tag="l2_block"):
    """A block."""

    header_rlp: str
    transactions: list[str]
    attributes: AttributesWire | None
    number: Quantity | None = None
    hash: str | None = None
    gas_used: list[Quantity] | None = None
    success: list[bool] | None = None


class OtherL1BlockWire(msgspec.Struct, tag_field="type", tag="l1_block"):
    """A line that is not for execution."""


class OtherLabelsWire(msgspec.Struct, tag_field="type", tag="l1_labels"):
    """A line that is not for execution."""


_DECODER = msgspec.json.Decoder(ChainHeadWire | ChainBlockWire | OtherL1BlockWire | OtherLabelsWire)


def read_chain_file(path: Path, genesis: Path | None = None) -> ChainCase:
    """A chain; its genesis is in the file that it names, beside it, or in `genesis`. Blocks from which on the engine that
    recorded them followed other rules are left out. Raises ExecutionFileError.
    """
    head: ChainHeadWire | None = None
    config: RollupConfig | None = None
    blocks: list[ExpectedBlock] = []
    for number, line in enumerate(read_unzipped(path).splitlines(), start=1):
        try:
            wire = _DECODER.decode(line)
            if head is None or config is None:
                if not isinstance(wire, ChainHeadWire):
                    raise FieldError("type", "the first line is not `recording`")
                head, config = wire, parse_rollup_config(wire.rollup_config)
            elif isinstance(wire, ChainBlockWire):
                blocks.append(_block(wire, blocks[-1] if blocks else None))
        except FieldError as error:
            raise ExecutionFileError(path, f"line {number}: {error.field}", error.message) from error
        except RollupConfigError as error:
            raise ExecutionFileError(path, f"line {number}: rollup_config.{error.field}", error.problem) from error
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise ExecutionFileError(path, f"line {number}", str(error)) from error
    if head is None or config is None:
        raise ExecutionFileError(path, "", "the file is empty")
    if departs := head.execution_departs_at:
        blocks = [block for block in blocks if block.number < departs]
    if not blocks:
        raise ExecutionFileError(path, "", "no L2 block is in it")
    return ChainCase(path, head.name, config, read_genesis(genesis_path(path, head.l2_genesis, genesis)), tuple(blocks))


def genesis_path(path: Path, named: str | None, given: Path | None) -> Path:
    """Where the genesis of a recording is: what was given, else the file beside it that it names. Raises ExecutionFileError."""
    if given is not None:
        return given
    if named is None:
        raise ExecutionFileError(path, "l2_genesis", "no genesis file is named; give one")
    if "/" in named or "\\" in named or not named.strip("."):
        raise ExecutionFileError(path, "l2_genesis", f"not the name of a file beside it: {named!r}")
    beside = path.parent / named
    if not beside.is_file():
        raise ExecutionFileError(path, "l2_genesis", f"{named} is not beside it; give the genesis file")
    return beside


def _block(wire: ChainBlockWire, before: ExpectedBlock | None) -> ExpectedBlock:
    header, block_hash = header_from_hex(wire.header_rlp, "header_rlp")
    if wire.hash is not None and from_hex(wire.hash, "hash", 32) != block_hash:
        raise FieldError("hash", f"the header hashes to 0x{block_hash.hex()}")
    if wire.number is not None and wire.number != header.number:
        raise FieldError("number", f"{wire.number}, the header says {header.number}")
    if before is not None and header.parent_hash != before.hash:
        raise FieldError("header_rlp", "does not follow the block before")
    transactions = from_hex_list(wire.transactions, "transactions")
    for name, values in (("gas_used", wire.gas_used), ("success", wire.success)):
        if values is not None and len(values) != len(transactions):
            raise FieldError(name, f"{len(values)} values for {len(transactions)} transactions")
    if wire.attributes is None:
        raise FieldError("attributes", "null, so that the block cannot be made")
    return ExpectedBlock(
        number=header.number,
        attributes=_attributes(wire.attributes, transactions),
        header=fields_of(header),
        hash=block_hash,
        gas_used=None if wire.gas_used is None else tuple(wire.gas_used),
        succeeded=None if wire.success is None else tuple(wire.success),
    )


def _attributes(wire: AttributesWire, transactions: tuple[bytes, ...]) -> PayloadAttributes:
    place = "attributes."
    beacon_root, params = wire.parent_beacon_block_root, wire.eip1559_params
    if wire.withdrawals:
        raise FieldError(place + "withdrawals", "L2 blocks have none")
    return PayloadAttributes(
        timestamp=wire.timestamp,
        prev_randao=from_hex(wire.prev_randao, place + "prev_randao", 32),
        suggested_fee_recipient=from_hex(wire.fee_recipient, place + "fee_recipient", 20),
        withdrawals=None if wire.withdrawals is None else (),
        parent_beacon_block_root=None if beacon_root is None else from_hex(beacon_root, place + "parent_beacon_block_root", 32),
        transactions=transactions,
        no_tx_pool=wire.no_tx_pool,
        gas_limit=wire.gas_limit,
        eip1559_params=None if params is None else from_hex(params, place + "eip1559_params", 8),
        min_base_fee=wire.min_base_fee,
    )
