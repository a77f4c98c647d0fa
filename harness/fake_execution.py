"""An execution engine without an EVM: a block follows from its payload attributes and its parent alone.

The block is the one that the reference derivation makes with `--fake-execution`, so that two derivations agree hash for
hash. Its hash is

    keccak256(parent_hash || be64(number) || be64(timestamp) || l1_origin_hash || keccak256(transactions, joined)
              || be64(gas_limit) || eip1559_params (8 bytes, or nothing) || min_base_fee (be64, or nothing))

of the attributes' values as they are. Its extraData is what an engine makes of the parameters (OP Stack specification:
holocene and jovian, exec-engine): the zeros that stand for "the chain's own" are replaced by the constants of Canyon.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from trinode.derive.events import DerivedAttributes, PayloadInvalid
from trinode.protocol.deposit import DEPOSIT_TRANSACTION_TYPE, decode_deposit
from trinode.protocol.eip1559 import decode_eip1559_params, encode_holocene_extra_data, encode_jovian_extra_data
from trinode.protocol.keccak import keccak256
from trinode.protocol.l1_info import decode_l1_info
from trinode.protocol.payload import PayloadAttributes
from trinode.protocol.transaction import BlobTransaction, TransactionDecodingError, decode_transaction
from trinode.protocol.types import Hash32
from trinode.rollup.config import RollupConfig
from trinode.rollup.l2_block import L2Block, L2BlockRef, read_l2_block

_CANYON_DENOMINATOR, _ELASTICITY = 250, 6  # where the rollup config names none
_DEPOSIT = bytes([DEPOSIT_TRANSACTION_TYPE])


def fake_block_hash(parent_hash: Hash32, number: int, l1_origin_hash: Hash32, attributes: PayloadAttributes) -> Hash32:
    """The hash of the block, by the definition above."""
    min_base_fee = attributes.min_base_fee
    return keccak256(
        b"".join(
            (
                parent_hash,
                number.to_bytes(8, "big"),
                attributes.timestamp.to_bytes(8, "big"),
                l1_origin_hash,
                keccak256(b"".join(attributes.transactions)),
                attributes.gas_limit.to_bytes(8, "big"),
                attributes.eip1559_params or b"",
                b"" if min_base_fee is None else min_base_fee.to_bytes(8, "big"),
            )
        )
    )


def fake_extra_data(config: RollupConfig, attributes: PayloadAttributes) -> bytes:
    """The extraData that an engine gives the block; empty before Holocene."""
    if attributes.eip1559_params is None:
        return b""
    denominator, elasticity = decode_eip1559_params(attributes.eip1559_params)
    if denominator == 0:
        denominator, elasticity = _CANYON_DENOMINATOR, _ELASTICITY
        if constants := config.chain_op_config:
            denominator, elasticity = constants.eip1559_denominator_canyon, constants.eip1559_elasticity
    if attributes.min_base_fee is not None:
        return encode_jovian_extra_data(denominator, elasticity, attributes.min_base_fee)
    return encode_holocene_extra_data(denominator, elasticity)


def make_block(config: RollupConfig, parent: L2BlockRef, attributes: PayloadAttributes) -> L2Block:
    """The block that `attributes` make on `parent`.

    Raises DecodingError or L2BlockError where the first transaction is no L1 info deposit of the block's fork.
    """
    number = parent.number + 1
    l1_info = decode_l1_info(decode_deposit(attributes.transactions[0]).data)
    return read_l2_block(
        config,
        hash=fake_block_hash(parent.hash, number, l1_info.hash, attributes),
        number=number,
        parent_hash=parent.hash,
        timestamp=attributes.timestamp,
        gas_limit=attributes.gas_limit,
        extra_data=fake_extra_data(config, attributes),
        transactions=attributes.transactions,
    )


def has_batch_transactions(attributes: PayloadAttributes) -> bool:
    """Whether anything but deposits is in the block: an empty transaction counts as such too."""
    return any(raw[:1] != _DEPOSIT for raw in attributes.transactions)


def is_undecodable(raw: bytes) -> bool:
    """Whether no engine takes this transaction into an L2 block: it does not decode, or it carries blobs."""
    try:
        return isinstance(decode_transaction(raw), BlobTransaction)
    except TransactionDecodingError:
        return raw[:1] != _DEPOSIT  # deposits come from L1; the reference does not look at them


@dataclass(frozen=True, slots=True)
class FakeExecution:
    """The engine: makes blocks, and rejects some of those that hold batch transactions.

    `invalid_blocks`: numbers of blocks that fail whatever batch transactions they hold. `reject_undecodable`: a block
    also fails with a batch transaction that is undecodable. Deposits alone never fail.
    """

    config: RollupConfig
    invalid_blocks: Collection[int] = ()
    reject_undecodable: bool = False

    def invalid_reason(self, parent: L2BlockRef, attributes: PayloadAttributes) -> str | None:
        """Why the engine rejects the block; None if it makes it."""
        if not has_batch_transactions(attributes):
            return None
        if parent.number + 1 in self.invalid_blocks:
            return f"block {parent.number + 1} was asked to be invalid"
        if self.reject_undecodable:
            for index, raw in enumerate(attributes.transactions):
                if is_undecodable(raw):
                    return f"transaction {index} cannot be in an L2 block"
        return None

    def __call__(self, derived: DerivedAttributes) -> L2Block | PayloadInvalid:
        """The block that derived attributes make, or why they make none; raises like `make_block`."""
        reason = self.invalid_reason(derived.parent, derived.attributes)
        return make_block(self.config, derived.parent, derived.attributes) if reason is None else PayloadInvalid(reason)
