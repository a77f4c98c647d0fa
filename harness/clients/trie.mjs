// What a light client checks for itself: a block's hash from its fields, and an eth_getProof from the state root (yellow paper, appendix D).
// viem and ethers bring Keccak and RLP, and neither brings this.

import assert from 'node:assert/strict'

const HEADER = [
  'parentHash', 'sha3Uncles', 'miner', 'stateRoot', 'transactionsRoot', 'receiptsRoot', 'logsBloom', 'difficulty', 'number', 'gasLimit',
  'gasUsed', 'timestamp', 'extraData', 'mixHash', 'nonce', 'baseFeePerGas', 'withdrawalsRoot', 'blobGasUsed', 'excessBlobGas',
  'parentBeaconBlockRoot', 'requestsHash',
]
const NO_HASH = `0x${'00'.repeat(32)}`
const QUANTITIES = new Set(['difficulty', 'number', 'gasLimit', 'gasUsed', 'timestamp', 'baseFeePerGas', 'blobGasUsed', 'excessBlobGas'])

/** A quantity as RLP has it: no zeros at the front. */
function integer(quantity) {
  const digits = BigInt(quantity).toString(16)
  return digits === '0' ? '0x' : `0x${digits.length % 2 ? '0' : ''}${digits}`
}

/** `keccak` of hex, `encode` and `decode` of RLP in hex: of the client's library. */
export function proofChecks({ keccak, encode, decode }) {
  /** The hash of a block as eth_getBlockByNumber gives it. */
  function blockHash(block) {
    const fields = HEADER.filter((name) => block[name] !== undefined && block[name] !== null)
    return keccak(encode(fields.map((name) => (QUANTITIES.has(name) ? integer(block[name]) : block[name]))))
  }

  /** What the trie of this root has at a hashed key: hex, or null where the nodes prove that there is nothing. */
  function valueInTrie(root, key, nodes) {
    let path = keccak(key).slice(2)
    let expected = root
    let used = 0
    if (nodes.length === 0) {
      assert.equal(root, keccak('0x80'), 'only an empty trie is proved by no nodes')
      return null
    }
    for (;;) {
      let node = expected
      if (typeof expected === 'string') {
        assert.ok(used < nodes.length, 'a node is missing from the proof')
        assert.equal(keccak(nodes[used]), expected, `node ${used} of the proof is another one`)
        node = decode(nodes[used++])
      }
      let next
      if (node.length === 17) {
        next = node[parseInt(path[0], 16)]
        path = path.slice(1)
      } else {
        const [prefix, content] = node
        const flag = parseInt(prefix[2], 16)
        const nibbles = prefix.slice(flag & 1 ? 3 : 4)
        const isLeaf = flag >= 2
        if (isLeaf ? path !== nibbles : !path.startsWith(nibbles)) return end(null)
        if (isLeaf) return end(content)
        path = path.slice(nibbles.length)
        next = content
      }
      if (next === '0x') return end(null)
      expected = next
    }

    function end(value) {
      assert.equal(used, nodes.length, 'the proof has nodes that nothing leads to')
      return value
    }
  }

  /** Checks an eth_getProof against a state root, the account and every slot. */
  function checkProof(stateRoot, proof) {
    const account = valueInTrie(stateRoot, proof.address, proof.accountProof)
    const fields = [integer(proof.nonce), integer(proof.balance), proof.storageHash, proof.codeHash]
    if (account === null) assert.deepEqual(fields, ['0x', '0x', NO_HASH, NO_HASH]) // so op-geth shows an account that is not there
    else assert.deepEqual(decode(account), fields)
    for (const slot of proof.storageProof) {
      const key = `0x${BigInt(slot.key).toString(16).padStart(64, '0')}`
      const value = valueInTrie(proof.storageHash, key, slot.proof)
      assert.equal(value === null ? 0n : BigInt(decode(value)), BigInt(slot.value))
    }
  }

  return { blockHash, checkProof }
}
