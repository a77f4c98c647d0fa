"""The RPC server (op-geth's and op-node's JSON-RPC, over HTTP and WebSocket) and what it asks of the node.

    dispatch                methods by namespace; requests to them, within limits
    discover, reference     what is served, as an OpenRPC document and as a page of the manual
    node                    the node behind them, as protocols
    server, websocket, ipc  one port for HTTP, WebSocket or both; a Unix socket
    conversation            many requests on one connection, with subscriptions
    subscriptions           what happens, for who follows it
    access, rates, room     who is answered; how often; how much is held in memory for all together
    health                  /healthz and /readyz
    optimism, admin, opp2p  as op-node answers
    net, web3, txpool, execution_admin   as op-geth answers
    eth                     blocks, state and transactions, as op-geth answers
    debug                   traces, witnesses, raw encodings, as op-geth answers
    historical              blocks before Bedrock, from Legacy Geth
"""
