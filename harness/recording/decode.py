"""One line of a recording into values, with every check that needs this line alone."""

from __future__ import annotations

from typing import Any

import msgspec

from harness.recording.errors import FieldError
from harness.recording.format import (
    FORMAT,
    L2Start,
    Note,
    RecordedL1Block,
    RecordedL2Block,
    RecordingHead,
)
from harness.recording.wire import (
    AttributesWire,
    HeadWire,
    L1BlockWire,
    L2BlockWire,
    L2StartWire,
    block_id_of,
    from_hex,
    from_hex_list,
)
from trinode.protocol.blob import BLOB_SIZE
from trinode.protocol.block import L1Block
from trinode.protocol.bloom import bloom_may_contain
from trinode.protocol.errors import DecodingError
from trinode.protocol.header import Header, decode_header
from trinode.protocol.keccak import keccak256
from trinode.protocol.payload import PayloadAttributes, Withdrawal
from trinode.protocol.trie import ordered_trie_root
from trinode.protocol.types import BlockId, Hash32
from trinode.rollup.config import RollupConfig, parse_rollup_config
from trinode.rollup.json_fields import RollupConfigError
from trinode.rollup.l1_chain import L1ChainConfig, parse_l1_chain_config
from trinode.rollup.l2_block import L2Block, L2BlockError, L2BlockRef, read_l2_block
from trinode.rollup.system_config import SystemConfig


def decode_head(wire: HeadWire, *, check: bool) -> RecordingHead:
    """The first line; raises `FieldError`."""
    if wire.format != FORMAT:
        raise FieldError("format", f"{wire.format} is not supported, only {FORMAT}")
    config = _parse_rollup_config(wire.rollup_config)
    l1_chain_config = _parse_l1_chain_config(wire.l1_chain_config)
    if l1_chain_config.chain_id != config.l1_chain_id:
        raise FieldError("l1_chain_config.chain_id", f"{l1_chain_config.chain_id}, rollup_config has {config.l1_chain_id}")
    notes = wire.notes or ()
    departs_at = wire.execution_departs_at
    return RecordingHead(
        name=wire.name,
        source=wire.source,
        rollup_config=config,
        l1_chain_config=l1_chain_config,
        l2_start=_decode_l2_start(config, wire.l2_start, check=check),
        l2_genesis=wire.l2_genesis,
        notes=tuple(Note(note.what, from_hex(note.tx, f"notes[{index}].tx", 32)) for index, note in enumerate(notes)),
        execution_departs_at=None if isinstance(departs_at, msgspec.UnsetType) else departs_at,
    )


def _parse_rollup_config(json_object: dict[str, Any]) -> RollupConfig:
    try:
        return parse_rollup_config(json_object)
    except RollupConfigError as error:
        raise FieldError(f"rollup_config.{error.field}" if error.field else "rollup_config", error.problem) from error


def _parse_l1_chain_config(json_object: dict[str, Any]) -> L1ChainConfig:
    try:
        return parse_l1_chain_config(json_object)
    except RollupConfigError as error:
        raise FieldError(error.field or "l1_chain_config", error.problem) from error


def _parse_system_config(json_object: dict[str, Any], path: str) -> SystemConfig:
    try:
        return SystemConfig.from_json(json_object, path)
    except RollupConfigError as error:
        raise FieldError(error.field or path, error.problem) from error


def _decode_l2_start(config: RollupConfig, wire: L2StartWire, *, check: bool) -> L2Start:
    header, block_hash = _decode_header(wire.header_rlp, "l2_start.header_rlp")
    transactions = from_hex_list(wire.transactions, "l2_start.transactions")
    # A start block after genesis may come without its transactions: nothing is derived from them.
    is_genesis = header.number == config.genesis.l2.number
    if check and (transactions or is_genesis):
        _check_root(transactions, header.transactions_root, "l2_start.transactions")
    origin = block_id_of(wire.l1_origin, "l2_start.l1_origin")
    if is_genesis and (block_hash != config.genesis.l2.hash or origin != config.genesis.l1):
        raise FieldError("l2_start", "has the number of rollup_config's genesis block but is not that block")
    if wire.system_config is not None:
        system_config = _parse_system_config(wire.system_config, "l2_start.system_config")
    elif is_genesis:
        system_config = config.genesis.system_config
    else:
        raise FieldError("l2_start.system_config", "missing")
    ref = L2BlockRef(
        hash=block_hash,
        number=header.number,
        parent_hash=header.parent_hash,
        timestamp=header.timestamp,
        l1_origin=origin,
        sequence_number=wire.sequence_number,
    )
    return L2Start(L2Block(ref=ref, transactions=transactions, system_config=system_config), header)


def decode_l1_block(wire: L1BlockWire, line: int, config: RollupConfig, *, check: bool) -> RecordedL1Block:
    """A line `l1_block`; its blobs are not yet held against their versioned hashes. Raises `FieldError`."""
    header, block_hash = _decode_header(wire.header_rlp, "header_rlp")
    _check_name(header, block_hash, wire.number, wire.hash)
    transactions = from_hex_list(wire.transactions, "transactions")
    receipts = None if wire.receipts is None else from_hex_list(wire.receipts, "receipts")
    if check:
        _check_root(transactions, header.transactions_root, "transactions")
        if receipts is not None:
            _check_root(receipts, header.receipts_root, "receipts")
        else:
            _check_bloom_excludes(header, config)
    blobs: dict[Hash32, bytes] = {}
    for name, blob in wire.blobs.items():
        field = f"blobs[{name[:66]}]"
        blobs[from_hex(name, field, 32)] = from_hex(blob, field, BLOB_SIZE)
    return RecordedL1Block(line, L1Block(block_hash, header, transactions, receipts), blobs)


