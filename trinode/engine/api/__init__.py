"""The Engine API (Engine API: common, paris to osaka; OP Stack specification: exec-engine, "Engine API"): our engine served
to a rollup node, and an external engine driven by ours.

    codec, codes        values and their JSON, strictly; error codes
    versions            which methods take blocks of which fork
    protocol_version    what `engine_signalSuperchainV1` carries
    jwt                 the token that authenticates each request
    interface           the engine behind the server, and what the client is
    engine_methods      what the server answers
    server              the server: an ASGI app
    endpoint, client    the client of op-geth, op-reth or another trinode
"""
