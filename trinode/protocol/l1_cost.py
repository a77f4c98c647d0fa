"""What a transaction pays for its data on L1, and to the operator (specification: exec-engine, "L1-Cost fees"; ecotone,
fjord, isthmus, jovian).

All fees are in wei, all sizes in bytes, all products in integers of any size; each formula rounds down once, at its
end.
"""

from __future__ import annotations

import struct

ZERO_BYTE_GAS = 4
NONZERO_BYTE_GAS = 16
PRE_REGOLITH_EXTRA_GAS = 68 * NONZERO_BYTE_GAS
"""Before Regolith a signature's 68 bytes were counted on top of the signed transaction."""

FJORD_INTERCEPT = -42_585_600
FJORD_FASTLZ_COEFFICIENT = 836_500
FJORD_MIN_SIZE_SCALED = 100_000_000
"""Of the estimated size, 100 bytes, in millionths."""


def data_gas(raw: bytes, *, regolith: bool = True) -> int:
    """Calldata gas of a transaction's bytes, as before EIP-7623."""
    zeros = raw.count(0)
    gas = zeros * ZERO_BYTE_GAS + (len(raw) - zeros) * NONZERO_BYTE_GAS
    return gas if regolith else gas + PRE_REGOLITH_EXTRA_GAS


def l1_cost_bedrock(gas: int, *, l1_base_fee: int, overhead: int, scalar: int) -> int:
    """Until Ecotone; `gas` is `data_gas` of the transaction, `scalar` in millionths."""
    return (gas + overhead) * l1_base_fee * scalar // 1_000_000


def l1_cost_ecotone(
    gas: int, *, l1_base_fee: int, base_fee_scalar: int, blob_base_fee: int, blob_base_fee_scalar: int
) -> int:
    """From Ecotone until Fjord; scalars in millionths."""
    return gas * (16 * base_fee_scalar * l1_base_fee + blob_base_fee_scalar * blob_base_fee) // 16_000_000


def estimated_size_scaled(flz_size: int) -> int:
    """Fjord's estimate of a transaction's compressed size, in millionths of a byte; `flz_size` is `flz_compressed_size`
    of it.
    """
    return max(FJORD_MIN_SIZE_SCALED, FJORD_INTERCEPT + FJORD_FASTLZ_COEFFICIENT * flz_size)


def l1_cost_fjord(
    flz_size: int, *, l1_base_fee: int, base_fee_scalar: int, blob_base_fee: int, blob_base_fee_scalar: int
) -> int:
    """From Fjord on; scalars in millionths."""
    fee_scaled = base_fee_scalar * 16 * l1_base_fee + blob_base_fee_scalar * blob_base_fee
    return estimated_size_scaled(flz_size) * fee_scaled // 1_000_000_000_000


def l1_gas_used_fjord(flz_size: int) -> int:
    """What receipts show as l1GasUsed from Fjord on."""
    return estimated_size_scaled(flz_size) * NONZERO_BYTE_GAS // 1_000_000


def operator_fee_isthmus(gas: int, *, scalar: int, constant: int) -> int:
    """From Isthmus until Jovian; `scalar` in millionths."""
    return gas * scalar // 1_000_000 + constant


def operator_fee_jovian(gas: int, *, scalar: int, constant: int) -> int:
    """From Jovian on: a hundred times the scalar itself."""
    return gas * scalar * 100 + constant


def blob_base_fee(excess_blob_gas: int, update_fraction: int) -> int:
    """The blob base fee: e ** (excess / fraction), by EIP-4844's series in integers; at least 1."""
    index, output, term = 1, 0, update_fraction
    while term > 0:
        output += term
        term = term * excess_blob_gas // (update_fraction * index)
        index += 1
    return output // update_fraction


_MAX_COPY = 262
_MAX_DISTANCE = 8192
_HASH_SIZE = 8192
_THREE_BYTES = 0xFFFFFF


def flz_compressed_size(data: bytes) -> int:
    """Bytes that FastLZ (level 1) would make of `data`, as Fjord's fee counts them (specification: fjord/exec-engine,
    "Fees").
    """
    limit = len(data) - 14  # no match may begin there or later
    if limit <= 2:
        return _literals(len(data))
    # The four bytes from each position on as a little-endian number, of which the lower three count, and where the hash table
    # keeps them.
    words = [0] * (len(data) - 3)
    for start in range(4):
        words[start::4] = struct.unpack_from(f"<{(len(words) - start + 3) // 4}I", data, start)
    slots = [2654435769 * (word & _THREE_BYTES) >> 19 & (_HASH_SIZE - 1) for word in words]
    table = [0] * _HASH_SIZE
    anchor = size = 0
    position = 2
    while position < limit:
        reference = -1
        while position < limit:
            slot = slots[position]
            reference, table[slot] = table[slot], position
            if not (words[reference] ^ words[position]) & _THREE_BYTES and position - reference < _MAX_DISTANCE:
                break
            position += 1
        else:
            break
        if position > anchor:
            size += _literals(position - anchor)
        matched = _match_length(data, reference + 3, position + 3, len(data) - 4)
        size += _match(matched)
        position += matched
        table[slots[position]] = position
        table[slots[position + 1]] = position + 1
        position += 2
        anchor = position
    return size + _literals(len(data) - anchor)


def _literals(count: int) -> int:
    full, rest = divmod(count, 32)
    return full * 33 + (rest + 1 if rest else 0)


def _match_length(data: bytes, reference: int, position: int, limit: int) -> int:
    start = position
    while position < limit:
        position += 1
        reference += 1
        if data[reference - 1] != data[position - 1]:
            break
    return position - start


def _match(length: int) -> int:
    full, rest = divmod(length - 1, _MAX_COPY)
    return full * 3 + (3 if rest >= 6 else 2)
