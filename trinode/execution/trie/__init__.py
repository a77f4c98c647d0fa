"""The Merkle Patricia tries of the world state (yellow paper, appendix D): lookups, batched updates, proofs, witnesses.

    nodes          the three kinds of node, their encoding
    node_loader    nodes that are read when a walk comes to them
    batch          many changes of a trie at once
    trie           one trie
    state_tries    the account trie with the storage tries below it
    memory         nodes in a dict
    witness        states proven by preimages, and the recording of such proofs
"""
