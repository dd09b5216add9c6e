/**
 * Measures all subjects once per round. Each round starts with the next subject, so that none always comes first, or always after
 * the one that leaves the most work behind.
 * @returns the results of the rounds by the subject's name
 */
export async function measureInRounds<Subject extends { name: string }, Result>(
  subjects: readonly Subject[],
  rounds: number,
  measure: (subject: Subject) => Promise<Result>,
): Promise<Map<string, Result[]>> {
  const results = new Map<string, Result[]>(subjects.map(({ name }) => [name, []]))
  for (let round = 0; round < rounds; round++) {
    const from = round % subjects.length
    for (const subject of [...subjects.slice(from), ...subjects.slice(0, from)]) {
      results.get(subject.name)?.push(await measure(subject))
    }
  }
  return results
}
