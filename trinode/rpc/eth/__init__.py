"""The `eth_` namespace: the chain, its state and its transactions, as op-geth answers (execution-apis: eth; op-geth's fields for OP Stack
chains).

    namespace                   all methods together
    limits                      what one request may ask for
    known_chain                 what is asked of who keeps the chain: a store, or headers and what remotes prove
    block_names, chain          which block is meant, and what is known of it
    workers                     where work is done: threads for it (threads), and an end to calls that take too long (time_limit)
    json_cache, ahead           answers that are kept, and those that are ready before they are asked for
    errors                      what goes wrong, in op-geth's codes and words
    blocks, transactions        blocks, headers, transactions
    receipt_object, receipts    receipts, with what L1 and the operator were paid
    state                       accounts, storage, proofs
    call_params, calls          eth_call, eth_estimateGas, eth_createAccessList
    simulation                  eth_simulateV1
    storage_values              eth_getStorageValues
    chain_config                eth_config
    fees                        prices and their history
    log_filter, logs            eth_getLogs
    sending                     eth_sendRawTransaction, and its kin

The store is read on worker threads, beside the engine: nothing here waits for a block that is being executed.
"""
