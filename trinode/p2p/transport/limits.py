"""What one connection may take of us: each bound of this room that an operator or a test might want otherwise."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class TransportLimits:
    """Sizes in bytes, times in seconds, all for one connection.

    `upgrade_seconds`: from an open socket to a muxed connection. `inbound_streams`: at once, each counted until its handler has returned; those
    beyond are reset. `outbound_streams`: at once, `open_stream` fails beyond. `unread_bytes`: received by all streams together and not read
    yet; the stream that goes beyond it is reset. `largest_window`: how far the receive window of one stream grows from Yamux's 256 KiB;
    with mplex, how much of one stream may be unread before nothing more is received for a while. `keepalive_seconds`: between pings (mplex has
    none). `dead_seconds`: nothing heard in spite of pings, or nothing taken from us, for so long is the end.
    """

    upgrade_seconds: float = 15.0
    inbound_streams: int = 64
    outbound_streams: int = 64
    unread_bytes: int = 4 << 20
    largest_window: int = 1 << 20
    keepalive_seconds: float = 30.0
    dead_seconds: float = 60.0
