# SPDX-License-Identifier: MIT
"""The report on Denali's evaluation: one HTML file with its plots as SVG."""

import html
import os
import time

from report import STYLE

OWN_STYLE = """
section.part { margin-top: 2.5rem; }
section.part > h2 { font-size: 1.35rem; margin-bottom: .5rem; }
.paper { border-left: 4px solid var(--more); padding-left: .9rem; margin: .9rem 0; }
.note { border-left: 4px solid var(--bad); padding-left: .9rem; margin: 1.25rem 0; }
.scroll { overflow-x: auto; }
th { text-align: right; font-weight: 600; padding: .3rem 0 .3rem 1rem; color: var(--soft); }
td { text-align: right; padding-left: 1rem; font-variant-numeric: tabular-nums; }
.s0 { --own: var(--main); } .s1 { --own: var(--more); } .s2 { --own: var(--good); }
svg .line { fill: none; stroke: var(--own); stroke-width: 2; } svg .band { fill: var(--own); fill-opacity: .18; }
svg .dot, svg .key { fill: var(--own); }
th:first-child, td:first-child { text-align: left; padding-left: 0; }
"""


def paragraph(text, kind="", before=""):
    return f'<p{f" class={kind}" if kind else ""}>{f"<b>{before}</b> " if before else ""}{html.escape(text)}</p>'


def rows(table):
    head, *body = table
    text = "".join(f"<th>{html.escape(word)}</th>" for word in head)
    lines = "".join("<tr>" + "".join(f"<td>{html.escape(word)}</td>" for word in row) + "</tr>" for row in body)
    return f'<div class="card scroll"><table><tr>{text}</tr>{lines}</table></div>'


def section(part, outcome):
    content = paragraph(part.shows)
    if isinstance(outcome, str):
        content += paragraph(outcome, "note", "Not measured.")
    else:
        content += "".join(paragraph(sentence, before="Here:" if not i else "") for i, sentence in enumerate(outcome.found))
        content += '<div class="plots">' + "".join(
            f'<div class="card"><h2>{html.escape(title)}</h2>{svg}</div>' for title, svg in outcome.plots) + "</div>"
        content += rows(outcome.table) if outcome.table else ""
    content += paragraph(part.paper, "paper", "The paper:") + paragraph(part.differs, before="What differs:")
    return f'<section class="part" id="{part.key}"><h2>{html.escape(part.title)}</h2>{content}</section>'


def warnings(settings, quick, missing):
    if missing:
        yield f"{missing} of the parts were not measured: this report is partial."
    if quick:
        yield ("A short run: few guests and a short time for each figure. It shows that every part can be measured; its "
               "figures are not to be compared with anything.")
    if "QEMU" in settings.get("cpu", ""):
        yield "The host is a machine that is emulated in software: none of the times means anything."


def host(settings):
    words = [settings.get("cpu", "unknown CPU"), f"{settings.get('cpus', '?')} CPUs", settings.get("kernel", "unknown kernel"),
             "guests in processes" if settings.get("backend") == "process" else f"KVM module {settings.get('kvm_module', 'unknown')}"]
    if "memory_kib" in settings:
        words.insert(2, f"{settings['memory_kib'] / 1048576:.1f} GiB of memory")
    return ", ".join(words)


def write_plots(folder, parts, outcomes):
    """Each plot as a picture of its own, folder/KEY-NUMBER.svg."""
    colours = STYLE[:STYLE.index("* {")]
    rules = "\n".join(line for line in (STYLE + OWN_STYLE).split("\n") if line.startswith(("svg ", ".s0")))
    os.makedirs(folder, exist_ok=True)
    for part in parts:
        for i, (_, picture) in enumerate(getattr(outcomes.get(part.key), "plots", [])):
            begin, rest = picture.split(">", 1)
            begin = begin.replace("<svg ", '<svg xmlns="http://www.w3.org/2000/svg" ', 1)
            with open(os.path.join(folder, f"{part.key}-{i + 1}.svg"), "w", encoding="utf-8") as out:
                out.write(f"{begin}><style>{colours}{rules}</style>{rest}\n")


def write(path, parts, outcomes, settings, quick, began):
    """`outcomes`: by the part's key, an Outcome, or why there is none; parts without one have not been reached."""
    measured = [outcomes.get(part.key, "It was not reached.") for part in parts]
    missing = sum(isinstance(outcome, str) for outcome in measured)
    when = time.strftime("%Y-%m-%d %H:%M", time.localtime(began))
    text = f"""<!doctype html>
<html lang="en">
<head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>Denali's evaluation on Cassin</title><style>{STYLE}{OWN_STYLE}</style></head>
<body><main>
<h1>Denali's evaluation on Cassin</h1>
<p class="soft">{html.escape(host(settings))}. {when}, {(time.time() - began) / 60:.0f} minutes.</p>
<p>Denali (OSDI 2002) put very many small virtual machines on one host, and measured what that costs. Each part below repeats
one of its experiments with guests of Cassin, and says what the paper reports, on a 1.7 GHz Pentium 4 with 1 GB of memory.
Lines are medians of the runs, bands their spread.</p>
{''.join(paragraph(warning, "note") for warning in warnings(settings, quick, missing))}
{''.join(section(part, outcome) for part, outcome in zip(parts, measured))}
<footer>The report of each scenario, with all of its figures and the host's settings, is in the folder of its name beside this
file. Clients and guests share one host; times vary from run to run.</footer>
</main></body>
</html>
"""
    os.makedirs(os.path.dirname(os.path.abspath(path)), exist_ok=True)
    with open(path, "w", encoding="utf-8") as out:
        out.write(text)
