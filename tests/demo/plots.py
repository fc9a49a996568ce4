# SPDX-License-Identifier: MIT
"""Plots as SVG text. Colours are classes, so that the page's style decides them."""

import html
import math

WIDTH = 480
BINS = 32


def nice(most):
    """A round number not below `most`, and a round step that divides it into 4 to 6."""
    most = max(most, 1e-9)
    scale = 10 ** math.floor(math.log10(most))
    for top, step in ((1, .25), (1.5, .25), (2, .5), (3, .5), (4, 1), (5, 1), (6, 1), (8, 2), (10, 2)):
        if top * scale >= most:
            return top * scale, step * scale
    return 10 * scale, 2 * scale


def number(value):
    if value >= 1e6:
        return f"{value / 1e6:g}M"
    if value >= 1e4:
        return f"{value / 1e3:g}k"
    return f"{value:g}"


def figure(value):
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def svg(width, height, content, label):
    return f'<svg viewBox="0 0 {width} {height}" role="img" aria-label="{html.escape(label)}">{content}</svg>'


def text(x, y, words, anchor="middle", kind=""):
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" class="{kind}">{html.escape(words)}</text>'


def rect(x, y, width, height, kind, title, radius=2):
    return (f'<rect x="{x:.1f}" y="{y:.1f}" width="{max(width, .5):.1f}" height="{max(height, 0):.1f}" rx="{radius}" '
            f'class="{kind}"><title>{html.escape(title)}</title></rect>')


def line(x1, y1, x2, y2, kind):
    return f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" class="{kind}"/>'


def quantile(values, part):
    ordered = sorted(values)
    return ordered[min(int(part * len(ordered)), len(ordered) - 1)]


def vertical_axis(left, right, top, bottom, most, step):
    """Grid lines with their numbers."""
    content = ""
    for i in range(int(round(most / step)) + 1):
        y = bottom - (bottom - top) * i * step / most
        content += line(left, y, right, y, "grid") + text(left - 6, y + 4, number(round(i * step, 6)), "end")
    return content


def histogram(values, unit, what):
    """How often which value; what is beyond the 98th percentile shares the last bar."""
    left, right, top, bottom, height = 40, WIDTH - 8, 26, 190, 215
    most, step = nice(quantile(values, .98))
    counts = [0] * (BINS + 1)
    for value in values:
        counts[min(int(value / most * BINS), BINS)] += 1
    high, high_step = nice(max(counts))
    content = vertical_axis(left, right, top, bottom, high, high_step)
    each = (right - left) / (BINS + 1)
    for i, count in enumerate(counts):
        tall = (bottom - top) * count / high
        span = f"{most * i / BINS:.3g} to {most * (i + 1) / BINS:.3g} {unit}" if i < BINS else f"more than {most:g} {unit}"
        content += rect(left + i * each + 1, bottom - tall, each - 2, tall, "main" if i < BINS else "more",
                        f"{count} {what}: {span}")
    for i in range(int(round(most / step))):
        label = number(round(i * step, 6)) + ("" if i else f" {unit}")
        content += text(left + (right - left - each) * i * step / most, bottom + 18, label)
    content += text(right, bottom + 18, f"over {number(most)}", "end")
    median = f"median {figure(quantile(values, .5))} {unit}, 99th percentile {figure(quantile(values, .99))} {unit}"
    content += text(right, 12, median, "end", "value")
    return svg(WIDTH, height, content, median)


def bars(rows, unit, decimals=0):
    """A horizontal bar for each (name, value)."""
    left, right, each = 8, WIDTH - 8, 50
    most = max(max(value for _, value in rows), 1e-9)
    content = ""
    for i, (name, value) in enumerate(rows):
        y = i * each
        content += text(left, y + 14, name, "start")
        content += text(right, y + 14, f"{value:,.{decimals}f} {unit}".replace(" /s", "/s"), "end", "value")
        content += rect(left, y + 20, (right - left) * max(value, 0) / most, 18, "main", f"{name}: {value:,.1f} {unit}")
    return svg(WIDTH, len(rows) * each, content, ", ".join(f"{name}: {value:,.0f} {unit}" for name, value in rows))


def log_axis(left, right, bottom, least, most, what):
    """Numbers along the bottom, each power of ten, and where a value stands."""
    low, high = math.log10(least), math.log10(most) if most > least else math.log10(least * 10)

    def across(value):
        return left + (right - left) * (math.log10(value) - low) / (high - low)
    powers = [10 ** power for power in range(math.ceil(low), math.floor(high) + 1)]
    clear = [power for power in powers if all(abs(across(power) - across(end)) > 40 for end in (least, most))]
    content = text((left + right) / 2, bottom + 36, what)
    content += "".join(text(across(value), bottom + 18, number(value)) for value in sorted({least, most, *clear}))
    return content, across


