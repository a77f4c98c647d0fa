"""The OP Stack's P2P network (specification: rollup-node-p2p): unsafe blocks heard from the sequencer, passed on, asked for and served."""
