"""Unsafe blocks by gossip: what is heard is judged, and what is valid handed on; what the sequencer makes is signed and encoded."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple

import trio

from trinode.p2p.blocks.envelope import block_signing_hash
from trinode.p2p.blocks.judgement import Judgement, Reason
from trinode.p2p.blocks.rules import Circumstances, judge, name_of
from trinode.p2p.blocks.seen import SeenBlocks
from trinode.p2p.blocks.signers import BlockSigners
from trinode.p2p.blocks.snappy import MAX_MESSAGE_SIZE, CompressionFault, compress, inflated_size
from trinode.p2p.blocks.topics import VERSIONS, block_topic, block_version
from trinode.p2p.identity import PeerId
from trinode.p2p.verdict import Verdict
from trinode.protocol.payload import PayloadEnvelope, encode_envelope
from trinode.protocol.types import Hash32
from trinode.rollup.config import RollupConfig


@dataclass(frozen=True, slots=True)
class BlockGossipSettings:
    """`oldest`: seconds that a block may be old (`p2p.gossip.timestamp.threshold`).

    `in_thread`: messages that inflate to so many bytes are judged in a worker thread, `threads` of them at once: 64 KiB, about 130 transactions, take
    2 ms. What is smaller is done before the interpreter would take its turn from a thread (5 ms), so that there a thread would only cost.
    """

    oldest: int = 60
    in_thread: int = 64 << 10
    threads: int = 2


class BlockMessage(NamedTuple):
    """What is published: a topic, and the message as it travels."""

    topic: str
    data: bytes


class BlockGossip:
    """The blocks of one chain.

    `wall_clock`: seconds since 1970. `accepted` is given each valid block once, `judged` every judgement, with who sent the message; both on the
    trio thread, and neither may wait.
    """

    def __init__(
        self,
        rollup: RollupConfig,
        signers: BlockSigners,
        wall_clock: Callable[[], float],
        *,
        accepted: Callable[[PeerId, PayloadEnvelope], None],
        judged: Callable[[PeerId, Judgement], None],
        settings: BlockGossipSettings | None = None,
    ) -> None:
        self._rollup = rollup
        self._signers = signers
        self._wall_clock = wall_clock
        self._accepted = accepted
        self._judged = judged
        self._settings = settings or BlockGossipSettings()
        self._versions = {block_topic(rollup.l2_chain_id, version): version for version in VERSIONS}
        # Of each topic for itself, as in op-node: the layout is in the hash, so that no block is of two topics.
        self._seen = {version: SeenBlocks() for version in VERSIONS}
        self._threads = trio.CapacityLimiter(self._settings.threads)

    @property
    def topics(self) -> tuple[str, ...]:
        """All of the chain's: op-node is on all of them at all times, and so are we."""
        return tuple(self._versions)

    async def validate(self, peer: PeerId, topic: str, data: bytes) -> Verdict:
        """What is said of a message of a peer's on one of our topics."""
        judgement = await self._judge(topic, data)
        self._judged(peer, judgement)
        if judgement.reason is Reason.VALID:
            assert judgement.envelope is not None
            self._accepted(peer, judgement.envelope)
        return judgement.verdict

    async def _judge(self, topic: str, data: bytes) -> Judgement:
        version = self._versions.get(topic)
        if version is None:
            return Judgement(Reason.UNKNOWN_TOPIC, topic[:100])
        held_against = Circumstances(int(self._wall_clock()), self._settings.oldest, self._signers.expected())
        work = partial(judge, data, version, self._rollup, held_against)
        if self._is_large(data):
            judgement = await trio.to_thread.run_sync(work, limiter=self._threads, abandon_on_cancel=True)
        else:
            judgement = work()
        if judgement.signer is not None:
            self._signers.heard(judgement.signer)
        if judgement.reason is not Reason.VALID or judgement.envelope is None:
            return judgement
        # Here and not in the thread: of the same block twice at once, only one is new.
        payload = judgement.envelope.payload
        reason = self._seen[version].see(payload.block_number, payload.block_hash)
        return judgement if reason is Reason.VALID else judgement._replace(reason=reason)

    def _is_large(self, data: bytes) -> bool:
        try:
            return inflated_size(data) >= self._settings.in_thread
        except CompressionFault:
            return False  # and so it is not inflated

    def encode(self, envelope: PayloadEnvelope, sign: Callable[[Hash32], bytes]) -> BlockMessage:
        """A block of ours for the others. `sign` gives the signature (65 bytes) of a hash.

        Raises ValueError if the payload's fields are not those of the fork of its time, if it is larger than messages may be, or too old: a sequencer
        that catches up after an outage must not send what its peers have to reject, and hold against it.
        """
        age = int(self._wall_clock()) - envelope.payload.timestamp
        if age > self._settings.oldest:
            raise ValueError(f"{name_of(envelope.payload)} is {age} s old, more than {self._settings.oldest}")
        version = block_version(self._rollup, l2_timestamp=envelope.payload.timestamp)
        signed = encode_envelope(envelope, version)
        message = sign(block_signing_hash(signed, self._rollup.l2_chain_id)) + signed
        if len(message) > MAX_MESSAGE_SIZE:
            raise ValueError(f"{name_of(envelope.payload)} takes {len(message)} bytes, more than {MAX_MESSAGE_SIZE}")
        return BlockMessage(block_topic(self._rollup.l2_chain_id, version), compress(message))
