"""Gossip among peers: gossipsub (libp2p specifications: pubsub; gossipsub v1.0, v1.1, of v1.2 IDONTWANT), a state machine that a service drives."""
