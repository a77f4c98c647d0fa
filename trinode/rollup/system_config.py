"""The system config: what L1's SystemConfig contract sets, and its update events (specification: system-config).

Each fork that added an update type is in its own page (holocene, isthmus, jovian: system-config). op-node takes every
type at any time: a value that a later fork brings is kept, and only the L2 blocks cannot carry it on to their children
before that fork.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from trinode.protocol.keccak import keccak256
from trinode.protocol.receipt import Log, Receipt
from trinode.protocol.types import Address
from trinode.rollup.fork import Fork
from trinode.rollup.json_fields import Fields, to_hex

if TYPE_CHECKING:
    from trinode.rollup.config import RollupConfig

CONFIG_UPDATE_TOPIC = keccak256(b"ConfigUpdate(uint256,uint8,bytes)")
"""The first topic of an update event; the second is the version (0), the third the update type."""

_VERSION_0 = bytes(32)
_OFFSET = (32).to_bytes(32, "big")
_UINT32_MAX = 2**32 - 1


class SystemConfigUpdateError(ValueError):
    """A ConfigUpdate event is malformed or not allowed; derivation skips it."""


class FeeScalarError(ValueError):
    """A fee scalar in Ecotone's encoding has an unknown version or dirty padding."""


@dataclass(frozen=True, slots=True)
class SystemConfig:
    """What can be changed on L1 while the chain runs.

    `scalar` is Bedrock's number, or Ecotone's packed scalars (version byte 1 or 0); `eip1559_params` are denominator
    and elasticity, 4 bytes each, both 0 for the chain's constants; `operator_fee_params` end in a 4-byte scalar and an
    8-byte constant; `min_base_fee` is in wei; a `da_footprint_gas_scalar` of 0 stands for the default.
    """

    batcher_address: Address
    overhead: bytes
    scalar: bytes
    gas_limit: int
    eip1559_params: bytes = bytes(8)
    operator_fee_params: bytes = bytes(32)
    min_base_fee: int = 0
    da_footprint_gas_scalar: int = 0

    @property
    def operator_fee(self) -> tuple[int, int]:
        """The operator fee's scalar and constant."""
        params = self.operator_fee_params
        return int.from_bytes(params[20:24], "big"), int.from_bytes(params[24:], "big")

    @classmethod
    def from_json(cls, value: object, path: str = "") -> SystemConfig:
        """The object `genesis.system_config` of rollup.json; what older files lack is 0. Raises RollupConfigError."""
        fields = Fields(value, path)
        return cls(
            batcher_address=fields.address("batcherAddr"),
            overhead=fields.data("overhead", 32, default=bytes(32)),
            scalar=fields.hash("scalar"),
            gas_limit=fields.unsigned("gasLimit"),
            eip1559_params=fields.data("eip1559Params", 8, default=bytes(8)),
            operator_fee_params=fields.data("operatorFeeParams", 32, default=bytes(32)),
            min_base_fee=fields.unsigned("minBaseFee", default=0),
            da_footprint_gas_scalar=fields.unsigned("daFootprintGasScalar", default=0, maximum=2**16 - 1),
        )

    def to_json(self) -> dict[str, Any]:
        """op-node's JSON of it."""
        return {
            "batcherAddr": to_hex(self.batcher_address),
            "overhead": to_hex(self.overhead),
            "scalar": to_hex(self.scalar),
            "gasLimit": self.gas_limit,
            "eip1559Params": to_hex(self.eip1559_params),
            "operatorFeeParams": to_hex(self.operator_fee_params),
            "minBaseFee": self.min_base_fee,
            "daFootprintGasScalar": self.da_footprint_gas_scalar,
        }


def encode_operator_fee_params(scalar: int, constant: int) -> bytes:
    return bytes(20) + scalar.to_bytes(4, "big") + constant.to_bytes(8, "big")


def encode_fee_scalar(base_fee_scalar: int, blob_base_fee_scalar: int) -> bytes:
    """Version 1 of the scalar that Ecotone brought."""
    return b"\x01" + bytes(23) + blob_base_fee_scalar.to_bytes(4, "big") + base_fee_scalar.to_bytes(4, "big")


def decode_fee_scalar(scalar: bytes) -> tuple[int, int]:
    """Base fee scalar and blob base fee scalar. Raises FeeScalarError for an unknown version or dirty padding of
    version 1.

    Dirty padding of version 0, a number too large for Ecotone, makes the base fee scalar the largest there is.
    """
    check_fee_scalar(scalar, allow_large_numbers=True)
    base_fee_scalar = int.from_bytes(scalar[28:], "big")
    if scalar[0] == 1:
        return base_fee_scalar, int.from_bytes(scalar[24:28], "big")
    return (_UINT32_MAX if any(scalar[1:28]) else base_fee_scalar), 0


def check_fee_scalar(scalar: bytes, *, allow_large_numbers: bool) -> None:
    """Raises FeeScalarError where Ecotone cannot use the scalar."""
    if scalar[0] > 1:
        raise FeeScalarError(f"fee scalar 0x{scalar.hex()} has an unknown version")
    if scalar[0] == 1 and any(scalar[1:24]):
        raise FeeScalarError(f"fee scalar 0x{scalar.hex()} of version 1 has dirty padding")
    if scalar[0] == 0 and any(scalar[1:28]) and not allow_large_numbers:
        raise FeeScalarError(f"fee scalar 0x{scalar.hex()} of version 0 has more than 4 bytes")


