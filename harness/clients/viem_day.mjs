// A developer's day with viem: deploy, call, logs, estimates, fees, revert reasons, EIP-7702, proofs, simulations.

import assert from 'node:assert/strict'
import { BaseError, ContractFunctionRevertedError, encodeDeployData, encodeFunctionData, keccak256, parseEther, parseEventLogs, parseGwei, toHex, zeroAddress } from 'viem'
import { generatePrivateKey, privateKeyToAccount } from 'viem/accounts'
import { step, tally } from './day.mjs'
import { blockHash, checkProof, reader, user } from './viem_network.mjs'

const { account, wallet } = user(1)
const { abi } = tally
const sent = async (hash) => reader.waitForTransactionReceipt({ hash: await hash })

await step('the network', async () => {
  assert.equal(await reader.getChainId(), 901)
  assert.match(await reader.request({ method: 'web3_clientVersion' }), /trinode/)
  const [latest, pending, safe] = await Promise.all(['latest', 'pending', 'safe'].map((blockTag) => reader.getBlock({ blockTag })))
  assert.ok(latest.number >= safe.number && (pending.number ?? latest.number) >= latest.number)
  assert.equal((await reader.getBlock({ blockNumber: latest.number, includeTransactions: true })).transactions[0].type, 'deposit')
})

const { address, receipt: deployment } = await step('deploy', async () => {
  const receipt = await sent(wallet.deployContract({ abi, bytecode: tally.bytecode, args: [7n] }))
  assert.equal(receipt.status, 'success')
  assert.ok((await reader.getCode({ address: receipt.contractAddress })).length > 100)
  return { address: receipt.contractAddress, receipt }
})
const contract = { address, abi }

await step('read and write', async () => {
  assert.equal(await reader.readContract({ ...contract, functionName: 'total' }), 7n)
  const { result, request } = await reader.simulateContract({ ...contract, account, functionName: 'count', args: [5n, 'five'], value: 3n })
  assert.equal(result, 12n)
  const receipt = await sent(wallet.writeContract(request))
  assert.equal(receipt.status, 'success')
  const [log] = parseEventLogs({ abi, logs: receipt.logs })
  assert.deepEqual(log.args, { by: account.address, step: 5n, total: 12n, note: 'five' })
  assert.equal(await reader.readContract({ ...contract, functionName: 'counted', args: [account.address] }), 5n)
  assert.equal(await reader.readContract({ ...contract, functionName: 'total', blockNumber: deployment.blockNumber }), 7n)
  assert.equal(await reader.getBalance({ address }), 3n)
  const transaction = await reader.getTransaction({ hash: receipt.transactionHash })
  assert.equal(transaction.from.toLowerCase(), account.address.toLowerCase())
  assert.equal(transaction.blockHash, receipt.blockHash)
  assert.ok(receipt.l1Fee > 0n && receipt.l1GasUsed > 0n)
})

await step('logs', async () => {
  for (const number of [1n, 2n, 3n]) await sent(wallet.writeContract({ ...contract, functionName: 'count', args: [number, `step ${number}`] }))
  const all = await reader.getContractEvents({ ...contract, eventName: 'Counted', fromBlock: deployment.blockNumber })
  assert.deepEqual(all.map((log) => log.args.step), [5n, 1n, 2n, 3n])
  const two = await reader.getContractEvents({ ...contract, eventName: 'Counted', args: { step: [2n, 3n] }, fromBlock: 'earliest', toBlock: 'latest' })
  assert.deepEqual(two.map((log) => log.args.note), ['step 2', 'step 3'])
  const one = await reader.getLogs({ blockHash: two[0].blockHash, address })
  assert.ok(one.some((log) => log.transactionHash === two[0].transactionHash))
  const none = await reader.getContractEvents({ ...contract, eventName: 'Counted', args: { by: zeroAddress }, fromBlock: 0n })
  assert.deepEqual(none, [])
})

await step('estimates', async () => {
  const gas = await reader.estimateContractGas({ ...contract, account, functionName: 'fill', args: [10_000n, 20n] })
  const enough = await sent(wallet.writeContract({ ...contract, functionName: 'fill', args: [10_000n, 20n], gas }))
  assert.equal(enough.status, 'success')
  assert.ok(enough.gasUsed <= gas && gas < enough.gasUsed * 102n / 100n, `${gas} for ${enough.gasUsed}`)
  assert.equal(await reader.estimateGas({ account, to: zeroAddress, value: 1n }), 21_000n)
  await assert.rejects(reader.estimateGas({ account, to: zeroAddress, value: parseEther('1000000') }), /exceeds the balance|insufficient funds/)
  const { accessList, gasUsed } = await reader.createAccessList({ account, to: address, data: encodeFunctionData({ abi, functionName: 'total' }) })
  assert.deepEqual(accessList, [{ address: address.toLowerCase(), storageKeys: [toHex(0, { size: 32 })] }])
  assert.ok(gasUsed > 21_000n)
})

