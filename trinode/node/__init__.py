"""The node: where configuration, adapters, derivation and execution are wired."""
