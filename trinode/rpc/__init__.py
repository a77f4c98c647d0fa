"""The RPC server (op-geth's and op-node's JSON-RPC, over HTTP and WebSocket) and what it asks of the node.

    dispatch            methods by namespace; requests to them, within limits
    node                the node behind them, as protocols
    server, websocket   one port, for HTTP, WebSocket or both
    access, room        who is answered; how much is held in memory for all together
    health              /healthz and /readyz
    optimism, admin     as op-node answers
    net, web3           as op-geth answers
    eth                 blocks, state and transactions, as op-geth answers
"""