def decode_l2_block(wire: L2BlockWire, line: int, config: RollupConfig, *, check: bool) -> RecordedL2Block:
    """A line `l2_block`; raises `FieldError`."""
    header, block_hash = _decode_header(wire.header_rlp, "header_rlp")
    _check_name(header, block_hash, wire.number, wire.hash)
    transactions = from_hex_list(wire.transactions, "transactions")
    if check:
        _check_root(transactions, header.transactions_root, "transactions")
    block = _read_l2_block(config, header, block_hash, transactions)
    if wire.l1_origin is not None and block_id_of(wire.l1_origin, "l1_origin") != block.ref.l1_origin:
        raise FieldError("l1_origin", f"the block's first transaction says {_id_text(block.ref.l1_origin)}")
    if wire.sequence_number is not None and wire.sequence_number != block.ref.sequence_number:
        raise FieldError("sequence_number", f"the block's first transaction says {block.ref.sequence_number}")
    attributes = None
    if wire.attributes is not None:
        attributes = _decode_attributes(wire.attributes, transactions)
        if check:
            _check_attributes(attributes, header)
    return RecordedL2Block(
        line=line,
        block=block,
        header=header,
        attributes=attributes,
        derived_from=block_id_of(wire.derived_from, "derived_from") if wire.derived_from is not None else None,
        deposits_only=wire.deposits_only,
        output_root=from_hex(wire.output_root, "output_root", 32) if wire.output_root else None,
    )


def _read_l2_block(config: RollupConfig, header: Header, block_hash: Hash32, transactions: tuple[bytes, ...]) -> L2Block:
    try:
        return read_l2_block(
            config,
            hash=block_hash,
            number=header.number,
            parent_hash=header.parent_hash,
            timestamp=header.timestamp,
            gas_limit=header.gas_limit,
            extra_data=header.extra_data,
            transactions=transactions,
        )
    except (L2BlockError, DecodingError) as error:
        raise FieldError("transactions", str(error)) from error


def _decode_attributes(wire: AttributesWire, transactions: tuple[bytes, ...]) -> PayloadAttributes:
    place = "attributes."
    beacon_root, params, withdrawals = wire.parent_beacon_block_root, wire.eip1559_params, wire.withdrawals
    return PayloadAttributes(
        timestamp=wire.timestamp,
        prev_randao=from_hex(wire.prev_randao, place + "prev_randao", 32),
        suggested_fee_recipient=from_hex(wire.fee_recipient, place + "fee_recipient", 20),
        withdrawals=None
        if withdrawals is None
        else tuple(
            Withdrawal(w.index, w.validator_index, from_hex(w.address, place + "withdrawals", 20), w.amount) for w in withdrawals
        ),
        parent_beacon_block_root=None
        if beacon_root is None
        else from_hex(beacon_root, place + "parent_beacon_block_root", 32),
        transactions=transactions,
        no_tx_pool=wire.no_tx_pool,
        gas_limit=wire.gas_limit,
        eip1559_params=None if params is None else from_hex(params, place + "eip1559_params", 8),
        min_base_fee=wire.min_base_fee,
    )


def _decode_header(text: str, field: str) -> tuple[Header, Hash32]:
    rlp = from_hex(text, field)
    try:
        return decode_header(rlp), keccak256(rlp)
    except DecodingError as error:
        raise FieldError(field, str(error)) from error


def _check_name(header: Header, block_hash: Hash32, number: int | None, hash_text: str | None) -> None:
    if number is not None and number != header.number:
        raise FieldError("number", f"{number}, the header says {header.number}")
    if hash_text is not None and from_hex(hash_text, "hash", 32) != block_hash:
        raise FieldError("hash", f"{hash_text}, the header hashes to 0x{block_hash.hex()}")


def _check_root(items: tuple[bytes, ...], expected: Hash32, field: str) -> None:
    actual = ordered_trie_root(items)
    if actual != expected:
        raise FieldError(field, f"have root 0x{actual.hex()}, the header says 0x{expected.hex()}")


def _check_bloom_excludes(header: Header, config: RollupConfig) -> None:
    for address in (config.deposit_contract_address, config.l1_system_config_address):
        if bloom_may_contain(header.logs_bloom, address):
            raise FieldError("receipts", f"null, but the block's bloom may hold logs of 0x{address.hex()}")


def _check_attributes(attributes: PayloadAttributes, header: Header) -> None:
    pairs = (
        ("timestamp", attributes.timestamp, header.timestamp),
        ("prev_randao", attributes.prev_randao, header.prev_randao),
        ("fee_recipient", attributes.suggested_fee_recipient, header.beneficiary),
        ("gas_limit", attributes.gas_limit, header.gas_limit),
        ("parent_beacon_block_root", attributes.parent_beacon_block_root, header.parent_beacon_block_root),
    )
    for name, value, expected in pairs:
        if value != expected:
            raise FieldError(f"attributes.{name}", "differs from the block's header")


def _id_text(block: BlockId) -> str:
    return f"{block.number} 0x{block.hash.hex()}"
