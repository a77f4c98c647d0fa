"""An engine without state: each block is executed from the witness that an untrusted execution client gives.

What is believed hangs together by hashes from the parent block's header on: nodes and codes are known by their hash, the parent
block was executed here or is vouched for. What the client says of its own chain is only held against what comes out.

For users (`eth_`), what is not kept is asked for as well, and held against the headers that were derived: `verified_chain`, `verified_state`.
"""
