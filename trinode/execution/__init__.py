"""The state transition of L2 blocks: parent state and payload attributes in, a block and its changes out.

Synchronous, without IO, clock or randomness (specification: exec-engine).

    rules, forks/      what each fork changes
    state, environment, engine   the boundary: what an engine reads and gives back
    precompiles/       contracts of the protocol
    trie/              roots, proofs, witnesses
    evm/               the fast engine
    pyevm/             the reference engine on py-evm, and the oracle of the fast one
    calls/             calls, gas estimates and access lists, on a state with overrides
    tracing/           what happens inside: struct logs, call trees, prestates
    block              blocks from attributes, and the check of blocks that others built
"""
