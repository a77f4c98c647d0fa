"""Random blocks, executed by our engines and by op-geth through its Engine API: everything must be equal.

    assembler, values, expressions, calls, precompile_calls, init_code, programs   random EVM programs
    chain, predeploys   a chain for them: forks, genesis, who lives there
    fees, signing, transactions, deposits, attributes, blocks   random transactions and blocks
    op_geth, op_geth_chain   the other side: a process of op-geth
    ours   our side: a chain of executed blocks in memory; two engines against each other
    comparison, difference   one side against the other, block by block; what differs first
    coverage   what the blocks were made of, by op-geth's tracer
"""
