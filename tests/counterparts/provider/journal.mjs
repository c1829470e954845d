// What was received and answered, for tests to count and to assert on, and for the demo to show.

import { decodeJwt, decodeProtectedHeader } from 'jose';

import { routeOf } from './faults.mjs';

const LIMIT = 2000; // entries; the oldest go first

function decode(token) {
  if (!token) return null;
  try {
    return { header: decodeProtectedHeader(token), claims: decodeJwt(token) };
  } catch (error) {
    return { problem: error.message };
  }
}

function parse(type, body) {
  const isForm = type?.split(';')[0].trim() === 'application/x-www-form-urlencoded';
  return isForm ? [...new URLSearchParams(body.toString())] : [];
}

/** Keep what goes out through res.end, which is where Koa and our own pages send a body from. */
function keepAnswer(res, entry) {
  const end = res.end.bind(res);
  res.end = (body, ...rest) => {
    const type = res.getHeader('content-type') ?? '';
    entry.status = res.statusCode;
    entry.answer_headers = { ...res.getHeaders() };
    if (/json|jwt|text\/plain/.test(type) && body) entry.answer = body.toString();
    return end(body, ...rest);
  };
}

export class Journal {
  #entries = [];

  #number = 0;

  constructor(prefix) {
    this.prefix = prefix;
  }

  record(req, res) {
    const { pathname, searchParams } = new URL(req.url, 'http://localhost');
    const form = parse(req.headers['content-type'], req.body);
    const value = (name) => new Map([...searchParams, ...form]).get(name);
    const entry = {
      number: this.#number += 1,
      time: Date.now() / 1000,
      method: req.method,
      path: pathname,
      route: routeOf(pathname.slice(this.prefix.length)),
      query: [...searchParams],
      headers: { ...req.headers },
      form,
      assertion: decode(value('client_assertion')),
      request_object: decode(value('request')),
      dpop: decode(req.headers.dpop),
      status: null, // until it is answered, and for ever when the connection was cut
      answer_headers: {},
      answer: null,
    };
    keepAnswer(res, entry);
    this.#entries.push(entry);
    if (this.#entries.length > LIMIT) this.#entries.shift();
  }

  entries() {
    return this.#entries;
  }

  clear() {
    this.#entries = [];
  }
}
