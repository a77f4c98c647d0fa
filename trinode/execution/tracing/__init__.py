"""Watching transactions and calls while they run, on the fast engine.

    tracer        what a tracer is told of, and how much it may hold
    machine       the EVM that tells it
    reasons, out_of_gas, precompile_failures   why a frame ended, in the words that clients of the network know
    block         transactions of a block, traced where they stand in it
    midway        states between transactions of a block
    struct_logs   every opcode
    opcodes       opcodes counted, and what was hashed
    call_tracer, call_failures, flat_calls   every call, as a tree and as a list
    prestate      what was read, and what changed
    four_byte     function selectors
    access_list   accounts and slots that an access list would name
    mux           several tracers at once
"""
