"""Watching transactions and calls while they run, on the fast engine.

    tracer        what a tracer is told of, and how much it may hold
    machine       the EVM that tells it
    reasons       why a frame ended, in the words that clients of the network know
    block         transactions of a block, traced where they stand in it
    struct_logs   every opcode
    call_tracer, call_failures   every call
    prestate      what was read, and what changed
    four_byte     function selectors
    access_list   accounts and slots that an access list would name
"""