await step('fees', async () => {
  const { maxFeePerGas, maxPriorityFeePerGas } = await reader.estimateFeesPerGas()
  assert.ok(maxFeePerGas >= maxPriorityFeePerGas)
  const history = await reader.getFeeHistory({ blockCount: 4, rewardPercentiles: [10, 90] })
  assert.ok(history.baseFeePerGas.length >= 2 && history.reward.every((each) => each.length === 2))
  assert.ok((await reader.getGasPrice()) > 0n)
  const message = { account, to: address, data: encodeFunctionData({ abi, functionName: 'count', args: [1n, 'x'] }) }
  const l1Fee = await reader.estimateL1Fee(message)
  assert.ok(l1Fee > 0n)
  assert.ok((await reader.estimateTotalFee(message)) > l1Fee)
  assert.ok((await reader.getL1BaseFee()) > 0n)
})

/** What a call reverts with, decoded. */
async function reverts(functionName, args) {
  try {
    await reader.simulateContract({ ...contract, account, functionName, args })
  } catch (error) {
    if (!(error instanceof BaseError)) throw error
    const reverted = error.walk((each) => each instanceof ContractFunctionRevertedError)
    if (!reverted) throw error
    return reverted
  }
  throw new assert.AssertionError({ message: `${functionName} does not revert` })
}

await step('revert reasons', async () => {
  const custom = await reverts('count', [101n, ''])
  assert.equal(custom.data.errorName, 'TooMuch')
  assert.deepEqual(custom.data.args, [101n, 100n])
  assert.equal((await reverts('count', [0n, ''])).reason, 'a step of nothing')
  const panic = await reverts('share', [0n])
  assert.equal(panic.data.errorName, 'Panic')
  assert.deepEqual(panic.data.args, [18n])
  const failed = await sent(wallet.writeContract({ ...contract, functionName: 'count', args: [101n, ''], gas: 100_000n }))
  assert.equal(failed.status, 'reverted')
  await assert.rejects(wallet.sendTransaction({ to: zeroAddress, nonce: 0 }), /nonce/i)
})

await step('access lists and legacy transactions', async () => {
  const { accessList } = await reader.createAccessList({ account, to: address, data: encodeFunctionData({ abi, functionName: 'total' }) })
  const data = encodeFunctionData({ abi, functionName: 'count', args: [1n, 'old'] })
  const gasPrice = 2n * (await reader.getGasPrice()) + parseGwei('0.001')
  for (const each of [{ type: 'legacy', gasPrice }, { type: 'eip2930', gasPrice, accessList }]) {
    const receipt = await sent(wallet.sendTransaction({ to: address, data, ...each }))
    assert.deepEqual([receipt.status, receipt.type], ['success', each.type])
  }
})

await step('a transaction whose receipt is its answer', async () => {
  const receipt = await wallet.sendTransactionSync({ to: zeroAddress, value: 1n })
  assert.equal(receipt.status, 'success')
  const request = await wallet.prepareTransactionRequest({ to: zeroAddress, value: 2n })
  const again = await wallet.sendRawTransactionSync({ serializedTransaction: await wallet.signTransaction(request) })
  assert.deepEqual([again.status, again.to, again.gasUsed], ['success', zeroAddress, 21_000n])
})

await step('EIP-7702', async () => {
  const authority = privateKeyToAccount(generatePrivateKey())
  const delegate = await wallet.signAuthorization({ account: authority, contractAddress: address })
  const data = encodeFunctionData({ abi, functionName: 'count', args: [9n, 'as myself'] })
  const receipt = await sent(wallet.sendTransaction({ authorizationList: [delegate], to: authority.address, data }))
  assert.deepEqual([receipt.status, receipt.type], ['success', 'eip7702'])
  assert.equal(await reader.getCode({ address: authority.address }), `0xef0100${address.slice(2).toLowerCase()}`)
  assert.equal((await reader.getDelegation({ address: authority.address })).toLowerCase(), address.toLowerCase())
  assert.equal(await reader.readContract({ abi, address: authority.address, functionName: 'total' }), 9n)
  const [{ authorizationList }] = [await reader.getTransaction({ hash: receipt.transactionHash })]
  assert.equal(authorizationList[0].address.toLowerCase(), address.toLowerCase())
  const end = await wallet.signAuthorization({ account: authority, contractAddress: zeroAddress })
  assert.equal((await sent(wallet.sendTransaction({ authorizationList: [end], to: authority.address }))).status, 'success')
  assert.equal(await reader.getCode({ address: authority.address }), undefined)
})

