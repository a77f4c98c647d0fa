"""Puts the implementations of libp2p and discv5 in JavaScript into a folder, where the tests look for them, in the versions that
`package-lock.json` names.

    python -m harness.p2p_peers.install FOLDER        then: TRINODE_PEERS=FOLDER tox -e peers

It needs npm, and takes half a minute and 100 MB.
"""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import click

from harness.p2p_peers import PACKAGES, SCRIPTS


def install(folder: Path) -> None:
    """Fills the folder. Raises subprocess.CalledProcessError."""
    packages = folder / PACKAGES
    packages.mkdir(parents=True, exist_ok=True)
    for name in ("package.json", "package-lock.json"):
        shutil.copy(SCRIPTS / name, packages / name)
    subprocess.run(["npm", "install", "--ignore-scripts", "--omit=dev", "--no-audit", "--no-fund"], cwd=packages, check=True)


@click.command(help=__doc__)
@click.argument("folder", type=click.Path(path_type=Path, file_okay=False))
def main(folder: Path) -> None:
    """The command."""
    if shutil.which("npm") is None:
        raise click.ClickException("npm is not on PATH")
    try:
        install(folder)
    except subprocess.CalledProcessError as error:
        raise click.ClickException(str(error)) from error


if __name__ == "__main__":
    main()
