"""Who signs unsafe blocks: the Unsafe Block Signer of L1's SystemConfig contract (specification: system-config, "Unsafe Block Signer").

Its address stands in a slot of its own, and is read with a proof (EIP-1186) against the state root of an L1 block. Since op-node reads it again
only each 10 minutes, it may refuse a new sequencer's blocks for as long; we look at each new L1 block whether it may hold the ConfigUpdate event
of a new signer, and then read it at once.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

import trio

from trinode.execution.errors import MissingState
from trinode.execution.trie.witness import Witness
from trinode.jsonrpc.endpoint import Endpoint, Retries
from trinode.jsonrpc.replies import JsonObject, RpcJsonError
from trinode.l1.pool import AllFailedError, EndpointPool, Notice
from trinode.l1.rpc_block import RpcHeader
from trinode.l1.source import L1Node, WrongChainError
from trinode.l1.watch import L1Heads
from trinode.protocol.bloom import bloom_may_contain
from trinode.protocol.header import Header
from trinode.protocol.keccak import keccak256
from trinode.protocol.types import Address, Hash32
from trinode.rollup.json_fields import to_hex
from trinode.rollup.system_config import CONFIG_UPDATE_TOPIC

SIGNER_SLOT = int.from_bytes(keccak256(b"systemconfig.unsafeblocksigner"), "big")
UNSAFE_BLOCK_SIGNER_UPDATE: Hash32 = (3).to_bytes(32, "big")
"""The second topic of the event."""

METHOD = "eth_getProof"
_PATIENCE = 5.0
_ROUNDS = Retries(2)


class Heads(Protocol):
    """Tells where L1 is (`L1Watcher`)."""

    def updates(self) -> AsyncIterator[L1Heads]:
        """Every change, beginning with what is known."""


@dataclass(frozen=True, slots=True)
class SignerSettings:
    """`reload`: seconds after which the signer is read again whatever happens on L1 (op-node's `l1.runtime-config-reload-interval`).

    `rounds`: how often all endpoints are asked; the next L1 block is the next chance.
    """

    reload: float = 600.0
    rounds: Retries = _ROUNDS


class _Read(NamedTuple):
    """A block that was looked at, and the signer in its state; None: it was not asked for."""

    block: RpcHeader
    word: int | None


class L1UnsafeBlockSigner:
    """Follows the signer of a rollup. `chain_id`: L1's; `system_config`: the contract's address.

    `changed` is told the signer once it is known, and then each new one (gossip's `BlockSigners.name`); None: the contract names nobody. `notice` is
    told of each failure.
    """

    def __init__(
        self,
        endpoints: Sequence[Endpoint],
        chain_id: int,
        system_config: Address,
        heads: Heads,
        *,
        changed: Callable[[Address | None], None],
        notice: Notice | None = None,
        settings: SignerSettings | None = None,
    ) -> None:
        self._settings = settings or SignerSettings()
        self._pool = EndpointPool([L1Node(endpoint) for endpoint in endpoints], rounds=self._settings.rounds, patience=_PATIENCE, notice=notice)
        self._pool.admit = self._admit
        self._chain_id = chain_id
        self._system_config = system_config
        self._heads = heads
        self._changed = changed
        self._signer: Address | None = None
        self._block: RpcHeader | None = None
        self._read_at = float("-inf")

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Follows L1 until cancelled. While L1 cannot be asked, the signer stays who it was."""
        task_status.started()
        head: Hash32 | None = None
        async for heads in self._heads.updates():
            if heads.head.hash == head:
                continue  # only a label has moved
            try:
                # The newest block, whatever l1-confs says: many L1 nodes prove no older state, and nothing that is derived hangs on it.
                await self._look_at(heads.head.number)
                head = heads.head.hash
            except AllFailedError:
                continue  # the notice was told; the next change of L1 is the next try

    async def _admit(self, node: L1Node) -> None:
        found = await node.chain_id()
        if found != self._chain_id:
            raise WrongChainError(node.endpoint.name, "eth_chainId", "", f"{found}, but the rollup's L1 is chain {self._chain_id}")

    async def _look_at(self, number: int) -> None:
        block, word = await self._pool.ask(lambda node: self._ask(node, number))
        self._block = block
        if word is None:
            return
        # Of a word that is no address op-node takes the last 20 bytes.
        address = word.to_bytes(32, "big")[12:]
        signer = address if any(address) else None
        is_first = self._read_at == float("-inf")
        self._read_at = trio.current_time()
        if signer != self._signer or is_first:
            self._signer = signer
            self._changed(signer)

    async def _ask(self, node: L1Node, number: int) -> _Read:
        block = await node.header(number)
        if not self._must_read(block):
            return _Read(block, None)
        params = [to_hex(self._system_config), [f"0x{SIGNER_SLOT:064x}"], {"blockHash": to_hex(block.hash)}]
        return _Read(block, await node.rpc.call(METHOD, params, lambda result: self._proved(result, block.header), patient=False))

    def _must_read(self, block: RpcHeader) -> bool:
        """Not if this is the block that was looked at last, or its child without the event."""
        last = self._block
        if last is None or trio.current_time() >= self._read_at + self._settings.reload:
            return True
        if block.hash == last.hash:
            return False
        return block.header.parent_hash != last.hash or _may_name_signer(block.header.logs_bloom, self._system_config)

    def _proved(self, result: object, header: Header) -> int:
        """The slot's value. Raises RpcJsonError where the answer does not prove one."""
        answer = JsonObject(result, "")
        nodes = _nodes(answer, "accountProof")
        for each in answer.objects("storageProof"):
            nodes += _nodes(each, "proof")
        try:
            return Witness(nodes, header).storage(self._system_config, SIGNER_SLOT)
        except MissingState as error:
            raise RpcJsonError("accountProof", f"does not lead to the state root 0x{header.state_root.hex()}: {error}") from error


def _may_name_signer(bloom: bytes, system_config: Address) -> bool:
    return all(bloom_may_contain(bloom, item) for item in (system_config, CONFIG_UPDATE_TOPIC, UNSAFE_BLOCK_SIGNER_UPDATE))


def _nodes(fields: JsonObject, name: str) -> list[bytes]:
    return [JsonObject({"": item}, f"{name}[{index}]").data("") for index, item in enumerate(fields.items(name))]
