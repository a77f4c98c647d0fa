"""The `eth_` methods of an execution client, over a scripted engine: what `ExternalEngine` asks for."""

from __future__ import annotations

from functools import partial
from typing import Any

import trio

from trinode.engine.api.interface import Engine
from trinode.jsonrpc.block_object import block_object
from trinode.jsonrpc.fields import InvalidParams, kind, parse_data, parse_quantity
from trinode.jsonrpc.requests import Method, take_params
from trinode.protocol.block import KnownBlock, KnownHeader


class EthMethods:
    """The methods over an engine."""

    def __init__(self, engine: Engine, chain_id: int) -> None:
        self._engine = engine
        self._chain_id = chain_id
        self.methods: dict[str, Method] = {
            "eth_chainId": self._get_chain_id,
            "eth_blockNumber": self._block_number,
            "eth_getBlockByNumber": self._get_block_by_number,
            "eth_getBlockByHash": self._get_block_by_hash,
        }

    async def _get_chain_id(self, params: list[Any]) -> str:
        take_params(params, 0)
        return hex(self._chain_id)

    async def _block_number(self, params: list[Any]) -> str:
        take_params(params, 0)
        return hex((await self._engine.head()).header.number)

    async def _get_block_by_number(self, params: list[Any]) -> dict[str, Any] | None:
        name, whole = take_params(params, 2)
        _check_boolean(whole)
        return await _object(await self._block_named(name), whole=whole)

    async def _get_block_by_hash(self, params: list[Any]) -> dict[str, Any] | None:
        block_hash, whole = take_params(params, 2)
        _check_boolean(whole)
        return await _object(await self._engine.block(parse_data(block_hash, "params[0]", 32)), whole=whole)

    async def _block_named(self, name: object) -> KnownBlock | None:
        """By tag or number. pending is latest: a block that is being built is no block yet."""
        if name in ("latest", "pending"):
            return await self._whole(await self._engine.head())
        if name == "safe":
            return await self._whole(await self._engine.safe())
        if name == "finalized":
            return await self._whole(await self._engine.finalized())
        return await self._engine.block_by_number(0 if name == "earliest" else parse_quantity(name, "params[0]"))

    async def _whole(self, header: KnownHeader | None) -> KnownBlock | None:
        return None if header is None else await self._engine.block(header.hash)


async def _object(block: KnownBlock | None, *, whole: bool) -> dict[str, Any] | None:
    """Beside the loop: recovering the senders of a full block takes milliseconds."""
    return None if block is None else await trio.to_thread.run_sync(partial(block_object, block, whole=whole))


def _check_boolean(value: object) -> None:
    if not isinstance(value, bool):
        raise InvalidParams("params[1]", f"true or false was expected, not {kind(value)}")
