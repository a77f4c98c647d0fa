"""An engine whose moves are told, with the filters and subscriptions over them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec

from tests.unit.engine.block_tree import Blocks, choose
from trinode.engine.core import EngineCore
from trinode.engine.status import Status
from trinode.execution.block import ExecutedBlock
from trinode.jsonrpc.requests import RpcError
from trinode.protocol.deposit import DepositTransaction, encode_deposit
from trinode.rpc.dispatch import Dispatcher
from trinode.rpc.eth.events import EthEvents
from trinode.rpc.eth.namespace import EthNamespace, SyncProgress
from trinode.rpc.eth.subscriptions import Sources
from trinode.rpc.subscriptions.chain_events import ChainEvents, PendingTransactions


def logging_deposit(salt: int, *topics: int) -> bytes:
    """A deposit that makes a contract whose initcode logs twice, with these topics."""
    log = b"".join(b"\x60" + bytes([topic]) for topic in reversed(topics)) + bytes([0x60, 4, 0x5F, 0xA0 + len(topics)])
    return encode_deposit(DepositTransaction(salt.to_bytes(32, "big"), b"\x0e" * 20, None, 0, 0, 200_000, False, log + log + b"\x00"))


class EventChain:
    """To be made within trio; the store is to be closed."""

    def __init__(self, folder: Path, *, most_bytes: int = 32 << 20) -> None:
        self.tree = Blocks()
        self.store = self.tree.new_store(folder / "store")
        self.events = ChainEvents(most_bytes=most_bytes)
        self.pending = PendingTransactions(most_bytes=most_bytes)
        self.progress: SyncProgress | None = None
        self.core = EngineCore(self.store, self.tree.executor, on_head_moved=self.events.publish)
        self.sources = Sources(self.events, self.pending, lambda: self.progress)
        eth = EthNamespace(self.tree.config, self.store, progress=lambda: self.progress)
        self.namespace = EthEvents(self.sources, eth.methods["eth_getLogs"].handler)
        self.dispatcher = Dispatcher([eth, self.namespace], ["eth"])
        self._salt = 0

    @property
    def genesis(self) -> bytes:
        return self.tree.genesis.hash

    def make(self, parent: bytes, *topics: int) -> ExecutedBlock:
        """A block that the engine knows; for each topic it has a transaction with two logs."""
        transactions = []
        for topic in topics:
            self._salt += 1
            transactions.append(logging_deposit(self._salt, topic))
        block = self.tree.make(parent, *transactions)
        assert self.core.new_payload(self.tree.envelopes[block.hash]).status == Status.VALID
        return block

    def choose(self, block: ExecutedBlock) -> None:
        """Makes it the head."""
        assert choose(self.core, block).status == Status.VALID

    async def call(self, method: str, *params: object) -> Any:
        """The result as a client reads it. Raises RpcError."""
        return msgspec.json.decode(msgspec.json.encode(await self.dispatcher.methods[f"eth_{method}"](list(params))))

    async def error(self, method: str, *params: object) -> tuple[int, str]:
        """Code and message of the error that must come."""
        try:
            result = await self.call(method, *params)
        except RpcError as error:
            return error.code, error.message
        raise AssertionError(f"{method} gave {result!r}")
