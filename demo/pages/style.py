"""The demo's one style sheet. Pages load nothing else, and no script."""

_LANES = 5


def _lane_rules() -> str:
    """Return the rules that place arrows and bars: lane n has its line at 10, 30, 50, 70 and 90 per cent."""
    places = [f".at{n}{{left:{20 * n - 10}%}}" for n in range(1, _LANES + 1)]
    widths = [f".over{n}{{width:{20 * n}%}}" for n in range(1, _LANES)]
    return "\n".join(places + widths)


STYLE = (
    """
:root{color-scheme:light dark;
--ink:#16202c;--soft:#566474;--faint:#8592a1;--line:#dde3ea;--ground:#f5f7f9;--card:#fff;--sunk:#f5f7f9;
--act:#0f6b63;--act-ink:#fff;--act-soft:#e3f2f0;--back:#0f7d73;--good:#1a7f4b;--bad:#b3261e;--bad-soft:#fdecea;
--warn:#8a5a00;--warn-soft:#fdf3df;--shade:0 1px 2px rgb(20 32 48/.06),0 12px 32px rgb(20 32 48/.07);
--mono:ui-monospace,SFMono-Regular,"SF Mono",Menlo,Consolas,"DejaVu Sans Mono",monospace}
@media (prefers-color-scheme:dark){:root{
--ink:#e6ebf1;--soft:#a2afbd;--faint:#758394;--line:#2b3642;--ground:#10161d;--card:#18202a;--sunk:#121920;
--act:#4cc4b6;--act-ink:#06231f;--act-soft:#12332f;--back:#4cc4b6;--good:#5cc98e;--bad:#ff9d94;--bad-soft:#3c1d1b;
--warn:#e9bd68;--warn-soft:#33270f;--shade:0 1px 2px rgb(0 0 0/.3),0 12px 32px rgb(0 0 0/.25)}}
*{box-sizing:border-box}
html{scroll-behavior:smooth;scroll-padding-top:84px;-webkit-text-size-adjust:100%}
@media (prefers-reduced-motion:reduce){html{scroll-behavior:auto}}
body{margin:0;background:var(--ground);color:var(--ink);
font:16px/1.6 system-ui,-apple-system,"Segoe UI",Roboto,"Helvetica Neue",Arial,sans-serif}
h1,h2,h3,p,ul,ol,dl,dd,pre,figure{margin:0}ul,ol{padding:0;list-style:none}
h1{font-size:clamp(1.9rem,4.6vw,2.9rem);line-height:1.12;letter-spacing:-.02em;font-weight:700;text-wrap:balance}
h2{font-size:1.3rem;line-height:1.3;letter-spacing:-.01em;font-weight:650}
h3{font-size:.8125rem;line-height:1.4;font-weight:650;color:var(--soft)}
code,pre,.mono{font-family:var(--mono);font-size:.875em}
a{color:var(--act);text-underline-offset:.18em}
:focus-visible{outline:3px solid var(--act);outline-offset:3px;border-radius:6px}
.page{width:100%;max-width:1160px;margin:0 auto;padding:0 24px}
.bar{border-bottom:1px solid var(--line);background:var(--card)}
.bar .page{display:flex;align-items:center;justify-content:space-between;gap:16px;min-height:64px}
.brand{display:flex;align-items:center;gap:10px;color:var(--ink);text-decoration:none;font-weight:700;letter-spacing:-.01em}
.brand svg{width:28px;height:28px;flex:none}
.brand span{color:var(--soft);font-weight:450}
.button{display:inline-block;padding:14px 24px;border-radius:10px;background:var(--act);color:var(--act-ink);
font-weight:650;text-decoration:none;line-height:1.3}
.button:hover{filter:brightness(1.08)}
.button.small{padding:9px 16px;font-size:.9375rem}
.quiet{background:none;color:var(--act);box-shadow:inset 0 0 0 1px var(--line)}
.hero{padding:56px 0 40px;max-width:47rem}
.hero.short{padding:44px 0 32px}
.hero>*+*{margin-top:18px}
.eyebrow{display:inline-flex;align-items:center;gap:8px;font-size:.875rem;font-weight:650;color:var(--good)}
.eyebrow.bad{color:var(--bad)}.eyebrow.wait{color:var(--warn)}
.lede{font-size:1.125rem;color:var(--soft);max-width:42rem;text-wrap:pretty}
.lede b{color:var(--ink);font-weight:600}
.tripbar h2{scroll-margin-top:24px}
.hint{color:var(--soft);font-size:.9375rem}
.hint code{color:var(--ink)}
.section{padding:32px 0}
.section>*+*{margin-top:12px}.stack>*+*{margin-top:24px}
.card{background:var(--card);border:1px solid var(--line);border-radius:16px;padding:26px 28px;box-shadow:var(--shade);min-width:0}
.card>*+*{margin-top:16px}
.cards{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(100%,420px),1fr));gap:24px;align-items:start}
.note{border-left:3px solid var(--line);padding-left:14px;color:var(--soft);font-size:.9375rem}
pre{overflow:auto;background:var(--sunk);border:1px solid var(--line);border-radius:10px;padding:14px 16px;font-size:.8125rem;
line-height:1.6;tab-size:2}
pre .key{color:var(--act)}
.log{padding:16px 24px}.log>*+*{margin-top:0}
.log li{padding:7px 0;border-top:1px solid var(--line);font:.8125rem/1.6 var(--mono);overflow-wrap:anywhere;color:var(--soft)}
.log li:first-child{border-top:0}
.log b{color:var(--ink);font-weight:600;margin:0 12px 0 10px}
.log .WARNING b,.log .ERROR b{color:var(--bad)}
.log span{display:inline-block;margin-right:14px}
.section>.parties{display:grid;grid-template-columns:1fr 1.1fr 1fr 1.5fr 1fr 1.5fr 1fr;align-items:center;margin-top:20px}
.parties .party{background:var(--card);border:1px solid var(--line);border-radius:12px;padding:16px 10px;text-align:center;
font-weight:650;box-shadow:var(--shade);line-height:1.3}
.parties .party small{display:block;margin-top:3px;font-weight:450;color:var(--soft);font-size:.8125rem}
.parties .us{border-color:var(--act);box-shadow:0 0 0 1px var(--act),var(--shade)}
.parties .link{position:relative;text-align:center;font-size:.8125rem;color:var(--soft);line-height:1.4;padding:0 10px 26px;text-wrap:balance}
.parties .link::after{content:"";position:absolute;left:4px;right:10px;bottom:14px;border-top:2px solid var(--faint)}
.parties .link::before{content:"";position:absolute;right:4px;bottom:10px;border:5px solid transparent;border-left:8px solid var(--faint);border-right:0}
.parties .link b{display:block;color:var(--ink);font-weight:600}
table{width:100%;border-collapse:collapse;font-size:.9375rem}
caption{text-align:left;color:var(--soft);padding-bottom:12px}
th,td{text-align:left;vertical-align:top;padding:11px 16px 11px 0;border-top:1px solid var(--line)}
thead th{border-top:0;color:var(--soft);font-weight:600;font-size:.875rem;padding-top:0}
tbody th{font-weight:600}
td.no{color:var(--soft)}td.yes{color:var(--ink)}
.facts{display:grid;grid-template-columns:minmax(96px,auto) 1fr;gap:10px 20px}
.facts dt{color:var(--soft)}.facts dd{overflow-wrap:anywhere;font-weight:550}.facts dd small{font-weight:450;color:var(--soft);font-size:.875rem}
.facts code{font-weight:450}
.person{display:flex;gap:16px;align-items:center}
.person .face{width:56px;height:56px;flex:none;display:grid;place-items:center;border-radius:50%;background:var(--act-soft);color:var(--act);
font-weight:700;font-size:1.2rem}
.person p{color:var(--soft);font-size:.9375rem}
.proofs li{display:grid;grid-template-columns:22px 1fr;gap:10px;padding:9px 0;border-top:1px solid var(--line);font-size:.9375rem;line-height:1.5}
.proofs li:first-child{border-top:0;padding-top:0}.proofs li:last-child{padding-bottom:0}
.proofs svg{width:20px;height:20px;margin-top:2px;color:var(--good)}.proofs .fails svg{color:var(--bad)}
.proofs .where{white-space:nowrap;font-size:.8125rem}
.proofs .where a{margin-left:6px}
summary{cursor:pointer;list-style:none}summary::-webkit-details-marker{display:none}
.more>summary{display:inline-flex;align-items:center;gap:8px;color:var(--act);font-weight:600;font-size:.9375rem}
.more>summary::before,.hop summary .chevron::before{content:"";width:7px;height:7px;border:solid currentColor;border-width:0 2px 2px 0;
transform:rotate(-45deg);transition:transform .12s;flex:none}
.more[open]>summary::before,.hop details[open] .chevron::before{transform:rotate(45deg)}
.more pre{margin-top:12px}
.tries{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(100%,240px),1fr));gap:16px;margin-top:18px}
.tries li{background:var(--card);border:1px solid var(--line);border-radius:14px;padding:20px 22px;display:flex;flex-direction:column;gap:6px}
.tries a{font-weight:650}.tries p{color:var(--soft);font-size:.9375rem;line-height:1.5}
.trips li{display:flex;flex-wrap:wrap;gap:2px 14px;padding:11px 0;border-top:1px solid var(--line);font-size:.9375rem}
.trips li:first-child{border-top:0}.trips span{color:var(--soft)}
.plain{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(100%,400px),1fr));gap:14px 40px}
.plain li{padding-left:22px;position:relative;font-size:.9375rem}
.plain li::before{content:"";position:absolute;left:4px;top:.62em;width:6px;height:6px;border-radius:50%;background:var(--act)}
.foot{border-top:1px solid var(--line);margin-top:40px;padding:24px 0 48px;color:var(--soft);font-size:.875rem}
.foot p{max-width:52rem}

.tripbar{display:flex;flex-wrap:wrap;gap:8px 24px;align-items:baseline;justify-content:space-between}
.legend{display:flex;flex-wrap:wrap;gap:6px 20px;color:var(--soft);font-size:.875rem}
.legend span{display:inline-flex;align-items:center;gap:8px}
.legend i{width:26px;border-top:2px solid var(--ink)}.legend i.b{border-color:var(--back)}.legend i.d{border-top-style:dashed;border-color:var(--faint)}
.trip{background:var(--card);border:1px solid var(--line);border-radius:16px;box-shadow:var(--shade);margin-top:18px}
.heads{position:sticky;top:0;z-index:2;display:grid;grid-template-columns:430px 1fr;background:var(--card);border-bottom:1px solid var(--line);
border-radius:16px 16px 0 0}
.heads ol{display:grid;grid-template-columns:repeat(5,1fr)}
.heads li{padding:14px 2px 12px;text-align:center;font-size:.8125rem;font-weight:650;line-height:1.25;white-space:nowrap}
.heads .us{color:var(--act)}
.heads p{padding:13px 24px 12px 24px;color:var(--soft);font-size:.8125rem}
.hop,.return{position:relative}
.hop+.hop .body{border-top:1px solid var(--line)}.return+.hop .body{border-top:1px solid var(--line)}
.lanes{position:absolute;inset:0 auto 0 0;width:430px;overflow:hidden;pointer-events:none;
background:linear-gradient(var(--line),var(--line)) 10%/1px 100% no-repeat,linear-gradient(var(--line),var(--line)) 30%/1px 100% no-repeat,
linear-gradient(var(--line),var(--line)) 50%/1px 100% no-repeat,linear-gradient(var(--line),var(--line)) 70%/1px 100% no-repeat,
linear-gradient(var(--line),var(--line)) 90%/1px 100% no-repeat}
.lanes b{position:absolute}
.busy{top:0;bottom:0;width:8px;margin-left:-4px;background:var(--line);border-radius:0}
.busy.begins{top:27px}.busy.ends{bottom:calc(100% - 27px)}
.arrow{top:26px;border-top:2px solid var(--ink);color:var(--ink)}
.backchannel .arrow{border-color:var(--back);color:var(--back)}
.arrow::after{content:"";position:absolute;top:-6px;border:5px solid transparent}
.arrow.right::after{right:0;border-left:9px solid currentColor;border-right:0}
.arrow.left::after{left:0;border-right:9px solid currentColor;border-left:0}
.hop .arrow.answer,.return .arrow.answer{top:44px;border-top:1.5px dashed var(--faint);color:var(--faint)}
.return .arrow.answer{top:18px}
.failed .arrow.answer{border-color:var(--bad);color:var(--bad)}
.body{margin-left:430px;min-width:0}
.hop summary{display:grid;grid-template-columns:34px 1fr auto 18px;gap:4px 12px;padding:15px 22px 15px 10px;align-items:start}
.hop summary:hover{background:var(--sunk)}
.hop:last-child summary:hover{border-radius:0 0 16px 0}
.number{width:28px;height:24px;display:grid;place-items:center;border-radius:7px;background:var(--sunk);border:1px solid var(--line);
font-size:.8125rem;font-weight:650;font-variant-numeric:tabular-nums}
.what{display:flex;flex-wrap:wrap;gap:0 10px;align-items:baseline;min-width:0}
.what code{overflow-wrap:anywhere;color:var(--soft);font-size:.8125rem}
.who{font-weight:650;font-size:.9375rem}
.status{font-size:.8125rem;color:var(--soft);text-align:right;line-height:1.85;font-variant-numeric:tabular-nums}
.failed .status{color:var(--bad);font-weight:600}
.chevron{display:grid;place-items:center;height:24px;color:var(--faint)}
.why{grid-column:2/4;color:var(--soft);font-size:.9375rem;line-height:1.5;text-wrap:pretty}
.tag{display:inline-block;margin:4px 8px 0 0;padding:1px 9px;border-radius:6px;background:var(--warn-soft);color:var(--warn);font-size:.8125rem;font-weight:550}
.return .body{padding:9px 22px 9px 56px;color:var(--soft);font-size:.8125rem;min-height:37px}
.panel{display:grid;gap:22px;padding:4px 22px 26px 56px}
.panel>div{min-width:0}.panel>div>*+*{margin-top:8px}
.panel h3{padding-bottom:6px;border-bottom:1px solid var(--line);color:var(--ink)}
.panel h4{margin:14px 0 0;font-size:.75rem;font-weight:600;color:var(--soft)}
.rows>div{display:grid;grid-template-columns:minmax(0,11.5rem) minmax(0,1fr);gap:0 16px;padding:3px 0;font:.8125rem/1.55 var(--mono)}
.rows dt{color:var(--soft);overflow-wrap:anywhere}
.rows dd{overflow-wrap:anywhere}
.rows dd a{font:500 .75rem/1.4 system-ui,sans-serif;margin-left:8px;white-space:nowrap}
.jwt{margin-top:6px}.jwt p{font:550 .75rem/1.5 system-ui,sans-serif;color:var(--soft)}
.jwt pre,.panel pre{font-size:.75rem;padding:10px 12px;margin-top:4px;max-height:340px;white-space:pre-wrap;overflow-wrap:anywhere}
.divide{padding:14px 22px;border-top:1px solid var(--line);font-weight:650;font-size:.9375rem;background:var(--sunk)}
@media (max-width:1000px){
.heads,.lanes{display:none}.body{margin-left:0}.hop summary{padding:14px 16px}.panel{padding:4px 16px 22px 16px}
.return{display:none}.backchannel .body{border-left:3px solid var(--back)}
.hop+.hop .body{border-top:1px solid var(--line)}
.hop:first-of-type summary:hover{border-radius:16px 16px 0 0}}
@media (max-width:760px){
.page{padding:0 16px}.hero{padding:36px 0 28px}.card{padding:22px 18px}
.hop summary{grid-template-columns:34px 1fr 18px}.status{grid-column:2;grid-row:2;text-align:left;line-height:1.4}
.why{grid-column:2/4}.chevron{grid-column:3;grid-row:1}
.rows>div{grid-template-columns:minmax(0,1fr);padding:5px 0}
.section>.parties{grid-template-columns:1fr;justify-items:stretch;max-width:22rem}
.parties .link{padding:10px 8px 10px 44px;text-align:left;min-height:60px;display:flex;flex-direction:column;justify-content:center}
.parties .link::after{left:24px;right:auto;top:4px;bottom:8px;border-top:0;border-left:2px solid var(--faint)}
.parties .link::before{left:20px;right:auto;bottom:2px;border:5px solid transparent;border-top:8px solid var(--faint);border-bottom:0}
.facts{grid-template-columns:1fr;gap:2px}.facts dd+dt{margin-top:10px}
thead{position:absolute;clip-path:inset(50%);height:1px;overflow:hidden}
tbody,tr,th,td{display:block;border:0;padding:0}tbody tr{padding:14px 0;border-top:1px solid var(--line)}
td{margin-top:4px}td::before{content:attr(data-label) ": ";color:var(--soft)}
.bar .page{min-height:58px}}
"""
    + _lane_rules()
).strip()
