"""The official test vectors: ethereum/devp2p, discv5/discv5-wire-test-vectors.md (v5.1), and the record of enr.md (EIP-778)."""

from __future__ import annotations

import pytest

from trinode.p2p.discovery.enr import Enr, parse_enr
from trinode.p2p.discovery.identity_scheme import NodeId, node_id_of
from trinode.p2p.discovery.messages import Ping, decode_message
from trinode.p2p.discovery.packet import (
    HandshakePacket,
    MessagePacket,
    WhoAreYou,
    decode_packet,
    encode_packet,
    handshake_header,
    message_header,
    whoareyou_header,
)
from trinode.p2p.discovery.session_keys import (
    agree,
    decrypt,
    encrypt,
    new_ephemeral_key,
    shared_secret,
    sign_challenge,
    verifies_challenge,
)
from trinode.p2p.errors import ProtocolViolation
from trinode.p2p.identity import Identity
from trinode.protocol.rlp_codec import encode_bytes, encode_int

hexed = bytes.fromhex

NODE_A_KEY = hexed("eef77acb6c6a6eebc5b363a475ac583ec7eccdb42b6481424c60f59aa326547f")
NODE_B_KEY = hexed("66fb62bfbd66b9177a138c1e5cddbe4f7c30c343e94e68df8769459cb1cde628")
NODE_A = NodeId(hexed("aaaa8419e9f49d0083561b48287df592939a8d19947d8c0ef88f2a4856a69fbb"))
NODE_B = NodeId(hexed("bbbb9d047f0488c0b5a93c1c3f2d8bafc7c8ff337024a55434a0d0555de64db9"))
NONCE = hexed("ffffffffffffffffffffffff")
IV = bytes(16)
ID_NONCE = hexed("0102030405060708090a0b0c0d0e0f10")
REQUEST_NONCE = hexed("0102030405060708090a0b0c")
CHALLENGE_DATA = hexed(
    "000000000000000000000000000000006469736376350001010102030405060708090a0b0c0018"
    "0102030405060708090a0b0c0d0e0f100000000000000000"
)
CHALLENGE_DATA_SEQ_1 = CHALLENGE_DATA[:-1] + b"\x01"
EPHEMERAL_KEY = hexed("0288ef00023598499cb6c940146d050d2b1fb914198c327f76aad590bead68b6")
EPHEMERAL_PUBLIC_KEY = hexed("039a003ba6517b473fa0cd74aefe99dadfdb34627f90fec6362df85803908f53a5")

PING_PACKET = hexed(
    "00000000000000000000000000000000088b3d4342774649325f313964a39e55"
    "ea96c005ad52be8c7560413a7008f16c9e6d2f43bbea8814a546b7409ce783d3"
    "4c4f53245d08dab84102ed931f66d1492acb308fa1c6715b9d139b81acbdcc"
)
WHOAREYOU_PACKET = hexed(
    "00000000000000000000000000000000088b3d434277464933a1ccc59f5967ad1d6035f15e528627dde75cd68292f9e6c27d6b66c8100a873fcbaed4e16b8d"
)
HANDSHAKE_PACKET = hexed(
    "00000000000000000000000000000000088b3d4342774649305f313964a39e55"
    "ea96c005ad521d8c7560413a7008f16c9e6d2f43bbea8814a546b7409ce783d3"
    "4c4f53245d08da4bb252012b2cba3f4f374a90a75cff91f142fa9be3e0a5f3ef"
    "268ccb9065aeecfd67a999e7fdc137e062b2ec4a0eb92947f0d9a74bfbf44dfb"
    "a776b21301f8b65efd5796706adff216ab862a9186875f9494150c4ae06fa4d1"
    "f0396c93f215fa4ef524f1eadf5f0f4126b79336671cbcf7a885b1f8bd2a5d83"
    "9cf8"
)
HANDSHAKE_PACKET_WITH_RECORD = hexed(
    "00000000000000000000000000000000088b3d4342774649305f313964a39e55"
    "ea96c005ad539c8c7560413a7008f16c9e6d2f43bbea8814a546b7409ce783d3"
    "4c4f53245d08da4bb23698868350aaad22e3ab8dd034f548a1c43cd246be9856"
    "2fafa0a1fa86d8e7a3b95ae78cc2b988ded6a5b59eb83ad58097252188b902b2"
    "1481e30e5e285f19735796706adff216ab862a9186875f9494150c4ae06fa4d1"
    "f0396c93f215fa4ef524e0ed04c3c21e39b1868e1ca8105e585ec17315e755e6"
    "cfc4dd6cb7fd8e1a1f55e49b4b5eb024221482105346f3c82b15fdaae36a3bb1"
    "2a494683b4a3c7f2ae41306252fed84785e2bbff3b022812d0882f06978df84a"
    "80d443972213342d04b9048fc3b1d5fcb1df0f822152eced6da4d3f6df27e70e"
    "4539717307a0208cd208d65093ccab5aa596a34d7511401987662d8cf62b1394"
    "71"
)


