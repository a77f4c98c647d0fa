"""The engine that is configured: our own over the store, or an execution client elsewhere."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import structlog
import trio

from trinode.engine.api.client import ExternalEngine
from trinode.engine.api.endpoint import EngineEndpoint, EngineProblem
from trinode.engine.api.interface import Engine
from trinode.engine.api.jwt import JwtSecretError, read_secret
from trinode.engine.core import EngineCore
from trinode.engine.pool.pool import TransactionPool
from trinode.engine.service import EngineService
from trinode.engine.stateless.anchor import Anchor, TrustedHash, TrustedOutput
from trinode.engine.stateless.engine import StatelessEngine
from trinode.engine.stateless.errors import StatelessError
from trinode.engine.stateless.headers import HeaderChain, KeptBlocks
from trinode.engine.stateless.remote import RemoteL2
from trinode.engine.stateless.verified_chain import VerifiedChain
from trinode.engine.stateless.verified_state import VerifiedSettings
from trinode.execution.block import BlockExecutor
from trinode.jsonrpc.calls import JsonRpc
from trinode.jsonrpc.endpoint import Endpoint, EndpointError, Retries
from trinode.l1.anchor_root import anchor_root
from trinode.node.config import NodeConfig
from trinode.node.outputs import WithdrawalRoot, withdrawal_root_of_header, withdrawal_roots_by_proof, withdrawal_roots_of
from trinode.node.start import StartError
from trinode.rollup.config import RollupConfig
from trinode.rpc.subscriptions.chain_events import ChainEvents, PendingTransactions
from trinode.storage.errors import StoreError
from trinode.storage.identity import ChainIdentity
from trinode.storage.store import Store

HEADERS_FOLDER = "headers"
"""In the datadir: what the stateless engine keeps."""
_WITNESSES_AT_ONCE = 4
_WITNESS_TIMEOUT = 30.0
_L1_TIMEOUT, _L1_ATTEMPTS = 10.0, 3
_PROOFS_AT_ONCE = 16
_PROOF_BATCH = 100
_PROOF_BYTES = 32 << 20

_log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Embedded:
    """What our own execution is made of."""

    store: Store
    executor: BlockExecutor
    pool: TransactionPool


@dataclass(frozen=True, slots=True)
class Running:
    """Our own execution while it runs. `moves`: of the head; `pending`: transactions that blocks can have now."""

    store: Store
    pool: TransactionPool
    service: EngineService
    moves: ChainEvents
    pending: PendingTransactions


@dataclass(frozen=True, slots=True)
class OpenEngine:
    """An engine, and what it can be asked besides. `embedded`: None where execution is elsewhere. `verified`: the chain of an engine without
    a state, for users.
    """

    engine: Engine
    withdrawal_root: WithdrawalRoot
    embedded: Running | None
    verified: VerifiedChain | None = None


@asynccontextmanager
async def embedded_engine(parts: Embedded) -> AsyncIterator[OpenEngine]:
    """Our own engine; nothing touches the store after the block."""
    moves, pending = ChainEvents(), PendingTransactions()
    parts.pool.on_pending = pending.publish
    service = EngineService(EngineCore(parts.store, parts.executor, parts.pool, on_head_moved=moves.publish))
    try:
        yield OpenEngine(service, withdrawal_roots_of(parts.store), Running(parts.store, parts.pool, service, moves, pending))
    finally:
        with trio.CancelScope(shield=True):
            await service.close()


@asynccontextmanager
async def stateless_engine(config: NodeConfig, rollup: RollupConfig, executor: BlockExecutor) -> AsyncIterator[OpenEngine]:
    """An engine that executes from the witnesses of `l2.witness`, which are not trusted; its headers are in the datadir. Raises StartError."""
    settings = config.engine
    folder = config.general.datadir / HEADERS_FOLDER
    once = Retries(1)
    endpoints = [Endpoint("L2", url, concurrency=_WITNESSES_AT_ONCE, timeout=_WITNESS_TIMEOUT, retries=once) for url in settings.witness]
    for_users = [_endpoint_for_users(url) for url in settings.witness]
    try:
        chain = HeaderChain(folder, ChainIdentity(rollup.l2_chain_id, rollup.genesis.l2.hash), KeptBlocks())
    except (StatelessError, StoreError) as error:
        raise StartError(str(error)) from error
    engine = StatelessEngine(chain, executor, [RemoteL2(JsonRpc(endpoint)) for endpoint in endpoints], notice=_say)
    verified = VerifiedChain(rollup, chain, [RemoteL2(JsonRpc(endpoint, batch=_PROOF_BATCH)) for endpoint in for_users], notice=_say)
    try:
        try:
            await engine.begin(await _anchor(config, rollup, is_needed=chain.is_empty))
        except StatelessError as error:
            raise StartError(str(error)) from error
        async with trio.open_nursery() as nursery:
            await nursery.start(engine.run)
            nursery.start_soon(verified.run)
            yield OpenEngine(engine, withdrawal_root_of_header, None, verified)
            nursery.cancel_scope.cancel()
    finally:
        with trio.CancelScope(shield=True):
            await engine.close()
            chain.close()
            for endpoint in (*endpoints, *for_users):
                await endpoint.close()


async def _anchor(config: NodeConfig, rollup: RollupConfig, *, is_needed: bool) -> Anchor:
    """What a new chain of headers begins with. Raises StartError."""
    trusted = config.engine.trusted_output
    if trusted is None or not is_needed:
        return TrustedHash(rollup.genesis.l2.hash)
    if not isinstance(trusted, str):
        return TrustedOutput(*trusted)
    endpoint = Endpoint("L1", config.l1.endpoints[0], concurrency=1, timeout=_L1_TIMEOUT, retries=Retries(_L1_ATTEMPTS))
    try:
        found = await anchor_root(JsonRpc(endpoint), rollup.deposit_contract_address)
    except EndpointError as error:
        raise StartError(f"{error}. Give an output root with --l2.trusted-output NUMBER:ROOT, or another endpoint with --l1") from error
    finally:
        with trio.CancelScope(shield=True):
            await endpoint.close()
    _log.info("begins with the output root that L1 holds for proved", number=found.number, root="0x" + found.output_root.hex())
    return TrustedOutput(*found)


def _endpoint_for_users(url: str) -> Endpoint:
    """Connections of their own, so that what users ask for does not delay blocks."""
    timeout = VerifiedSettings().seconds
    return Endpoint("L2", url, concurrency=_PROOFS_AT_ONCE, timeout=timeout, retries=Retries(1), max_reply_bytes=_PROOF_BYTES)


def _say(line: str) -> None:
    (_log.error if line.startswith("CRITICAL: ") else _log.warning)(line)


@asynccontextmanager
async def external_engine(config: NodeConfig, rollup: RollupConfig) -> AsyncIterator[OpenEngine]:
    """The execution client at `l2`, which has been held against the chain. Raises StartError."""
    settings = config.engine
    assert settings.endpoint is not None and settings.jwt_secret is not None
    try:
        secret = read_secret(settings.jwt_secret)
    except JwtSecretError as error:
        raise StartError(str(error)) from error
    async with EngineEndpoint(settings.endpoint, secret, settings.jwt_secret, timeout=settings.timeout) as endpoint:
        engine = ExternalEngine(endpoint, rollup)
        try:
            await engine.check()
        except EngineProblem as error:
            raise StartError(str(error)) from error
        yield OpenEngine(engine, withdrawal_roots_by_proof(engine.account_proof), None)
