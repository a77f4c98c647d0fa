"""Finding peers (Node Discovery v5.1, ethereum/devp2p): records, sessions, the table of nodes and the search through the network.

Only `service` knows sockets, files and the clock. All else is deterministic: time and entropy are given to it.
"""
