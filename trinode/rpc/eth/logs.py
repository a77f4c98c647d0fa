"""eth_getLogs (execution-apis: eth/filter): the blocks' bloom filters say where to look, their receipts what is there."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec

from trinode.jsonrpc.declared import Declared, Param, declare
from trinode.jsonrpc.kinds import list_of
from trinode.jsonrpc.requests import INVALID_PARAMS, RpcError
from trinode.protocol.block import KnownHeader
from trinode.protocol.transaction import transaction_hash
from trinode.rpc.eth.block_names import LATEST, PENDING, ByHash
from trinode.rpc.eth.bloom_index import BloomIndex
from trinode.rpc.eth.chain import Chain
from trinode.rpc.eth.errors import LIMIT_EXCEEDED, server_error
from trinode.rpc.eth.kinds import log_filter_of
from trinode.rpc.eth.limits import EthLimits
from trinode.rpc.eth.log_filter import LogBlooms, LogFilter, LogQuery
from trinode.rpc.eth.receipt_object import log_object
from trinode.rpc.eth.schemas import LOG
from trinode.rpc.eth.workers import Workers

_LOG_BYTES = 600
"""Of a log's JSON, besides its data."""

BEYOND_HEAD = "block range extends beyond current head block"


class LogMethods:
    """Logs of past blocks."""

    def __init__(self, chain: Chain, workers: Workers, limits: EthLimits) -> None:
        self._chain = chain
        self._workers = workers
        self._limits = limits
        self._index = BloomIndex(chain.blocks)
        wanted = Param("filter", log_filter_of("LogQuery", limits.log_choices))
        self.methods: dict[str, Declared] = {
            "eth_getLogs": declare(self._get_logs, "The logs of blocks that a filter lets through", wanted, result=list_of(LOG)),
        }

    async def _get_logs(self, query: LogQuery) -> msgspec.Raw:
        return msgspec.Raw(await self._workers.call(lambda: msgspec.json.encode(self._find(query)), "query"))

    def _find(self, query: LogQuery) -> list[dict[str, Any]]:
        """Raises RpcError beyond the limits, and says how to stay within them."""
        found: list[dict[str, Any]] = []
        size, blooms = 0, query.filter.blooms()
        for known in self._blocks(query, blooms):
            if not any(known.header.logs_bloom) or not blooms.may_be_in(known.header.logs_bloom):
                continue
            for log in self._logs_in(known, query.filter):
                found.append(log)
                size += _LOG_BYTES + len(log["data"])
                if len(found) > self._limits.logs or size > self._limits.log_bytes:
                    raise RpcError(LIMIT_EXCEEDED, _too_much(self._limits, known.header.number))
        return found

    def _blocks(self, query: LogQuery, blooms: LogBlooms) -> Iterator[KnownHeader]:
        """Where to look; some of them in vain."""
        if query.block_hash is not None:
            known = self._chain.find(ByHash(query.block_hash))
            if known is None:
                raise server_error("unknown block")
            yield known
            return
        first, last = self._range(query)
        if 0 < self._limits.log_range <= last - first:
            wish = f"{last - first + 1} blocks are asked for, {self._limits.log_range} at once are searched"
            raise RpcError(LIMIT_EXCEEDED, f"block range too large: {wish}. Use a narrower fromBlock and toBlock")
        for number in self._index.candidates(first, last, blooms):
            known = self._chain.by_number(number)
            if known is None:
                return  # the head went back meanwhile
            yield known

    def _range(self, query: LogQuery) -> tuple[int, int]:
        """The first and the last number, as op-geth reads them: to it `latest` comes after all that is named otherwise. Raises RpcError."""
        if PENDING in (query.first, query.last):
            raise RpcError(INVALID_PARAMS, "pending logs are not supported")
        head = self._chain.head.number
        first, last = [head if name == LATEST else self._number(name) for name in (query.first, query.last)]
        if first > last or (query.first == LATEST and query.last != LATEST):
            raise RpcError(INVALID_PARAMS, "invalid block range params")
        if last > head:
            raise RpcError(INVALID_PARAMS, BEYOND_HEAD)
        return first, last

    def _number(self, name: str | int) -> int:
        return name if isinstance(name, int) else self._chain.header(name).header.number

    def _logs_in(self, known: KnownHeader, wanted: LogFilter) -> Iterator[dict[str, Any]]:
        index = 0
        transactions = self._chain.block(known).transactions
        for position, (raw, receipt) in enumerate(zip(transactions, self._chain.receipts(known), strict=True)):
            matching = [(index + offset, log) for offset, log in enumerate(receipt.logs) if wanted.matches(log)]
            index += len(receipt.logs)
            if matching:
                hash = transaction_hash(raw)
                for place, log in matching:
                    yield log_object(log, known, hash, position, place)


def _too_much(limits: EthLimits, number: int) -> str:
    most = f"more than {limits.logs} logs or {limits.log_bytes} bytes of them were found up to block {number}"
    return f"query returns too much: {most}. Use a narrower block range, or name addresses and topics"
