"""Channel Bank: many channels side by side, frames in any order (specification: derivation, "Channel Bank"). Before Holocene."""

from __future__ import annotations

from collections.abc import Iterable

from trinode.derive.channel import Channel
from trinode.derive.checkpoint import OpenChannel
from trinode.derive.drops import DropReason
from trinode.derive.events import Signal, Steps, Subject
from trinode.derive.frame_queue import FrameQueue, frame_name
from trinode.derive.journal import Journal
from trinode.derive.l1_traversal import L1Traversal
from trinode.protocol.frame import Frame
from trinode.rollup.config import RollupConfig
from trinode.rollup.rules import Rules


class ChannelBank:
    """Buffers channels first in, first out, up to a size that the fork sets."""

    def __init__(self, config: RollupConfig, traversal: L1Traversal, frames: FrameQueue, journal: Journal) -> None:
        self._config = config
        self._traversal = traversal
        self._frames = frames
        self._journal = journal
        self._channels: dict[bytes, Channel] = {}  # a dict keeps the order of insertion: the queue of the specification
        self._size = 0  # of all channels

    def state(self) -> tuple[OpenChannel, ...]:
        """What is open, for a checkpoint."""
        return tuple(channel.state() for channel in self._channels.values())

    def resume(self, channels: Iterable[OpenChannel]) -> None:
        """Go on with these channels."""
        self._channels = {state.id: Channel.of(state, in_order=False) for state in channels}
        self._size = sum(channel.size for channel in self._channels.values())

    def next_channel(self) -> Steps[bytes | Signal]:
        """The data of the next channel that may be read."""
        data = self._read()
        if data is not None:
            return data
        frame = yield from self._frames.next_frame()
        if isinstance(frame, Signal):
            return frame
        self._ingest(frame)
        return Signal.AGAIN

    def _timeout(self) -> int:
        return self._config.channel_timeout_at(l1_inclusion_timestamp=self._traversal.origin.timestamp)

    def _rules(self) -> Rules:
        return self._config.rules(l1_inclusion_timestamp=self._traversal.origin.timestamp)

    def _read(self) -> bytes | None:
        timeout, origin_number = self._timeout(), self._traversal.origin.number
        while self._channels:
            first = next(iter(self._channels.values()))
            if not first.timed_out(timeout, origin_number):
                break
            self._remove(first)
            self._journal.dropped(DropReason.CHANNEL_TIMED_OUT, Subject.CHANNEL, first.id.hex(), f"{len(first)} frames")
        any_ready = self._rules().reads_any_ready_channel
        for channel in self._channels.values():
            if channel.is_ready() and not channel.timed_out(timeout, origin_number):
                self._remove(channel)
                if self._journal.observing:
                    self._journal.progressed("complete", Subject.CHANNEL, channel.id.hex(), f"{len(channel)} frames")
                return channel.data()
            if not any_ready:  # before Canyon only the oldest channel may be read
                break
        return None

    def _remove(self, channel: Channel) -> None:
        del self._channels[channel.id]
        self._size -= channel.size

    def _ingest(self, frame: Frame) -> None:
        origin_number = self._traversal.origin.number
        channel = self._channels.get(frame.channel_id)
        if channel is None:
            channel = self._channels[frame.channel_id] = Channel(frame.channel_id, origin_number, in_order=False)
            if self._journal.observing:
                self._journal.progressed("opened", Subject.CHANNEL, channel.id.hex())
        if channel.timed_out(self._timeout(), origin_number):
            self._journal.dropped(DropReason.FRAME_TOO_LATE, Subject.FRAME, frame_name(frame))
            return
        before = channel.size
        if not channel.add(frame, self._journal):
            return
        self._size += channel.size - before
        self._prune()

    def _prune(self) -> None:
        limit = self._rules().max_channel_bank_size
        while self._size > limit:
            oldest = next(iter(self._channels.values()))
            self._remove(oldest)
            self._journal.dropped(DropReason.CHANNEL_PRUNED, Subject.CHANNEL, oldest.id.hex(), f"{oldest.size} bytes")

    def abandon(self) -> None:
        """Note what is lost when Holocene's assembler takes over."""
        for channel in self._channels.values():
            self._journal.dropped(DropReason.FORK_SWITCH, Subject.CHANNEL, channel.id.hex(), f"{len(channel)} frames")
