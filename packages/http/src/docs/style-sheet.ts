export const styleSheet = `
:root {
  color-scheme: light dark;
  --ink: #1b1f24; --soft: #5b6570; --line: #e2e5e9; --paper: #ffffff; --tint: #f5f6f8; --link: #0b5cad; --mark: #a8420b;
  --get: #0a6b4f; --post: #0b5cad; --put: #7a4d00; --patch: #6b3fa0; --delete: #a81e2d;
}
@media (prefers-color-scheme: dark) {
  :root {
    --ink: #e4e7eb; --soft: #9aa5b1; --line: #2c333b; --paper: #14181d; --tint: #1c2229; --link: #74b3f5; --mark: #f0a06a;
    --get: #5fcfab; --post: #74b3f5; --put: #e0b060; --patch: #c3a1f0; --delete: #f28b95;
  }
}
* { box-sizing: border-box; }
html { scroll-padding-top: 1.5rem; }
body {
  margin: 0; display: grid; grid-template-columns: 19rem minmax(0, 1fr); color: var(--ink); background: var(--paper);
  font: 16px/1.6 system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", "DejaVu Sans", sans-serif;
}
a { color: var(--link); text-decoration: none; }
a:hover { text-decoration: underline; }
a:focus-visible, summary:focus-visible { outline: 2px solid var(--link); outline-offset: 2px; border-radius: 3px; }
code, pre, .method { font-family: ui-monospace, "SF Mono", "Cascadia Code", Menlo, Consolas, "DejaVu Sans Mono", monospace; }
code { font-size: 0.875em; overflow-wrap: anywhere; }
pre {
  margin: 0.75rem 0; padding: 0.9rem 1.1rem; overflow-x: auto; font-size: 0.84rem; line-height: 1.5;
  background: var(--tint); border: 1px solid var(--line); border-radius: 6px;
}
nav {
  position: sticky; top: 0; height: 100vh; overflow-y: auto; padding: 1.75rem 1.25rem 3rem 1.75rem;
  background: var(--tint); border-right: 1px solid var(--line); font-size: 0.875rem; line-height: 1.4;
}
nav .brand { font-size: 1.15rem; font-weight: 700; color: var(--ink); }
nav small, h4 small { color: var(--soft); font-weight: 400; }
nav h2 { margin: 1.4rem 0 0.35rem; font-size: 0.8rem; font-weight: 650; letter-spacing: 0.02em; }
nav h2 a { color: var(--ink); }
nav ul { margin: 0; padding: 0; list-style: none; }
nav li a { display: flex; gap: 0.55rem; align-items: baseline; padding: 0.2rem 0; color: var(--soft); }
nav li a:hover { color: var(--ink); }
nav .method { width: 3rem; flex: none; font-size: 0.66rem; }
main { max-width: 60rem; padding: 2.5rem 3.5rem 6rem; }
h1 { margin: 0 0 0.75rem; font-size: 2.1rem; line-height: 1.2; letter-spacing: -0.02em; }
main section { margin-top: 4rem; }
main section > h2 { margin: 0 0 0.25rem; font-size: 1.55rem; letter-spacing: -0.01em; }
article { margin-top: 2rem; padding-top: 2rem; border-top: 1px solid var(--line); }
h3 { margin: 0 0 0.35rem; font-size: 1.15rem; }
h4 { margin: 1.5rem 0 0.4rem; font-size: 0.82rem; color: var(--soft); font-weight: 650; }
p { margin: 0.5rem 0; max-width: 46rem; }
.route { display: flex; gap: 0.75rem; align-items: baseline; margin: 0.25rem 0 0.75rem; font-size: 1rem; }
.method { font-weight: 700; text-transform: uppercase; font-size: 0.8rem; letter-spacing: 0.03em; }
.get { color: var(--get); } .post { color: var(--post); } .put { color: var(--put); }
.patch { color: var(--patch); } .delete { color: var(--delete); }
.media { color: var(--soft); font-size: 0.9rem; }
.scroll { overflow-x: auto; }
table { width: 100%; border-collapse: collapse; margin: 0.5rem 0; font-size: 0.9rem; line-height: 1.5; }
td, th { padding: 0.5rem 1rem 0.5rem 0; text-align: left; vertical-align: top; border-top: 1px solid var(--line); }
thead th { border-top: 0; color: var(--soft); font-weight: 600; }
td:first-child { min-width: 11rem; }
td table { margin-top: 0.6rem; padding-left: 0.9rem; }
td .scroll { padding-left: 1rem; border-left: 2px solid var(--line); }
tr:target td { background: var(--tint); }
.required { margin-left: 0.35rem; color: var(--mark); font-size: 0.75rem; }
.constraints { display: block; color: var(--soft); font-size: 0.84rem; }
details, .answer { max-width: none; margin: 0; padding: 0.45rem 0; border-top: 1px solid var(--line); font-size: 0.92rem; }
summary { cursor: pointer; }
details > :not(summary) { margin-left: 1.1rem; }
.answer { padding-left: 1.1rem; }
.problems { display: flex; flex-wrap: wrap; gap: 0.1rem 1.4rem; max-width: none; padding: 0.45rem 0 0 1.1rem; border-top: 1px solid var(--line); font-size: 0.88rem; }
.problems .status { width: 2.2rem; font-size: 0.82rem; }
.status { display: inline-block; width: 3rem; font-weight: 650; color: var(--soft); font-variant-numeric: tabular-nums; }
.status.good { color: var(--get); }
@media (max-width: 60rem) {
  body { display: block; }
  nav { position: static; height: auto; border-right: 0; border-bottom: 1px solid var(--line); padding: 1.25rem; }
  nav ul { display: none; }
  nav h2 { display: inline-block; margin: 0.6rem 1rem 0 0; }
  main { padding: 1.75rem 1.25rem 4rem; }
  td:first-child { min-width: 8rem; }
}
@media (max-width: 40rem) {
  tr { display: block; padding: 0.6rem 0; border-top: 1px solid var(--line); }
  td { display: inline; padding: 0 0.6rem 0 0; border: 0; }
  td:last-child { display: block; }
  thead { display: none; }
}
`;
