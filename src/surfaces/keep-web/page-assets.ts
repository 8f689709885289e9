/** Style and script of the pages, both inline. Pages work without the script. */
export const PAGE_STYLE = `
:root{color-scheme:light dark;--ink:#1d2733;--soft:#5b6775;--line:#e3e7ec;--back:#fff;--band:#f5f7f9;--link:#0a58a6;--warm:#b7791f;--on:#fff}
@media(prefers-color-scheme:dark){:root{--ink:#e6eaef;--soft:#9aa6b4;--line:#2c343e;--back:#14181d;--band:#1b2027;--link:#7db8f5;--warm:#e0b15e;--on:#10151b}}
*{box-sizing:border-box}svg[hidden]{display:none}
body{margin:0;background:var(--back);color:var(--ink);font:16px/1.5 system-ui,-apple-system,"Segoe UI",Roboto,"DejaVu Sans",sans-serif}
main{max-width:64rem;margin:0 auto;padding:1.5rem 1rem 4rem}
a{color:var(--link);text-decoration:none}a:hover{text-decoration:underline}
h1{font-size:1.5rem;line-height:1.25;margin:.25rem 0 .15rem;overflow-wrap:anywhere}
.crumbs{font-size:.9rem;color:var(--soft);overflow-wrap:anywhere}.crumbs a{padding:.3rem 0}.crumbs span{margin:0 .35rem}
.facts{color:var(--soft);margin:0 0 1rem;font-size:.9rem;overflow-wrap:anywhere}
code{font:0.85em ui-monospace,SFMono-Regular,Menlo,"DejaVu Sans Mono",monospace}
table{width:100%;border-collapse:collapse;table-layout:fixed}
th{font-weight:600;font-size:.85rem;color:var(--soft);text-align:left;border-bottom:1px solid var(--line);padding:.5rem .5rem;white-space:nowrap}
th a{color:inherit;display:inline-block;padding:.15rem 0}
td{border-bottom:1px solid var(--line);padding:.55rem .5rem;vertical-align:middle}
tbody tr:hover{background:var(--band)}
.pick{width:2.6rem;text-align:center}.pick input{width:1.15rem;height:1.15rem;margin:0;vertical-align:middle;accent-color:var(--link)}
.size{width:7rem;text-align:right;white-space:nowrap;font-variant-numeric:tabular-nums}.type{width:13rem;color:var(--soft);font-size:.85rem;overflow-wrap:anywhere}
td.size{color:var(--soft)}
.name{overflow-wrap:anywhere}.name .row{display:flex;gap:.6rem;align-items:flex-start}.name small{display:block;color:var(--soft)}
.icon{flex:none;width:1.35rem;height:1.35rem;margin-top:.1rem;fill:none;stroke:var(--soft);stroke-width:1.6;stroke-linejoin:round;stroke-linecap:round}
.icon.folder{stroke:var(--warm)}.icon.collection{stroke:var(--link)}
.bar{display:flex;flex-wrap:wrap;gap:.6rem;align-items:center;margin:1rem 0}
button,.button{font:inherit;font-size:.95rem;padding:.5rem .95rem;border-radius:.45rem;border:1px solid var(--line);background:var(--band);color:var(--ink);cursor:pointer}
.button.main,button.main{background:var(--link);border-color:var(--link);color:var(--on)}
button:disabled{opacity:.55;cursor:default}.button:hover{text-decoration:none;filter:brightness(.97)}
a:focus-visible,button:focus-visible,summary:focus-visible,input:focus-visible{outline:2px solid var(--link);outline-offset:2px}
details{margin-top:1.5rem;border:1px solid var(--line);border-radius:.45rem}summary{padding:.7rem .9rem;cursor:pointer}
details>div{padding:0 .9rem .9rem}details p{margin:.4rem 0;color:var(--soft);font-size:.9rem}
.line{display:flex;gap:.5rem;align-items:flex-start}.line pre{flex:1;min-width:0;margin:.2rem 0;padding:.6rem .7rem;background:var(--band);border-radius:.35rem;white-space:pre-wrap;overflow-wrap:anywhere}
.line button{flex:none;margin-top:.2rem;font-size:.85rem;padding:.4rem .7rem}
.empty{padding:2rem 0;color:var(--soft)}.pages{display:flex;justify-content:space-between;margin:1rem 0}
.problem{max-width:38rem;margin:0 0 1rem;padding:.6rem .8rem;border-left:.25rem solid var(--warm);background:var(--band)}.signin{max-width:30rem}.signin input{font:inherit;width:100%;padding:.55rem .7rem;margin:.3rem 0 .8rem;border:1px solid var(--line);border-radius:.45rem;background:var(--back);color:inherit}
@media(max-width:40rem){main{padding:1rem .75rem 3rem}.type{display:none}.size{width:5.6rem}.pick{width:2.2rem;padding-left:.1rem}td,th{padding-left:.35rem;padding-right:.35rem}td{padding-top:.7rem;padding-bottom:.7rem}.bar .button,.bar button{flex:1 1 auto;text-align:center}}
`;

/** Select all, count what is selected, copy a command line. */
export const PAGE_SCRIPT = `
for(const b of document.querySelectorAll('[data-copy]')){b.hidden=false;b.onclick=async()=>{await navigator.clipboard.writeText(document.getElementById(b.dataset.copy).textContent);b.textContent='Copied';setTimeout(()=>{b.textContent='Copy'},1500)}}
const form=document.getElementById('files');
if(form){const boxes=[...form.querySelectorAll('td.pick input')],all=document.getElementById('all'),go=document.getElementById('zip');
const show=()=>{const n=boxes.filter(b=>b.checked).length;all.checked=n===boxes.length;all.indeterminate=n>0&&n<boxes.length;go.disabled=!n;go.textContent=n?'Download '+n+' selected as ZIP':'Download selected as ZIP'};
all.hidden=false;all.onchange=()=>{for(const b of boxes)b.checked=all.checked;show()};form.addEventListener('change',show);addEventListener('pageshow',show);show()}
`;
