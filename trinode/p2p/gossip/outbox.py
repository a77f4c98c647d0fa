"""RPCs that wait until a peer takes them: bounded, because a peer that is slow must cost us nothing."""

from __future__ import annotations

from collections import deque

import trio

from trinode.p2p.gossip.frames import Frame


class Outbox:
    """A queue of frames for one peer. A frame that goes to many peers is the same object in all of their queues."""

    def __init__(self, most_frames: int, most_bytes: int) -> None:
        self._most_frames, self._most_bytes = most_frames, most_bytes
        self._frames: deque[Frame] = deque()
        self._bytes = 0
        self._waiting = trio.Event()

    def __len__(self) -> int:
        return len(self._frames)

    @property
    def size(self) -> int:
        """Bytes that wait."""
        return self._bytes

    def put(self, frame: Frame) -> bool:
        """Queues a frame, unless there is no place for it. An empty queue takes any."""
        if self._frames and (len(self._frames) >= self._most_frames or self._bytes + frame.size > self._most_bytes):
            return False
        self._frames.append(frame)
        self._bytes += frame.size
        self._waiting.set()
        return True

    async def take(self) -> Frame:
        """The oldest frame, once there is one."""
        while not self._frames:
            self._waiting = trio.Event()
            await self._waiting.wait()
        frame = self._frames.popleft()
        self._bytes -= frame.size
        return frame
