"""How gossip is tuned (OP Stack: rollup-node-p2p "Heartbeat and parameters"; gossipsub v1.0 "Parameters", v1.1 "Overview of New Parameters").

Times are seconds.
"""

from __future__ import annotations

from dataclasses import dataclass

V1_0, V1_1, V1_2 = "/meshsub/1.0.0", "/meshsub/1.1.0", "/meshsub/1.2.0"
PROTOCOLS = (V1_2, V1_1, V1_0)
"""What we speak, the best first."""


@dataclass(frozen=True, slots=True)
class GossipParams:
    """The protocol's parameters, by default as op-node has them.

    `mesh`, `mesh_low`, `mesh_high`: peers of a topic with whom whole messages are exchanged (D, D_low, D_high). `mesh_score`: how many of them stay
    for their score when there are too many (D_score); `mesh_outbound`: how many we must have dialed ourselves (D_out). `lazy`, `gossip_factor`:
    how many others hear of messages' ids, at least, and as a share (D_lazy).
    """

    mesh: int = 8
    mesh_low: int = 6
    mesh_high: int = 12
    mesh_score: int = 4
    mesh_outbound: int = 2
    lazy: int = 6
    gossip_factor: float = 0.25
    heartbeat_interval: float = 0.5
    fanout_ttl: float = 24.0
    history_length: int = 12
    """Heartbeats in which a message can be asked for."""
    history_gossip: int = 3
    """Heartbeats in which a message's id is told."""
    seen_ttl: float = 65.0
    flood_publish: bool = False
    prune_backoff: float = 60.0
    unsubscribe_backoff: float = 10.0
    graft_flood: float = 10.0
    """A peer that comes back so soon after it was pruned is penalized twice."""
    opportunistic_graft_heartbeats: int = 60
    opportunistic_graft_peers: int = 2
    most_ihave_messages: int = 10
    """IHAVEs of a peer that are heard, a heartbeat."""
    most_ids_asked: int = 5000
    """Messages that are asked of a peer, a heartbeat; and ids in one IHAVE of ours."""
    retransmissions: int = 3
    """How often a peer is given the same message when it asks."""
    iwant_followup: float = 3.0
    """In which a peer must send what it said it had."""
    idontwant_size: int = 1024
    """Bytes of a message from which on peers are told that it need not be sent again."""
    idontwant_heartbeats: int = 3
    """How long it is remembered that a peer does not want a message."""

    def __post_init__(self) -> None:
        if not 0 <= self.mesh_low <= self.mesh <= self.mesh_high:
            raise ValueError("a mesh needs low <= target <= high")
        if self.mesh and not (self.mesh_outbound < self.mesh_low and self.mesh_outbound <= self.mesh // 2 and self.mesh_score <= self.mesh):
            raise ValueError(f"a mesh of {self.mesh} (low {self.mesh_low}) cannot hold {self.mesh_outbound} dialed and {self.mesh_score} best peers")
        if not 0 < self.history_gossip <= self.history_length:
            raise ValueError("what is told of must be kept")


@dataclass(frozen=True, slots=True)
class GossipLimits:
    """What bounds memory and work, whatever peers do."""

    most_seen: int = 65_536
    """Ids of messages that are remembered at once."""
    history_bytes: int = 64 * 1024 * 1024
    """Of messages that can be asked for."""
    most_backoffs: int = 8_192
    longest_backoff: float = 3_600.0
    """Seconds that a peer's PRUNE can keep us away."""
    most_idontwant: int = 128
    """Ids a peer may not want at once."""
    outbox_frames: int = 256
    """RPCs that wait for a slow peer; what does not fit is dropped."""
    outbox_bytes: int = 24 * 1024 * 1024
    large_frame: int = 256 * 1024
    """Bytes from which on an RPC needs one of the `large_frames` places before it is read."""
    large_frames: int = 16
    identified_in_thread: int = 128 * 1024
    """Bytes of an RPC's messages from which on their ids are found in a worker thread: they may inflate to twenty times as much."""
    frame_timeout: float = 20.0
    """In which an RPC that has begun must be there."""
    send_timeout: float = 20.0
    """In which a peer must take an RPC."""
    frames_a_heartbeat: int = 200
    """Of a peer; beyond this its stream is not read until the next heartbeat, and it is penalized."""
    bytes_a_heartbeat: int = 24 * 1024 * 1024
    batches: int = 32
    """RPCs whose messages are being validated, over all peers (of one connected peer, one at once)."""
    validations: int = 4
    """Messages that are being validated at once."""
    validation_timeout: float = 3.0
    """After which a message is ignored."""
