"""KZG commitments and blobs' versioned hashes (EIP-4844)."""
