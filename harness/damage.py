"""What can go wrong with batcher data on its way to L1: frames and payloads lost, doubled, moved, cut, changed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from random import Random

from trinode.protocol.frame import CHANNEL_ID_SIZE, Frame

MAX_FRAME_NUMBER = 2**16 - 1


@dataclass(frozen=True, slots=True)
class Damage:
    """The chance, 0 to 1, that something happens to a frame or payload (to a whole channel for `shuffle`).

    Frames: `shuffle` (all in any order), `drop`, `duplicate`, `swap` (with the one before), `wrong_channel` (another
    channel id), `wrong_number`, `wrong_last` (is_last inverted). Payloads: `truncate`, `extend`, `flip` (one bit),
    `garbage` (random bytes instead), `foreign_version` (another derivation version), `delay` (to a later L1 block),
    `stranger` (sent by another account).
    """

    shuffle: float = 0.0
    drop: float = 0.0
    duplicate: float = 0.0
    swap: float = 0.0
    wrong_channel: float = 0.0
    wrong_number: float = 0.0
    wrong_last: float = 0.0
    truncate: float = 0.0
    extend: float = 0.0
    flip: float = 0.0
    garbage: float = 0.0
    foreign_version: float = 0.0
    delay: float = 0.0
    stranger: float = 0.0

    @classmethod
    def everything(cls, chance: float) -> Damage:
        """Each thing with about the same share of `chance`, which is about the chance of a frame to be hit at all."""
        share = chance / 12
        return cls(chance / 4, *[share] * 13)

    def frames(self, frames: Sequence[Frame], random: Random) -> list[Frame]:
        """The frames after what happens to them."""
        result: list[Frame] = []
        for frame in frames:
            if random.random() < self.drop:
                continue
            frame = self._frame(frame, random)
            result.append(frame)
            if random.random() < self.duplicate:
                result.append(frame)
            if len(result) > 1 and random.random() < self.swap:
                result[-2:] = reversed(result[-2:])
        if random.random() < self.shuffle:
            random.shuffle(result)
        return result

    def _frame(self, frame: Frame, random: Random) -> Frame:
        if random.random() < self.wrong_channel:
            frame = frame._replace(channel_id=random.randbytes(CHANNEL_ID_SIZE))
        if random.random() < self.wrong_number:
            frame = frame._replace(number=random.choice((frame.number + 1, max(0, frame.number - 1), MAX_FRAME_NUMBER)))
        if random.random() < self.wrong_last:
            frame = frame._replace(is_last=not frame.is_last)
        return frame

    def payloads(self, payloads: Sequence[bytes], random: Random) -> list[bytes]:
        """The payloads after what happens to them (delay and stranger are for who sends them)."""
        changes: tuple[tuple[float, Callable[[bytes, Random], bytes]], ...] = (
            (self.truncate, truncated),
            (self.extend, extended),
            (self.flip, flipped),
            (self.garbage, garbage),
            (self.foreign_version, foreign_version),
        )
        result = []
        for payload in payloads:
            for chance, change in changes:
                if random.random() < chance:
                    payload = change(payload, random)
            result.append(payload)
        return result


def truncated(data: bytes, random: Random) -> bytes:
    """A proper prefix."""
    return data[: random.randrange(len(data))] if data else data


def extended(data: bytes, random: Random) -> bytes:
    """A few bytes more at the end."""
    return data + random.randbytes(random.choice((1, 1, 22, 100)))


def flipped(data: bytes, random: Random) -> bytes:
    """One bit inverted."""
    if not data:
        return data
    at = random.randrange(len(data))
    return data[:at] + bytes([data[at] ^ (1 << random.randrange(8))]) + data[at + 1 :]


def garbage(data: bytes, random: Random) -> bytes:
    """Random bytes instead, half the time behind the right version byte."""
    noise = random.randbytes(random.choice((0, 1, 23, 24, 100, 1000)))
    return random.choice((b"\x00", b"")) + noise


def foreign_version(data: bytes, random: Random) -> bytes:
    """Another derivation version: of no meaning yet, or that of alternative data availability."""
    return bytes([random.choice((1, 2, 255))]) + data[1:]
