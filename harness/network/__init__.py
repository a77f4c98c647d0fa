"""A P2P network in one process, without sockets, on trio's MockClock: real hosts, gossip and sync, over links that delay, lose and are cut.

    async with network(seed=1) as world:                 # in a test with `autojump_clock`
        nodes = await world.add_nodes(50)
        await world.settle()
        await world.sequence(blocks=20)

The same seed gives the same links, keys and choices (under pytest with hypothesis: the same run). What is real: all of `trinode.p2p` above the
TCP connection, and the node's queue of unsafe blocks. What is not: the engine (a block is valid if its parent is the head), L1
(`SimHeads.derive` says what it has), discovery (`Directory`).
"""
