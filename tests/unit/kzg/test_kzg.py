"""Blob commitments and versioned hashes (EIP-4844), against ckzg and against hashes that real L1 transactions signed."""

from __future__ import annotations

import gzip
import hashlib
import json
import time
from collections.abc import Iterator
from importlib import resources, util
from pathlib import Path
from random import Random

import pytest

from trinode.kzg import commitments as kzg
from trinode.l1.blob_hasher import BlobHasher
from trinode.protocol.blob import BLOB_SIZE

ROOT = Path(__file__).resolve().parents[3]
BLS_MODULUS = 0x73EDA753299D7D483339D80809A1D80553BDA402FFFE5BFEFFFFFFFF00000001
INFINITY = b"\xc0" + bytes(47)


def random_blob(seed: int, elements: int = 4096) -> bytes:
    random = Random(seed)
    data = b"".join(random.randrange(BLS_MODULUS).to_bytes(32, "big") for _ in range(elements))
    return data.ljust(BLOB_SIZE, b"\0")


def recorded_blobs(count: int) -> Iterator[tuple[bytes, bytes]]:
    with gzip.open(ROOT / "fixtures/devnet/forks-regolith-to-karst.jsonl.gz", "rt") as file:
        for line in file:
            if '"versioned' in line or '"blobs":{"' in line:
                for name, blob in json.loads(line)["blobs"].items():
                    yield bytes.fromhex(name[2:]), bytes.fromhex(blob[2:])
                    count -= 1
                    if not count:
                        return


def upstream_setup() -> Path:
    for package, inside in (
        ("eth_account", "typed_transactions/blob_transactions/kzg_trusted_setup.txt"),
        ("eth", "_utils/kzg_trusted_setup.txt"),
    ):
        spec = util.find_spec(package)
        if spec is not None and spec.submodule_search_locations:
            path = Path(spec.submodule_search_locations[0], inside)
            if path.exists():
                return path
    pytest.skip("neither eth-account nor py-evm, which ship the whole trusted setup, is installed")


def test_recorded_blobs_have_the_versioned_hashes_that_l1_signed() -> None:
    blobs = list(recorded_blobs(4))
    assert len(blobs) == 4
    for expected, blob in blobs:
        assert kzg.blob_versioned_hash(blob) == expected


def test_zero_blob_commits_to_the_point_at_infinity() -> None:
    assert kzg.blob_to_commitment(bytes(BLOB_SIZE)) == INFINITY
    assert kzg.versioned_hash(INFINITY).hex() == "010657f37554c781402a22917dee2f75def7ab966d7b770905398eba3c444014"


def test_sparse_blobs() -> None:
    one = (1).to_bytes(32, "big")
    first = one.ljust(BLOB_SIZE, b"\0")
    last = one.rjust(BLOB_SIZE, b"\0")
    data = resources.files("trinode.kzg").joinpath("data/kzg_lagrange_g1.bin").read_bytes()
    assert kzg.blob_to_commitment(first) == data[:48]
    assert kzg.blob_to_commitment(last) == data[-48:]


def test_largest_element_is_fine_and_the_modulus_is_not() -> None:
    kzg.blob_to_commitment((BLS_MODULUS - 1).to_bytes(32, "big").ljust(BLOB_SIZE, b"\0"))
    for bad in (BLS_MODULUS, (1 << 256) - 1):
        with pytest.raises(kzg.KzgError, match="not below the BLS modulus"):
            kzg.blob_to_commitment(bad.to_bytes(32, "big").rjust(BLOB_SIZE, b"\0"))


@pytest.mark.parametrize("size", [0, 1, BLOB_SIZE - 1, BLOB_SIZE + 1])
def test_wrong_sizes(size: int) -> None:
    with pytest.raises(kzg.KzgError, match="131072 bytes"):
        kzg.blob_to_commitment(bytes(size))
    with pytest.raises(kzg.KzgError, match="48 bytes"):
        kzg.versioned_hash(bytes(size))


def test_check_blobs_names_the_first_that_differs() -> None:
    blobs = [random_blob(seed, 8) for seed in range(3)]
    hashes = [kzg.blob_versioned_hash(blob) for blob in blobs]
    kzg.check_blobs(hashes, blobs)
    with BlobHasher(2) as hasher:
        hasher.check(hashes, blobs)
        for check in (kzg.check_blobs, hasher.check):
            with pytest.raises(kzg.BlobMismatchError) as caught:
                check([hashes[0], hashes[2], hashes[1]], blobs)
            assert (caught.value.index, caught.value.expected, caught.value.actual) == (1, hashes[2], hashes[1])
            with pytest.raises(kzg.KzgError, match="3 blobs for 2"):
                check(hashes[:2], blobs)


def test_hasher_computes_a_blob_once_and_works_again_after_close(monkeypatch: pytest.MonkeyPatch) -> None:
    calls = []

    def count(blob: bytes) -> bytes:
        calls.append(blob)
        return hashlib.sha256(blob).digest()

    monkeypatch.setattr("trinode.l1.blob_hasher.blob_versioned_hash", count)
    hasher = BlobHasher(2)
    first, second = random_blob(1, 1), random_blob(2, 1)
    assert hasher.versioned_hash(first) == hasher.versioned_hash(bytes(first)) != hasher.versioned_hash(second)
    assert calls == [first, second]
    hasher.close()
    hasher.close()
    assert hasher.versioned_hash(random_blob(3, 1))
    hasher.close()


def test_damaged_package_data_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kzg, "_SETUP_SHA256", "00" * 32)
    monkeypatch.setattr(kzg, "_SETUP", kzg._Setup())
    with pytest.raises(kzg.KzgError, match="damaged"):
        kzg.blob_to_commitment(random_blob(1, 1))


def test_hashing_leaves_the_interpreter_to_other_threads() -> None:
    """The reason for py-arkworks-bls12381: while a blob is hashed, this thread goes on."""
    kzg.load_setup()
    with BlobHasher(1) as hasher:
        future = hasher.submit(random_blob(7))
        turns = 0
        end = time.monotonic() + 20
        while not future.done() and time.monotonic() < end:
            turns += 1
    assert future.done()
    assert turns > 1000


def test_same_as_ckzg_with_the_whole_setup() -> None:
    ckzg = pytest.importorskip("ckzg")
    setup = ckzg.load_trusted_setup(str(upstream_setup()), 0)
    for seed, elements in ((1, 4096), (2, 17), (3, 0)):
        blob = random_blob(seed, elements)
        assert kzg.blob_to_commitment(blob) == ckzg.blob_to_kzg_commitment(blob, setup)


def test_package_data_is_the_ceremony_s() -> None:
    words = upstream_setup().read_text().split()
    points = [bytes.fromhex(word) for word in words[2 : 2 + 4096]]
    expected = b"".join(points[int(f"{index:012b}"[::-1], 2)] for index in range(4096))
    assert resources.files("trinode.kzg").joinpath("data/kzg_lagrange_g1.bin").read_bytes() == expected
