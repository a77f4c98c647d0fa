"""The `debug_` methods.

    trace_methods     the methods that trace, and what a subscription to traceChain sends
    trace_options     their options
    trace_settings    their bounds
    trace_execution   tracing what is in the store
    trace_block       the traces of one block
    trace_tracers     tracers by name
    trace_json        traces in geth's JSON

    raw               blocks and what is in them, encoded
    witness           execution witnesses, and preimages of hashes
    ranges, pages     states in the order of their hashed keys, and what blocks changed
    chain_config      the chain's forks as op-geth tells them
    set_head          taking blocks back by hand
    limits, kinds     bounds and kinds of parameters of these; blocks: which block is meant
    namespace         all of them together, and what is left out
"""
