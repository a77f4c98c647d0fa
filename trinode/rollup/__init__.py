"""The rollup's configuration: forks and what they change, system config, L1 attributes, chain presets."""
