"""Frame Queue: splits batcher data into frames (specification: derivation, "Frame Queue"; holocene/derivation, "Frame Queue")."""

from __future__ import annotations

from collections import deque

from trinode.derive.drops import DropReason
from trinode.derive.events import Signal, Steps, Subject
from trinode.derive.journal import Journal
from trinode.derive.l1_retrieval import L1Retrieval
from trinode.derive.l1_traversal import L1Traversal
from trinode.protocol.frame import Frame, FrameDecodingError, decode_frames
from trinode.rollup.config import RollupConfig


def frame_name(frame: Frame) -> str:
    """How notices name a frame: channel id, number, and "." behind the closing one."""
    return f"{frame.channel_id.hex()}:{frame.number}{'.' if frame.is_last else ''}"


class FrameQueue:
    """Frames of one batcher transaction after the other; from Holocene on only those that can still be in order."""

    def __init__(self, config: RollupConfig, traversal: L1Traversal, retrieval: L1Retrieval, journal: Journal) -> None:
        self._config = config
        self._traversal = traversal
        self._retrieval = retrieval
        self._journal = journal
        self._frames: deque[Frame] = deque()

    def reset(self) -> None:
        """Forget all frames."""
        self._frames.clear()

    def next_frame(self) -> Steps[Frame | Signal]:
        """The next frame; AGAIN if a piece of data had none."""
        if not self._frames:
            data = yield from self._retrieval.next_data()
            if isinstance(data, Signal):
                return data
            self._load(*data)
            if not self._frames:
                return Signal.AGAIN
        return self._frames.popleft()

    def _load(self, source: str, data: bytes) -> None:
        try:
            frames = decode_frames(data)
        except FrameDecodingError as error:
            self._journal.dropped(DropReason.BAD_FRAMES, Subject.TRANSACTION, source, str(error))
            return
        if self._journal.observing:
            for frame in frames:
                self._journal.progressed("read", Subject.FRAME, frame_name(frame), f"{len(frame.data)} bytes from {source}")
        if self._config.rules(l1_inclusion_timestamp=self._traversal.origin.timestamp).strict_ordering:
            frames, pruned = prune_frames(frames)
            for frame, reason in pruned:
                self._journal.dropped(reason, Subject.FRAME, frame_name(frame))
        self._frames.extend(frames)


def prune_frames(frames: list[Frame]) -> tuple[list[Frame], list[tuple[Frame, DropReason]]]:
    """Keep the frames of one transaction that can follow each other (Holocene); the others come with their reason.

    The rule looks at neighbours and starts again where one was removed, so that a first frame which invalidates its unfinished
    predecessor also invalidates that one's predecessors. A stack does it in one pass: what is kept is on it, the next frame is
    judged against its top.
    """
    kept: list[Frame] = []
    pruned: list[tuple[Frame, DropReason]] = []
    for frame in frames:
        # Holocene: a first frame drops its unfinished predecessor, frame by frame.
        while kept and kept[-1].channel_id != frame.channel_id and frame.number == 0 and not kept[-1].is_last:
            pruned.append((kept.pop(), DropReason.FRAME_OF_UNFINISHED_CHANNEL))
        if not kept:
            kept.append(frame)
            continue
        last = kept[-1]
        if last.channel_id != frame.channel_id:
            if frame.number != 0:
                pruned.append((frame, DropReason.FRAME_WITHOUT_FIRST))
                continue
        elif last.is_last:
            pruned.append((frame, DropReason.FRAME_AFTER_LAST))
            continue
        elif frame.number != last.number + 1:
            pruned.append((frame, DropReason.FRAME_OUT_OF_ORDER))
            continue
        kept.append(frame)
    return kept, pruned
