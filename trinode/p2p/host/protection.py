"""Peers that are kept whatever they do: neither pruned nor banned for their score."""

from __future__ import annotations

from trinode.p2p.identity import PeerId

STATIC = "static"
BY_OPERATOR = "by-operator"


class Protection:
    """Each peer with the reasons for which it is kept; it is kept as long as there is one."""

    def __init__(self) -> None:
        self._reasons: dict[PeerId, set[str]] = {}

    def __contains__(self, peer_id: object) -> bool:
        return peer_id in self._reasons

    def protect(self, peer_id: PeerId, reason: str = BY_OPERATOR) -> None:
        """Keeps the peer."""
        self._reasons.setdefault(peer_id, set()).add(reason)

    def unprotect(self, peer_id: PeerId, reason: str = BY_OPERATOR) -> None:
        """Takes back one reason."""
        reasons = self._reasons.get(peer_id, set())
        reasons.discard(reason)
        if not reasons:
            self._reasons.pop(peer_id, None)
