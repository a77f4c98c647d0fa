"""Blocks by number, from peers and for peers (specification: rollup-node-p2p, "Req-Resp")."""
