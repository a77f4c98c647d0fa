"""What can be wrong with a store. Every message names the folder or the file, what is wrong, and what to do."""

from __future__ import annotations


class StoreError(Exception):
    """A store cannot be used, or not in the way that was asked for."""


class StoreLocked(StoreError):
    """Another process has the store open."""


class StoreMissing(StoreError):
    """There is no store in the folder."""


class StoreExists(StoreError):
    """A store is to be made where there is something already."""


class UnknownFormat(StoreError):
    """A store or a snapshot that another version of this software wrote."""


class WrongChain(StoreError):
    """A store or a snapshot of another chain."""


class CorruptStore(StoreError):
    """What the store holds contradicts itself: a disk fault, or files that someone changed or removed."""


class NotOnHead(StoreError):
    """A block is to be appended that does not follow the head."""


class SnapshotError(StoreError):
    """A file that is no snapshot, is damaged, or holds another state than it says."""
