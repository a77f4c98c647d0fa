"""An external engine (op-geth, op-reth, another trinode) with the methods of ours (Engine API; OP Stack specification:
exec-engine, "Engine API").

What the engine is asked for by hash is checked by hash.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, TypeVar

import trio

from trinode.engine.api import codec
from trinode.engine.api.codes import INVALID_FORKCHOICE_STATE, INVALID_PAYLOAD_ATTRIBUTES, UNKNOWN_PAYLOAD
from trinode.engine.api.endpoint import EngineAnswerError, EngineEndpoint, EngineProblem, EngineRpcError
from trinode.engine.api.versions import BODIES_BY_HASH, EXCHANGE_CAPABILITIES, LATEST_FORKCHOICE_UPDATED, methods_of
from trinode.engine.status import (
    BuiltPayload,
    ForkchoiceResult,
    ForkchoiceState,
    InvalidForkchoiceState,
    InvalidPayloadAttributes,
    PayloadStatus,
    UnknownPayload,
)
from trinode.jsonrpc.fields import InvalidParams, JsonFields, parse_list, parse_quantity
from trinode.jsonrpc.replies import JsonObject, RpcJsonError, header_of
from trinode.protocol.block import KnownBlock, KnownHeader
from trinode.protocol.header import header_hash
from trinode.protocol.payload import PayloadAttributes, PayloadEnvelope
from trinode.protocol.trie import ordered_trie_root
from trinode.protocol.types import Address, Hash32
from trinode.rollup.config import RollupConfig
from trinode.rollup.fork import Fork
from trinode.rollup.json_fields import to_hex

BLOCK_BY_HASH = "eth_getBlockByHash"
BLOCK_BY_NUMBER = "eth_getBlockByNumber"
CHAIN_ID = "eth_chainId"
GET_PROOF = "eth_getProof"

_MOST_PAYLOADS = 64
"""Payload ids whose forks are remembered; an engine keeps about ten."""

_UINT256 = 2**256 - 1

T = TypeVar("T")


class UnfitEngine(EngineProblem):
    """The engine is of another chain, or too old for this one. Asking again does not help."""


class ExternalEngine:
    """An engine at `endpoint`, for the chain of `config`; an `Engine` like ours.

    All methods raise EngineProblem: EngineUnavailable, EngineRefusedToken, EngineAnswerError, EngineRpcError.
    """

    def __init__(self, endpoint: EngineEndpoint, config: RollupConfig) -> None:
        self._endpoint = endpoint
        self._config = config
        self._payload_forks: dict[bytes, Fork] = {}

    async def check(self) -> None:
        """To be called at the start: the token is taken, the methods for all the chain's forks are there, and it is the same
        chain. Raises UnfitEngine.
        """
        needed = self._needed_methods()
        found = await self._ask(EXCHANGE_CAPABILITIES, [sorted(needed)], parse_list)
        lacking = sorted(needed - {name for name in found if isinstance(name, str)})
        if lacking:
            problem = f"it does not have {', '.join(lacking)}, which this chain's forks need: use a newer version of it"
            raise UnfitEngine(self._endpoint.name, EXCHANGE_CAPABILITIES, problem)
        chain_id = await self._ask(CHAIN_ID, [], partial(parse_quantity, maximum=_UINT256))
        if chain_id != self._config.l2_chain_id:
            problem = f"its chain is {chain_id}, not {self._config.l2_chain_id}: is it the engine of this network?"
            raise UnfitEngine(self._endpoint.name, CHAIN_ID, problem)
        genesis = self._config.genesis.l2
        found_genesis = await self.block_by_number(genesis.number)
        if found_genesis is not None and found_genesis.hash != genesis.hash:
            problem = f"its block {genesis.number} is 0x{found_genesis.hash.hex()}, not 0x{genesis.hash.hex()}: is it the engine of this network?"
            raise UnfitEngine(self._endpoint.name, BLOCK_BY_NUMBER, problem)

    def _needed_methods(self) -> set[str]:
        forks = [Fork.BEDROCK, *self._config.fork_times]
        return {method for fork in forks for method in methods_of(fork)} | {LATEST_FORKCHOICE_UPDATED, BODIES_BY_HASH}

    # -- the Engine API

    async def new_payload(self, envelope: PayloadEnvelope) -> PayloadStatus:
        """Has a block executed."""
        payload = envelope.payload
        fork = self._fork(payload.timestamp)
        params: list[Any] = [codec.encode_payload(payload)]
        if fork >= Fork.ECOTONE:
            root = envelope.parent_beacon_block_root
            params += [[], None if root is None else to_hex(root)]
        if fork >= Fork.ISTHMUS:
            params.append([])
        return await self._ask(methods_of(fork).new_payload, params, codec.decode_payload_status)

    async def forkchoice_updated(self, state: ForkchoiceState, attributes: PayloadAttributes | None) -> ForkchoiceResult:
        """Moves the heads, and begins a payload. Raises InvalidForkchoiceState, InvalidPayloadAttributes."""
        params: list[Any] = [codec.encode_forkchoice_state(state), None]
        if attributes is None:
            return await self._choose(LATEST_FORKCHOICE_UPDATED, params)
        fork = self._fork(attributes.timestamp)
        params[1] = codec.encode_attributes(attributes)
        result = await self._choose(methods_of(fork).forkchoice_updated, params)
        if result.payload_id is not None:
            self._remember(result.payload_id, fork)
        return result

    async def _choose(self, method: str, params: list[Any]) -> ForkchoiceResult:
        try:
            return await self._ask(method, params, codec.decode_forkchoice_result)
        except EngineRpcError as error:
            if error.code == INVALID_FORKCHOICE_STATE:
                raise InvalidForkchoiceState(str(error)) from error
            if error.code == INVALID_PAYLOAD_ATTRIBUTES and "missing trie node" in f"{error.message} {error.detail}":
                # op-geth after kill -9: it lists blocks whose states it has lost. That says nothing of the attributes.
                problem = f"it has lost a state: {error.detail or error.message}. Start it again, or with an empty database"
                raise EngineAnswerError(self._endpoint.name, method, problem) from error
            if error.code == INVALID_PAYLOAD_ATTRIBUTES:
                raise InvalidPayloadAttributes(str(error)) from error
            raise

    async def get_payload(self, payload_id: bytes) -> BuiltPayload:
        """A payload that `forkchoice_updated` has begun here. Raises UnknownPayload."""
        fork = self._payload_forks.get(payload_id)
        if fork is None:
            raise UnknownPayload(f"no payload 0x{payload_id.hex()} was begun at {self._endpoint.name}")
        read = partial(codec.decode_built_payload, fork=fork)
        try:
            return await self._ask(methods_of(fork).get_payload, [to_hex(payload_id)], read)
        except EngineRpcError as error:
            if error.code == UNKNOWN_PAYLOAD:
                raise UnknownPayload(str(error)) from error
            raise

    def _remember(self, payload_id: bytes, fork: Fork) -> None:
        self._payload_forks.pop(payload_id, None)
        self._payload_forks[payload_id] = fork
        if len(self._payload_forks) > _MOST_PAYLOADS:
            del self._payload_forks[next(iter(self._payload_forks))]

    # -- look-ups

    async def head(self) -> KnownHeader:
        """The unsafe head."""
        found = await self._header(BLOCK_BY_NUMBER, "latest")
        if found is None:
            raise EngineAnswerError(self._endpoint.name, BLOCK_BY_NUMBER, "it has no latest block")
        return found

    async def safe(self) -> KnownHeader | None:
        """The safe head; None: it was not said."""
        return await self._header(BLOCK_BY_NUMBER, "safe")

    async def finalized(self) -> KnownHeader | None:
        """The finalized head; None: it was not said."""
        return await self._header(BLOCK_BY_NUMBER, "finalized")

    async def block(self, block_hash: Hash32) -> KnownBlock | None:
        """The block with that hash; None: it is not known there."""
        found = await self._header(BLOCK_BY_HASH, to_hex(block_hash))
        if found is not None and found.hash != block_hash:
            raise EngineAnswerError(self._endpoint.name, BLOCK_BY_HASH, f"0x{found.hash.hex()} came for 0x{block_hash.hex()}")
        return None if found is None else await self._with_transactions(found)

    async def block_by_number(self, number: int) -> KnownBlock | None:
        """The canonical block with that number; None: there is none."""
        found = await self._header(BLOCK_BY_NUMBER, hex(number))
        return None if found is None else await self._with_transactions(found)

    async def account_proof(self, address: Address, block_hash: Hash32) -> tuple[bytes, ...]:
        """The nodes of the state's trie from its root to that account, after a block; whether they hang together is for the caller to see.

        Raises EngineRpcError where the engine does not keep that state.
        """
        params = [to_hex(address), [], to_hex(block_hash)]
        return await self._ask(GET_PROOF, params, lambda result, path: JsonFields(result, path).data_items("accountProof"))

    async def _header(self, method: str, name: str) -> KnownHeader | None:
        try:
            return await self._ask(method, [name, False], read_header)
        except EngineRpcError as error:
            if name in ("safe", "finalized") and "not found" in error.message:  # geth's way to say that there is none
                return None
            raise

    async def _with_transactions(self, found: KnownHeader) -> KnownBlock | None:
        """The block's raw transactions come as a payload body, not as objects to be encoded again. None: it went away meanwhile."""
        transactions = await self._ask(BODIES_BY_HASH, [[to_hex(found.hash)]], codec.decode_only_body)
        if transactions is None:
            return None
        if await trio.to_thread.run_sync(ordered_trie_root, transactions) != found.header.transactions_root:
            raise EngineAnswerError(self._endpoint.name, BODIES_BY_HASH, f"not the transactions of block 0x{found.hash.hex()}")
        return KnownBlock(found.header, found.hash, transactions)

    async def _ask(self, method: str, params: Sequence[object], read: Callable[[Any, str], T]) -> T:
        result = await self._endpoint.call(method, params)
        try:
            return read(result, "result")
        except (InvalidParams, RpcJsonError) as error:
            raise EngineAnswerError(self._endpoint.name, method, str(error)) from error

    def _fork(self, timestamp: int) -> Fork:
        return self._config.fork_at(l2_timestamp=timestamp)


def read_header(value: object, path: str) -> KnownHeader | None:
    """The header in a block's object, which has the hash that stands there; None for null. Raises RpcJsonError."""
    if value is None:
        return None
    fields = JsonObject(value, path)
    header = header_of(fields)
    try:
        found = header_hash(header)
    except ValueError as error:
        raise RpcJsonError(path, str(error)) from error
    if found != fields.data("hash", 32):
        fields.fail("hash", f"the header hashes to 0x{found.hex()}")
    return KnownHeader(header, found)
