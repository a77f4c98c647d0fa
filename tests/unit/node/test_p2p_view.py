"""What operators are told of peers: discovery's ids, as op-node 1.19.6 shows them for the same keys."""

from __future__ import annotations

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from trinode.node.p2p_view import node_id_of
from trinode.p2p.identity import ED25519, Identity, PeerId, PublicKey, show_peer_id


def test_node_ids_are_op_nodes() -> None:
    """`opp2p_self` of an op-node with the key 01...01."""
    peer_id = Identity(b"\x01" * 32).peer_id
    assert show_peer_id(peer_id) == "16Uiu2HAmEWQnHq2jLKJypwVnVoQeFCULuyop6atvq2eWjYSUjzNi"
    node_id = node_id_of(peer_id)
    assert node_id is not None
    assert node_id.hex() == "b8a0722ae6cb48cde0b4ae1f1a642f0e3c3af545e7acbd38b07251b3990914f1"


def test_who_has_no_node_id() -> None:
    other = PublicKey(ED25519, Ed25519PrivateKey.from_private_bytes(bytes(32)).public_key().public_bytes_raw()).peer_id
    for peer_id in (other, PeerId(b"\x12\x20" + bytes(32)), PeerId(b"\x00\x02\x08\x02"), PeerId(b"\x00\x25\x08\x02\x12\x21\x02" + b"\xff" * 32)):
        assert node_id_of(peer_id) is None
