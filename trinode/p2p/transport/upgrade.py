"""A raw connection becomes one whose peer is known and that many streams share (libp2p specification: connections, "Upgrading Connections").

Noise; then a muxer, which the two handshakes may have named (libp2p specification: inlined muxer negotiation), else by multistream-select.
"""

from __future__ import annotations

from collections.abc import Sequence

import trio
from trio.abc import Stream

from trinode.p2p.identity import Identity, PeerId
from trinode.p2p.transport.connection import Connection
from trinode.p2p.transport.limits import TransportLimits
from trinode.p2p.transport.mplex import MPLEX, Mplex
from trinode.p2p.transport.multistream import handle, select
from trinode.p2p.transport.muxer import Muxer
from trinode.p2p.transport.noise import NOISE, Proven, handshake
from trinode.p2p.transport.secure_channel import SecureChannel
from trinode.p2p.transport.yamux import YAMUX, Yamux

_MUXERS: dict[str, type[Muxer]] = {YAMUX: Yamux, MPLEX: Mplex}
_DEFAULT_LIMITS = TransportLimits()


async def upgrade(
    raw: Stream,
    identity: Identity,
    *,
    outbound: bool,
    expected: PeerId | None = None,
    muxers: Sequence[str] = (YAMUX, MPLEX),
    limits: TransportLimits = _DEFAULT_LIMITS,
) -> Connection:
    """Noise, then a muxer. `outbound`: we dialed; `expected`: who must be there; `muxers`: those that we speak, the best first.

    Raises, with `raw` closed: DialFailed (somebody else is there), NegotiationFailed, ProtocolViolation, trio.TooSlowError (after
    `limits.upgrade_seconds` for all of it), trio.BrokenResourceError (the peer is gone).
    """
    try:
        with trio.fail_after(limits.upgrade_seconds):
            await (select(raw, [NOISE]) if outbound else handle(raw, [NOISE]))
            channel, proven = await handshake(raw, identity, initiator=outbound, muxers=muxers, expected=expected)
            protocol = await _agree_on_muxer(channel, proven, muxers, outbound)
    except BaseException:
        await trio.aclose_forcefully(raw)
        raise
    return Connection(channel, _MUXERS[protocol](limits, outbound=outbound), proven.public_key, protocol, limits)


async def _agree_on_muxer(channel: SecureChannel, proven: Proven, muxers: Sequence[str], outbound: bool) -> str:
    """The first of the dialing side's that the other one speaks too."""
    preferred, spoken = (muxers, proven.muxers) if outbound else (proven.muxers, muxers)
    for protocol in preferred:
        if protocol in spoken:
            return protocol
    return await (select(channel, muxers) if outbound else handle(channel, muxers))
