"""The engine: fork choice, block import and payload building over execution and storage.

status       what is asked of an engine and what it answers
core         the engine, synchronous: Engine API calls and look-ups over one store
tree         the canonical chain and what branches off it: lines of blocks, executed and adopted
held         what is not canonical, in memory and bounded
overlay      the state after blocks that are not in the store
payloads     payloads that are being built, their ids and their value
service      the core on a thread of its own, for trio
sender_recovery   senders, recovered beside execution
api          the Engine API over HTTP: server and client
"""
