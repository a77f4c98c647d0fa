"""An OP Stack node: derivation, execution, gossip and RPC in one process of trio nurseries."""
