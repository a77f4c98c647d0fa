"""What clients are told of without asking again: subscriptions over connections that stay open (geth's publish and subscribe over JSON-RPC),
and what these and filters follow.

    feed            what happened lately, for many who follow at their own pace, within bounds
    chain_events    moves of the head, told by the engine's thread
    kinds           what can be subscribed to
    session         one connection's subscriptions
"""
