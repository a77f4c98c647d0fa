"""What derivation reads from an L2 block: its place on L1, and the system config that its children start from
(derivation, "L2 Chain").

The block itself carries the configuration: the L1 attributes deposit most of it, gas limit and extraData the rest. What
a fork's formats cannot carry is lost on the way, as in op-node.
"""

from __future__ import annotations

from dataclasses import dataclass

from trinode.protocol.deposit import DepositDecodingError, decode_deposit
from trinode.protocol.eip1559 import ExtraDataDecodingError, decode_extra_data, encode_eip1559_params
from trinode.protocol.header import Header
from trinode.protocol.l1_info import L1BlockInfo, L1InfoDecodingError, L1InfoFormat, decode_l1_info
from trinode.protocol.types import BlockId, Hash32
from trinode.rollup.config import RollupConfig
from trinode.rollup.l1_attributes import l1_info_format_at
from trinode.rollup.system_config import SystemConfig, encode_fee_scalar, encode_operator_fee_params


class L2BlockError(ValueError):
    """An L2 block is not one that derivation can make, or not of this chain."""


@dataclass(frozen=True, slots=True)
class L2BlockRef:
    """An L2 block and its place on L1; `sequence_number` counts the blocks of one L1 origin from 0."""

    hash: Hash32
    number: int
    parent_hash: Hash32
    timestamp: int
    l1_origin: BlockId
    sequence_number: int

    @property
    def id(self) -> BlockId:
        """Number and hash."""
        return BlockId(self.number, self.hash)


@dataclass(frozen=True, slots=True)
class L2Block:
    """An L2 block with its raw transactions and the system config as of it, before the updates of a later L1 origin."""

    ref: L2BlockRef
    transactions: tuple[bytes, ...]
    system_config: SystemConfig


def l2_block_of(config: RollupConfig, header: Header, block_hash: Hash32, transactions: tuple[bytes, ...]) -> L2Block:
    """The block with that header, whose hash is `block_hash`, and transactions. Raises L2BlockError."""
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


def read_l2_block(
    config: RollupConfig,
    *,
    hash: Hash32,
    number: int,
    parent_hash: Hash32,
    timestamp: int,
    gas_limit: int,
    extra_data: bytes,
    transactions: tuple[bytes, ...],
) -> L2Block:
    """The block with those header fields and transactions. Raises L2BlockError.

    The genesis block is known by its number: it has no transactions, and its system config is in the rollup config.
    """
    genesis = config.genesis
    if number == genesis.l2.number:
        if hash != genesis.l2.hash:
            raise L2BlockError(f"L2 genesis block {number} is 0x{hash.hex()}, not 0x{genesis.l2.hash.hex()}")
        ref = L2BlockRef(hash, number, parent_hash, timestamp, genesis.l1, 0)
        return L2Block(ref, transactions, genesis.system_config)
    try:
        info = _read_l1_info(config, transactions, timestamp)
        system_config = _read_system_config(config, info, timestamp, gas_limit, extra_data)
    except L2BlockError as error:
        raise L2BlockError(f"L2 block {number} 0x{hash.hex()}: {error}") from error
    ref = L2BlockRef(hash, number, parent_hash, timestamp, BlockId(info.number, info.hash), info.sequence_number)
    return L2Block(ref, transactions, system_config)


def _read_l1_info(config: RollupConfig, transactions: tuple[bytes, ...], timestamp: int) -> L1BlockInfo:
    if not transactions:
        raise L2BlockError("no transactions, so no L1 attributes deposit")
    try:
        info = decode_l1_info(decode_deposit(transactions[0]).data)
    except DepositDecodingError as error:
        raise L2BlockError(f"first transaction is no deposit: {error}") from error
    except L1InfoDecodingError as error:
        raise L2BlockError(f"first transaction is no L1 attributes deposit: {error}") from error
    expected = l1_info_format_at(config, l2_timestamp=timestamp)
    if info.format is not expected:
        raise L2BlockError(f"L1 attributes in the format of {info.format.name.lower()}, not {expected.name.lower()}")
    return info


def _read_system_config(
    config: RollupConfig, info: L1BlockInfo, timestamp: int, gas_limit: int, extra_data: bytes
) -> SystemConfig:
    upgrade_gas = config.upgrade_gas_to_take_off(l2_timestamp=timestamp)
    if gas_limit < upgrade_gas:
        raise L2BlockError(f"gas limit {gas_limit} is less than the upgrade's gas {upgrade_gas}")
    if info.format is L1InfoFormat.BEDROCK:
        overhead, scalar = info.l1_fee_overhead.to_bytes(32, "big"), info.l1_fee_scalar.to_bytes(32, "big")
    else:
        # A version 0 scalar comes back as version 1, which means the same.
        overhead, scalar = bytes(32), encode_fee_scalar(info.base_fee_scalar, info.blob_base_fee_scalar)
    eip1559_params, min_base_fee = _read_extra_data(config, timestamp, extra_data)
    return SystemConfig(
        batcher_address=info.batcher_address,
        overhead=overhead,
        scalar=scalar,
        gas_limit=gas_limit - upgrade_gas,
        eip1559_params=eip1559_params,
        operator_fee_params=encode_operator_fee_params(info.operator_fee_scalar, info.operator_fee_constant),
        min_base_fee=min_base_fee,
        da_footprint_gas_scalar=info.da_footprint_gas_scalar,
    )


def _read_extra_data(config: RollupConfig, timestamp: int, extra_data: bytes) -> tuple[bytes, int]:
    """The EIP-1559 parameters and the minimum base fee, as far as the block's own fork keeps them in extraData."""
    rules = config.rules(l2_timestamp=timestamp)
    if not rules.eip1559_params:
        if extra_data:
            raise L2BlockError(f"extraData 0x{extra_data.hex()} before Holocene")
        return bytes(8), 0
    try:
        denominator, elasticity, min_base_fee = decode_extra_data(extra_data)
    except ExtraDataDecodingError as error:
        raise L2BlockError(f"extraData 0x{extra_data.hex()}: {error}") from error
    if rules.min_base_fee is (min_base_fee is None):
        raise L2BlockError(f"extraData 0x{extra_data.hex()} in the format of another fork")
    if denominator == 0 or elasticity == 0:
        raise L2BlockError(f"extraData 0x{extra_data.hex()} has a zero denominator or elasticity")
    return encode_eip1559_params(denominator, elasticity), min_base_fee or 0
