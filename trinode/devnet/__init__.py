"""The embedded devnet: an L1 in this process and an L2 genesis of our own, for a rollup with nothing else around it.

    assembly, contracts   the few contracts of L2 that are our own, in assembly; weth: one more
    genesis               the L2 genesis: state, header, rollup config
    accounts              who has ether from the start, and the rollup's keys
    l1_rules              what an L1 header says after its parent (fees, blobs)
    l1_contracts          OptimismPortal and SystemConfig, native
    l1_transactions       transactions as they come, with their blobs; l1_pool: those that wait
    l1_ledger             balances and nonces, and what a transaction does to them
    l1_store              blocks, accounts, blobs and waiting transactions in a database
    l1                    the chain: mining, labels, the clock
    l1_objects, l1_logs,
    l1_rpc                JSON-RPC of it; l1_app: as an ASGI app, with the beacon API
    devnet                all of it opened from a folder
"""
