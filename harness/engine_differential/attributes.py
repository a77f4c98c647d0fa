"""Random payload attributes without their transactions: what derivation and the sequencer may ask of a block."""

from __future__ import annotations

from dataclasses import dataclass, replace
from random import Random

from harness.engine_differential.chain import BLOCK_TIME, RandomChain
from harness.engine_differential.predeploys import SEQUENCER_FEE_VAULT
from trinode.protocol.deposit import DepositTransaction, decode_deposit, encode_deposit, l1_info_source_hash
from trinode.protocol.eip1559 import encode_eip1559_params
from trinode.protocol.l1_info import L1BlockInfo, encode_l1_info
from trinode.protocol.payload import PayloadAttributes
from trinode.rollup.fork import Fork
from trinode.rollup.l1_attributes import L1_BLOCK_PREDEPLOY, L1_INFO_DEPOSITOR, l1_info_format_at

_EIP1559_PARAMS = ((0, 0), (0, 0), (250, 6), (50, 6), (50, 2), (8, 2), (1, 10), (2**32 - 1, 2**20), (250, 1))
_ODD = 0.01
"""How likely a block does not begin with its L1 attributes as it should, or has EIP-1559 parameters that are none."""
_GAS_LIMITS = (30_000_000, 30_000_000, 20_000_000, 8_000_000, 4_000_000, 60_000_001, 2**40)


@dataclass(slots=True)
class AttributesMaker:
    """A source of attributes and of L1 attributes deposits; keeps the L1 origin from block to block."""

    chain: RandomChain
    random: Random
    info: L1BlockInfo | None = None

    def make(self, timestamp: int) -> PayloadAttributes:
        """Attributes for a block of that time, with no transactions yet."""
        fork = self.chain.config.fork_at(l2_timestamp=timestamp)
        random = self.random
        recipient = SEQUENCER_FEE_VAULT if random.random() < 0.7 else self.chain.accounts.any(random)
        params = encode_eip1559_params(*random.choice(_EIP1559_PARAMS if random.random() > _ODD else ((0, 6), (50, 0))))
        return PayloadAttributes(
            timestamp=timestamp,
            prev_randao=random.randbytes(32),
            suggested_fee_recipient=recipient,
            withdrawals=() if fork >= Fork.CANYON else None,
            parent_beacon_block_root=random.randbytes(32) if fork >= Fork.ECOTONE else None,
            transactions=(),
            no_tx_pool=True,
            gas_limit=random.choice(_GAS_LIMITS),
            eip1559_params=params if fork >= Fork.HOLOCENE else None,
            min_base_fee=random.choice((0, 0, 0, 1, 10**6, 2 * 10**9)) if fork >= Fork.JOVIAN else None,
        )

    def l1_attributes(self, timestamp: int) -> DepositTransaction:
        """The first deposit of the block of that time: of the same L1 origin as before, or of the next one with other fees."""
        info = self.info = self._next_info(timestamp)
        rules = self.chain.config.rules(l2_timestamp=timestamp)
        return DepositTransaction(
            source_hash=l1_info_source_hash(info.hash, info.sequence_number),
            sender=L1_INFO_DEPOSITOR,
            to=L1_BLOCK_PREDEPLOY,
            mint=0,
            value=0,
            gas_limit=rules.l1_info_gas,
            is_system_transaction=rules.l1_info_is_system_transaction,
            data=encode_l1_info(info),
        )

    def odd_beginning(self, first: bytes) -> list[bytes]:
        """What a block begins with: its L1 attributes, mostly; now and then some that nobody should send."""
        random = self.random
        if random.random() > _ODD:
            return [first]
        deposit = decode_deposit(first)
        kind = random.randrange(6)
        if kind == 0:
            return []
        if kind == 1:  # not 176 bytes: op-geth builds no block on these since Jovian, and takes a block with them for valid
            return [encode_deposit(replace(deposit, data=deposit.data[: random.choice((0, 3, 164, 175, 177))]))]
        if kind == 2:
            return [encode_deposit(replace(deposit, data=deposit.data + random.randbytes(random.randint(1, 3))))]
        if kind == 3:
            return [encode_deposit(replace(deposit, data=random.randbytes(4) + deposit.data[4:]))]
        if kind == 4:
            return [encode_deposit(replace(deposit, sender=random.choice(self.chain.accounts.users)))]
        return [first, encode_deposit(replace(deposit, source_hash=random.randbytes(32)))]

    def _next_info(self, timestamp: int) -> L1BlockInfo:
        random, last = self.random, self.info
        format = l1_info_format_at(self.chain.config, l2_timestamp=timestamp)
        if last is not None and last.format is format and random.random() < 0.6:
            fields = {name: getattr(last, name) for name in L1BlockInfo.__dataclass_fields__}
            return L1BlockInfo(**fields | {"sequence_number": last.sequence_number + 1})
        scalar = random.choice((0, 1, 684_000, 1_000_000, 10**7))
        return L1BlockInfo(
            format=format,
            number=1 if last is None else last.number + 1,
            timestamp=timestamp - random.randrange(BLOCK_TIME * 6),
            base_fee=random.choice((0, 7, 10**9, 10**9, 3 * 10**10, 2**48)),
            hash=random.randbytes(32),
            sequence_number=0,
            batcher_address=random.randbytes(20),
            l1_fee_overhead=random.choice((0, 188, 2100)),
            l1_fee_scalar=scalar,
            blob_base_fee=random.choice((1, 1, 10**9, 10**12)),
            base_fee_scalar=random.choice((0, 1368, 5227, 10**6, 2**32 - 1)),
            blob_base_fee_scalar=random.choice((0, 810_949, 1_014_213, 2**32 - 1)),
            operator_fee_scalar=random.choice((0, 0, 100, 10**6, 2**32 - 1)),
            operator_fee_constant=random.choice((0, 0, 7, 10**12, 2**64 - 1)),
            da_footprint_gas_scalar=random.choice((0, 1, 400, 400, 400, 3000, 2**16 - 1)),
        )
