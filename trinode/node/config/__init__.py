"""The node's configuration: flags, environment and a TOML file → one frozen NodeConfig (docs/configuration.md)."""

from __future__ import annotations

from trinode.node.config.importer import import_settings
from trinode.node.config.model import NodeConfig
from trinode.node.config.option import ConfigError, Option
from trinode.node.config.read import config_path, read_config
from trinode.node.config.show import show_json, show_text
from trinode.node.config.table import OPTIONS
from trinode.node.config.toml_file import ConfigFile
from trinode.node.config.values import hide_url

__all__ = [
    "OPTIONS",
    "ConfigError",
    "ConfigFile",
    "NodeConfig",
    "Option",
    "config_path",
    "hide_url",
    "import_settings",
    "read_config",
    "show_json",
    "show_text",
]
