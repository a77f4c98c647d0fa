"""The batcher as it is configured, and the node as it sees it."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from trinode.batcher.batcher import Batcher
from trinode.batcher.rpc_sender import RpcL1Sender
from trinode.batcher.settings import BatcherSettings, BatchType, DataAvailability
from trinode.engine.api.interface import Engine
from trinode.jsonrpc.calls import JsonRpc
from trinode.jsonrpc.endpoint import Endpoint
from trinode.node.config.model import BatcherOptions
from trinode.node.driver import Driver
from trinode.node.start import StartError
from trinode.node.wiring import Chain
from trinode.protocol.block import KnownBlock
from trinode.protocol.types import BlockId

DEVNET_BATCHER = BatcherSettings(
    max_channel_duration=1,
    poll_interval=0.5,
    resubmission_timeout=15.0,
    num_confirmations=2,
    settle_timeout=15.0,
    blob_proofs_only=True,
)
"""For an L1 in this process, whose blocks are seconds apart."""


class DerivedChain:
    """What is to be posted, and what came of what was (the batcher's `L2Chain`)."""

    def __init__(self, driver: Driver, engine: Engine, genesis: BlockId) -> None:
        self._driver = driver
        self._engine = engine
        self._genesis = genesis

    async def current_l1(self) -> BlockId:
        """The L1 block that derivation reads; one of number 0 before it has begun."""
        status = self._driver.status
        return BlockId(0, bytes(32)) if status is None else status.origin.id

    async def safe(self) -> BlockId:
        """The safe head."""
        safe = self._driver.heads.safe
        return self._genesis if safe is None else BlockId(safe.number, safe.hash)

    async def unsafe(self) -> BlockId:
        """The unsafe head; the safe one while it is sought."""
        unsafe = self._driver.heads.unsafe
        return await self.safe() if unsafe is None else BlockId(unsafe.number, unsafe.hash)

    async def block_by_number(self, number: int) -> KnownBlock | None:
        """The canonical block of this number."""
        return await self._engine.block_by_number(number)


def batcher_settings(options: BatcherOptions) -> BatcherSettings:
    """What the operator chose. Raises StartError."""
    try:
        return BatcherSettings(
            data_availability=DataAvailability(options.data_availability),
            batch_type=BatchType[options.batch_type.upper()],
            max_channel_duration=options.max_channel_duration,
            target_num_frames=options.target_num_frames,
            sub_safety_margin=options.sub_safety_margin,
            max_pending_transactions=options.max_pending,
            resubmission_timeout=options.resubmission_timeout,
            num_confirmations=options.confirmations,
        )
    except ValueError as error:
        raise StartError(str(error)) from error


def make_batcher(
    chain: Chain,
    key: bytes,
    driver: Driver,
    engine: Engine,
    endpoints: Sequence[Endpoint],
    settings: BatcherSettings,
    clock: Callable[[], float],
    say: Callable[[str], object],
) -> Batcher:
    """A batcher of this node's blocks; `endpoints` are of L1. `say` takes lines for the operator."""
    sender = RpcL1Sender([JsonRpc(endpoint) for endpoint in endpoints])
    known = DerivedChain(driver, engine, chain.config.genesis.l2)
    return Batcher(chain.config, chain.l1, key, sender, known, settings, log=lambda line: _write(say, line), clock=clock)


def _write(say: Callable[[str], object], line: str) -> None:
    say(f"batcher: {line}")
