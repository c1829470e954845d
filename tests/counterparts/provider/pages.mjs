// Two looks of the same forms: "plain" for scripts, "demo" for people. Self-contained: no script, font or image is
// fetched from anywhere.

const escapes = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;', "'": '&#39;' };
const safe = (text) => String(text ?? '').replace(/[&<>"']/g, (character) => escapes[character]);

const LOGO = `<svg viewBox="0 0 48 48" aria-hidden="true"><rect width="48" height="48" rx="12" fill="#fff" fill-opacity=".14"/>
<path d="M24 8 27.4 20.6 40 24 27.4 27.4 24 40 20.6 27.4 8 24 20.6 20.6Z" fill="#fff"/></svg>`;
const LOCK = `<svg viewBox="0 0 24 24" aria-hidden="true"><path fill="none" stroke="currentColor" stroke-width="2"
stroke-linecap="round" d="M7 11V8a5 5 0 0 1 10 0v3M6 11h12v9H6z"/></svg>`;

const STYLE = `
:root{color-scheme:light dark;--ink:#10233a;--soft:#5a6b80;--line:#d5dde7;--card:#fff;--page:#eef2f7;--brand:#0b3d6b;
--brand-2:#1766a6;--accent:#1766a6;--field:#fff;--edge:#8493a6;--warn:#a32020;--warn-bg:#fdecec}
@media (prefers-color-scheme:dark){:root{--ink:#e8eef6;--soft:#9fb0c4;--line:#2f4056;--card:#16222f;--page:#0c141d;
--accent:#3d94dd;--field:#0f1a25;--edge:#566b84;--warn:#ffb4b4;--warn-bg:#421c1c}}
*{box-sizing:border-box}html,body{height:100%}body{margin:0;font:16px/1.5 system-ui,-apple-system,"Segoe UI",Roboto,
"Helvetica Neue",Arial,sans-serif;color:var(--ink);background:var(--page);display:grid;place-items:center;padding:24px}
main{width:100%;max-width:420px;background:var(--card);border-radius:16px;overflow:hidden;
box-shadow:0 1px 2px rgb(16 35 58/.12),0 18px 48px rgb(16 35 58/.16)}
header{display:flex;gap:14px;align-items:center;padding:22px 28px;color:#fff;
background:linear-gradient(120deg,var(--brand),var(--brand-2))}
header svg{width:44px;height:44px;flex:none}
header strong{display:block;font-size:19px;line-height:1.2;letter-spacing:.01em}
header span{display:block;margin-top:4px;font-size:13px;line-height:1.35;opacity:.85}
section{padding:26px 28px 28px}h1{font-size:22px;line-height:1.25;margin:0 0 6px}
p{margin:0 0 18px;color:var(--soft)}p b{color:var(--ink)}label{display:block;font-weight:600;font-size:14px;margin:0 0 6px}
input[type=text],input[type=password]{width:100%;font:inherit;color:inherit;background:var(--field);padding:11px 13px;
border:1px solid var(--edge);border-radius:9px;margin:0 0 16px}
input:focus-visible,button:focus-visible{outline:3px solid var(--accent);outline-offset:2px}
button{font:inherit;cursor:pointer;border-radius:9px;border:0}
.go{width:100%;padding:12px;font-weight:650;color:#fff;background:linear-gradient(120deg,var(--brand),var(--brand-2))}
.go:hover{filter:brightness(1.12)}.quiet{width:100%;padding:10px;margin-top:8px;background:none;color:var(--soft)}
.quiet:hover{text-decoration:underline}.problem{background:var(--warn-bg);color:var(--warn);border-radius:9px;
padding:10px 13px;margin:0 0 16px;font-size:14px}ul{margin:0 0 20px;padding:0;list-style:none}
.hint{margin:14px 0 0;font-size:13px}li{padding:9px 0;overflow-wrap:anywhere;border-bottom:1px solid var(--line)}li:last-child{border:0}
footer{display:flex;gap:8px;align-items:center;padding:13px 28px;border-top:1px solid var(--line);font-size:12.5px;
color:var(--soft)}footer svg{width:18px;height:18px;flex:none}code{font-size:.95em}`;

function layout(style, title, content) {
  if (style !== 'demo') {
    return `<!doctype html><html lang="en"><meta charset="utf-8"><title>${title}</title><body>${content}</body></html>`;
  }
  return `<!doctype html><html lang="en"><head><meta charset="utf-8"><title>${title} · Nordbank ID (demo)</title>
<meta name="viewport" content="width=device-width,initial-scale=1"><style>${STYLE}</style></head><body><main>
<header>${LOGO}<div><strong>Nordbank ID</strong><span>Demonstration identity provider</span></div></header>
<section>${content}</section>
<footer>${LOCK}<span>A demo on your own machine. Nobody real is signed in here.</span></footer></main></body></html>`;
}

const problemLine = (problem) => (problem ? `<p class="problem" role="alert">${safe(problem)}</p>` : '');

const giveUp = (label) => `<form method="post"><input type="hidden" name="prompt" value="abort">
<button class="quiet" type="submit">${label}</button></form>`;

const SCOPES = { openid: 'Who you are', profile: 'Your name', email: 'Your email address', groups: 'Your groups' };

const hintLine = (users) => {
  const open = users.filter(({ password }) => password === null).map(({ name }) => `<code>${safe(name)}</code>`);
  return open.length ? `<p class="hint">Try ${open.join(' or ')}, with any password.</p>` : '';
};

export function loginPage({ style, clientId, clientName, hint, users = [], problem }) {
  const focus = (wanted) => (wanted ? 'autofocus' : '');
  return layout(style, 'Sign in', `<h1>Sign in</h1>
<p>to continue to <b>${safe(clientName ?? clientId)}</b></p>${problemLine(problem)}
<form method="post"><input type="hidden" name="prompt" value="login">
<label for="login">User name</label>
<input id="login" name="login" type="text" autocomplete="username" required value="${safe(hint)}" ${focus(!hint)}>
<label for="password">Password</label>
<input id="password" name="password" type="password" autocomplete="current-password" required ${focus(hint)}>
<button class="go" type="submit">Sign in</button></form>${giveUp('Cancel')}${style === 'demo' ? hintLine(users) : ''}`);
}

export function consentPage({ style, clientId, clientName, scopes }) {
  return layout(style, 'Share your data', `<h1>Share your data?</h1>
<p><b>${safe(clientName ?? clientId)}</b> would like to know</p>
<ul>${scopes.map((scope) => `<li>${safe(SCOPES[scope] ?? scope)}</li>`).join('')}</ul>
<form method="post"><input type="hidden" name="prompt" value="consent">
<button class="go" type="submit">Allow</button></form>${giveUp('Do not allow')}`);
}

export function errorPage({ style, problem, details = [] }) {
  const lines = details.map(([name, value]) => `<li><code>${safe(name)}</code> ${safe(value)}</li>`).join('');
  return layout(style, 'Something went wrong', `<h1>Something went wrong</h1>${problemLine(problem)}
${lines && `<ul>${lines}</ul>`}`);
}