await step('an estimate with an authorization', async () => {
  const authority = privateKeyToAccount(generatePrivateKey())
  const authorization = await wallet.signAuthorization({ account: authority, contractAddress: address })
  const data = encodeFunctionData({ abi, functionName: 'count', args: [4n, 'estimated'] })
  const gas = await reader.estimateGas({ account, authorizationList: [authorization], to: authority.address, data })
  const receipt = await sent(wallet.sendTransaction({ authorizationList: [authorization], to: authority.address, data, gas }))
  assert.equal(receipt.status, 'success')
  assert.ok(receipt.gasUsed <= gas)
})

await step('proofs, verified here', async () => {
  const block = await reader.request({ method: 'eth_getBlockByNumber', params: ['latest', false] })
  assert.equal(blockHash(block), block.hash)
  const slots = [0n, BigInt(keccak256(`0x${account.address.slice(2).padStart(64, '0')}${'1'.padStart(64, '0')}`)), 999n]
  const storageKeys = slots.map((slot) => toHex(slot, { size: 32 }))
  const proof = await reader.getProof({ address, storageKeys, blockNumber: BigInt(block.number) })
  checkProof(block.stateRoot, proof)
  assert.equal(proof.storageProof[0].value, await reader.readContract({ ...contract, functionName: 'total', blockNumber: BigInt(block.number) }))
  assert.deepEqual(proof.storageProof.map((each) => each.value > 0n), [true, true, false])
  const nobody = privateKeyToAccount(generatePrivateKey()).address
  checkProof(block.stateRoot, await reader.getProof({ address: nobody, storageKeys: [], blockNumber: BigInt(block.number) }))
  const old = await reader.request({ method: 'eth_getBlockByNumber', params: [toHex(deployment.blockNumber), false] })
  checkProof(old.stateRoot, await reader.getProof({ address, storageKeys: storageKeys.slice(0, 1), blockNumber: deployment.blockNumber }))
})

await step('overrides', async () => {
  const poor = privateKeyToAccount(generatePrivateKey()).address
  const stateOverride = [{ address: poor, balance: parseEther('1') }, { address, stateDiff: [{ slot: toHex(0, { size: 32 }), value: toHex(50, { size: 32 }) }] }]
  const { result } = await reader.simulateContract({ ...contract, account: poor, functionName: 'count', args: [1n, ''], value: 5n, stateOverride })
  assert.equal(result, 51n)
  const code = encodeDeployData({ abi, bytecode: tally.bytecode, args: [33n] }) // a contract that is on no chain
  assert.equal(await reader.readContract({ code, abi, functionName: 'total' }), 33n)
})

await step('simulations', async () => {
  const before = await reader.readContract({ ...contract, functionName: 'total' })
  const { results } = await reader.simulateCalls({
    account,
    calls: [
      { to: address, abi, functionName: 'count', args: [10n, 'first'] },
      { to: address, abi, functionName: 'count', args: [20n, 'second'] },
      { to: address, abi, functionName: 'count', args: [1000n, 'too much'] },
      { to: zeroAddress, value: parseEther('1') },
    ],
  })
  assert.deepEqual(results.map((each) => each.status), ['success', 'success', 'failure', 'success'])
  assert.deepEqual(results.slice(0, 2).map((each) => each.result), [before + 10n, before + 30n])
  assert.equal(results[1].logs.length, 1)
  assert.equal(results[2].error.cause?.data?.errorName ?? results[2].error.data?.errorName, 'TooMuch')
  const blocks = await reader.simulateBlocks({
    blocks: [
      { blockOverrides: { baseFeePerGas: 10n }, calls: [{ account: zeroAddress, to: address, data: encodeFunctionData({ abi, functionName: 'total' }) }] },
      { stateOverrides: [{ address: zeroAddress, balance: 9n }], calls: [{ account: zeroAddress, to: account.address, value: 9n }] },
    ],
  })
  assert.deepEqual(blocks.map((block) => block.calls[0].status), ['success', 'success'])
  assert.equal(blocks[1].number, blocks[0].number + 1n)
})