def test_node_ids() -> None:
    for key, node_id in ((NODE_A_KEY, NODE_A), (NODE_B_KEY, NODE_B)):
        assert node_id_of(Identity(key).public_key.data) == node_id


def test_ping_message_packet() -> None:
    packet = decode_packet(PING_PACKET, NODE_B)
    assert isinstance(packet, MessagePacket)
    assert (packet.source, packet.nonce) == (NODE_A, NONCE)
    plain = decrypt(bytes(16), packet.nonce, packet.sealed, packet.authenticated)
    assert plain is not None
    ping = decode_message(plain)
    assert ping == Ping(hexed("00000001"), 2)

    header = message_header(NODE_A, NONCE)
    assert encode_packet(NODE_B, IV, header, encrypt(bytes(16), NONCE, ping.encode(), IV + header)) == PING_PACKET


def test_whoareyou_packet() -> None:
    assert decode_packet(WHOAREYOU_PACKET, NODE_B) == WhoAreYou(REQUEST_NONCE, ID_NONCE, 0, CHALLENGE_DATA)
    header = whoareyou_header(REQUEST_NONCE, ID_NONCE, 0)
    assert IV + header == CHALLENGE_DATA
    assert encode_packet(NODE_B, IV, header) == WHOAREYOU_PACKET


@pytest.mark.parametrize(
    ("encoded", "challenge_data", "read_key", "with_record"),
    [
        (HANDSHAKE_PACKET, CHALLENGE_DATA_SEQ_1, "4f9fac6de7567d1e3b1241dffe90f662", False),
        (HANDSHAKE_PACKET_WITH_RECORD, CHALLENGE_DATA, "53b1c075f41876423154e157470c2f48", True),
    ],
    ids=["without record", "with record"],
)
def test_ping_handshake_packet(encoded: bytes, challenge_data: bytes, read_key: str, with_record: bool) -> None:
    packet = decode_packet(encoded, NODE_B)
    assert isinstance(packet, HandshakePacket)
    assert (packet.source, packet.nonce, packet.ephemeral_key) == (NODE_A, NONCE, EPHEMERAL_PUBLIC_KEY)
    a_public = Identity(NODE_A_KEY).public_key.data
    assert verifies_challenge(a_public, packet.signature, challenge_data, packet.ephemeral_key, NODE_B)
    assert bool(packet.record) == with_record
    if with_record:
        record = Enr.decode(packet.record)
        assert (record.node_id, record.seq, record.public_key) == (NODE_A, 1, a_public)

    # B reads what A, the initiator, writes.
    keys = agree(packet.ephemeral_key, NODE_B_KEY, NODE_A, NODE_B, challenge_data).swapped()
    assert keys.read == hexed(read_key)
    plain = decrypt(keys.read, packet.nonce, packet.sealed, packet.authenticated)
    assert plain is not None
    ping = decode_message(plain)
    assert ping == Ping(hexed("00000001"), 1)

    # And what A writes is this, byte by byte: signatures are deterministic (RFC 6979).
    assert new_ephemeral_key(EPHEMERAL_KEY) == (EPHEMERAL_KEY, EPHEMERAL_PUBLIC_KEY)
    ours = agree(Identity(NODE_B_KEY).public_key.data, EPHEMERAL_KEY, NODE_A, NODE_B, challenge_data)
    signature = sign_challenge(NODE_A_KEY, challenge_data, EPHEMERAL_PUBLIC_KEY, NODE_B)
    header = handshake_header(NODE_A, NONCE, signature, EPHEMERAL_PUBLIC_KEY, packet.record)
    assert encode_packet(NODE_B, IV, header, encrypt(ours.write, NONCE, ping.encode(), IV + header)) == encoded


