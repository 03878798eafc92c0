// Evaluates FHIRPath expressions with the npm package `fhirpath`, as a second opinion.
//
// Usage: node fhirpath.mjs FOLDER < cases.json > answers.json
// FOLDER holds node_modules. The cases are {documents: [...], cases: [{document, expression, variables}]}, where
// `variables` names documents by number. Each answer is {items: [...]} or {error: "..."}.

import { createRequire } from 'node:module';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';

const require = createRequire(join(process.argv[2], 'package.json'));
const fhirpath = require('fhirpath');
const model = require('fhirpath/fhir-context/r4');

const { documents, cases } = JSON.parse(readFileSync(0, 'utf8'));
const answers = cases.map(({ document, expression, variables }) => {
  try {
    const bound = Object.fromEntries(Object.entries(variables ?? {}).map(([name, index]) => [name, documents[index]]));
    const items = fhirpath.evaluate(documents[document], expression, bound, model, { resolveInternalTypes: true });
    return { items };
  } catch (error) {
    return { error: String(error?.message ?? error) };
  }
});
process.stdout.write(JSON.stringify({ version: fhirpath.version, answers }));
