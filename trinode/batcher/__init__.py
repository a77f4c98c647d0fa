"""The batcher: brings L2 blocks to L1, in channels, as calldata or blobs."""
