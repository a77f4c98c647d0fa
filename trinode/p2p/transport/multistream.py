"""Agreement on a protocol for a stream (libp2p specification: multistream-select 1.0, in the libp2p connections specification).

Both sides say the protocol's header. One proposes names, the other repeats the first that it speaks and answers "na" to all others. Messages are
lines with their length before them. Lines are read exactly to their end: what follows belongs to the chosen protocol.
"""

from __future__ import annotations

from collections.abc import Container, Sequence

from trio.abc import ReceiveStream, Stream

from trinode.p2p.errors import NegotiationFailed, ProtocolViolation
from trinode.p2p.transport.receiving import receive_exactly

HEADER = "/multistream/1.0.0"
_NOT_AVAILABLE = "na"
_LONGEST_LINE = 1024
"""Bytes, with the line's end. Protocol names have far fewer."""
_MOST_PROPOSALS = 32
_SHOWN = 80
"""Characters of a stranger's line in our errors."""


def encode_line(text: str) -> bytes:
    """A message. `text`: without the line's end, 1,023 bytes at most."""
    line = text.encode() + b"\n"
    size = len(line)
    return (bytes([size]) if size < 0x80 else bytes([size & 0x7F | 0x80, size >> 7])) + line


async def receive_line(stream: ReceiveStream) -> str:
    """One message. Raises ProtocolViolation, and what streams raise."""
    (first,) = await receive_exactly(stream, 1)
    size = first & 0x7F
    if first >= 0x80:
        (second,) = await receive_exactly(stream, 1)
        size |= second << 7
        if second >= 0x80:
            size = _LONGEST_LINE + 1
    if not 1 <= size <= _LONGEST_LINE:
        raise ProtocolViolation(f"multistream: a line of {size} bytes or more")
    line = await receive_exactly(stream, size)
    if line[-1:] != b"\n":
        raise ProtocolViolation("multistream: a line without its end")
    try:
        return line[:-1].decode()
    except UnicodeDecodeError as error:
        raise ProtocolViolation("multistream: a line that is not UTF-8") from error


async def select(stream: Stream, protocols: Sequence[str]) -> str:
    """Proposes protocols one after the other, for the side that opened the stream. Gives the one that the peer speaks.

    Raises NegotiationFailed (none of them), ProtocolViolation, and what streams raise.
    """
    header = encode_line(HEADER)
    for number, protocol in enumerate(protocols):
        await stream.send_all((header if number == 0 else b"") + encode_line(protocol))
        if number == 0:
            await _receive_header(stream)
        answer = await receive_line(stream)
        if answer == protocol:
            return protocol
        if answer != _NOT_AVAILABLE:
            raise ProtocolViolation(f"multistream: {answer[:_SHOWN]!r} for an answer to {protocol!r}")
    raise NegotiationFailed(f"the peer speaks none of {', '.join(protocols)}")


async def handle(stream: Stream, protocols: Container[str]) -> str:
    """Answers proposals, for the side that did not open the stream. Gives the protocol that was agreed on.

    Raises NegotiationFailed (the peer gave up, or proposed too many that we do not speak), ProtocolViolation, and what streams raise.
    """
    await _receive_header(stream)
    await stream.send_all(encode_line(HEADER))  # at once: some propose nothing before they have it
    for _ in range(_MOST_PROPOSALS):
        proposal = await receive_line(stream)
        if proposal in protocols:
            await stream.send_all(encode_line(proposal))
            return proposal
        await stream.send_all(encode_line(_NOT_AVAILABLE))
    raise NegotiationFailed(f"none of the peer's first {_MOST_PROPOSALS} proposals is spoken here")


async def _receive_header(stream: ReceiveStream) -> None:
    header = await receive_line(stream)
    if header != HEADER:
        raise ProtocolViolation(f"multistream: it begins with {header[:_SHOWN]!r}")
