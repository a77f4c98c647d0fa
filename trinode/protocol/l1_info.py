"""L1 attributes: the calldata of an L2 block's first transaction (OP Stack specification: deposits, "L1 Attributes
Deposited Transaction", and the l1-attributes pages of Ecotone, Isthmus and Jovian).

Bedrock's form is ABI-encoded; since Ecotone the fields are packed, and each later form appends to the one before.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from enum import Enum

from trinode.protocol.errors import DecodingError
from trinode.protocol.keccak import keccak256
from trinode.protocol.types import Address, Hash32


class L1InfoDecodingError(DecodingError):
    """Not the calldata of a call that sets L1 attributes."""


class L1InfoFormat(Enum):
    """The forms of the calldata, each named for the fork that brought it."""

    BEDROCK = "bedrock"
    ECOTONE = "ecotone"
    ISTHMUS = "isthmus"
    JOVIAN = "jovian"


@dataclass(frozen=True, slots=True)
class L1BlockInfo:
    """What an L2 block says of its L1 origin and of the fee parameters; fields that `format` does not carry are 0.

    `number`, `timestamp` (seconds), `base_fee`, `blob_base_fee` (wei per gas) and `hash` are the L1 origin's;
    `sequence_number` counts the L2 blocks of that origin. The rest is the system config's.
    """

    format: L1InfoFormat
    number: int
    timestamp: int
    base_fee: int
    hash: Hash32
    sequence_number: int
    batcher_address: Address
    l1_fee_overhead: int = 0
    l1_fee_scalar: int = 0
    blob_base_fee: int = 0
    base_fee_scalar: int = 0
    blob_base_fee_scalar: int = 0
    operator_fee_scalar: int = 0
    operator_fee_constant: int = 0
    da_footprint_gas_scalar: int = 0


def _selector(signature: str) -> bytes:
    return keccak256(signature.encode())[:4]


_BEDROCK = _selector("setL1BlockValues(uint64,uint64,uint256,bytes32,uint64,bytes32,uint256,uint256)")
_PACKED = {
    _selector("setL1BlockValuesEcotone()"): L1InfoFormat.ECOTONE,
    _selector("setL1BlockValuesIsthmus()"): L1InfoFormat.ISTHMUS,
    _selector("setL1BlockValuesJovian()"): L1InfoFormat.JOVIAN,
}
_SELECTORS = {format: selector for selector, format in _PACKED.items()}

# selector, number, timestamp, base fee, hash, sequence number, batcher, overhead, scalar
_BEDROCK_LAYOUT = struct.Struct(">4s 24xQ 24xQ 32s 32s 24xQ 12x20s 32s 32s")
# selector, base fee scalar, blob base fee scalar, sequence number, timestamp, number, base fee, blob base fee, hash,
# batcher
_ECOTONE_LAYOUT = struct.Struct(">4s I I Q Q Q 32s 32s 32s 12x20s")
_ISTHMUS_TAIL = struct.Struct(">I Q")
_JOVIAN_TAIL = struct.Struct(">I Q H")
_SIZES = {
    L1InfoFormat.ECOTONE: _ECOTONE_LAYOUT.size,
    L1InfoFormat.ISTHMUS: _ECOTONE_LAYOUT.size + _ISTHMUS_TAIL.size,
    L1InfoFormat.JOVIAN: _ECOTONE_LAYOUT.size + _JOVIAN_TAIL.size,
}


def encode_l1_info(info: L1BlockInfo) -> bytes:
    """The calldata in `info.format`: 260 bytes for Bedrock, then 164, 176 and 178. Fields that it does not carry are
    left out.
    """
    if info.format is L1InfoFormat.BEDROCK:
        return _BEDROCK_LAYOUT.pack(
            _BEDROCK,
            info.number,
            info.timestamp,
            info.base_fee.to_bytes(32, "big"),
            info.hash,
            info.sequence_number,
            info.batcher_address,
            info.l1_fee_overhead.to_bytes(32, "big"),
            info.l1_fee_scalar.to_bytes(32, "big"),
        )
    packed = _ECOTONE_LAYOUT.pack(
        _SELECTORS[info.format],
        info.base_fee_scalar,
        info.blob_base_fee_scalar,
        info.sequence_number,
        info.timestamp,
        info.number,
        info.base_fee.to_bytes(32, "big"),
        info.blob_base_fee.to_bytes(32, "big"),
        info.hash,
        info.batcher_address,
    )
    if info.format is L1InfoFormat.ECOTONE:
        return packed
    if info.format is L1InfoFormat.ISTHMUS:
        return packed + _ISTHMUS_TAIL.pack(info.operator_fee_scalar, info.operator_fee_constant)
    tail = info.operator_fee_scalar, info.operator_fee_constant, info.da_footprint_gas_scalar
    return packed + _JOVIAN_TAIL.pack(*tail)


def decode_l1_info(data: bytes) -> L1BlockInfo:
    """The inverse of `encode_l1_info`; the function selector tells the format. Raises L1InfoDecodingError."""
    selector = data[:4]
    if selector == _BEDROCK:
        info = _decode_bedrock(data)
    elif selector in _PACKED:
        info = _decode_packed(data, _PACKED[selector])
    else:
        raise L1InfoDecodingError(f"unknown function selector {selector.hex()}")
    # The padding of each number and address must be zero, as the ABI has it. Encoding again checks all of it.
    if encode_l1_info(info) != data:
        raise L1InfoDecodingError("padding that is not zero")
    return info


def _decode_bedrock(data: bytes) -> L1BlockInfo:
    if len(data) != _BEDROCK_LAYOUT.size:
        raise L1InfoDecodingError(f"{len(data)} bytes of calldata, not {_BEDROCK_LAYOUT.size}")
    _, number, timestamp, base_fee, hash, sequence_number, batcher, overhead, scalar = _BEDROCK_LAYOUT.unpack(data)
    return L1BlockInfo(
        format=L1InfoFormat.BEDROCK,
        number=number,
        timestamp=timestamp,
        base_fee=int.from_bytes(base_fee, "big"),
        hash=hash,
        sequence_number=sequence_number,
        batcher_address=batcher,
        l1_fee_overhead=int.from_bytes(overhead, "big"),
        l1_fee_scalar=int.from_bytes(scalar, "big"),
    )


def _decode_packed(data: bytes, format: L1InfoFormat) -> L1BlockInfo:
    if len(data) != _SIZES[format]:
        raise L1InfoDecodingError(f"{len(data)} bytes of {format.value} calldata, not {_SIZES[format]}")
    _, base_fee_scalar, blob_base_fee_scalar, sequence_number, *l1_fields = _ECOTONE_LAYOUT.unpack_from(data)
    timestamp, number, base_fee, blob_base_fee, hash, batcher = l1_fields
    operator_fee_scalar = operator_fee_constant = da_footprint_gas_scalar = 0
    if format is L1InfoFormat.ISTHMUS:
        operator_fee_scalar, operator_fee_constant = _ISTHMUS_TAIL.unpack_from(data, _ECOTONE_LAYOUT.size)
    elif format is L1InfoFormat.JOVIAN:
        tail = _JOVIAN_TAIL.unpack_from(data, _ECOTONE_LAYOUT.size)
        operator_fee_scalar, operator_fee_constant, da_footprint_gas_scalar = tail
    return L1BlockInfo(
        format=format,
        number=number,
        timestamp=timestamp,
        base_fee=int.from_bytes(base_fee, "big"),
        hash=hash,
        sequence_number=sequence_number,
        batcher_address=batcher,
        blob_base_fee=int.from_bytes(blob_base_fee, "big"),
        base_fee_scalar=base_fee_scalar,
        blob_base_fee_scalar=blob_base_fee_scalar,
        operator_fee_scalar=operator_fee_scalar,
        operator_fee_constant=operator_fee_constant,
        da_footprint_gas_scalar=da_footprint_gas_scalar,
    )
