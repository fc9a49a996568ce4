# SPDX-License-Identifier: MIT
"""The demonstration's report: one HTML file with its plots as SVG, light or dark as the reader's screen is."""

import html
import os
import time

import plots

STYLE = """
:root { color-scheme: light dark; --paper: #fbfbf9; --card: #ffffff; --ink: #1c2024; --soft: #667078; --line: #dfe3e6;
  --main: #2f6fde; --more: #8a63d2; --good: #2c8a53; --bad: #d1493f; }
@media (prefers-color-scheme: dark) { :root { --paper: #14171a; --card: #1c2024; --ink: #e7eaec; --soft: #98a2aa;
  --line: #333a40; --main: #6ea3ff; --more: #b79bf0; --good: #5cc389; --bad: #ff7b70; } }
* { box-sizing: border-box; }
body { margin: 0; background: var(--paper); color: var(--ink); font: 16px/1.5 system-ui, sans-serif; }
main { max-width: 1080px; margin: 0 auto; padding: 2.5rem 1.25rem 4rem; }
h1 { font-size: 2rem; line-height: 1.2; margin: 0 0 .25rem; }
h2 { font-size: 1.05rem; margin: 0; }
p { margin: .25rem 0 0; }
.soft { color: var(--soft); }
.tiles { display: grid; grid-template-columns: repeat(auto-fit, minmax(190px, 1fr)); gap: 1rem; margin: 1.75rem 0 1rem; }
.plots { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 460px), 1fr)); gap: 1rem; }
.card { background: var(--card); border: 1px solid var(--line); border-radius: 10px; padding: 1.1rem 1.25rem; min-width: 0; }
.wide { grid-column: 1 / -1; }
.figure { font-size: 1.8rem; font-weight: 650; line-height: 1.2; font-variant-numeric: tabular-nums; }
svg { display: block; width: 100%; height: auto; margin-top: .75rem; }
svg text { font: 12px system-ui, sans-serif; fill: var(--soft); font-variant-numeric: tabular-nums; }
svg text.value { fill: var(--ink); font-weight: 600; }
svg .grid { stroke: var(--line); }
svg .main { fill: var(--main); } svg .more { fill: var(--more); }
svg .good { fill: var(--good); } svg .bad { fill: var(--bad); }
svg .area { fill: var(--main); fill-opacity: .25; stroke: var(--main); stroke-width: 1.5; }
svg .mark { stroke: var(--bad); stroke-dasharray: 4 3; }
table { border-collapse: collapse; width: 100%; margin-top: .5rem; }
td { padding: .3rem 0; border-top: 1px solid var(--line); }
td:last-child { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap; padding-left: 1rem; }
ul { list-style: none; margin: .5rem 0 0; padding: 0; }
li { padding: .3rem 0 .3rem 1.6rem; border-top: 1px solid var(--line); position: relative; }
li::before { content: "\\2713"; position: absolute; left: .2rem; color: var(--good); font-weight: 700; }
li.failed::before { content: "\\2717"; color: var(--bad); }
pre { overflow-x: auto; font: 13px/1.45 ui-monospace, monospace; margin: .75rem 0 0; }
summary { cursor: pointer; font-weight: 650; }
footer { margin-top: 2rem; color: var(--soft); font-size: .9rem; }
"""


def card(title, note, content, extra=""):
    return (f'<section class="card{extra}"><h2>{html.escape(title)}</h2>'
            f'<p class="soft">{html.escape(note)}</p>{content}</section>')


def tile(figure, what):
    return f'<div class="card"><div class="figure">{html.escape(figure)}</div><div class="soft">{html.escape(what)}</div></div>'


def tiles(facts):
    kib = facts["kib"]
    return "".join((tile(f"{facts['guests']}", "virtual machines, each with a port of its own"),
                    tile(f"{facts['spawn_each_us']:,.0f} \N{MICRO SIGN}s", "to spawn one"),
                    tile(f"{kib['MemAvailable, all in']:.0f} KiB", "of the host's memory for each, all in"),
                    tile(f"{facts['watch'].others_failed}", "requests failed while one guest crashed")))


def cards(facts):
    watch, victim = facts["watch"], facts["victim"]
    http = {name.partition(", ")[2]: rate for name, rate in facts["rates"].items() if name.startswith("http")}
    plain = {n.split()[1]: r for n, r in facts["rates"].items() if n.startswith("kv") and "pipeline" not in n}
    piped = {n.split()[1].rstrip(","): r for n, r in facts["rates"].items() if n.startswith("kv") and "pipeline" in n}
    yield card(f"While {victim} crashes",
               f"Above, how many of the other guests answered in each tenth of a second, asked one after the other; below, "
               f"whether {victim} runs (green) or waits for its restart (red). After each crash in a row the "
               "daemon waits twice as long before it starts the guest again.",
               plots.timeline(watch.others, watch.victims, watch.marks, watch.seconds, victim), " wide")
    yield card("Time to spawn a guest", "Between one guest's start and the next one's, microseconds.",
               plots.histogram(facts["spawn_us"], "\N{MICRO SIGN}s", "guests"))
    yield card("Time of the first answer", f"curl, {facts['guests']} guests, 50 connections at a time, milliseconds.",
               plots.histogram(facts["first_ms"], "ms", "guests"))
    yield card("Memory of a guest", "KiB of the host for each guest that has answered a request. All in: what the host lost, "
               "the kernel's share included.", plots.bars(list(facts["kib"].items()), "KiB", decimals=1))
    yield card("HTTP requests/s", f"One guest by wrk over kept connections; {facts['guests']} guests by curl, a new connection "
               f"for each. On one connection: {facts['exits_per_request']:.2f} exits per request.",
               plots.bars(list(http.items()), "/s"))
    yield card("Key-value operations/s", "redis-benchmark, 20 connections; the lighter bars with 16 commands in a pipeline.",
               plots.pairs([(name, plain[name], piped.get(name, 0)) for name in plain]), " wide")


def details(facts, rows, checks):
    listed = "".join(f"<tr><td>{html.escape(what)}</td><td>{html.escape(figure)}</td></tr>" for what, figure in rows)
    yield f'<section class="card"><h2>In figures</h2><table>{listed}</table></section>'
    items = "".join(f'<li{"" if holds else " class=failed"}>{html.escape(text)}</li>' for holds, text in checks)
    yield f'<section class="card"><h2>Checks</h2><ul>{items}</ul></section>'
    yield (f'<details class="card wide"><summary>The crash report of {html.escape(facts["victim"])}</summary>'
           f'<pre>{html.escape(facts["report"])}</pre></details>')


def write(path, facts, rows, checks):
    """Writes the report, and makes its folder."""
    when = time.strftime("%Y-%m-%d %H:%M", time.localtime(facts["began"]))
    held = sum(holds for holds, _ in checks)
    text = f"""<!doctype html>
<html lang="en">
<head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>Cassin: {facts['guests']} virtual machines</title><style>{STYLE}</style></head>
<body><main>
<h1>{facts['guests']} virtual machines, one hypervisor</h1>
<p class="soft">{html.escape(facts['machine'])}. Backend: {html.escape(facts['backend'])}. {when}. {held} of {len(checks)} checks held.</p>
<div class="tiles">{tiles(facts)}</div>
<div class="plots">{''.join(cards(facts))}{''.join(details(facts, rows, checks))}</div>
<footer>Measured in one run, on a machine that others may have used too; times vary from run to run.</footer>
</main></body>
</html>
"""
    os.makedirs(os.path.dirname(os.path.abspath(path)), exist_ok=True)
    with open(path, "w", encoding="utf-8") as out:
        out.write(text)