def test_shared_secret() -> None:
    public_key = hexed("039961e4c2356d61bedb83052c115d311acb3a96f5777296dcf297351130266231")
    secret_key = hexed("fb757dc581730490a1d7a00deea65e9b1936924caaea8f44d476014856b68736")
    assert shared_secret(public_key, secret_key) == hexed("033b11a2a1f214567e1537ce5e509ffd9b21373247f2a3ff6841f4976f53165e7e")


def test_key_derivation() -> None:
    ephemeral_key = hexed("fb757dc581730490a1d7a00deea65e9b1936924caaea8f44d476014856b68736")
    recipient_key = hexed("0317931e6e0840220642f230037d285d122bc59063221ef3226b1f403ddc69ca91")
    keys = agree(recipient_key, ephemeral_key, NODE_A, NODE_B, CHALLENGE_DATA)
    assert keys.write == hexed("dccc82d81bd610f4f76d3ebe97a40571")
    assert keys.read == hexed("ac74bb8773749920b0d3a8881c173ec5")


def test_id_nonce_signing() -> None:
    static_key = hexed("fb757dc581730490a1d7a00deea65e9b1936924caaea8f44d476014856b68736")
    ephemeral = hexed("039961e4c2356d61bedb83052c115d311acb3a96f5777296dcf297351130266231")
    signature = hexed(
        "94852a1e2318c4e5e9d422c98eaf19d1d90d876b29cd06ca7cb7546d0fff7b484fe86c09a064fe72bdbef73ba8e9c34df0cd2b53e9d65528c2c7f336d5dfc6e6"
    )
    assert sign_challenge(static_key, CHALLENGE_DATA, ephemeral, NODE_B) == signature
    public_key = Identity(static_key).public_key.data
    assert verifies_challenge(public_key, signature, CHALLENGE_DATA, ephemeral, NODE_B)
    assert not verifies_challenge(public_key, signature, CHALLENGE_DATA, ephemeral, NODE_A)


def test_encryption() -> None:
    key, nonce, plain = hexed("9f2d77db7004bf8a1a85107ac686990b"), hexed("27b5af763c446acd2749fe8e"), hexed("01c20101")
    authenticated = hexed("93a7400fa0d6a694ebc24d5cf570f65d04215b6ac00757875e3f3a5f42107903")
    sealed = hexed("a5d12a2d94b8ccb3ba55558229867dc13bfa3648")
    assert encrypt(key, nonce, plain, authenticated) == sealed
    assert decrypt(key, nonce, sealed, authenticated) == plain
    assert decrypt(key, nonce, sealed, authenticated[:-1]) is None


EXAMPLE_RECORD = (
    "enr:-IS4QHCYrYZbAKWCBRlAy5zzaDZXJBGkcnh4MHcBFZntXNFrdvJjX04jRzjzCBOonrkTfj499SZuOh8R33Ls8RRcy5wB"
    "gmlkgnY0gmlwhH8AAAGJc2VjcDI1NmsxoQPKY0yuDUmstAHYpMa2_oxVtw0RW_QAdpzBQA8yWM0xOIN1ZHCCdl8"
)
EXAMPLE_KEY = hexed("b71c71a67e1177ad4e901695e1b4b9ee17ae16c6668d313eac2f96dbcda3f291")


def test_example_record() -> None:
    record = parse_enr(EXAMPLE_RECORD)
    assert record.node_id == hexed("a448f24c6d18e575453db13171562b71999873db5b286df957af199ec94617f7")
    assert (record.seq, str(record.udp()), record.tcp(), record.udp(6)) == (1, "127.0.0.1:30303", None, None)
    assert record.signature == hexed(
        "7098ad865b00a582051940cb9cf36836572411a47278783077011599ed5cd16b76f2635f4e234738f30813a89eb9137e3e3df5266e3a1f11df72ecf1145ccb9c"
    )
    assert str(record) == EXAMPLE_RECORD
    assert Enr.sign(EXAMPLE_KEY, 1, {b"ip": encode_bytes(hexed("7f000001")), b"udp": encode_int(30303)}) == record


def test_a_changed_record_is_refused() -> None:
    encoded = parse_enr(EXAMPLE_RECORD).encoded
    for at in range(len(encoded)):
        changed = encoded[:at] + bytes([encoded[at] ^ 1]) + encoded[at + 1 :]
        with pytest.raises(ProtocolViolation):
            Enr.decode(changed)
