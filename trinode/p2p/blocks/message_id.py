"""The id of a block message (specification: rollup-node-p2p, "Message ID computation").

The page writes SHA256(domain ++ data), and says that it is the same as L1's. L1's (consensus-specs: altair, p2p-interface, "Topics and messages")
has the topic's length and the topic in between, and so has op-node's. We do as they do: ids are what IHAVE and IWANT speak of.
"""

from __future__ import annotations

import hashlib

from trinode.p2p.blocks.snappy import CompressionFault, inflate

MESSAGE_ID_SIZE = 20
_INVALID_SNAPPY, _VALID_SNAPPY = bytes(4), b"\x01\x00\x00\x00"


def message_id(topic: str, data: bytes) -> bytes:
    """20 bytes, the same however the same contents were compressed. What cannot be inflated within bounds is known by its bytes as they came."""
    try:
        domain, contents = _VALID_SNAPPY, inflate(data)
    except CompressionFault:
        domain, contents = _INVALID_SNAPPY, data
    name = topic.encode()
    digest = hashlib.sha256(domain + len(name).to_bytes(8, "little") + name)
    digest.update(contents)
    return digest.digest()[:MESSAGE_ID_SIZE]
