"""The peers as processes on loopback: op-node, op-geth, and trinode itself beside them."""
