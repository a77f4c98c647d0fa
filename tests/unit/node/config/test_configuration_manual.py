"""docs/configuration.md is what the table of options says."""

from __future__ import annotations

import re
from pathlib import Path

from trinode.node.config import ConfigFile, read_config
from trinode.node.config.reference import reference

MANUAL = Path(__file__).parents[4] / "docs" / "configuration.md"


def test_the_manual_is_up_to_date() -> None:
    assert MANUAL.read_text() == reference(), "run: python -m trinode.node.config.reference > docs/configuration.md"


def test_the_manual_s_example_is_a_configuration() -> None:
    example = re.search(r"```toml\n(.*?)```", reference(), re.DOTALL)
    assert example is not None
    config = read_config({}, {}, ConfigFile("example", example[1]))
    assert (config.chain.network, len(config.l1.endpoints), config.http.api) == ("op-mainnet", 2, ("eth", "net", "web3", "debug"))
