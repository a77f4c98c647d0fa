"""Connections with peers: who may come, who is kept, who is told what, over `trinode.p2p.transport`."""
