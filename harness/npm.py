"""Packages from npm in a folder, in the versions of a lock file, for peers and clients of other languages."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import click


def install_packages(manifests: Path, folder: Path) -> None:
    """Installs what `package.json` and `package-lock.json` in `manifests` name into `folder`, without their scripts.

    Raises subprocess.CalledProcessError.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for name in ("package.json", "package-lock.json"):
        shutil.copy(manifests / name, folder / name)
    # `npm ci` would want the lock file to have programs for every system, also those that a registry does not have
    subprocess.run(["npm", "install", "--ignore-scripts", "--omit=dev", "--no-audit", "--no-fund"], cwd=folder, check=True)


def install_command(install: Callable[[Path], None], help: str | None) -> click.Command:
    """A command with one argument, the folder that `install` fills."""

    @click.command(help=help)
    @click.argument("folder", type=click.Path(path_type=Path, file_okay=False))
    def main(folder: Path) -> None:
        if shutil.which("npm") is None:
            raise click.ClickException("npm is not on PATH")
        try:
            install(folder)
        except subprocess.CalledProcessError as error:
            raise click.ClickException(str(error)) from error

    return main
