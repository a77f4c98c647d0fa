"""EIP-1559 with parameters per chain and block (specification: holocene/exec-engine, "Dynamic EIP-1559 Parameters";
jovian/exec-engine).

From Holocene on a block's extraData carries the parameters of its children: version, denominator, elasticity (4 bytes
each), and from Jovian on the minimum base fee (8 bytes, wei).
"""

from __future__ import annotations

from trinode.protocol.errors import DecodingError

HOLOCENE_VERSION = 0
JOVIAN_VERSION = 1
HOLOCENE_SIZE = 9
JOVIAN_SIZE = 17


class ExtraDataDecodingError(DecodingError):
    """Not extraData of a Holocene or Jovian block, or not EIP-1559 parameters."""


def encode_eip1559_params(denominator: int, elasticity: int) -> bytes:
    """The 8 bytes that payload attributes and the system config carry."""
    return denominator.to_bytes(4, "big") + elasticity.to_bytes(4, "big")


def decode_eip1559_params(params: bytes) -> tuple[int, int]:
    """Denominator and elasticity of 8 bytes; both 0 stand for the chain's own. Raises ExtraDataDecodingError."""
    if len(params) != 8:
        raise ExtraDataDecodingError(f"{len(params)} bytes of EIP-1559 parameters, not 8")
    return int.from_bytes(params[:4], "big"), int.from_bytes(params[4:], "big")


def encode_holocene_extra_data(denominator: int, elasticity: int) -> bytes:
    """extraData from Holocene until Jovian (9 bytes)."""
    return bytes([HOLOCENE_VERSION]) + encode_eip1559_params(denominator, elasticity)


def encode_jovian_extra_data(denominator: int, elasticity: int, min_base_fee: int) -> bytes:
    """extraData from Jovian on (17 bytes); `min_base_fee` in wei (uint64)."""
    return bytes([JOVIAN_VERSION]) + encode_eip1559_params(denominator, elasticity) + min_base_fee.to_bytes(8, "big")


def decode_extra_data(extra_data: bytes) -> tuple[int, int, int | None]:
    """Denominator, elasticity and minimum base fee (wei; None before Jovian). Raises ExtraDataDecodingError.

    Zeros are given as they are: whether a block may have them is for its fork to say.
    """
    if len(extra_data) == HOLOCENE_SIZE and extra_data[0] == HOLOCENE_VERSION:
        return *decode_eip1559_params(extra_data[1:]), None
    if len(extra_data) == JOVIAN_SIZE and extra_data[0] == JOVIAN_VERSION:
        return *decode_eip1559_params(extra_data[1:9]), int.from_bytes(extra_data[9:], "big")
    raise ExtraDataDecodingError(
        f"{len(extra_data)} bytes {extra_data[:1].hex()}.., not version 0 with 9 bytes or version 1 with 17"
    )


def next_base_fee(
    *,
    parent_base_fee: int,
    parent_gas_used: int,
    parent_gas_limit: int,
    denominator: int,
    elasticity: int,
    parent_da_footprint: int = 0,
    min_base_fee: int = 0,
) -> int:
    """The base fee (wei) after a block; gas and DA footprint in gas. Jovian's two arguments are 0 before it (EIP-1559,
    jovian/exec-engine).
    """
    metered = max(parent_gas_used, parent_da_footprint)
    target = parent_gas_limit // elasticity
    base_fee = parent_base_fee
    if metered > target:
        base_fee += max(parent_base_fee * (metered - target) // target // denominator, 1)
    elif metered < target:
        base_fee = max(parent_base_fee - parent_base_fee * (target - metered) // target // denominator, 0)
    return max(base_fee, min_base_fee)
