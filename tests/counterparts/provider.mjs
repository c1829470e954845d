// The upstream OpenID Provider of the tests and the demo: npm oidc-provider, made stricter, with faults and a journal.
//
// One line of JSON on stdin configures it (see oidc_provider.py, which documents every member); one line of JSON on
// stdout says where it listens. It ends when stdin ends, so it never outlives who started it.

import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import http from 'node:http';
import https from 'node:https';
import readline from 'node:readline';

import { administer } from './provider/admin.mjs';
import { interact } from './provider/interactions.mjs';
import { Journal } from './provider/journal.mjs';
import { OpenIdProvider } from './provider/openid_provider.mjs';

const stdin = readline.createInterface({ input: process.stdin });
const [line] = await once(stdin, 'line');
stdin.on('close', () => process.exit(0));
const config = JSON.parse(line);

function createServer(listener) {
  if (!config.tls) return http.createServer(listener);
  const { certificate, key, client_ca: clientCa } = config.tls;
  return https.createServer({
    cert: readFileSync(certificate),
    key: readFileSync(key),
    ...(clientCa && { ca: readFileSync(clientCa), requestCert: true, rejectUnauthorized: false }),
  }, listener);
}

const server = createServer((req, res) => {
  handle(req, res).catch((error) => {
    console.error(error);
    if (!res.headersSent) res.writeHead(500, { 'content-type': 'text/plain' });
    res.end('the counterpart itself failed');
  });
});
server.listen(config.port ?? 0, config.host);
await once(server, 'listening');

const origin = `${config.tls ? 'https' : 'http'}://${config.host}:${server.address().port}`;
const provider = new OpenIdProvider((config.front ?? origin) + config.path, config);
const journal = new Journal(config.path);
await provider.start();

async function readBody(req) {
  const chunks = [];
  for await (const chunk of req) chunks.push(chunk);
  return Buffer.concat(chunks);
}

async function handle(req, res) {
  req.body = await readBody(req); // oidc-provider takes a body that was read before from here
  const { pathname } = new URL(req.url, origin);
  if (pathname.startsWith('/_admin/')) {
    await administer({ config, provider, journal }, pathname.slice('/_admin/'.length), req, res);
    return;
  }
  journal.record(req, res);
  if (config.path && !pathname.startsWith(`${config.path}/`)) {
    res.writeHead(404).end();
    return;
  }
  req.originalUrl = req.url;
  req.url = req.url.slice(config.path.length);
  if (req.url.startsWith('/interaction/')) {
    await interact(provider, req, res);
  } else {
    provider.serve(req, res);
  }
}

process.stdout.write(`${JSON.stringify({ origin, issuer: provider.issuer })}\n`);
