"""Payload attributes and execution payloads (Engine API; OP Stack specification: exec-engine, "Extended
PayloadAttributesV3"), and the SSZ in which payloads travel between nodes (specification: rollup-node-p2p, "Block
encoding"; layout as op-node writes and reads it).

    version 1 (Bedrock)   payload up to its transactions
    version 2 (Canyon)    withdrawals
    version 3 (Ecotone)   blob gas fields, and the parent beacon block root in front of the payload
    version 4 (Isthmus)   withdrawals root
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

from trinode.protocol.block import KnownBlock
from trinode.protocol.errors import DecodingError
from trinode.protocol.header import EMPTY_OMMERS_HASH, EMPTY_REQUESTS_HASH, Header, header_hash
from trinode.protocol.rlp_codec import encode_bytes, encode_int, encode_list
from trinode.protocol.trie import ordered_trie_root
from trinode.protocol.types import Address, Hash32

MAX_TRANSACTIONS = 1 << 20
MAX_WITHDRAWALS = 16
MAX_EXTRA_DATA_SIZE = 32


class PayloadDecodingError(DecodingError):
    """Not the SSZ of an execution payload of the version that was asked for."""


@dataclass(frozen=True, slots=True)
class Withdrawal:
    """A withdrawal of L1's consensus layer (`amount` in gwei). L2 blocks have none: their list is empty since Canyon.
    """

    index: int
    validator_index: int
    address: Address
    amount: int


@dataclass(frozen=True, slots=True)
class PayloadAttributes:
    """What to build the next L2 block from. `timestamp` in seconds; `transactions` raw, to stand first, and alone if
    `no_tx_pool`.

    None before the fork that brings a field: `withdrawals` (Canyon), `parent_beacon_block_root` (Ecotone),
    `eip1559_params` (Holocene: 8 bytes, denominator and elasticity, zero for the chain's default), `min_base_fee`
    (Jovian, in wei).
    """

    timestamp: int
    prev_randao: Hash32
    suggested_fee_recipient: Address
    withdrawals: tuple[Withdrawal, ...] | None
    parent_beacon_block_root: Hash32 | None
    transactions: tuple[bytes, ...]
    no_tx_pool: bool
    gas_limit: int
    eip1559_params: bytes | None = None
    min_base_fee: int | None = None


@dataclass(frozen=True, slots=True)
class ExecutionPayload:
    """An L2 block without what only its parent beacon block root tells. `transactions` raw; the None of a field as in
    `PayloadAttributes`.
    """

    parent_hash: Hash32
    fee_recipient: Address
    state_root: Hash32
    receipts_root: Hash32
    logs_bloom: bytes
    prev_randao: Hash32
    block_number: int
    gas_limit: int
    gas_used: int
    timestamp: int
    extra_data: bytes
    base_fee_per_gas: int
    block_hash: Hash32
    transactions: tuple[bytes, ...]
    withdrawals: tuple[Withdrawal, ...] | None = None
    blob_gas_used: int | None = None
    excess_blob_gas: int | None = None
    withdrawals_root: Hash32 | None = None


@dataclass(frozen=True, slots=True)
class PayloadEnvelope:
    """A payload with the parent beacon block root, which is in the block's hash since Ecotone."""

    payload: ExecutionPayload
    parent_beacon_block_root: Hash32 | None = None


def payload_block_hash(envelope: PayloadEnvelope) -> Hash32:
    """The hash that the block has by its contents; an honest sender's `block_hash` is the same."""
    return header_hash(payload_header(envelope))


def payload_header(envelope: PayloadEnvelope) -> Header:
    """The header of the payload's block. The withdrawals root stands in the payload since Isthmus, which also brings
    the requests hash.
    """
    payload = envelope.payload
    withdrawals_root = payload.withdrawals_root
    if withdrawals_root is None and payload.withdrawals is not None:
        withdrawals_root = ordered_trie_root([encode_withdrawal(withdrawal) for withdrawal in payload.withdrawals])
    return Header(
        parent_hash=payload.parent_hash,
        ommers_hash=EMPTY_OMMERS_HASH,
        beneficiary=payload.fee_recipient,
        state_root=payload.state_root,
        transactions_root=ordered_trie_root(payload.transactions),
        receipts_root=payload.receipts_root,
        logs_bloom=payload.logs_bloom,
        difficulty=0,
        number=payload.block_number,
        gas_limit=payload.gas_limit,
        gas_used=payload.gas_used,
        timestamp=payload.timestamp,
        extra_data=payload.extra_data,
        prev_randao=payload.prev_randao,
        nonce=bytes(8),
        base_fee_per_gas=payload.base_fee_per_gas,
        withdrawals_root=withdrawals_root,
        blob_gas_used=payload.blob_gas_used,
        excess_blob_gas=payload.excess_blob_gas,
        parent_beacon_block_root=envelope.parent_beacon_block_root,
        requests_hash=EMPTY_REQUESTS_HASH if payload.withdrawals_root is not None else None,
    )


def payload_of(block: KnownBlock) -> PayloadEnvelope:
    """The inverse of `payload_header`: a block of L2 as its payload. L2's blocks have no withdrawals."""
    header = block.header
    payload = ExecutionPayload(
        parent_hash=header.parent_hash,
        fee_recipient=header.beneficiary,
        state_root=header.state_root,
        receipts_root=header.receipts_root,
        logs_bloom=header.logs_bloom,
        prev_randao=header.prev_randao,
        block_number=header.number,
        gas_limit=header.gas_limit,
        gas_used=header.gas_used,
        timestamp=header.timestamp,
        extra_data=header.extra_data,
        base_fee_per_gas=header.base_fee_per_gas or 0,
        block_hash=block.hash,
        transactions=block.transactions,
        withdrawals=None if header.withdrawals_root is None else (),
        blob_gas_used=header.blob_gas_used,
        excess_blob_gas=header.excess_blob_gas,
        withdrawals_root=None if header.requests_hash is None else header.withdrawals_root,
    )
    return PayloadEnvelope(payload, header.parent_beacon_block_root)


def encode_withdrawal(withdrawal: Withdrawal) -> bytes:
    """RLP, as the withdrawals root commits to it."""
    return encode_list((
        encode_int(withdrawal.index),
        encode_int(withdrawal.validator_index),
        encode_bytes(withdrawal.address),
        encode_int(withdrawal.amount),
    ))


# ---- SSZ ----

# parent hash, fee recipient, state root, receipts root, logs bloom, prev randao, number, gas limit, gas used,
# timestamp, offset of the extra data, base fee (little-endian), block hash, offset of the transactions
_HEAD = struct.Struct("<32s 20s 32s 32s 256s 32s 4Q I 32s 32s I")
_OFFSET = struct.Struct("<I")
_BLOB_GAS = struct.Struct("<2Q")
_WITHDRAWAL = struct.Struct("<2Q 20s Q")
_FIXED_SIZES = {1: _HEAD.size, 2: _HEAD.size + 4, 3: _HEAD.size + 20, 4: _HEAD.size + 52}


def decode_envelope(data: bytes, version: int) -> PayloadEnvelope:
    """The payload in `data` (uncompressed, without signature), laid out as in `version`, 1 to 4. Raises
    PayloadDecodingError.
    """
    if version < 3:
        return PayloadEnvelope(_decode_payload(data, version))
    if len(data) < 32:
        raise PayloadDecodingError(f"{len(data)} bytes are too few for the parent beacon block root")
    return PayloadEnvelope(_decode_payload(data[32:], version), data[:32])


def _decode_payload(data: bytes, version: int) -> ExecutionPayload:
    size, fixed_size = len(data), _FIXED_SIZES[version]
    if size < fixed_size:
        raise PayloadDecodingError(f"{size} bytes are too few for a payload of version {version}")
    parent_hash, fee_recipient, state_root, receipts_root, logs_bloom, prev_randao, *others = _HEAD.unpack_from(data)
    number, gas_limit, gas_used, timestamp, extra_offset, base_fee, block_hash, transactions_offset = others
    withdrawals_offset = _OFFSET.unpack_from(data, _HEAD.size)[0] if version >= 2 else size
    blob_gas_used, excess_blob_gas = _BLOB_GAS.unpack_from(data, _HEAD.size + 4) if version >= 3 else (None, None)
    if extra_offset != fixed_size:
        raise PayloadDecodingError(f"extra data at offset {extra_offset}, not {fixed_size}")
    if not extra_offset <= transactions_offset <= withdrawals_offset <= size:
        raise PayloadDecodingError(
            f"offsets {extra_offset}, {transactions_offset}, {withdrawals_offset} do not rise, or leave {size} bytes"
        )
    if transactions_offset - extra_offset > MAX_EXTRA_DATA_SIZE:
        raise PayloadDecodingError(f"{transactions_offset - extra_offset} bytes of extra data")
    return ExecutionPayload(
        parent_hash=parent_hash,
        fee_recipient=fee_recipient,
        state_root=state_root,
        receipts_root=receipts_root,
        logs_bloom=logs_bloom,
        prev_randao=prev_randao,
        block_number=number,
        gas_limit=gas_limit,
        gas_used=gas_used,
        timestamp=timestamp,
        extra_data=data[extra_offset:transactions_offset],
        base_fee_per_gas=int.from_bytes(base_fee, "little"),
        block_hash=block_hash,
        transactions=_decode_transactions(data[transactions_offset:withdrawals_offset]),
        withdrawals=_decode_withdrawals(data[withdrawals_offset:]) if version >= 2 else None,
        blob_gas_used=blob_gas_used,
        excess_blob_gas=excess_blob_gas,
        withdrawals_root=data[fixed_size - 32 : fixed_size] if version >= 4 else None,
    )


def _decode_transactions(data: bytes) -> tuple[bytes, ...]:
    size = len(data)
    if not size:
        return ()
    if size < 4:
        raise PayloadDecodingError("the list of transactions ends inside its first offset")
    first: int = _OFFSET.unpack_from(data)[0]
    # An offset of 0 makes the list empty whatever follows, as op-node reads it: the block hash does not cover the rest.
    if first % 4 or first > size:
        raise PayloadDecodingError(f"the first transaction is at offset {first} of {size} bytes")
    if first // 4 > MAX_TRANSACTIONS:
        raise PayloadDecodingError(f"{first // 4} transactions")
    offsets = struct.unpack_from(f"<{first // 4}I", data)
    transactions = []
    for index, start in enumerate(offsets):
        end = offsets[index + 1] if index + 1 < len(offsets) else size
        if not start <= end <= size:
            raise PayloadDecodingError(f"transaction {index} goes from offset {start} to {end} of {size} bytes")
        transactions.append(data[start:end])
    return tuple(transactions)


def _decode_withdrawals(data: bytes) -> tuple[Withdrawal, ...]:
    if len(data) % _WITHDRAWAL.size or len(data) > MAX_WITHDRAWALS * _WITHDRAWAL.size:
        raise PayloadDecodingError(f"{len(data)} bytes are no list of at most {MAX_WITHDRAWALS} withdrawals")
    return tuple([Withdrawal(*fields) for fields in _WITHDRAWAL.iter_unpack(data)])


def encode_envelope(envelope: PayloadEnvelope, version: int) -> bytes:
    """The inverse of `decode_envelope`. Raises ValueError if the payload does not have the fields that `version`
    carries, or has more.
    """
    payload = envelope.payload
    fields = (payload.withdrawals, payload.blob_gas_used, payload.excess_blob_gas, payload.withdrawals_root)
    since = (2, 3, 3, 4)
    if any((field is not None) != (version >= first) for field, first in zip(fields, since, strict=True)):
        raise ValueError(f"the payload's optional fields are not those of version {version}")
    if (envelope.parent_beacon_block_root is not None) != (version >= 3):
        raise ValueError(f"the parent beacon block root goes with versions 3 and 4, not with {version}, or is missing")
    return (envelope.parent_beacon_block_root or b"") + _encode_payload(payload, _FIXED_SIZES[version])


def _encode_payload(payload: ExecutionPayload, fixed_size: int) -> bytes:
    transactions = _encode_transactions(payload.transactions)
    transactions_offset = fixed_size + len(payload.extra_data)
    parts = [
        _HEAD.pack(
            payload.parent_hash,
            payload.fee_recipient,
            payload.state_root,
            payload.receipts_root,
            payload.logs_bloom,
            payload.prev_randao,
            payload.block_number,
            payload.gas_limit,
            payload.gas_used,
            payload.timestamp,
            fixed_size,
            payload.base_fee_per_gas.to_bytes(32, "little"),
            payload.block_hash,
            transactions_offset,
        )
    ]
    if payload.withdrawals is not None:
        parts.append(_OFFSET.pack(transactions_offset + len(transactions)))
    if payload.blob_gas_used is not None and payload.excess_blob_gas is not None:
        parts.append(_BLOB_GAS.pack(payload.blob_gas_used, payload.excess_blob_gas))
    parts += [payload.withdrawals_root or b"", payload.extra_data, transactions]
    parts += [_WITHDRAWAL.pack(w.index, w.validator_index, w.address, w.amount) for w in payload.withdrawals or ()]
    return b"".join(parts)


def _encode_transactions(transactions: tuple[bytes, ...]) -> bytes:
    offset = 4 * len(transactions)
    offsets = []
    for transaction in transactions:
        offsets.append(offset)
        offset += len(transaction)
    return struct.pack(f"<{len(offsets)}I", *offsets) + b"".join(transactions)
