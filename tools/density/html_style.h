/* SPDX-License-Identifier: MIT */
/* The report's style sheet: readable in light and dark, colours that the colour-blind tell apart. */
#ifndef DENSITY_HTML_STYLE_H
#define DENSITY_HTML_STYLE_H

static const char html_style[] =
	":root{--ink:#222;--paper:#fff;--faint:#ddd;--soft:#666;--warn:#fff3d6}"
	"@media(prefers-color-scheme:dark){:root{--ink:#ddd;--paper:#181818;--faint:#3a3a3a;--soft:#999;--warn:#4a3b10}"
	"}"
	"body{font:16px/1.5 system-ui,sans-serif;color:var(--ink);background:var(--paper);max-width:72rem;margin:2rem "
	"auto;"
	"padding:0 "
	"1rem}h1{font-size:1.7rem;margin-bottom:.2rem}h2{margin-top:2.2rem;font-size:1.25rem}.lead{font-size:1.1rem}"
	".warning{background:var(--warn);padding:.5rem .8rem;border-radius:4px}"
	".charts{display:grid;grid-template-columns:repeat(auto-fill,minmax(28rem,1fr));gap:1.5rem}"
	"figure{margin:0}figcaption{font-weight:600}.unit{font-weight:400;color:var(--soft)}svg{width:100%;height:auto}"
	"svg.key{width:26px;height:8px;margin-right:.4rem}.legend{list-style:none;margin:0;padding:0;font-size:.85rem}"
	".legend li{display:inline-block;margin-right:1.1rem}.grid{stroke:var(--faint);fill:none}"
	".tick{font-size:12px;fill:var(--soft)}.line{fill:none;stroke-width:2.2}.band{opacity:.18}"
	".d1{stroke-dasharray:7 4}.d2{stroke-dasharray:2 3}.d3{stroke-dasharray:9 3 2 3}"
	".c0{stroke:#0072b2}.c1{stroke:#e69f00}.c2{stroke:#009e73}.c3{stroke:#cc79a7}"
	".c4{stroke:#56b4e9}.c5{stroke:#d55e00}.c6{stroke:#8c8c8c}.c7{stroke:#b8a000}"
	".f0{fill:#0072b2}.f1{fill:#e69f00}.f2{fill:#009e73}.f3{fill:#cc79a7}"
	".f4{fill:#56b4e9}.f5{fill:#d55e00}.f6{fill:#8c8c8c}.f7{fill:#b8a000}"
	"table{border-collapse:collapse;font-size:.9rem}td,th{padding:.25rem .7rem;border-bottom:1px solid "
	"var(--faint);"
	"text-align:left;vertical-align:top}.n{text-align:right;font-variant-numeric:tabular-nums}small{color:var(--"
	"soft)}"
	".wide{overflow-x:auto}pre{overflow-x:auto;font-size:.85rem}";

#endif
