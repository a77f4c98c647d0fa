"""A chain whose transactions are traced, for tests."""

from __future__ import annotations

from typing import Any

import msgspec

from tests.unit.rpc.eth.eth_chain import EthChain
from trinode.jsonrpc.requests import answer
from trinode.rpc.debug.trace_methods import TraceMethods
from trinode.rpc.debug.trace_settings import TraceSettings
from trinode.rpc.eth.calls import CompiledCode
from trinode.rpc.eth.chain import Chain


class Traced:
    """Calls the methods as a client does."""

    def __init__(self, chain: EthChain, settings: TraceSettings | None = None) -> None:
        self.traces = TraceMethods(Chain(chain.tree.config, chain.store), CompiledCode(), settings)

    async def reply(self, method: str, *params: Any) -> Any:
        """The whole reply."""
        request = {"jsonrpc": "2.0", "id": 1, "method": f"debug_{method}", "params": params}
        return msgspec.json.decode(await answer(msgspec.json.encode(request), self.traces.methods))

    async def __call__(self, method: str, *params: Any) -> Any:
        """The result that must come."""
        reply = await self.reply(method, *params)
        assert "error" not in reply, reply
        return reply["result"]

    async def error(self, method: str, *params: Any) -> str:
        """The message of the error that must come."""
        return str((await self.reply(method, *params))["error"]["message"])
