"""What gas costs, and did cost (execution-apis: eth/fee_market; suggestions as op-geth makes them)."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from functools import lru_cache
from itertools import accumulate, pairwise
from typing import Any

from trinode.execution.errors import InvalidAttributes
from trinode.execution.header_fields import base_fee_after
from trinode.jsonrpc.declared import Declared, Param, declare
from trinode.jsonrpc.fields import parse_list
from trinode.jsonrpc.kinds import QUANTITY_RESULT, custom
from trinode.protocol.block import KnownHeader
from trinode.protocol.deposit import DepositTransaction
from trinode.protocol.header import Header
from trinode.protocol.receipt import Receipt
from trinode.protocol.transaction import decode_transaction
from trinode.protocol.types import Hash32
from trinode.rpc.eth.block_names import LATEST, ByHash
from trinode.rpc.eth.chain import Chain
from trinode.rpc.eth.errors import server_error, without_receipts
from trinode.rpc.eth.kinds import BLOCK_NUMBER, COUNT, NUMBER
from trinode.rpc.eth.limits import EthLimits
from trinode.rpc.eth.receipt_object import effective_tip
from trinode.rpc.eth.schemas import FEE_HISTORY
from trinode.rpc.eth.workers import Workers

_RECENT = 256
"""Blocks whose tips are kept: wallets ask for the same ones again and again."""


class FeeMethods:
    """Suggestions, and the history that wallets make their own from."""

    def __init__(self, chain: Chain, workers: Workers, limits: EthLimits) -> None:
        self._chain = chain
        self._workers = workers
        self._limits = limits
        self._paid_in = lru_cache(_RECENT)(self._paid)
        percentiles = custom({"type": "array", "items": NUMBER.schema, "maxItems": limits.fee_percentiles}, self._parse_percentiles)
        self.methods: dict[str, Declared] = {
            "eth_baseFee": declare(self._base_fee, "The base fee of the block after the head, in wei", result=QUANTITY_RESULT),
            "eth_blobBaseFee": declare(self._blob_base_fee, "The base fee of blob gas, in wei", result=QUANTITY_RESULT),
            "eth_feeHistory": declare(
                self._fee_history,
                "Fees of the blocks up to one, and the tips at percentiles of their gas",
                Param("blockCount", COUNT),
                Param("newestBlock", BLOCK_NUMBER),
                Param("rewardPercentiles", percentiles, required=False, default=()),
                result=FEE_HISTORY,
            ),
            "eth_gasPrice": declare(self._gas_price, "A gas price for now, in wei", result=QUANTITY_RESULT),
            "eth_maxPriorityFeePerGas": declare(self._max_priority_fee, "A tip for now, in wei", result=QUANTITY_RESULT),
        }

    async def _gas_price(self) -> str:
        def price() -> int:
            head = self._chain.header(LATEST)
            return self._tip(head) + (head.header.base_fee_per_gas or 0)

        return hex(await self._workers.read(price))

    async def _max_priority_fee(self) -> str:
        return hex(await self._workers.read(lambda: self._tip(self._chain.header(LATEST))))

    async def _base_fee(self) -> str:
        return hex(await self._workers.read(lambda: self._next_base_fee(self._chain.header(LATEST))))

    async def _blob_base_fee(self) -> str:
        head = await self._workers.read(lambda: self._chain.header(LATEST))
        return hex(_blob_base_fee(head.header))

    def _tip(self, head: KnownHeader) -> int:
        """In wei. The least there is, unless the head is full: then a tenth above the median of what it took."""
        least, header = self._limits.min_suggested_tip, head.header
        receipts = self._chain.find_receipts(head)
        if not receipts:
            return least
        if header.gas_used + max(_gas_of_each(receipts)) <= header.gas_limit:
            return least
        transactions = [decode_transaction(raw) for raw in self._chain.block(head).transactions]
        tips = sorted(effective_tip(tx, header.base_fee_per_gas or 0) for tx in transactions if not isinstance(tx, DepositTransaction))
        if not tips:
            return least
        median = tips[len(tips) // 2]
        return min(max(least, median + median // 10), self._limits.max_suggested_tip)

    # ---- history ----

    async def _fee_history(self, blocks: int, newest: str | int, percentiles: Sequence[float]) -> dict[str, Any]:
        return await self._workers.call(lambda: self._history(blocks, newest, percentiles), "query")

    def _parse_percentiles(self, value: object, path: str) -> list[float]:
        percentiles = parse_list(value, path)
        if len(percentiles) > self._limits.fee_percentiles:
            raise server_error(f"invalid reward percentile: over the query limit {self._limits.fee_percentiles}")
        return [NUMBER.parse(each, f"{path}[{index}]") for index, each in enumerate(percentiles)]

    def _history(self, count: int, newest: str | int, percentiles: Sequence[float]) -> dict[str, Any]:
        if not count:
            return {"oldestBlock": "0x0", "gasUsedRatio": None}
        check_percentiles(percentiles)
        head = self._chain.head.number
        if isinstance(newest, int) and newest > head:
            raise server_error(f"request beyond head block: requested {newest}, head {head}")
        known = self._chain.header(newest)
        line = self._line(known, min(count, self._limits.fee_blocks), with_receipts=bool(percentiles))
        headers = [each.header for each in line]
        last = headers[-1]
        blob_fees = [_blob_base_fee(header) for header in headers]
        result: dict[str, Any] = {
            "oldestBlock": hex(headers[0].number),
            "baseFeePerGas": [hex(header.base_fee_per_gas or 0) for header in headers] + [hex(self._next_base_fee(known))],
            "gasUsedRatio": [header.gas_used / header.gas_limit for header in headers],
            "baseFeePerBlobGas": [hex(fee) for fee in [*blob_fees, _blob_base_fee(last)]],
            "blobGasUsedRatio": [0] * len(headers),  # L2 blocks have no blobs
        }
        return result | {"reward": [self._rewards(each, percentiles) for each in line]} if percentiles else result

    def _line(self, newest: KnownHeader, count: int, *, with_receipts: bool) -> list[KnownHeader]:
        """Up to `count` blocks that end with `newest`, oldest first; they begin where what is known begins."""
        line = [newest]
        while len(line) < count and line[-1].header.number > 0:
            parent = self._chain.find(ByHash(line[-1].header.parent_hash))
            if parent is None or (with_receipts and self._paid_in(parent.hash) is None):
                break
            line.append(parent)
        return line[::-1]

    def _next_base_fee(self, known: KnownHeader) -> int:
        """Of the block after that: the one that is there, or will be one block time later."""
        following = self._chain.blocks.canonical_hash(known.header.number + 1)
        header = None if following is None else self._chain.blocks.header(following)
        if header is not None and header.parent_hash == known.hash:
            return header.base_fee_per_gas or 0
        try:
            return base_fee_after(self._chain.config, known.header, known.header.timestamp + self._chain.config.block_time)
        except InvalidAttributes:
            return known.header.base_fee_per_gas or 0  # genesis blocks may lack the parameters

    def _rewards(self, known: KnownHeader, percentiles: Sequence[float]) -> list[str]:
        """Tips in wei, by the share of the block's gas that paid no more."""
        paid = self._paid_in(known.hash)
        if paid is None:
            raise without_receipts(known.header.number)
        tips, reached = paid
        if not tips:
            return ["0x0"] * len(percentiles)
        places = [bisect_left(reached, int(known.header.gas_used * percentile / 100)) for percentile in percentiles]
        return [hex(tips[min(place, len(tips) - 1)]) for place in places]

    def _paid(self, block_hash: Hash32) -> tuple[list[int], list[int]] | None:
        """A block's tips in ascending order, and the gas that paid each tip or less; None: its receipts are not known."""
        known = self._chain.header(ByHash(block_hash))
        receipts, base_fee = self._chain.find_receipts(known), known.header.base_fee_per_gas or 0
        if receipts is None:
            return None
        tips = [effective_tip(decode_transaction(raw), base_fee) for raw in self._chain.block(known).transactions]
        paid = sorted(zip(tips, _gas_of_each(receipts), strict=True))
        return [tip for tip, _ in paid], list(accumulate(gas for _, gas in paid))


def check_percentiles(percentiles: Sequence[float]) -> None:
    """From 0 to 100, in ascending order. Raises RpcError."""
    for index, each in enumerate(percentiles):
        if not 0 <= each <= 100:
            raise server_error(f"invalid reward percentile: {each:f}")
        if index and each <= percentiles[index - 1]:
            raise server_error(f"invalid reward percentile: #{index - 1}:{percentiles[index - 1]:f} >= #{index}:{each:f}")


def _gas_of_each(receipts: Sequence[Receipt]) -> list[int]:
    return [after - before for before, after in pairwise([0, *(receipt.cumulative_gas_used for receipt in receipts)])]


def _blob_base_fee(header: Header) -> int:
    """Wei: the least there is, as L2 blocks never have excess blob gas; 0 before Ecotone."""
    return 0 if header.excess_blob_gas is None else 1
