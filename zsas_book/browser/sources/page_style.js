// How it looks, in the colours of the book's theme where there is one.

const STYLE = `
.zsas-try { border: 1px solid var(--pst-color-border, #888); border-radius: 6px; padding: 0.8rem; margin: 1rem 0; }
.zsas-try * { box-sizing: border-box; }
.zsas-try [hidden] { display: none !important; }
.zsas-try figure { margin: 0.4rem 0; }
.zsas-try fieldset { border: 0; margin: 0 0 0.8rem; padding: 0; min-width: 0; }
.zsas-try legend { font-size: 1em; font-weight: bold; margin: 0; float: none; }
.zsas-try label { display: block; margin: 0.3rem 0; }
.zsas-try input[type="range"], .zsas-try input[type="text"], .zsas-try select { width: 100%; max-width: 28rem; }
.zsas-try canvas { width: 100%; max-width: 27rem; height: auto; display: block; touch-action: none; }
.zsas-try canvas:focus-visible, .zsas-try .zsas-drop:focus-within { outline: 3px solid var(--pst-color-primary, #06c); }
.zsas-try .zsas-both { display: grid; gap: 0.8rem; grid-template-columns: repeat(auto-fit, minmax(min(100%, 15rem), 1fr)); }
.zsas-try .zsas-examples { display: flex; flex-wrap: wrap; gap: 0.4rem; margin: 0.3rem 0; }
.zsas-try .zsas-examples button { padding: 2px; border: 2px solid transparent; background: none; line-height: 0; }
.zsas-try .zsas-examples button[aria-pressed="true"] { border-color: var(--pst-color-primary, #06c); }
.zsas-try .zsas-examples img { width: 64px; height: 64px; background: none; }
.zsas-try .zsas-drop { border: 2px dashed var(--pst-color-border, #888); border-radius: 6px; padding: 0.5rem; }
@media (min-width: 60rem) { .zsas-try .zsas-view { position: sticky; top: 4.5rem; align-self: start; } }
.zsas-try pre { white-space: pre-wrap; overflow-wrap: anywhere; }
.zsas-try svg { width: 100%; max-width: 30rem; height: auto; }
.zsas-try output { display: block; min-height: 1.5em; }
.zsas-try [role="alert"] { font-weight: bold; }`;
