// JSONata on Node. The expression in translate.jsonata is compiled once; tables and functions of the task are bound to
// it, because JSONata would make a table that stands in the expression anew at each evaluation.

import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { serve } from './harness.mjs';
import * as tables from './tables.mjs';

const jsonata = createRequire(join(process.argv[3], 'any'))('jsonata');
const expression = jsonata(readFileSync(new URL('translate.jsonata', import.meta.url), 'utf8'));

const bindings = {
  referral: tables.REFERRAL,
  nhsNumber: tables.NHS_NUMBER,
  ods: tables.ODS,
  snomed: tables.SNOMED,
  loinc: tables.LOINC,
  household: tables.HOUSEHOLD,
  sdoh: tables.SDOH,
  interpreter: tables.INTERPRETER,
  preference: tables.PREFERENCE,
  gender: Object.fromEntries(tables.GENDER),
  languages: Object.fromEntries(tables.LANGUAGE),
  preferences: Object.fromEntries(tables.PREFERENCE_WORDS),
  telecoms: Object.fromEntries(tables.TELECOM),
  priorities: Object.fromEntries(tables.PRIORITY),
  categories: Object.fromEntries(tables.CATEGORY),
  problems: Object.fromEntries(tables.PROBLEM),
  limit: tables.REASON_LIMIT,
};

async function translate(key, text) {
  const output = await expression.evaluate(JSON.parse(text), { ...bindings, key });
  return JSON.stringify(output);
}

await serve(translate, { asynchronous: true });
