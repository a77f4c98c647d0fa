"""A channel under assembly: frames until the closing one and all before it are there (specification: derivation, "Channel Format")."""

from __future__ import annotations

from trinode.derive.checkpoint import OpenChannel
from trinode.derive.drops import DropReason
from trinode.derive.events import Subject
from trinode.derive.frame_queue import frame_name
from trinode.derive.journal import Journal
from trinode.protocol.frame import FRAME_OVERHEAD, Frame


class Channel:
    """Frames of one channel id. `size` is what the specification charges: data plus FRAME_OVERHEAD (200 bytes) for each frame."""

    def __init__(self, channel_id: bytes, open_block_number: int, *, in_order: bool) -> None:
        self.id = channel_id
        self.open_block_number = open_block_number
        self.size = 0
        self._in_order = in_order
        self._frames: dict[int, Frame] = {}
        self._end: int | None = None  # number of the closing frame
        self._highest = 0

    def __len__(self) -> int:
        """Number of frames held."""
        return len(self._frames)

    def state(self) -> OpenChannel:
        """The channel for a checkpoint."""
        return OpenChannel(self.id, self.open_block_number, self.size, self._end, self._highest, tuple(self._frames.values()))

    @classmethod
    def of(cls, state: OpenChannel, *, in_order: bool) -> Channel:
        """The channel whose `state` that was."""
        channel = cls(state.id, state.open_block_number, in_order=in_order)
        channel.size, channel._end, channel._highest = state.size, state.end, state.highest
        channel._frames = {frame.number: frame for frame in state.frames}
        return channel

    def timed_out(self, channel_timeout: int, origin_number: int) -> bool:
        """Whether the channel may no longer be read at L1 block `origin_number` (channel_timeout in L1 blocks)."""
        return self.open_block_number + channel_timeout < origin_number

    def refuses(self, frame: Frame) -> DropReason | None:
        """Why the frame cannot be added, or None."""
        if frame.channel_id != self.id:
            return DropReason.FRAME_OF_OTHER_CHANNEL
        if frame.is_last and self._end is not None:
            return DropReason.FRAME_SECOND_LAST
        if frame.number in self._frames:
            return DropReason.FRAME_DUPLICATE
        if self._end is not None and frame.number >= self._end:
            return DropReason.FRAME_BEYOND_END
        if self._in_order and frame.number != len(self._frames):
            return DropReason.FRAME_OUT_OF_ORDER
        return None

    def add(self, frame: Frame, journal: Journal) -> bool:
        """Add a frame; False if it is refused, with the reason noted."""
        reason = self.refuses(frame)
        if reason is not None:
            journal.dropped(reason, Subject.FRAME, frame_name(frame))
            return False
        if frame.is_last:
            self._end = frame.number
            if frame.number < self._highest:
                self._prune_beyond(frame.number, journal)
        self._highest = max(self._highest, frame.number)
        self._frames[frame.number] = frame
        self.size += len(frame.data) + FRAME_OVERHEAD
        return True

    def _prune_beyond(self, end: int, journal: Journal) -> None:
        for number, frame in sorted(self._frames.items()):
            # op-node takes off the size of every frame, also of those that stay; the size decides what the bank prunes.
            self.size -= len(frame.data) + FRAME_OVERHEAD
            if number >= end:
                del self._frames[number]
                journal.dropped(DropReason.FRAME_PRUNED_BY_LAST, Subject.FRAME, frame_name(frame))
        self._highest = end

    def is_ready(self) -> bool:
        """Whether the closing frame and all before it are there."""
        return self._end is not None and len(self._frames) == self._end + 1

    def data(self) -> bytes:
        """The frames' data in order; only of a ready channel."""
        return b"".join(self._frames[number].data for number in range(len(self._frames)))
