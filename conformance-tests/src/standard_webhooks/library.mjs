// Asks the library `standardwebhooks` of npm, one question a line of standard input, one answer a line of standard output.
//
// The folder with `node_modules` is the first argument. A question is JSON: `sign` or `verify`, `secret`, `id`, `timestamp` (seconds),
// `body`, `now` (seconds), and for `verify` the `signature`. An answer is `{ "signature": … }`, `{ "proven": true }` or
// `{ "refused": … }`.
import { createRequire } from "node:module";
import { createInterface } from "node:readline";
import { resolve } from "node:path";

const require = createRequire(resolve(process.argv[2], "node_modules", "here.js"));
const { Webhook } = require("standardwebhooks");

for await (const line of createInterface({ input: process.stdin })) {
  const asked = JSON.parse(line);
  Date.now = () => asked.now * 1000;
  let answer;
  try {
    const webhook = new Webhook(asked.secret);
    if (asked.sign) {
      answer = { signature: webhook.sign(asked.id, new Date(asked.timestamp * 1000), asked.body) };
    } else {
      webhook.verify(asked.body, {
        "webhook-id": asked.id,
        "webhook-timestamp": String(asked.timestamp),
        "webhook-signature": asked.signature,
      });
      answer = { proven: true };
    }
  } catch (error) {
    answer = { refused: error.message };
  }
  process.stdout.write(`${JSON.stringify(answer)}\n`);
}
