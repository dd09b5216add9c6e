/**
 * Measures all subjects once in each round, each round begun with the next of them: nobody always comes first, or after the
 * one that leaves most behind.
 * @returns what each round gave, by the subject's name
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
