// Answers each line of JSON on stdin, an object, with one on stdout: what the scenario it names
// makes of it.
import { createInterface } from "node:readline";
import { clearTimeout, setTimeout } from "node:timers"; // those of live.mjs may be fast

const LONGEST_MS = 30_000;

export async function answer(scenarios) {
  for await (const line of createInterface({ input: process.stdin })) {
    const { scenario, ...more } = JSON.parse(line);
    const timer = setTimeout(() => process.exit(1), LONGEST_MS);
    const result = await scenarios[scenario](more);
    clearTimeout(timer);
    console.log(JSON.stringify(result));
  }
}
