"""The L1 attributes deposit, first transaction of every L2 block (specification: deposits, "L1 Attributes Deposited
Transaction").

Its formats are in the L1 attributes pages of ecotone, isthmus and jovian. The activation block of these still has the
format before, because its upgrade deposits, which bring the contract that understands the new one, come after it.
"""

from __future__ import annotations

from trinode.protocol.deposit import DepositTransaction, l1_info_source_hash
from trinode.protocol.header import Header
from trinode.protocol.l1_cost import blob_base_fee
from trinode.protocol.l1_info import L1BlockInfo, L1InfoFormat, encode_l1_info
from trinode.protocol.types import Address, Hash32
from trinode.rollup.config import RollupConfig
from trinode.rollup.forks.pectra_blob_schedule import CANCUN_UPDATE_FRACTION, keeps_cancun_blob_base_fee
from trinode.rollup.l1_chain import L1ChainConfig
from trinode.rollup.system_config import FeeScalarError, SystemConfig, decode_fee_scalar

L1_INFO_DEPOSITOR: Address = bytes.fromhex("deaddeaddeaddeaddeaddeaddeaddeaddead0001")
L1_BLOCK_PREDEPLOY: Address = bytes.fromhex("4200000000000000000000000000000000000015")
DEFAULT_DA_FOOTPRINT_GAS_SCALAR = 400

_MIN_BLOB_BASE_FEE = 1


class CriticalConfigError(Exception):
    """The configuration allows no next block: op-node halts, and so must we."""


def l1_info_format_at(config: RollupConfig, *, l2_timestamp: int) -> L1InfoFormat:
    """The format of the L2 block of that time: the one of the fork that was active a block earlier."""
    before = l2_timestamp - config.block_time
    return config.rules(l2_timestamp=before if before >= 0 else l2_timestamp).l1_info_format


def l1_info_deposit(
    config: RollupConfig,
    l1_chain_config: L1ChainConfig,
    system_config: SystemConfig,
    sequence_number: int,
    l1_header: Header,
    l1_hash: Hash32,
    l2_timestamp: int,
) -> DepositTransaction:
    """The deposit for the L2 block of time `l2_timestamp` with L1 origin `l1_header`.

    `system_config` is that after the origin's updates. Raises CriticalConfigError if the fee scalar does not decode, or
    if nothing is known of L1's blob base fee at the origin's time.
    """
    format = l1_info_format_at(config, l2_timestamp=l2_timestamp)
    info = L1BlockInfo(
        format=format,
        number=l1_header.number,
        timestamp=l1_header.timestamp,
        base_fee=l1_header.base_fee_per_gas or 0,
        hash=l1_hash,
        sequence_number=sequence_number,
        batcher_address=system_config.batcher_address,
        **_fees(format, config, l1_chain_config, system_config, l1_header),
    )
    rules = config.rules(l2_timestamp=l2_timestamp)
    return DepositTransaction(
        source_hash=l1_info_source_hash(l1_hash, sequence_number),
        sender=L1_INFO_DEPOSITOR,
        to=L1_BLOCK_PREDEPLOY,
        mint=0,
        value=0,
        gas_limit=rules.l1_info_gas,
        is_system_transaction=rules.l1_info_is_system_transaction,
        data=encode_l1_info(info),
    )


def _fees(
    format: L1InfoFormat,
    config: RollupConfig,
    l1_chain_config: L1ChainConfig,
    system_config: SystemConfig,
    l1_header: Header,
) -> dict[str, int]:
    """The fee parameters that `format` carries."""
    if format is L1InfoFormat.BEDROCK:
        return {
            "l1_fee_overhead": int.from_bytes(system_config.overhead, "big"),
            "l1_fee_scalar": int.from_bytes(system_config.scalar, "big"),
        }
    try:
        base_fee_scalar, blob_base_fee_scalar = decode_fee_scalar(system_config.scalar)
    except FeeScalarError as error:
        raise CriticalConfigError(f"{error}: set before Ecotone, of no use after it") from error
    fees = {
        "blob_base_fee": l1_blob_base_fee(config, l1_chain_config, l1_header),
        "base_fee_scalar": base_fee_scalar,
        "blob_base_fee_scalar": blob_base_fee_scalar,
    }
    if format is not L1InfoFormat.ECOTONE:
        fees["operator_fee_scalar"], fees["operator_fee_constant"] = system_config.operator_fee
    if format is L1InfoFormat.JOVIAN:
        fees["da_footprint_gas_scalar"] = system_config.da_footprint_gas_scalar or DEFAULT_DA_FOOTPRINT_GAS_SCALAR
    return fees


def l1_blob_base_fee(config: RollupConfig, l1_chain_config: L1ChainConfig, l1_header: Header) -> int:
    """An L1 block's blob base fee in wei, as the L1 attributes have it: 1 before blobs. Raises CriticalConfigError."""
    if l1_header.excess_blob_gas is None:
        return _MIN_BLOB_BASE_FEE
    if keeps_cancun_blob_base_fee(config.pectra_blob_schedule_time, l1_origin_timestamp=l1_header.timestamp):
        return blob_base_fee(l1_header.excess_blob_gas, CANCUN_UPDATE_FRACTION)
    fraction = l1_chain_config.update_fraction_at(l1_header.timestamp)
    if fraction is None:
        raise CriticalConfigError(
            f"L1 block {l1_header.number} has blob gas, and the schedule of L1 chain {l1_chain_config.chain_id} "
            f"says nothing of blobs at time {l1_header.timestamp}"
        )
    return blob_base_fee(l1_header.excess_blob_gas, fraction)
