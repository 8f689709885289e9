/** Style of the pages, inline. */
export const PAGE_STYLE = `
:root{color-scheme:light dark;--ink:#1d2733;--soft:#5b6775;--line:#e3e7ec;--edge:#8592a2;--bad:#b3261e;--back:#fff;--band:#f5f7f9;--link:#0a58a6;--warm:#b7791f;--on:#fff}
@media(prefers-color-scheme:dark){:root{--ink:#e6eaef;--soft:#9aa6b4;--line:#2c343e;--edge:#66727f;--bad:#f2857d;--back:#14181d;--band:#1b2027;--link:#7db8f5;--warm:#e0b15e;--on:#10151b}}
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
.open{width:4.2rem;text-align:right}td.open a{font-size:.85rem}
.unseen{position:absolute;width:1px;height:1px;overflow:hidden;clip-path:inset(50%);white-space:nowrap}
.markdown a,p>a:not(.button){text-decoration:underline}.skip{position:absolute;left:-99rem;top:0;padding:.5rem .9rem;background:var(--back);z-index:9}.skip:focus{left:.5rem;top:.5rem}
.top{display:flex;flex-wrap:wrap;gap:.5rem 1rem;align-items:center;padding:.55rem 1rem;border-bottom:1px solid var(--line);background:var(--band)}
.top form[role=search]{flex:1 1 14rem;max-width:34rem}.top nav{display:flex;gap:.9rem;align-items:center;margin-left:auto}.top nav>a:not(.button){color:var(--ink);padding:.4rem 0}
.home{display:flex;gap:.45rem;align-items:center;font-weight:650;color:var(--ink);padding:.3rem 0}.logo{width:1.6rem;height:1.6rem;fill:none;stroke:var(--link);stroke-width:1.7;stroke-linejoin:round}
input,select{min-height:2.6rem}input[type=checkbox]{min-height:0}
input,textarea,select{font:inherit;padding:.5rem .7rem;border:1px solid var(--edge);border-radius:.45rem;background:var(--back);color:inherit;max-width:100%}
.top input{width:100%}textarea{width:100%;font-size:.95rem;resize:vertical}
.menu{position:relative;margin:0;border:0}.menu>summary{padding:.45rem .8rem;border:1px solid var(--edge);border-radius:.45rem;background:var(--back);list-style:none;max-width:14rem;overflow:hidden;text-overflow:ellipsis;white-space:nowrap}.menu>summary::after{content:" ▾";color:var(--soft)}
.menu>div{position:absolute;right:0;top:calc(100% + .3rem);z-index:5;min-width:13rem;display:grid;gap:.2rem;padding:.6rem .8rem;background:var(--back);border:1px solid var(--edge);border-radius:.5rem;box-shadow:0 .5rem 1.5rem #0003}.menu>div a{padding:.35rem 0}.menu button{width:100%}
h2{font-size:1.1rem;margin:2rem 0 .4rem}.lead{max-width:42rem}.soft{color:var(--soft);font-size:.9rem}form{margin:0}
.notice{display:flex;flex-wrap:wrap;gap:.8rem;align-items:center;padding:.6rem .8rem;border-left:.25rem solid var(--link);background:var(--band)}
.fields{max-width:44rem;display:grid;gap:.35rem}.fields label{font-weight:600;margin-top:.7rem}.fields small{font-weight:400;color:var(--soft)}
.owner,.count,.time{width:9rem;color:var(--soft);font-size:.88rem;overflow-wrap:anywhere}.count{width:7rem;text-align:right}.act{width:9rem;text-align:right}th.act{text-align:right}
.records .name{width:auto}.facts-table{width:auto;table-layout:auto}.facts-table th{vertical-align:top;text-align:left;border:0;white-space:normal;overflow-wrap:anywhere;min-width:6rem}.facts-table td{border:0;overflow-wrap:anywhere}
.readme,.description{margin:1.2rem 0}.readme{border:1px solid var(--line);border-radius:.5rem;padding:.2rem 1.1rem 1rem}.readme>h2{margin:.8rem 0 .3rem;font-size:.9rem;color:var(--soft)}
.markdown{overflow-wrap:anywhere;max-width:48rem}.markdown img{max-width:100%;height:auto}.markdown pre,.readme>pre,.plaintext{overflow:auto;background:var(--band);padding:.8rem;border-radius:.4rem;font-size:.88rem}.markdown table{width:auto;display:block;overflow:auto;table-layout:auto}.markdown td,.markdown th{border:1px solid var(--line);padding:.3rem .6rem}.right{text-align:right}.center{text-align:center}.markdown blockquote{margin:0;padding-left:1rem;border-left:.25rem solid var(--line);color:var(--soft)}
.plaintext{white-space:pre-wrap;overflow-wrap:anywhere;max-height:70vh;tab-size:4}
.preview{margin:1rem 0}.preview img,.preview video{display:block;max-width:100%;max-height:75vh;border-radius:.4rem}.preview img{background:repeating-conic-gradient(#8883 0 25%,#0000 0 50%) 0 0/1.2rem 1.2rem}.preview audio{width:100%}
.grid{overflow:auto;max-height:70vh;border:1px solid var(--line);border-radius:.4rem}.grid table{width:auto;min-width:100%;table-layout:auto;font-size:.88rem}.grid th{position:sticky;top:0;background:var(--band);z-index:1}.grid td,.grid th{padding:.3rem .6rem;white-space:nowrap;max-width:28rem;overflow:hidden;text-overflow:ellipsis;font-variant-numeric:tabular-nums}.grid td.n{text-align:right}
.bar.center{justify-content:center}.ups td:nth-child(2){text-align:right}
.drop{border:2px dashed var(--edge);border-radius:.7rem;padding:2rem 1rem;text-align:center;margin:1rem 0}.drop.over{border-color:var(--link);background:var(--band)}
progress{width:100%;height:.7rem;accent-color:var(--link)}.ups td{vertical-align:middle}.ups .bar-cell{width:40%}
.cards{display:grid;grid-template-columns:repeat(auto-fit,minmax(10rem,1fr));gap:.8rem;margin:1rem 0}.card{border:1px solid var(--line);border-radius:.5rem;padding:.7rem .9rem}.card b{display:block;font-size:1.35rem;font-variant-numeric:tabular-nums}.card span{color:var(--soft);font-size:.88rem}
.chart{width:100%;height:auto;display:block;margin:.5rem 0}.chart text{fill:var(--soft);font-size:12px}.charts{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(100%,24rem),1fr));gap:1.2rem 2rem;margin:1rem 0}figcaption{display:flex;flex-wrap:wrap;gap:.2rem 1.1rem;justify-content:space-between;font-size:.92rem}.figures{margin:0;border:0}.figures summary{padding:.2rem 0;font-size:.85rem;color:var(--soft)}.figures>div{padding:0;max-height:20rem}h3{font-size:1rem;margin:1.4rem 0 .3rem}.chart .axis{stroke:var(--line)}.chart .a{fill:var(--link);stroke:var(--link)}.chart .b{fill:var(--warm);stroke:var(--warm)}.chart .c{fill:var(--bad);stroke:var(--bad)}.chart .line{fill:none;stroke-width:2}
.legend{display:flex;flex-wrap:wrap;gap:.3rem 1.1rem;color:var(--soft);font-size:.88rem}.legend i{display:inline-block;width:.8rem;height:.8rem;border-radius:.2rem;margin-right:.35rem;vertical-align:-.08rem}.legend .a{background:var(--link)}.legend .b{background:var(--warm)}.legend .c{background:var(--bad)}
.bad{color:var(--bad)}.wide main{max-width:90rem}#genome{background:#fff}@media(max-width:40rem){#genome{overflow-x:auto}}.scroll{overflow:auto;position:relative}figure{margin:0}.plain{table-layout:auto}.plain td,.plain th{padding:.4rem .6rem}
.secret{display:block;padding:.6rem .8rem;background:var(--band);border-radius:.4rem;overflow-wrap:anywhere;user-select:all}
.rowform{display:flex;flex-wrap:wrap;gap:.6rem;align-items:end}.rowform label{display:grid;gap:.25rem;font-size:.88rem;color:var(--soft)}
.empty{padding:2rem 0;color:var(--soft)}.pages{display:flex;justify-content:space-between;margin:1rem 0}
.problem{max-width:38rem;margin:0 0 1rem;padding:.6rem .8rem;border-left:.25rem solid var(--warm);background:var(--band)}.signin{max-width:30rem}.signin input{font:inherit;width:100%;padding:.55rem .7rem;margin:.3rem 0 .8rem;border:1px solid var(--edge);border-radius:.45rem;background:var(--back);color:inherit}
h1+.notice,h1+.problem,h1+.signin,h1+.lead,.crumbs+h1{margin-top:.8rem}.crumbs+h1{margin-top:.15rem}.crumbs:empty{display:none}
.bar input[type=search]{flex:1 1 12rem;max-width:22rem}.plain+.rowform,.plain+form{margin-top:1rem}.plain td{overflow-wrap:anywhere}h2+.empty{padding:.3rem 0}
label.button:focus-within{outline:2px solid var(--link);outline-offset:2px}textarea:focus-visible,select:focus-visible,[tabindex]:focus-visible{outline:2px solid var(--link);outline-offset:2px}
.markdown h2{font-size:1.4rem}.markdown h3{font-size:1.15rem}.markdown h4,.markdown h5,.markdown h6{font-size:1rem}.fields small code{overflow-wrap:anywhere}
@media(max-width:40rem){.stack thead{position:absolute;clip-path:inset(50%);width:1px;height:1px;overflow:hidden}.stack tr{display:flex;flex-wrap:wrap;gap:.1rem .9rem;align-items:center;padding:.6rem 0;border-bottom:1px solid var(--line)}.stack td{border:0;padding:0;width:auto;text-align:left;display:block}.stack td:first-child{flex-basis:100%}.stack td.act{margin-left:auto}
.name .row{gap:.4rem}.open{width:3rem}.size{width:4.6rem}}
@media(max-width:40rem){.bar button[data-selected]:disabled{display:none}.bar input[type=search]{flex-basis:100%;max-width:none}.owner,.count,.time{display:none}.top form[role=search]{order:3;flex-basis:100%}.menu>div{right:auto;left:0}nav .menu>div{right:0;left:auto}.act{width:7rem}main{padding:1rem .75rem 3rem}.type{display:none}.size{width:5.6rem}.pick{width:2.2rem;padding-left:.1rem}td,th{padding-left:.35rem;padding-right:.35rem}td{padding-top:.7rem;padding-bottom:.7rem}.bar .button,.bar button{flex:1 1 auto;text-align:center}}
`;
