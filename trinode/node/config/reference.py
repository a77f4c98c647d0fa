"""docs/configuration.md, made of the table of options.

`python -m trinode.node.config.reference > docs/configuration.md` writes it; a test compares it with the table.
"""

from __future__ import annotations

import sys

from trinode.node.config.option import Option
from trinode.node.config.table import OPTIONS, SECTIONS

_BEGINNING = """# Configuration

This file is made of the table of options: `python -m trinode.node.config.reference > docs/configuration.md`.

Each option can be a flag (`--l1.beacon URL`), an environment variable (`TRINODE_L1_BEACON`), or a key of a TOML file
that `--config FILE` or `TRINODE_CONFIG` names. A flag goes before the environment, that before the file, that before
the default. `trinode config show`, with the same flags, prints every value and where it comes from, without secrets.

- Names that are not known are refused (flags, keys, and every variable that begins with `TRINODE_`), with the nearest
  one. What contradicts itself is refused with a line that says what to change. The exit status is then 2.
- Without `network` and `rollup.config` the node is an embedded devnet. `network`, or `rollup.config` with `genesis`, and
  `l1` with `l1.beacon` make it a node of that chain.
- Booleans: `--rpc.enable-admin` is true, `--http=false` is false. Variables that are empty count as not set.
- Lists: with commas (`--http.api eth,net`), or the flag several times; in the file also as TOML lists.
- Durations have units (`12s`, `6m24s`, `500ms`), and so may sizes (`256MB` is 256,000,000 bytes, `256MiB` 268,435,456).
- Relative paths begin in the folder where the node is started.

```toml
network = "op-mainnet"
datadir = "/var/lib/trinode"

[l1]
rpc = ["https://l1.example.org", "https://other.example.org"]   # the flag is --l1: a table cannot also be a value
beacon = "https://beacon.example.org"

[http]
api = ["eth", "net", "web3", "debug"]
```

## From op-node and op-geth

`trinode config import` reads a command line or an environment file (`OP_NODE_*`, `GETH_*`) of either, or files that hold
one, and prints a TOML file. What has no counterpart here becomes a comment that says why; names that those programs do
not have are refused.

```
trinode config import op-node.env op-geth.env > trinode.toml
trinode config import "op-node --network=op-mainnet --l1=https://l1.example.org --l1.beacon=https://beacon.example.org"
trinode config show --config trinode.toml
```

The file has the secrets that were given (a key in a URL, `p2p.sequencer.key`): keep it as you keep those.
"""


def reference() -> str:
    """The manual's text."""
    parts = [_BEGINNING]
    for section, heading in SECTIONS.items():
        rows = [_row(option) for option in OPTIONS if option.section == section]
        parts.append(
            f"\n## {heading}\n\n| flag | what | default | variable | key | op-node, op-geth |\n|---|---|---|---|---|---|\n" + "\n".join(rows) + "\n"
        )
    return "".join(parts)


def _row(option: Option) -> str:
    kind = f"{option.kind.name}{', ...' if option.many else ''}"
    words = f" ({', '.join(option.kind.choices)})" if option.kind.choices else ""
    default = option.unset if option.default is None else f"`{option.default}`"
    key = "" if option.name == "config" else f"`{option.file_key}`"
    cells = (f"`{option.flag}` {kind}", option.help + words, default, f"`{option.variable}`", key, _elsewhere(option))
    return f"| {' | '.join(cells)} |"


def _elsewhere(option: Option) -> str:
    """The same option of the other programs: where the name differs, that name."""
    names = []
    for program, flags in (("op-node", option.op_node), ("op-geth", option.op_geth)):
        names += [program if flag == option.name else f"{program} `--{flag}`" for flag in flags]
    return ", ".join(names)


if __name__ == "__main__":
    sys.stdout.write(reference())
