import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFile } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import { type Cluster, startCluster, user } from '@parley/testkit'
import { afterAll, beforeAll, it } from 'vitest'

const README = new URL('../../../README.md', import.meta.url)
/** A folder in which `socket.io-client` can be resolved, as if a reader had installed it. */
const HERE = fileURLToPath(new URL('../../../packages/testkit', import.meta.url))

let cluster: Cluster
beforeAll(async () => {
  cluster = await startCluster()
})
afterAll(() => cluster?.[Symbol.asyncDispose]())

it('the chat in the README works unchanged', async () => {
  const code = /```js\n(?<code>[\s\S]*?)```/.exec(await readFile(README, 'utf8'))?.groups?.code
  if (code === undefined) throw new Error('the README has no block of JavaScript')
  const [ahmed, fatima] = [user('Ahmed Hassan'), user('Fatima Rahman')]
  await cluster.register(ahmed, fatima)
  const chat = (who: typeof ahmed) => startChat(code, cluster.url, cluster.token(who), [ahmed.id, fatima.id])
  using first = chat(ahmed)
  using second = chat(fatima)
  await Promise.all([first.prints('Connected'), second.prints('Connected')])
  first.types('Hello! How are you?')
  await Promise.all([first, second].map((end) => end.prints('Ahmed Hassan: Hello! How are you?')))
  second.types("I'm good, thanks!")
  await Promise.all([first, second].map((end) => end.prints("Fatima Rahman: I'm good, thanks!")))
})

function startChat(code: string, address: string, token: string, people: string[]) {
  const child = spawn(process.execPath, ['--input-type=module', '--eval', code, '--', 'chat.mjs', ...people], {
    cwd: HERE,
    env: { ...process.env, PARLEY: address, TOKEN: token },
    stdio: ['pipe', 'pipe', 'inherit'],
  })
  let output = ''
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    output += text
  })
  return {
    types: (line: string) => child.stdin.write(`${line}\n`),
    async prints(text: string) {
      const signal = AbortSignal.timeout(30_000)
      while (!output.includes(text)) {
        await once(child.stdout, 'data', { signal }).catch((cause) => {
          throw new Error(`it has not printed ${JSON.stringify(text)} but ${JSON.stringify(output)}`, { cause })
        })
      }
    },
    [Symbol.dispose]: () => void child.kill(),
  }
}
