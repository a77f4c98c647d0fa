"""JSON-RPC as the adapters share it: what asks (L1, engines, upstream nodes), and what answers (RPC and Engine API).

    http                     one exchange, bounded and cancellable
    pace, endpoint, calls    one HTTP endpoint: paced, retried, named in errors; methods called on it, one by one and in batches
    replies                  what a client reads: objects of execution clients, in consensus encoding
    fields                   what a server reads: parameters, strictly
    declared, kinds          methods with what they take and give, for reading requests and for documents
    requests                 requests and batches, from bytes to bytes
    http1, http1_server      HTTP/1.1 for many callers, without a task for each request
    http1_client             one of them
    readiness                which of their sockets have something
    connections, server      an ASGI app under hypercorn on trio, whose clients may be slow, silent or gone
    header_object, block_object, transaction_object, proof_object   what a server writes
"""
