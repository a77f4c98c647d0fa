"""The node's store: one LevelDB database, through plyvel, with the chain, the state of its head and the way back.

errors       what can be wrong with a store
database     the part of plyvel that is used, with types and with errors of ours
tables       what stands under which key
blocks       headers, transactions, receipts and the index of the canonical chain
history      what each block replaced, from which older states are read and blocks are taken back
readers      the state of a block, and the trie nodes of the head
store        the store: append, rewind, read
identity     what a store says about itself, and what of it is checked when it is opened
trie_builder     the trie over sorted leaves, in bounded memory
snapshot_file    frames, compression and checksum of a snapshot
snapshot_export, snapshot_import   a state as a file, and back
"""
