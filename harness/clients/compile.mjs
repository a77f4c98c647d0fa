// Makes contracts/tally.json of contracts/Tally.sol: `npm install && npm run compile` in this folder. Only who changes the contract needs it.

import { readFileSync, writeFileSync } from 'node:fs'
import solc from 'solc'

const source = new URL('contracts/Tally.sol', import.meta.url)
const asked = {
  language: 'Solidity',
  sources: { 'Tally.sol': { content: readFileSync(source, 'utf8') } },
  settings: {
    evmVersion: 'prague',
    optimizer: { enabled: true, runs: 200 },
    metadata: { appendCBOR: false, bytecodeHash: 'none' },
    outputSelection: { '*': { '*': ['abi', 'evm.bytecode.object'] } },
  },
}
const made = JSON.parse(solc.compile(JSON.stringify(asked)))
if (made.errors?.some((each) => each.severity === 'error')) throw new Error(made.errors.map((each) => each.formattedMessage).join('\n'))
const { abi, evm } = made.contracts['Tally.sol'].Tally
writeFileSync(new URL('contracts/tally.json', import.meta.url), JSON.stringify({ abi, bytecode: `0x${evm.bytecode.object}` }, null, 1) + '\n')
