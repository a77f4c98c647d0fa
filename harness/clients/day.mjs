// The steps of a scripted day: each is told on standard output once it has passed, and the first that fails ends the script with status 1.

import { readFileSync } from 'node:fs'

/** Where the node serves: http, ws, rollup, l1 and portal (the address of OptimismPortal), as JSON in the first argument. */
export const places = JSON.parse(process.argv[2])

export const tally = JSON.parse(readFileSync(new URL('contracts/tally.json', import.meta.url), 'utf8'))

/** The words that every development chain's accounts come from. */
export const MNEMONIC = 'test test test test test test test test test test test junk'

const PATIENCE = 60_000

/** Runs one step. What it returns is what `step` returns. */
export async function step(name, act) {
  try {
    const result = await withinPatience(act(), name)
    console.log(JSON.stringify({ passed: name }))
    return result
  } catch (error) {
    console.log(JSON.stringify({ failed: name, error: String(error?.stack ?? error).slice(0, 4000) }))
    process.exit(1)
  }
}

/** The promise's value, or an error that names what did not come in time. */
export function withinPatience(promise, name) {
  let timer
  const late = new Promise((_, reject) => { timer = setTimeout(() => reject(new Error(`${name}: nothing came in ${PATIENCE} ms`)), PATIENCE) })
  return Promise.race([promise, late]).finally(() => clearTimeout(timer))
}

/** The first answer of `ask` that is anything, asked five times a second. */
export async function until(ask) {
  for (const end = Date.now() + PATIENCE; Date.now() < end;) {
    const answer = await ask()
    if (answer) return answer
    await new Promise((resolve) => setTimeout(resolve, 200))
  }
  throw new Error('it never came')
}

/** A list that can be waited on: `push` is for who hears, `wait(n)` for who waits until n things were heard. */
export class Heard {
  things = []
  #waiting = []

  push = (thing) => {
    this.things.push(thing)
    this.#waiting = this.#waiting.filter(([enough, resolve]) => !(enough(this.things) && (resolve(this.things), true)))
  }

  wait = (enough) => {
    const holds = typeof enough === 'number' ? (things) => things.length >= enough : enough
    if (holds(this.things)) return Promise.resolve(this.things)
    return new Promise((resolve) => this.#waiting.push([holds, resolve]))
  }
}
