"""Records L1, replays it and makes up whole networks for tests; uses trinode, never the other way round."""
