"""The `eth_` methods over headers alone, beside the full node that they ask for all the rest, and that may be made to lie."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import trio

from tests.unit.engine.stateless.local_endpoint import LocalEndpoint
from tests.unit.rpc.eth.eth_chain import Eth, EthChain
from trinode.engine.stateless.headers import FINALIZED, SAFE, HeaderChain, KeptBlocks
from trinode.engine.stateless.remote import RemoteL2
from trinode.engine.stateless.verified_chain import VerifiedChain
from trinode.engine.stateless.verified_state import VerifiedSettings
from trinode.jsonrpc.calls import JsonRpc
from trinode.jsonrpc.requests import Method, RpcError
from trinode.protocol.block import KnownBlock
from trinode.rpc.eth.namespace import EthNamespace

Lie = Callable[[list[Any], Any], Any]
"""Takes parameters and honest result; gives what is answered."""


class LyingNode:
    """Answers as the full node does. `lies`: by method. `lacks`: methods that it does not have, `silent`: on which it never answers.

    `asked`: how often each was. `keeps_waiting`: somebody waits for what never comes.
    """

    def __init__(self, full: Eth, name: str = "http://full.example") -> None:
        self.full = full
        self.lies: dict[str, Lie] = {}
        self.lacks: set[str] = set()
        self.silent: set[str] = set()
        self.asked: Counter[str] = Counter()
        self.requests = 0
        self.keeps_waiting = trio.Event()
        self._name = name

    def remote(self) -> RemoteL2:
        methods: dict[str, Method] = {name: self._answering(name) for name in self.full.namespace.methods}
        return RemoteL2(JsonRpc(_Counting(self, self._name, methods), batch=100))

    def _answering(self, name: str) -> Method:
        async def call(params: list[Any]) -> Any:
            self.asked[name] += 1
            if name in self.silent:
                self.keeps_waiting.set()
                await trio.sleep_forever()
            if name in self.lacks:
                raise RpcError(-32601, f"the method {name} does not exist/is not available")
            result = await self.full(name.removeprefix("eth_"), *params)
            return self.lies[name](params, result) if name in self.lies else result

        return call


class _Counting(LocalEndpoint):
    def __init__(self, node: LyingNode, url: str, methods: dict[str, Method]) -> None:
        super().__init__(url, methods)
        self._node = node

    async def _send(self, method: str, verb: str, url: str, body: bytes) -> bytes:
        self._node.requests += 1
        return await super()._send(method, verb, url, body)


def headers_of(full: EthChain, path: Path, kept: KeptBlocks | None = None) -> HeaderChain:
    """The same chain, as far as a stateless node keeps it. Its safe block is the last but one, its finalized block the one before."""
    genesis = full.tree.genesis
    chain = HeaderChain(path, full.tree.identity, kept)
    chain.begin(KnownBlock(genesis.header, genesis.hash, ()))
    blocks = [KnownBlock(block.header, block.hash, block.transactions) for block in full.blocks]
    for number, block in enumerate(blocks):
        labels = {SAFE: blocks[number - 1].hash, FINALIZED: blocks[number - 2].hash} if number > 1 else {}
        chain.adopt(number, [block], labels)
    return chain


class Verified:
    """A full node and a stateless one on the same chain."""

    def __init__(self, full: EthChain, chain: HeaderChain, settings: VerifiedSettings | None = None, *others: LyingNode) -> None:
        for name, known in ((SAFE, chain.label(SAFE)), (FINALIZED, chain.label(FINALIZED))):
            if known is not None:
                full.store.set_label(name, known.hash)
        self.full = full.eth()
        self.node = LyingNode(self.full)
        self.notices: list[str] = []
        remotes = [node.remote() for node in (self.node, *others)]
        self.chain = VerifiedChain(full.tree.config, chain, remotes, settings=settings, notice=self.notices.append)
        self.eth = Eth(EthNamespace(full.tree.config, self.chain, progress=lambda: None))

    async def same(self, method: str, *params: Any) -> Any:
        """The answer of both, error or not."""
        expected = await _outcome(self.full, method, params)
        assert await _outcome(self.eth, method, params) == expected, (method, params)
        return expected

    async def error(self, method: str, *params: Any) -> str:
        """What a user hears who asks the stateless node."""
        error = await self.eth.error(method, *params)
        assert error["code"] == -32000
        message: str = error["message"]
        return message


async def _outcome(eth: Eth, method: str, params: tuple[Any, ...]) -> Any:
    try:
        return await eth(method, *params)
    except RpcError as error:
        return error.to_json()
