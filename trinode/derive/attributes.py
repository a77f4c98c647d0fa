"""Payload attributes from a batch: L1 info deposit, user deposits, upgrades, then the batch's transactions (specification: derivation,
"Payload Attributes Derivation"; deposits)."""

from __future__ import annotations

from dataclasses import replace

from trinode.derive.errors import CriticalError, ResetRequired
from trinode.derive.events import ConfigProblem, Steps, l1_block_by_hash
from trinode.derive.journal import Journal
from trinode.derive.receipts import receipts_with_logs_of
from trinode.protocol.batch import SingularBatch
from trinode.protocol.block import L1Block
from trinode.protocol.deposit import (
    DEPOSIT_TRANSACTION_TYPE,
    TRANSACTION_DEPOSITED_TOPIC,
    DepositDecodingError,
    decode_deposit_log,
    encode_deposit,
)
from trinode.protocol.payload import PayloadAttributes
from trinode.protocol.types import Address, BlockId
from trinode.rollup.config import RollupConfig
from trinode.rollup.l1_attributes import CriticalConfigError, l1_info_deposit
from trinode.rollup.l1_chain import L1ChainConfig
from trinode.rollup.l2_block import L2Block
from trinode.rollup.system_config import SystemConfig, update_system_config

SEQUENCER_FEE_VAULT = bytes.fromhex("4200000000000000000000000000000000000011")


def deposits_only(attributes: PayloadAttributes) -> PayloadAttributes:
    """The attributes without the batch's transactions: what replaces an invalid block from Holocene on."""
    kept = tuple(raw for raw in attributes.transactions if raw[:1] == bytes([DEPOSIT_TRANSACTION_TYPE]))
    return replace(attributes, transactions=kept)


def user_deposits(block: L1Block, portal: Address) -> list[bytes]:
    """The deposit transactions that `block` forces into L2, encoded.

    Raises CriticalError if the portal itself logged a deposit that does not decode: the configuration names a wrong contract.
    """
    deposits = []
    index = 0
    for receipt in receipts_with_logs_of(block, portal):
        for log in receipt.logs:
            if receipt.succeeded and log.address == portal and log.topics and log.topics[0] == TRANSACTION_DEPOSITED_TOPIC:
                try:
                    deposits.append(encode_deposit(decode_deposit_log(log, block.hash, index)))
                except DepositDecodingError as error:
                    raise CriticalError(f"deposit log {index} of L1 block {block.header.number} does not decode: {error}") from error
            index += 1
    return deposits


class AttributesBuilder:
    """Builds attributes on top of an L2 block. Keeps the L1 origin's block, which a whole epoch of L2 blocks shares."""

    def __init__(self, config: RollupConfig, l1_chain_config: L1ChainConfig, journal: Journal) -> None:
        self._config = config
        self._l1_chain_config = l1_chain_config
        self._journal = journal
        self._origin: L1Block | None = None

    def build(self, batch: SingularBatch, parent: L2Block) -> Steps[tuple[PayloadAttributes, int]]:
        """Attributes for `batch` on `parent`, with the block's sequence number.

        Raises ResetRequired if batch, parent and L1 origin do not fit together, CriticalError if the configuration forbids the block.
        """
        ref, epoch = parent.ref, BlockId(batch.epoch_number, batch.epoch_hash)
        timestamp = ref.timestamp + self._config.block_time
        if batch.parent_hash != ref.hash or batch.timestamp != timestamp:
            raise ResetRequired(f"the batch at time {batch.timestamp} does not follow L2 block {ref.number} {ref.hash.hex()}")
        if self._origin is None or self._origin.hash != epoch.hash:
            self._origin = yield from l1_block_by_hash(epoch)
        origin = self._origin
        deposits: list[bytes] = []
        system_config, sequence_number = parent.system_config, ref.sequence_number + 1
        if ref.l1_origin.number != epoch.number:
            if origin.header.parent_hash != ref.l1_origin.hash:
                raise ResetRequired(f"L1 origin {epoch.number} {epoch.hash.hex()} does not follow {ref.l1_origin.hash.hex()}")
            deposits = user_deposits(origin, self._config.deposit_contract_address)
            system_config, sequence_number = self._updated(system_config, origin), 0
        elif ref.l1_origin.hash != epoch.hash:
            raise ResetRequired(f"L1 origin {epoch.hash.hex()} conflicts with the parent's {ref.l1_origin.hash.hex()}")
        if timestamp < origin.header.timestamp:
            raise ResetRequired(f"L2 block at time {timestamp} would be before its L1 origin's {origin.header.timestamp}")
        attributes = self._attributes(origin, system_config, sequence_number, timestamp, deposits, batch.transactions)
        return attributes, sequence_number

    def _updated(self, system_config: SystemConfig, origin: L1Block) -> SystemConfig:
        receipts = receipts_with_logs_of(origin, self._config.l1_system_config_address)
        if not receipts:
            return system_config
        updated, problems = update_system_config(
            system_config, receipts, self._config, l1_inclusion_timestamp=origin.header.timestamp
        )
        self._journal.notices += [ConfigProblem(origin.id, problem) for problem in problems]
        return updated

    def _attributes(
        self,
        origin: L1Block,
        system_config: SystemConfig,
        sequence_number: int,
        timestamp: int,
        deposits: list[bytes],
        batch_transactions: tuple[bytes, ...],
    ) -> PayloadAttributes:
        config, rules = self._config, self._config.rules(l2_timestamp=timestamp)
        try:
            l1_info = l1_info_deposit(
                config, self._l1_chain_config, system_config, sequence_number, origin.header, origin.hash, l2_timestamp=timestamp
            )
        except CriticalConfigError as error:
            raise CriticalError(f"no L1 info deposit for the L2 block at time {timestamp}: {error}") from error
        upgrades, upgrade_gas = config.upgrade_transactions(l2_timestamp=timestamp)
        beacon_root = origin.header.parent_beacon_block_root or bytes(32)  # before Dencun L1 has none
        return PayloadAttributes(
            timestamp=timestamp,
            prev_randao=origin.header.prev_randao,
            suggested_fee_recipient=SEQUENCER_FEE_VAULT,
            withdrawals=() if rules.withdrawals else None,
            parent_beacon_block_root=beacon_root if rules.parent_beacon_block_root else None,
            transactions=(encode_deposit(l1_info), *deposits, *upgrades, *batch_transactions),
            no_tx_pool=True,
            gas_limit=system_config.gas_limit + upgrade_gas,
            eip1559_params=system_config.eip1559_params if rules.eip1559_params else None,
            min_base_fee=system_config.min_base_fee if rules.min_base_fee else None,
        )
