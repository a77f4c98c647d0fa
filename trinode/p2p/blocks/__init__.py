"""Gossip of unsafe blocks (specification: rollup-node-p2p, "Gossip Topics").

    snappy        compression, bounded before anything is inflated
    topics        the four topics, and which one is a block's
    message_id    what makes two messages the same
    envelope      a block with its signature, as it travels
    signers       whose signature counts
    judgement     what can be said of a message, and how that counts
    rules         all that a message must be, but for what was seen before it
    seen          the blocks seen at each height
    block_gossip  all of it together, as gossip asks for it
"""
