"""Messages that passed here (gossipsub v1.0 "Router State": the message cache and the seen cache), bounded in time, number and size."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

from trinode.p2p.gossip.rpc import Message
from trinode.p2p.identity import PeerId


@dataclass(slots=True)
class Sighting:
    """A message that was seen. `senders`: who has sent it to us, the first first; `settled`: when its verdict came (None: not yet);
    `rejected`, `accepted`: what that was.
    """

    topic: str
    first_seen: float
    senders: dict[PeerId, None] = field(default_factory=dict)
    settled: float | None = None
    accepted: bool = False
    rejected: bool = False


class Sightings:
    """The seen cache: by message id, for some time after the first sighting."""

    def __init__(self, ttl: float, most: int) -> None:
        self._ttl, self._most = ttl, most
        self._sightings: dict[bytes, Sighting] = {}

    def __contains__(self, identifier: bytes) -> bool:
        return identifier in self._sightings

    def __len__(self) -> int:
        return len(self._sightings)

    def get(self, identifier: bytes) -> Sighting | None:
        """What is known of a message."""
        return self._sightings.get(identifier)

    def add(self, identifier: bytes, topic: str, now: float) -> Sighting:
        """A message is seen for the first time. The oldest is forgotten when there is no place."""
        if len(self._sightings) >= self._most:
            del self._sightings[next(iter(self._sightings))]
        sighting = self._sightings[identifier] = Sighting(topic, now)
        return sighting

    def expire(self, now: float) -> None:
        """Forgets what is old."""
        while self._sightings:
            identifier = next(iter(self._sightings))
            if self._sightings[identifier].first_seen + self._ttl > now:
                return
            del self._sightings[identifier]


@dataclass(slots=True)
class _Kept:
    message: Message
    given: dict[PeerId, int] = field(default_factory=dict)


class MessageCache:
    """Whole messages of the last `length` heartbeats, for those who ask; ids of the last `gossip` heartbeats, to tell of."""

    def __init__(self, length: int, gossip: int, most_bytes: int) -> None:
        self._gossip, self._most_bytes = gossip, most_bytes
        self._windows: deque[list[bytes]] = deque([[]], maxlen=length)
        self._messages: dict[bytes, _Kept] = {}
        self._bytes = 0

    def __len__(self) -> int:
        return len(self._messages)

    @property
    def size(self) -> int:
        """Bytes of the messages that are kept."""
        return self._bytes

    def put(self, identifier: bytes, message: Message) -> None:
        """Keeps a message; the oldest make place for it."""
        if identifier in self._messages:
            return
        self._messages[identifier] = _Kept(message)
        self._windows[0].append(identifier)
        self._bytes += len(message.data)
        while self._bytes > self._most_bytes:
            self._forget(next(iter(self._messages)))

    def give(self, identifier: bytes, peer: PeerId, most: int) -> Message | None:
        """A message that a peer asks for; None if it is not kept, or was given to it `most` times."""
        kept = self._messages.get(identifier)
        if kept is None or kept.given.get(peer, 0) >= most:
            return None
        kept.given[peer] = kept.given.get(peer, 0) + 1
        return kept.message

    def recent(self, topic: str) -> list[bytes]:
        """The ids to tell of, the newest first."""
        windows = list(self._windows)[: self._gossip]
        return [each for window in windows for each in window if each in self._messages and self._messages[each].message.topic == topic]

    def shift(self) -> None:
        """A heartbeat is over."""
        if len(self._windows) == self._windows.maxlen:
            for identifier in self._windows[-1]:
                self._forget(identifier)
        self._windows.appendleft([])

    def _forget(self, identifier: bytes) -> None:
        kept = self._messages.pop(identifier, None)
        if kept is not None:
            self._bytes -= len(kept.message.data)
