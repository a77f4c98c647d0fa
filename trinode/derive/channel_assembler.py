"""Channel Assembler: one channel at a time, frames in order (specification: holocene/derivation, "Channel Bank"). Holocene and later."""

from __future__ import annotations

from collections.abc import Iterable

from trinode.derive.channel import Channel
from trinode.derive.checkpoint import OpenChannel
from trinode.derive.drops import DropReason
from trinode.derive.events import Signal, Steps, Subject
from trinode.derive.frame_queue import FrameQueue, frame_name
from trinode.derive.journal import Journal
from trinode.derive.l1_traversal import L1Traversal
from trinode.rollup.config import RollupConfig


class ChannelAssembler:
    """Holds at most one channel; a first frame replaces it."""

    def __init__(self, config: RollupConfig, traversal: L1Traversal, frames: FrameQueue, journal: Journal) -> None:
        self._config = config
        self._traversal = traversal
        self._frames = frames
        self._journal = journal
        self._channel: Channel | None = None

    def state(self) -> tuple[OpenChannel, ...]:
        """What is open, for a checkpoint."""
        return () if self._channel is None else (self._channel.state(),)

    def resume(self, channels: Iterable[OpenChannel]) -> None:
        """Go on with these channels: one at most."""
        for state in channels:
            self._channel = Channel.of(state, in_order=True)

    def next_channel(self) -> Steps[bytes | Signal]:
        """The data of the next complete channel."""
        self._drop_timed_out()
        while True:
            # The frame queue has pruned, but only within one transaction: order is checked again here, across transactions.
            frame = yield from self._frames.next_frame()
            if isinstance(frame, Signal):
                return frame
            if frame.number == 0:
                self._open(frame.channel_id)
            if self._channel is None:
                self._journal.dropped(DropReason.FRAME_WITHOUT_FIRST, Subject.FRAME, frame_name(frame))
                continue
            if not self._channel.add(frame, self._journal):
                continue
            if self._too_large(self._channel) or not frame.is_last:
                continue
            channel, self._channel = self._channel, None
            if self._journal.observing:
                self._journal.progressed("complete", Subject.CHANNEL, channel.id.hex(), f"{len(channel)} frames")
            return channel.data()

    def _drop_timed_out(self) -> None:
        origin = self._traversal.origin
        timeout = self._config.channel_timeout_at(l1_inclusion_timestamp=origin.timestamp)
        if self._channel is not None and self._channel.timed_out(timeout, origin.number):
            self._journal.dropped(DropReason.CHANNEL_TIMED_OUT, Subject.CHANNEL, self._channel.id.hex(), f"{len(self._channel)} frames")
            self._channel = None

    def _open(self, channel_id: bytes) -> None:
        if self._channel is not None:
            self._journal.dropped(DropReason.CHANNEL_REPLACED, Subject.CHANNEL, self._channel.id.hex(), f"{len(self._channel)} frames")
        self._channel = Channel(channel_id, self._traversal.origin.number, in_order=True)
        if self._journal.observing:
            self._journal.progressed("opened", Subject.CHANNEL, channel_id.hex())

    def _too_large(self, channel: Channel) -> bool:
        rules = self._config.rules(l1_inclusion_timestamp=self._traversal.origin.timestamp)
        if channel.size <= rules.max_rlp_bytes_per_channel:
            return False
        self._journal.dropped(DropReason.CHANNEL_TOO_LARGE, Subject.CHANNEL, channel.id.hex(), f"{channel.size} bytes")
        self._channel = None
        return True

    def abandon(self) -> None:
        """Nothing follows these stages yet."""
