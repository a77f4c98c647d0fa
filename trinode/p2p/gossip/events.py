"""What happens in gossip, as it is counted (op-node: `p2p_gossip_events_total`, by the names of libp2p's trace events)."""

from __future__ import annotations

from enum import Enum


class GossipEvent(Enum):
    """The value is the metric's label."""

    PUBLISH_MESSAGE = "PUBLISH_MESSAGE"
    REJECT_MESSAGE = "REJECT_MESSAGE"
    IGNORE_MESSAGE = "IGNORE_MESSAGE"
    """Ours alone: op-node counts these as rejected."""
    DUPLICATE_MESSAGE = "DUPLICATE_MESSAGE"
    DELIVER_MESSAGE = "DELIVER_MESSAGE"
    ADD_PEER = "ADD_PEER"
    REMOVE_PEER = "REMOVE_PEER"
    RECV_RPC = "RECV_RPC"
    SEND_RPC = "SEND_RPC"
    DROP_RPC = "DROP_RPC"
    JOIN = "JOIN"
    LEAVE = "LEAVE"
    GRAFT = "GRAFT"
    PRUNE = "PRUNE"
