"""Ids of messages: by the formula, and as real op-node (v1.19.6) told them in its IHAVE."""

from __future__ import annotations

import hashlib

from trinode.p2p.blocks.message_id import MESSAGE_ID_SIZE, message_id
from trinode.p2p.blocks.snappy import MAX_MESSAGE_SIZE, compress

TOPIC = "/optimism/901/3/blocks"


def by_the_formula(domain: int, topic: str, contents: bytes) -> bytes:
    length = len(topic).to_bytes(8, "little")
    return hashlib.sha256(bytes([domain, 0, 0, 0]) + length + topic.encode() + contents).digest()[:20]


def test_it_is_of_the_contents_however_they_are_compressed() -> None:
    contents = b"a" * 100
    literal = b"\x64\xf0\x63" + contents  # without a copy
    assert compress(contents) != literal
    assert message_id(TOPIC, literal) == message_id(TOPIC, compress(contents)) == by_the_formula(1, TOPIC, contents)
    assert len(message_id(TOPIC, literal)) == MESSAGE_ID_SIZE


def test_what_is_not_compressed_is_known_by_its_bytes() -> None:
    for data in (b"", b"\xff" * 40, b"\x05abc", compress(bytes(MAX_MESSAGE_SIZE + 1))):
        assert message_id(TOPIC, data) == by_the_formula(0, TOPIC, data)
    assert message_id(TOPIC, b"\x00") == by_the_formula(1, TOPIC, b"")


def test_topics_tell_messages_apart() -> None:
    assert message_id(TOPIC, b"\x01\x00a") != message_id("/optimism/901/2/blocks", b"\x01\x00a")