def update_system_config(
    system_config: SystemConfig, receipts: Iterable[Receipt], config: RollupConfig, *, l1_inclusion_timestamp: int
) -> tuple[SystemConfig, list[str]]:
    """The system config after the events of one L1 block, and what was wrong with the events that were skipped.

    Events apply one by one in order; receipts of failed transactions have none.
    """
    problems: list[str] = []
    for index, receipt in enumerate(receipts):
        if not receipt.succeeded:
            continue
        for position, log in enumerate(receipt.logs):
            if log.address != config.l1_system_config_address or not log.topics or log.topics[0] != CONFIG_UPDATE_TOPIC:
                continue
            try:
                system_config = apply_config_update(
                    system_config, log, config, l1_inclusion_timestamp=l1_inclusion_timestamp
                )
            except SystemConfigUpdateError as error:
                problems.append(f"system config update in receipt {index}, log {position}: {error}")
    return system_config, problems


def apply_config_update(
    system_config: SystemConfig, log: Log, config: RollupConfig, *, l1_inclusion_timestamp: int
) -> SystemConfig:
    """The system config after one ConfigUpdate event of the right contract. Raises SystemConfigUpdateError."""
    if len(log.topics) != 3:
        raise SystemConfigUpdateError(f"{len(log.topics)} topics, not 3")
    if log.topics[1] != _VERSION_0:
        raise SystemConfigUpdateError(f"unknown version 0x{log.topics[1].hex()}")
    update_type = int.from_bytes(log.topics[2], "big")
    if update_type == _FEE_SCALARS:
        ecotone = config.is_active(Fork.ECOTONE, l1_inclusion_timestamp=l1_inclusion_timestamp)
        return _update_fee_scalars(system_config, log.data, ecotone=ecotone)
    if update_type == _UNSAFE_BLOCK_SIGNER:
        return system_config  # for gossip; derivation does not even look at its data
    if update_type not in _UPDATES:
        raise SystemConfigUpdateError(f"unknown update type {update_type}")
    return _UPDATES[update_type](system_config, log.data)


def _update_batcher(system_config: SystemConfig, data: bytes) -> SystemConfig:
    return replace(system_config, batcher_address=_right_aligned(_words(data, 1), 20))


def _update_fee_scalars(system_config: SystemConfig, data: bytes, *, ecotone: bool) -> SystemConfig:
    words = _words(data, 2)
    overhead, scalar = words[:32], words[32:]
    if not ecotone:
        return replace(system_config, overhead=overhead, scalar=scalar)
    try:
        check_fee_scalar(scalar, allow_large_numbers=False)
    except FeeScalarError as error:
        raise SystemConfigUpdateError(str(error)) from error
    return replace(system_config, overhead=bytes(32), scalar=scalar)


def _update_gas_limit(system_config: SystemConfig, data: bytes) -> SystemConfig:
    return replace(system_config, gas_limit=int.from_bytes(_right_aligned(_words(data, 1), 8), "big"))


def _update_eip1559_params(system_config: SystemConfig, data: bytes) -> SystemConfig:
    params = _words(data, 1)[24:]  # what is before them is ignored
    if any(params[:4]) != any(params[4:]):
        raise SystemConfigUpdateError(
            f"EIP-1559 parameters 0x{params.hex()}: denominator and elasticity must both be zero or neither"
        )
    return replace(system_config, eip1559_params=params)


def _update_operator_fee(system_config: SystemConfig, data: bytes) -> SystemConfig:
    return replace(system_config, operator_fee_params=_words(data, 1))


def _update_min_base_fee(system_config: SystemConfig, data: bytes) -> SystemConfig:
    return replace(system_config, min_base_fee=int.from_bytes(_right_aligned(_words(data, 1), 8), "big"))


def _update_da_footprint_gas_scalar(system_config: SystemConfig, data: bytes) -> SystemConfig:
    return replace(system_config, da_footprint_gas_scalar=int.from_bytes(_right_aligned(_words(data, 1), 2), "big"))


_FEE_SCALARS = 1
_UNSAFE_BLOCK_SIGNER = 3
_UPDATES: dict[int, Callable[[SystemConfig, bytes], SystemConfig]] = {
    0: _update_batcher,
    2: _update_gas_limit,
    4: _update_eip1559_params,
    5: _update_operator_fee,
    6: _update_min_base_fee,
    7: _update_da_footprint_gas_scalar,
}


def _words(data: bytes, count: int) -> bytes:
    """The contents of the event's one `bytes` argument, `count` words of 32 bytes."""
    if len(data) != 64 + 32 * count:
        raise SystemConfigUpdateError(f"{len(data)} bytes of data, not {64 + 32 * count}")
    if data[:32] != _OFFSET:
        raise SystemConfigUpdateError(f"offset 0x{data[:32].hex()}, not 32")
    if int.from_bytes(data[32:64], "big") != 32 * count:
        raise SystemConfigUpdateError(f"length 0x{data[32:64].hex()}, not {32 * count}")
    return data[64:]


def _right_aligned(word: bytes, size: int) -> bytes:
    if any(word[:-size]):
        raise SystemConfigUpdateError(f"0x{word.hex()} has more than {size} bytes")
    return word[-size:]
