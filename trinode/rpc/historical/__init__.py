"""Blocks before Bedrock, which Legacy Geth has (`rollup.historicalrpc`; op-geth's forwarding, with op-geth's words and codes).

    legacy       the endpoint: bounded, in time, with its health
    start        whether there is such history, and whether the endpoint has it
    here         which blocks and transactions this node has
    routes       methods of a namespace, each of which finds out who has what it is asked for
    answers      what Legacy Geth is asked in place of each method
    logs, fees   ranges that cross Bedrock

Legacy Geth (l2geth) is a geth 1.9.10: methods that came later are made of those that it has, or refused. It is believed, as op-geth
believes it: this node has no hashes of those blocks to check against.
"""
