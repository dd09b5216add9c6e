import { writeFile } from 'node:fs/promises'
import { arch, cpus, platform, totalmem } from 'node:os'

/** Writes a scenario's figures with the machine and versions, if a file is given. */
export async function writeReport(file: string | undefined, figures: Record<string, unknown>): Promise<void> {
  if (file === undefined) return
  await writeFile(file, `${JSON.stringify({ machine: machine(), versions: versions(), ...figures }, null, 2)}\n`)
}

/** Rounds to two decimals. */
export function round(value: number): number {
  return Math.round(value * 100) / 100
}

/** Prints whether a goal is met. */
export function verdict(text: string, met: boolean): void {
  console.log(`${met ? 'goal met   ' : 'goal missed'}  ${text}`)
}

function machine() {
  return {
    cpu: cpus()[0]?.model ?? '',
    cores: cpus().length,
    memoryBytes: totalmem(),
    system: `${platform()} ${arch()}`,
  }
}

function versions() {
  return { node: process.versions.node, date: new Date().toISOString().slice(0, 10) }
}
