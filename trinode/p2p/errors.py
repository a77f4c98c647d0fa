"""What goes wrong between peers. Streams themselves raise what trio's do: `trio.BrokenResourceError` when the peer resets one or its connection
ends, `trio.ClosedResourceError` when our side has closed it.
"""

from __future__ import annotations


class P2PError(Exception):
    """Something between us and a peer did not work; why, in one line."""


class ProtocolViolation(P2PError):
    """A peer sent what its protocol does not allow. Its connection, or its stream where it can stand alone, is over."""


class NegotiationFailed(P2PError):
    """The peer speaks none of the protocols that were proposed to it."""


class NotConnected(P2PError):
    """There is no connection with that peer."""


class DialFailed(P2PError):
    """No connection came about: nobody there, somebody else there, refused by a gate, or too slow."""
