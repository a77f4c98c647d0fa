"""A real anvil as L1: starting it, the proxies before it that make it an L1 by the protocol (and break it on demand), a rollup on it."""
