"""What peers say of themselves (libp2p specification: identify): asked when they come, and pushed when it changes.

Nothing of it is proven but the peer's identity, so nothing is believed further than where to try to dial.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from trio.abc import ReceiveStream

from trinode.p2p.addresses import Reach, reach_of
from trinode.p2p.errors import ProtocolViolation
from trinode.p2p.identity import PublicKey
from trinode.p2p.multiaddr import Multiaddr
from trinode.p2p.protobuf import bytes_field, decode_varint, encode_varint, fields_of

IDENTIFY, PUSH = "/ipfs/id/1.0.0", "/ipfs/id/push/1.0.0"
SECONDS = 30.0
"""For a peer to say it."""
MOST_BYTES = 64 << 10
"""Of all messages of a stream: go-libp2p sends two where it has much to say."""
_MOST_FIELDS = 512
_MOST_ADDRESSES = 32
_MOST_PROTOCOLS = 128
_LONGEST_TEXT = 128
"""Characters of the agent, of the protocol version and of a protocol's name."""
_KEY, _LISTEN, _PROTOCOL, _OBSERVED, _VERSION, _AGENT = 1, 2, 3, 4, 5, 6


@dataclass(frozen=True, slots=True)
class Identification:
    """What one side says. None: not said (a push may say a part). `observed`: at which address it sees the other side."""

    agent: str | None = None
    protocol_version: str | None = None
    protocols: tuple[str, ...] | None = None
    addresses: tuple[Multiaddr, ...] | None = None
    observed: Multiaddr | None = None
    public_key: PublicKey | None = None

    def encode(self) -> bytes:
        """The message, with its length before it."""
        parts = [] if self.public_key is None else [bytes_field(_KEY, self.public_key.encode())]
        parts += [bytes_field(_LISTEN, address.encode()) for address in self.addresses or ()]
        parts += [bytes_field(_PROTOCOL, protocol.encode()) for protocol in self.protocols or ()]
        if self.observed is not None:
            parts.append(bytes_field(_OBSERVED, self.observed.encode()))
        if self.protocol_version is not None:
            parts.append(bytes_field(_VERSION, self.protocol_version.encode()))
        if self.agent is not None:
            parts.append(bytes_field(_AGENT, self.agent.encode()))
        message = b"".join(parts)
        return encode_varint(len(message)) + message

    @classmethod
    def decode(cls, data: bytes) -> Identification:
        """Reads one or more messages with their lengths, as one. Addresses that are not TCP's are left out. Raises ProtocolViolation."""
        found: dict[int, list[bytes]] = {}
        at = 0
        while at < len(data):
            size, at = decode_varint(data, at)
            if at + size > len(data):
                raise ProtocolViolation("identify: a message that ends early")
            for number, value in fields_of(data[at : at + size], most=_MOST_FIELDS):
                if isinstance(value, bytes):
                    found.setdefault(number, []).append(value)
            at += size
        protocols = tuple(_text(value) for value in found.get(_PROTOCOL, ())[:_MOST_PROTOCOLS])
        observed = _readable(found.get(_OBSERVED, ())[-1:])
        return cls(
            agent=_text(found[_AGENT][-1]) if _AGENT in found else None,
            protocol_version=_text(found[_VERSION][-1]) if _VERSION in found else None,
            protocols=protocols if _PROTOCOL in found else None,
            addresses=_readable(found[_LISTEN][:_MOST_ADDRESSES]) if _LISTEN in found else None,
            observed=observed[0] if observed else None,
            public_key=PublicKey.decode(found[_KEY][-1]) if _KEY in found else None,
        )


async def receive_identification(stream: ReceiveStream) -> Identification:
    """What the peer says, to the end of the stream. Raises ProtocolViolation, and what streams raise."""
    data = bytearray()
    while piece := await stream.receive_some():
        data += piece
        if len(data) > MOST_BYTES:
            raise ProtocolViolation(f"identify: more than {MOST_BYTES} bytes")
    if not data:
        raise ProtocolViolation("identify: nothing was said")
    return Identification.decode(bytes(data))


def believable(addresses: Sequence[Multiaddr], ip: str) -> Sequence[Multiaddr]:
    """Those of a peer's addresses that may be its own, where it is connected from `ip`: from the world nobody names addresses of our site or of
    this machine, or names that might lead there, so that nobody makes us dial those.
    """
    least = max(reach_of(ip), Reach.HERE)
    return [address for address in addresses if address.is_ip and reach_of(address.host) >= least]


def _text(value: bytes) -> str:
    text = value.decode(errors="replace")[:_LONGEST_TEXT]
    return "".join(character if character.isprintable() else "\N{REPLACEMENT CHARACTER}" for character in text)


def _readable(encoded: Sequence[bytes]) -> tuple[Multiaddr, ...]:
    readable = []
    for address in encoded:
        try:
            readable.append(Multiaddr.decode(address))
        except ProtocolViolation:  # of another transport, most often
            continue
    return tuple(readable)