def lines(series, unit, what):
    """A line for each (name, [(x, middle, low, high)]) over a logarithmic axis, with a band from low to high."""
    left, right, top, bottom = 52, WIDTH - 12, 10 + 18 * len(series), 230
    points = [point for _, line_points in series for point in line_points]
    most, step = nice(max(point[3] for point in points))
    content, across = log_axis(left, right, bottom, min(p[0] for p in points), max(p[0] for p in points), what)
    content += vertical_axis(left, right, top, bottom, most, step) + text(left - 6, 12, unit, "end")

    def up(value):
        return bottom - (bottom - top) * value / most
    for i, (name, line_points) in enumerate(series):
        band = [(across(x), up(low)) for x, _, low, _ in line_points] + [(across(x), up(high)) for x, _, _, high in line_points[::-1]]
        path = " ".join(f"{across(x):.1f},{up(middle):.1f}" for x, middle, _, _ in line_points)
        content += f'<polygon class="band s{i}" points="{" ".join(f"{x:.1f},{y:.1f}" for x, y in band)}"/>'
        content += f'<polyline class="line s{i}" points="{path}"/>'
        for x, middle, low, high in line_points:
            content += (f'<circle class="dot s{i}" cx="{across(x):.1f}" cy="{up(middle):.1f}" r="3.5"><title>'
                        f"{html.escape(f'{name}, {number(x)}: {figure(middle)} {unit} ({figure(low)} to {figure(high)})')}"
                        "</title></circle>")
        content += rect(left + 12, 4 + 18 * i, 14, 4, f"key s{i}", name, 1) + text(left + 32, 11 + 18 * i, name, "start", "value")
    said = ", ".join(f"{name}: {figure(p[-1][1])} {unit} at {number(p[-1][0])}" for name, p in series if p)
    return svg(WIDTH, bottom + 44, content, said)


def pairs(rows):
    """Two horizontal bars for each (name, first, second)."""
    width, left, each = 980, 60, 58
    right = width - 100
    most = max(max(max(first, second) for _, first, second in rows), 1e-9)
    content = ""
    for i, (name, first, second) in enumerate(rows):
        y = i * each
        content += text(left - 10, y + 28, name, "end", "value")
        for value, kind, at in ((first, "main", y + 4), (second, "more", y + 26)):
            wide = (right - left) * value / most
            content += rect(left, at, wide, 18, kind, f"{name}: {value:,.0f}/s")
            content += text(left + wide + 8, at + 14, f"{value:,.0f}/s", "start", "value")
    return svg(width, len(rows) * each, content, ", ".join(f"{name}: {a:,.0f} and {b:,.0f}" for name, a, b in rows))


def victim_band(victims, scale, y, victim, seconds):
    """The victim's states, one after the other: runs of the same state are one bar."""
    content, began = "", 0
    for i, (at, state) in enumerate(victims):
        if i + 1 < len(victims) and victims[i + 1][1] == state:
            continue
        until = victims[i + 1][0] if i + 1 < len(victims) else seconds
        content += rect(scale(victims[began][0]), y, scale(until) - scale(victims[began][0]), 16,
                        "good" if state == "running" else "bad",
                        f"{victim} is {state} from {victims[began][0]:.2f} to {until:.2f} s", 0)
        began = i + 1
    return content


def timeline(others, victims, marks, seconds, victim):
    """Answers of the others per tenth of a second as an area; below, the victim's states."""
    width, left, right, top, bottom = 980, 46, 972, 26, 190
    slots = max(int(seconds * 10), 1)
    good, bad = [0] * slots, [0] * slots
    for at, _, right_answer in others:
        (good if right_answer else bad)[min(int(at * 10), slots - 1)] += 1
    most, step = nice(max(good + bad))

    def across(at):
        return left + (right - left) * min(at, seconds) / seconds

    def up(count):
        return bottom - (bottom - top) * count / most
    content = vertical_axis(left, right, top, bottom, most, step)
    points = [(across((i + .5) / 10), up(count)) for i, count in enumerate(good)]
    path = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
    content += f'<polygon class="area" points="{points[0][0]:.1f},{bottom} {path} {points[-1][0]:.1f},{bottom}"/>'
    for i, count in enumerate(bad):
        if count:
            content += rect(across(i / 10), up(count), across(.1) - left, bottom - up(count), "bad", f"{count} failed")
    content += victim_band(victims, across, bottom + 14, victim, seconds)
    for at, words in marks:
        content += line(across(at), top - 8, across(at), bottom + 34, "mark") + text(across(at) + 4, top - 8, words, "start")
    second = max(1, round(seconds / 10))
    for at in range(0, int(seconds) + 1, second):
        content += text(across(at), bottom + 50, f"{at} s")
    failed = sum(bad)
    return svg(width, bottom + 60, content, f"{sum(good)} answers of the others, {failed} failed, in {seconds:.1f} s")
