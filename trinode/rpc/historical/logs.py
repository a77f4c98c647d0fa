"""eth_getLogs over Bedrock: the part before it comes from Legacy Geth, the rest from here, in order (execution-apis: eth/filter)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any, TypeAlias

import msgspec
import trio

from trinode.jsonrpc.replies import JsonObject, RpcJsonError
from trinode.jsonrpc.requests import INVALID_PARAMS, RpcError
from trinode.rollup.json_fields import to_hex
from trinode.rpc.eth.block_names import EARLIEST, PENDING
from trinode.rpc.eth.errors import LIMIT_EXCEEDED
from trinode.rpc.eth.limits import EthLimits
from trinode.rpc.eth.log_filter import LogFilter, LogQuery
from trinode.rpc.eth.logs import BEYOND_HEAD
from trinode.rpc.historical.here import Here
from trinode.rpc.historical.legacy import Legacy
from trinode.rpc.historical.missing import no_endpoint

GetLogs: TypeAlias = Callable[[LogQuery], Awaitable[Any]]
"""Gives a list of logs, or msgspec.Raw where it is encoded already."""


class LogRanges:
    """`legacy` None: what begins before Bedrock is refused, where else it would be answered in part."""

    def __init__(self, legacy: Legacy | None, here: Here, limits: EthLimits) -> None:
        self._legacy = legacy
        self._here = here
        self._limits = limits

    async def get(self, local: GetLogs, query: LogQuery) -> Any:
        """The logs that a query means; `local` has those from Bedrock on. Raises RpcError."""
        if query.block_hash is not None:
            return await self._of_block(local, query)
        bedrock = self._here.bedrock
        if query.first == EARLIEST and self._legacy is None:
            return await local(query)  # from the first block that is here
        first = 0 if query.first == EARLIEST else query.first
        if not isinstance(first, int) or first >= bedrock:
            return await local(query)
        if query.last == PENDING:
            return await local(query)  # which refuses it
        last = 0 if query.last == EARLIEST else await self._here.number(query.last)
        if last < first:
            raise RpcError(INVALID_PARAMS, "invalid block range params")
        if self._legacy is None:
            raise no_endpoint(execution=False)
        if last > max(self._here.head, bedrock - 1):
            raise RpcError(INVALID_PARAMS, BEYOND_HEAD)
        if 0 < self._limits.log_range <= last - first:
            wish = f"{last - first + 1} blocks are asked for, {self._limits.log_range} at once are searched"
            raise RpcError(LIMIT_EXCEEDED, f"block range too large: {wish}. Use a narrower fromBlock and toBlock")
        older = await self._older(self._legacy, query.filter, first, min(last, bedrock - 1))
        if last < bedrock:
            return older
        newer = await local(replace(query, first=bedrock, last=last))
        return await trio.to_thread.run_sync(lambda: self._merged(older, newer))

    async def _of_block(self, local: GetLogs, query: LogQuery) -> Any:
        assert query.block_hash is not None
        if self._legacy is None or await self._here.has_block(query.block_hash):
            return await local(query)
        wanted = query.block_hash

        def check(logs: Any) -> None:
            for log in _list(logs):
                if JsonObject(log, "log").data("blockHash", 32) != wanted:
                    raise RpcJsonError("log.blockHash", "the log is of another block")
            self._check_count(len(logs))

        return await self._legacy.forward("eth_getLogs", [_filter_json(query.filter) | {"blockHash": to_hex(wanted)}], check)

    async def _older(self, legacy: Legacy, wanted: LogFilter, first: int, last: int) -> msgspec.Raw:
        def check(logs: Any) -> None:
            before = (first, -1)
            for log in _list(logs):
                fields = JsonObject(log, "log")
                place = (fields.quantity("blockNumber"), fields.quantity("logIndex"))
                if not before < place or place[0] > last:
                    raise RpcJsonError("log.blockNumber", f"the log is out of order, or not of blocks {first} to {last}")
                before = place
            self._check_count(len(logs))

        asked = _filter_json(wanted) | {"fromBlock": hex(first), "toBlock": hex(last)}
        return await legacy.forward("eth_getLogs", [asked], check)

    def _merged(self, older: msgspec.Raw, newer: Any) -> msgspec.Raw:
        raw = newer if isinstance(newer, msgspec.Raw) else msgspec.json.encode(newer)
        logs = [*msgspec.json.decode(older, type=list[msgspec.Raw]), *msgspec.json.decode(raw, type=list[msgspec.Raw])]
        self._check_count(len(logs))
        return msgspec.Raw(msgspec.json.encode(logs))

    def _check_count(self, count: int) -> None:
        if count > self._limits.logs:
            problem = f"more than {self._limits.logs} logs were found"
            raise RpcError(LIMIT_EXCEEDED, f"query returns too much: {problem}. Use a narrower block range, or name addresses and topics")


def _list(logs: Any) -> list[Any]:
    if not isinstance(logs, list):
        raise RpcJsonError("result", "a list of logs was expected")
    return logs


def _filter_json(wanted: LogFilter) -> dict[str, Any]:
    """As a request has it; what is empty lets everything through."""
    return {
        "address": sorted(map(to_hex, wanted.addresses)),
        "topics": [sorted(map(to_hex, choices)) or None for choices in wanted.topics],
    }
