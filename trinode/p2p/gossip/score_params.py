"""How peers are scored (gossipsub v1.1 "Overview of New Parameters"), with op-node's two ways: `light` and `none`. Times are seconds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

DECAY_TO_ZERO = 0.01
_EPOCH = 6
"""Blocks (op-node's own unit, nothing of the protocol)."""


@dataclass(frozen=True, slots=True)
class TopicScoreParams:
    """One topic's P1 to P4. A weight of 0 turns its parameter off."""

    topic_weight: float
    time_in_mesh_weight: float = 0.0
    time_in_mesh_quantum: float = 1.0
    time_in_mesh_cap: float = 0.0
    first_deliveries_weight: float = 0.0
    first_deliveries_decay: float = 0.0
    first_deliveries_cap: float = 0.0
    mesh_deliveries_weight: float = 0.0
    mesh_deliveries_decay: float = 0.0
    mesh_deliveries_cap: float = 0.0
    mesh_deliveries_threshold: float = 0.0
    mesh_deliveries_window: float = 0.0
    mesh_deliveries_activation: float = 0.0
    mesh_failure_weight: float = 0.0
    mesh_failure_decay: float = 0.0
    invalid_deliveries_weight: float = 0.0
    invalid_deliveries_decay: float = 0.0


@dataclass(frozen=True, slots=True)
class ScoreThresholds:
    """Scores below which a peer gets less. `gossip`: no IHAVE or IWANT either way; `publish`: not what we publish; `graylist`: not heard at all.
    `opportunistic_graft`: a mesh whose median is below it takes in better peers.
    """

    gossip: float = -10.0
    publish: float = -40.0
    graylist: float = -40.0
    opportunistic_graft: float = 0.05


@dataclass(frozen=True, slots=True)
class ScoreParams:
    """P5 (application), P6 (peers that share an IP), P7 (behaviour), decay and the topics. A `topic_cap` of 0 is none."""

    application_weight: float
    ip_colocation_weight: float
    ip_colocation_threshold: int
    behaviour_weight: float
    behaviour_threshold: float
    behaviour_decay: float
    decay_interval: float
    retain: float
    """How long the score of a peer that has left is kept."""
    topics: Mapping[str, TopicScoreParams] = field(default_factory=dict)
    topic_cap: float = 0.0
    decay_to_zero: float = DECAY_TO_ZERO
    thresholds: ScoreThresholds = ScoreThresholds()
    most_retained: int = 4096
    """Peers that have left and whose score is kept."""


def decay(blocks: int) -> float:
    """The factor, each block, that brings a counter of 1 down to `DECAY_TO_ZERO` in so many blocks."""
    return float(DECAY_TO_ZERO ** (1 / blocks))


def light(block_time: float, topics: Mapping[str, TopicScoreParams] | None = None) -> ScoreParams:
    """op-node's `--p2p.scoring=light`. op-node scores no topics, so that nobody suffers for being silent on an old one; `topics` adds some,
    such as `block_topic()`.
    """
    return ScoreParams(
        application_weight=1.0,
        ip_colocation_weight=-35.0,
        ip_colocation_threshold=10,
        behaviour_weight=-16.0,
        behaviour_threshold=6.0,
        behaviour_decay=decay(10 * _EPOCH),
        decay_interval=block_time,
        retain=100 * _EPOCH * block_time,
        topics=topics or {},
    )


def none(block_time: float) -> ScoreParams:
    """op-node's `--p2p.scoring=none`: every score is 0."""
    return ScoreParams(
        application_weight=0.0,
        ip_colocation_weight=0.0,
        ip_colocation_threshold=10,
        behaviour_weight=0.0,
        behaviour_threshold=6.0,
        behaviour_decay=decay(10 * _EPOCH),
        decay_interval=block_time,
        retain=100 * _EPOCH * block_time,
    )


def block_topic() -> TopicScoreParams:
    """What we score on a topic of blocks, where op-node scores nothing: messages that were rejected, and, a little, who is first.

    A rejected message costs little (our own clock may be wrong for a moment), the third in ten minutes graylists (-45), the fifth bans by
    op-node's threshold of -100 (-125). Who delivers first earns enough to be preferred where a mesh performs badly, and not enough to pay for
    one rejected message. Silence costs nothing: after a fork the old topic is silent.
    """
    return TopicScoreParams(
        topic_weight=1.0,
        first_deliveries_weight=0.1,
        first_deliveries_decay=decay(20 * _EPOCH),
        first_deliveries_cap=23.0,
        invalid_deliveries_weight=-5.0,
        invalid_deliveries_decay=decay(50 * _EPOCH),
    )
