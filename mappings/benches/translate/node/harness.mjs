// The part that both Node contestants share: reads the corpus, then does what the lines on standard input ask for.
//
//   lap           one pass over the corpus; answers with nanoseconds on the wall and of the processor
//   answers FILE  writes one output a line; answers `done`
//
// Processor time is that of the whole process, so that the threads of the collector and the compiler are counted. The
// bench keeps the process on one core.

import { readFileSync, writeFileSync } from 'node:fs';
import { createInterface } from 'node:readline';

const corpus = readFileSync(process.argv[2], 'utf8').trimEnd().split('\n').map((line) => JSON.parse(line));

// What a pass made last is kept, so that no compiler may find that nobody looks at it.
let last = '';

function pass(translate) {
  for (const [key, text] of corpus) last = translate(key, text);
}

async function passLater(translate) {
  for (const [key, text] of corpus) last = await translate(key, text);
}

async function lap(run, translate) {
  const cpu = process.cpuUsage();
  const wall = process.hrtime.bigint();
  await run(translate);
  const wallTook = process.hrtime.bigint() - wall;
  const { user, system } = process.cpuUsage(cpu);
  return `${wallTook} ${(user + system) * 1000}`;
}

async function answers(translate, file) {
  const all = [];
  for (const [key, text] of corpus) all.push(await translate(key, text));
  writeFileSync(file, all.join('\n'));
  return 'done';
}

/** Serves until standard input ends. `asynchronous` is for a translator that returns a promise. */
export async function serve(translate, { asynchronous = false } = {}) {
  for await (const line of createInterface({ input: process.stdin })) {
    const [command, argument] = line.split(' ');
    const answer = command === 'lap'
      ? await lap(asynchronous ? passLater : pass, translate)
      : await answers(translate, argument);
    process.stdout.write(`${answer}\n`);
  }
  if (last === undefined) throw new Error('the last translation gave nothing');
}
