"""Puts the implementations of libp2p and discv5 in JavaScript into a folder, where the tests look for them, in the versions that
`package-lock.json` names.

    python -m harness.p2p_peers.install FOLDER        then: TRINODE_PEERS=FOLDER tox -e peers

It needs npm, and takes half a minute and 100 MB.
"""

from __future__ import annotations

from pathlib import Path

from harness.npm import install_command, install_packages
from harness.p2p_peers import PACKAGES, SCRIPTS


def install(folder: Path) -> None:
    """Fills the folder. Raises subprocess.CalledProcessError."""
    install_packages(SCRIPTS, folder / PACKAGES)


main = install_command(install, __doc__)

if __name__ == "__main__":
    main()
