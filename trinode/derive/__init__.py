"""Derivation of L2 payload attributes from L1, as a state machine without IO (OP Stack specification: derivation)."""
