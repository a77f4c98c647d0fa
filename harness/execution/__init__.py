"""Executing recorded blocks: files with a block and its witness, chains with their genesis, recordings.

    files, chain_files   what such files hold
    configs              rollup configs of chains that have none, and engines by name
    differences          blocks held against what is expected of them
    states               the states of a chain, in memory or in a database
    run                  files, executed and judged
    replay               recordings, derived and executed
    deep_stack           room for Python frames that nest as deep as calls of the EVM
"""
