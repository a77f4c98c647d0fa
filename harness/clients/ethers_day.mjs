// A developer's day with ethers 6: deploy, call, logs, estimates, revert reasons, EIP-7702, proofs.

import assert from 'node:assert/strict'
import { Contract, ContractFactory, HDNodeWallet, JsonRpcProvider, Wallet, ZeroAddress, ZeroHash, decodeRlp, encodeRlp, isError, keccak256, parseEther, toBeHex } from 'ethers'
import { MNEMONIC, places, step, tally } from './day.mjs'
import { proofChecks } from './trie.mjs'

const provider = new JsonRpcProvider(places.http, 901, { staticNetwork: true, pollingInterval: 200, cacheTimeout: -1 })
const wallet = HDNodeWallet.fromPhrase(MNEMONIC, undefined, "m/44'/60'/0'/0/5").connect(provider)
const { blockHash, checkProof } = proofChecks({ keccak: keccak256, encode: encodeRlp, decode: decodeRlp })

/** The error that a promise is rejected with, which must have that code of ethers. */
async function refused(code, promise) {
  try {
    await promise
  } catch (error) {
    if (!isError(error, code)) throw error
    return error
  }
  throw new assert.AssertionError({ message: `no ${code}` })
}

await step('the network', async () => {
  assert.equal((await new JsonRpcProvider(places.http).getNetwork()).chainId, 901n)
  const block = await provider.getBlock('latest', true)
  assert.ok(block.number >= 0 && block.prefetchedTransactions.length >= 0)
  assert.equal((await provider.getFeeData()).maxFeePerGas > 0n, true)
})

const contract = await step('deploy', async () => {
  const made = await new ContractFactory(tally.abi, tally.bytecode, wallet).deploy(7n)
  await made.waitForDeployment()
  assert.ok((await made.getDeployedCode()).length > 100)
  return made
})
const address = await contract.getAddress()

await step('read and write', async () => {
  assert.equal(await contract.total(), 7n)
  assert.equal(await contract.count.staticCall(5n, 'five'), 12n)
  const receipt = await (await contract.count(5n, 'five', { value: 3n })).wait()
  assert.equal(receipt.status, 1)
  const [log] = receipt.logs
  assert.deepEqual([log.fragment.name, ...log.args.toArray()], ['Counted', wallet.address, 5n, 12n, 'five'])
  assert.equal(await contract.counted(wallet.address), 5n)
  assert.equal(await provider.getBalance(address), 3n)
  const transaction = await provider.getTransaction(receipt.hash)
  assert.deepEqual([transaction.from, transaction.blockHash, transaction.type], [wallet.address, receipt.blockHash, 2])
  assert.equal((await transaction.getBlock()).hash, receipt.blockHash)
  assert.equal(await receipt.confirmations() >= 1, true)
})

await step('logs', async () => {
  for (const number of [1n, 2n, 3n]) await (await contract.count(number, `step ${number}`)).wait()
  const steps = async (filter) => (await contract.queryFilter(filter, 0, 'latest')).map((log) => log.args.step)
  assert.deepEqual(await steps(contract.filters.Counted()), [5n, 1n, 2n, 3n])
  assert.deepEqual(await steps(contract.filters.Counted(null, [2n, 3n])), [2n, 3n])
  assert.deepEqual(await steps(contract.filters.Counted(ZeroAddress)), [])
})

await step('estimates', async () => {
  const gas = await contract.fill.estimateGas(20_000n, 20n)
  const receipt = await (await contract.fill(20_000n, 20n, { gasLimit: gas })).wait()
  assert.ok(receipt.gasUsed <= gas && gas < (receipt.gasUsed * 102n) / 100n, `${gas} for ${receipt.gasUsed}`)
  assert.equal(await provider.estimateGas({ from: wallet.address, to: ZeroAddress, value: 1n }), 21_000n)
  await refused('INSUFFICIENT_FUNDS', provider.estimateGas({ from: Wallet.createRandom().address, to: ZeroAddress, value: 1n }))
})

await step('revert reasons', async () => {
  const custom = await refused('CALL_EXCEPTION', contract.count.staticCall(101n, ''))
  assert.deepEqual([custom.revert.name, ...custom.revert.args.toArray()], ['TooMuch', 101n, 100n])
  assert.equal((await refused('CALL_EXCEPTION', contract.count.staticCall(0n, ''))).reason, 'a step of nothing')
  assert.match((await refused('CALL_EXCEPTION', contract.share(0n))).reason, /DIVIDE_BY_ZERO/)
  const early = await refused('CALL_EXCEPTION', contract.count(101n, ''))
  assert.equal(early.action, 'estimateGas')
  const sent = await contract.count(101n, '', { gasLimit: 100_000n })
  const late = await refused('CALL_EXCEPTION', sent.wait())
  assert.equal(late.receipt.status, 0)
})

await step('refused transactions', async () => {
  await refused('NONCE_EXPIRED', wallet.sendTransaction({ to: ZeroAddress, nonce: 0 }))
  await refused('INSUFFICIENT_FUNDS', Wallet.createRandom().connect(provider).sendTransaction({ to: ZeroAddress, value: 1n, gasLimit: 21_000n }))
  const nonce = (await wallet.getNonce()) + 9
  const waiting = { to: ZeroAddress, nonce, gasLimit: 21_000n, maxFeePerGas: parseEther('0.000000002'), maxPriorityFeePerGas: 1_000_000n }
  await wallet.sendTransaction(waiting)
  await refused('REPLACEMENT_UNDERPRICED', wallet.sendTransaction({ ...waiting, value: 1n }))
})

await step('EIP-7702', async () => {
  const authority = Wallet.createRandom().connect(provider)
  const authorization = await authority.authorize({ address, nonce: 0, chainId: 901 })
  const data = contract.interface.encodeFunctionData('count', [9n, 'as myself'])
  const receipt = await (await wallet.sendTransaction({ type: 4, to: authority.address, data, authorizationList: [authorization] })).wait()
  assert.deepEqual([receipt.status, receipt.type], [1, 4])
  assert.equal(await provider.getCode(authority.address), `0xef0100${address.slice(2).toLowerCase()}`)
  assert.equal(await new Contract(authority.address, tally.abi, provider).total(), 9n)
  const [shown] = (await provider.getTransaction(receipt.hash)).authorizationList
  assert.deepEqual([shown.address, shown.nonce, shown.chainId], [address, 0n, 901n])
})

await step('proofs, verified here', async () => {
  const block = await provider.send('eth_getBlockByNumber', ['latest', false])
  assert.equal(blockHash(block), block.hash)
  const slot = keccak256(`0x${wallet.address.slice(2).padStart(64, '0')}${'1'.padStart(64, '0')}`)
  const proof = await provider.send('eth_getProof', [address, [ZeroHash, slot, toBeHex(999, 32)], block.number])
  checkProof(block.stateRoot, proof)
  assert.equal(BigInt(proof.storageProof[0].value), await contract.total({ blockTag: Number(block.number) }))
  assert.equal(await provider.getStorage(address, 0, Number(block.number)), toBeHex(proof.storageProof[0].value, 32))
})

provider.destroy()
process.exit(0)
