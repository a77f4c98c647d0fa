"""Messages with blocks of all layouts, right ones and mutated ones, by a seed (specification: rollup-node-p2p, "Block encoding")."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from random import Random
from typing import Any, NamedTuple

from harness.bare_blocks import bare_block
from trinode.p2p.blocks.envelope import SequencerKey, block_signing_hash
from trinode.p2p.blocks.snappy import compress
from trinode.p2p.blocks.topics import VERSIONS
from trinode.protocol.payload import PayloadEnvelope, Withdrawal, encode_envelope

_ORDER = 0xFFFFFFFF_FFFFFFFF_FFFFFFFF_FFFFFFFE_BAAEDCE6_AF48A03B_BFD25E8C_D0364141
"""Of secp256k1."""
_STRANGER = SequencerKey(b"\x42" * 32)
_OFFSETS = (436, 504, 508)
"""Where a payload has the offsets of extra data, transactions and withdrawals."""
_LAYOUTS = (*VERSIONS, 4, 4)
_OF_A_HEIGHT = 100
"""Messages that a height is often drawn for: there are more blocks of it than may be, and the same ones again."""
_AGES = (0, 0, 0, 0, 0, 0, -50, -85, -95, 3, 9, -(10**6), 10**9)
"""Seconds that a block's time is off. A node that takes blocks of up to `OLDEST` seconds has an answer that does not depend on the moment."""
OLDEST = 90


class BlockMessage(NamedTuple):
    """`version`: of the topic that it is sent on. `name`: what it is, for people."""

    name: str
    version: int
    data: bytes


def block(version: int, number: int, timestamp: int, salt: int = 0, **fields: Any) -> PayloadEnvelope:
    """A block in that layout with the hash that it should have; on no chain. `fields` are put in before it is hashed."""
    return bare_block(version, **{"parent_hash": bytes([salt]) * 32, "block_number": number, "timestamp": timestamp, **fields})


def signed(body: bytes, key: SequencerKey, chain_id: int) -> bytes:
    """A message before compression."""
    return key.sign(block_signing_hash(body, chain_id)) + body


class BlockMessages:
    """Messages for the chain `chain_id`, whose sequencer has the key. `now`: the wall clock, in seconds."""

    def __init__(self, seed: int, key: SequencerKey, chain_id: int, now: Callable[[], int]) -> None:
        self._random = Random(seed)
        self._key, self._chain_id, self._now = key, chain_id, now

    def right(self) -> Iterator[BlockMessage]:
        """One of each layout, which anybody accepts."""
        for version in VERSIONS:
            body = encode_envelope(block(version, 100, self._now()), version)
            yield BlockMessage(f"right v{version}", version, compress(signed(body, self._key, self._chain_id)))

    def mutated(self, count: int) -> Iterator[BlockMessage]:
        """Each with something wrong, or not. Its time is of the moment when it is asked for."""
        for index in range(count):
            yield self._message(index)

    def _message(self, index: int) -> BlockMessage:
        random = self._random
        version = random.choice(_LAYOUTS)
        height = 900 + index // _OF_A_HEIGHT
        number = random.choice((height, height, random.randrange(2**62)))
        age, salt, fields = random.choice(_AGES), random.randrange(4), self._fields(version)
        envelope = block(version, number, self._now() + age, salt, **fields)
        name = f"{index}: v{version} number {number} salt {salt} {age:+} s {sorted(fields)}"
        if random.random() < 0.05:
            envelope = replace(envelope, payload=replace(envelope.payload, gas_used=5))
            name += ", wrong hash"
        key = self._key if random.random() < 0.9 else _STRANGER
        body, how = self._body(encode_envelope(envelope, version), version)
        message = signed(body, key, self._chain_id)
        name += how + (", by a stranger" if key is _STRANGER else "")
        if random.random() < 0.25:
            message = _other_s(message)
            name += ", other s"
        if random.random() < 0.04:
            message = self._flipped(message)
            name += ", damaged"
        data = compress(message)
        if random.random() < 0.05:
            data = self._flipped(data)
            name += ", snappy damaged"
        topic = version if random.random() < 0.93 else random.choice(VERSIONS)
        return BlockMessage(f"{name}, on topic {topic}", topic, data)

    def _fields(self, version: int) -> dict[str, Any]:
        random = self._random
        fields: dict[str, Any] = {}
        if random.random() < 0.15:
            fields["transactions"] = tuple(random.randbytes(random.randrange(1, 300)) for _ in range(random.randrange(1, 6)))
        if version >= 2 and random.random() < 0.08:
            fields["withdrawals"] = (Withdrawal(1, 2, bytes(20), 3),) * random.randrange(1, 4)
        for name in ("blob_gas_used", "excess_blob_gas"):
            if version >= 3 and random.random() < 0.08:
                fields[name] = random.randrange(1, 2**63)
        if random.random() < 0.1:
            fields["extra_data"] = random.randbytes(random.randrange(33))
        if random.random() < 0.1:
            fields["base_fee_per_gas"] = random.randrange(2**256)
        return fields

    def _body(self, body: bytes, version: int) -> tuple[bytes, str]:
        """What is signed, and what was done to it."""
        random = self._random
        kind = random.random()
        if kind < 0.06:
            return self._flipped(body), ", a bit flipped"
        if kind < 0.09:
            return body[: random.randrange(len(body))], ", cut off"
        if kind < 0.11:
            return body + random.randbytes(random.randrange(1, 60)), ", with more"
        if kind < 0.16 and version >= 2:
            root = 32 if version >= 3 else 0
            at = root + random.choice(_OFFSETS)
            offset = random.choice((0, 1, 4, 512, 508, 528, 560, 561, len(body), 2**32 - 1, len(body) - root))
            return body[:at] + offset.to_bytes(4, "little") + body[at + 4 :], ", other offset"
        return body, ""

    def _flipped(self, data: bytes) -> bytes:
        at = self._random.randrange(len(data))
        return data[:at] + bytes([data[at] ^ (1 << self._random.randrange(8))]) + data[at + 1 :]


def _other_s(message: bytes) -> bytes:
    """The other signature that the same key could have made."""
    other = _ORDER - int.from_bytes(message[32:64], "big")
    return message[:32] + other.to_bytes(32, "big") + bytes([message[64] ^ 1]) + message[65:]
