"""Other nodes that requests of users go to: the sequencer of the chain, and Legacy Geth."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

import structlog
import trio

from trinode.jsonrpc.calls import JsonRpc
from trinode.jsonrpc.endpoint import Endpoint, Retries
from trinode.node.config import NodeConfig
from trinode.node.start import StartError
from trinode.rollup.config import RollupConfig
from trinode.rpc.historical.legacy import Legacy, open_legacy
from trinode.rpc.historical.start import WrongHistoryError, check_legacy
from trinode.storage.store import Store

_CONCURRENCY = 64
_TIMEOUT = 10.0

_log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Upstream:
    """Those that are configured. `sequencer`: transactions are passed on to it."""

    sequencer: JsonRpc | None = None
    legacy: Legacy | None = None


@asynccontextmanager
async def open_upstream(config: NodeConfig, rollup: RollupConfig, store: Store | None) -> AsyncIterator[Upstream]:
    """Open until the end of the block. `store`: of the same chain, if there is one, against which Legacy Geth's last block is checked.

    Raises StartError.
    """
    async with AsyncExitStack() as stack:
        url = config.upstream.sequencer
        sequencer = None
        if url is not None:
            endpoint = Endpoint("sequencer", url, concurrency=_CONCURRENCY, timeout=_TIMEOUT, retries=Retries(1))
            stack.push_async_callback(_close, endpoint)
            sequencer = JsonRpc(endpoint)
        url, legacy = config.upstream.historical, None
        if url is not None:
            legacy = await stack.enter_async_context(open_legacy(url, seconds=config.upstream.historical_timeout))
            await _check(legacy, rollup, store)
        yield Upstream(sequencer, legacy)


async def _check(legacy: Legacy, rollup: RollupConfig, store: Store | None) -> None:
    first = None if store is None else await trio.to_thread.run_sync(store.blocks.header, rollup.genesis.l2.hash)
    try:
        unknown = await check_legacy(legacy, rollup, None if first is None else first.parent_hash)
    except WrongHistoryError as error:
        raise StartError(str(error)) from error
    if unknown is not None:
        _log.warning(unknown)


async def _close(endpoint: Endpoint) -> None:
    with trio.CancelScope(shield=True):
        await endpoint.close()
