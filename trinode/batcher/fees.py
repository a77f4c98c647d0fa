"""What a batcher transaction pays: first, when it is replaced, and whether calldata or blobs cost less (EIP-1559, EIP-4844,
EIP-7623).

Nodes take a replacement that pays at least a tenth more in each fee, or twice as much if it carries blobs.
"""

from __future__ import annotations

from typing import NamedTuple

from trinode.batcher.l1_sender import L1Head
from trinode.batcher.settings import BatcherSettings
from trinode.protocol.blob import BLOB_SIZE
from trinode.protocol.l1_cost import blob_base_fee
from trinode.rollup.l1_chain import L1ChainConfig

TRANSFER_GAS = 21_000
GAS_PER_BLOB = BLOB_SIZE
_FLOOR_GAS_PER_TOKEN = 10  # EIP-7623, which makes batcher data dearer than the older rule does


class Quote(NamedTuple):
    """L1's fees now, wei per gas; `blob_base_fee` is None while L1 has no blobs."""

    base_fee: int
    tip: int
    blob_base_fee: int | None


class Fees(NamedTuple):
    """What a transaction offers, wei per gas; `max_blob_fee` counts only with blobs."""

    tip: int
    max_fee: int
    max_blob_fee: int


def quote_of(head: L1Head, tip: int, l1_config: L1ChainConfig, settings: BatcherSettings) -> Quote:
    """The fees of the block after `head`, but for the eighth that each may rise; the tip within the settings."""
    tip = max(tip, settings.min_tip)
    tip = tip if settings.max_tip is None else min(tip, settings.max_tip)
    fraction = l1_config.update_fraction_at(head.timestamp)
    blob_fee = None if head.excess_blob_gas is None or fraction is None else blob_base_fee(head.excess_blob_gas, fraction)
    return Quote(head.base_fee, tip, blob_fee)


def first_fees(quote: Quote, settings: BatcherSettings) -> Fees:
    """Twice the base fees: enough for six blocks in which they rise by an eighth each."""
    return Fees(quote.tip, quote.tip + 2 * quote.base_fee, max(2 * (quote.blob_base_fee or 0), settings.min_blob_fee))


def raised_fees(fees: Fees, quote: Quote, settings: BatcherSettings, *, in_blobs: bool) -> Fees | None:
    """What replaces a transaction that offered `fees`; None beyond the limits of the settings."""
    fresh = first_fees(quote, settings)
    factor = 200 if in_blobs else 110
    raised = Fees(*(max(new, -(-old * factor // 100)) for old, new in zip(fees, fresh, strict=True)))
    if settings.max_tip is not None and raised.tip > settings.max_tip:
        return None
    for offered, usual in zip(raised, fresh, strict=True):
        if offered > settings.fee_limit_threshold and offered > settings.fee_limit_multiplier * usual:
            return None
    return raised


def calldata_gas(data: bytes) -> int:
    """The gas of a transaction that only brings `data`, under any of L1's rules so far."""
    zeros = data.count(0)
    others = len(data) - zeros
    return TRANSFER_GAS + max(4 * zeros + 16 * others, _FLOOR_GAS_PER_TOKEN * (zeros + 4 * others))


def calldata_cost(quote: Quote, transactions: list[bytes]) -> int:
    """Wei for transactions with these calldata."""
    return sum(map(calldata_gas, transactions)) * (quote.base_fee + quote.tip)


def blobs_cost(quote: Quote, transactions: int, blobs: int) -> int:
    """Wei for so many transactions with so many blobs in all. `quote` must have a blob base fee."""
    assert quote.blob_base_fee is not None
    return transactions * TRANSFER_GAS * (quote.base_fee + quote.tip) + blobs * GAS_PER_BLOB * quote.blob_base_fee
