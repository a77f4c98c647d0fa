"""The `eth_` namespace: the chain, its state and its transactions, as op-geth answers (execution-apis: eth; op-geth's fields for OP Stack
chains).

    namespace                   all methods together
    limits                      what one request may ask for
    block_names, chain          which block is meant, and what the store has of it
    workers, time_limit         threads for the work, and an end to calls that take too long
    errors                      what goes wrong, in op-geth's codes and words
    blocks, transactions        blocks, headers, transactions
    receipt_object, receipts    receipts, with what L1 and the operator were paid
    state                       accounts, storage, proofs
    call_params, calls          eth_call, eth_estimateGas, eth_createAccessList
    fees                        prices and their history
    log_filter, logs            eth_getLogs
    submit                      eth_sendRawTransaction

The store is read on worker threads, beside the engine: nothing here waits for a block that is being executed.
"""
