# SPDX-License-Identifier: MIT
"""The figures of others' programs: a guest, and beside it a process of the same sources, by turns."""

import os
import re
import statistics
import subprocess
import time

from figures import PATIENCE_S, ratio

SCRIPT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "programs.lua")
SQLITE_SIZE = 5


def guest(context, name, *options):
    return [context.path("tools", "cassin"), "run", "--memory", "64M", *options, context.path("examples", f"{name}.elf")]


def by_turns(context, what, run_process, run_guest):
    """The results of both in each round; who comes first changes."""
    rounds = 3 if context.quick else 7
    process, inside = [], []
    for i in range(rounds):
        context.progress(f"{what} in a guest and in a process, round {i + 1}")
        for of_guest in (False, True) if i % 2 else (True, False):
            (inside if of_guest else process).append(run_guest() if of_guest else run_process())
    return process, inside


def lua_parts(command):
    """Seconds of each part of the script, by when its line comes, and the answers."""
    seconds, answers = {}, []
    with subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True) as running:
        last = None
        for line in running.stdout:
            now = time.monotonic()
            if last is not None:
                seconds[line.split()[0]] = now - last
            last = now
            answers.append(line)
        if running.wait(PATIENCE_S) or len(seconds) != 4:
            raise RuntimeError(f"{command[0]}: exit status {running.returncode}: {''.join(answers)}")
    return seconds, answers


def lua(context):
    process, inside = by_turns(context, "Lua",
                               lambda: lua_parts([context.path("tests", "native", "lua"), SCRIPT]),
                               lambda: lua_parts(guest(context, "lua", "--file", SCRIPT) + ["programs.lua"]))
    if any(answers != process[0][1] for _, answers in process + inside):
        raise RuntimeError("a guest and a process give different answers")
    of_part = {f"{part}_vs_native": statistics.median(p[part] / g[part] for (p, _), (g, _) in zip(process, inside))
               for part in process[0][0]}
    return {"lua_vs_native": ratio([sum(s.values()) for s, _ in process], [sum(s.values()) for s, _ in inside], **of_part)}


def speedtest(command):
    """The seconds that SQLite's speed test gives, and the hash of its answers."""
    done = subprocess.run(command + ["--size", str(SQLITE_SIZE), "--verify"], stdout=subprocess.PIPE, check=True, text=True,
                          timeout=PATIENCE_S)
    total = re.search(r"TOTAL\.* *([0-9.]+)s", done.stdout)
    answers = re.search(r"Verification Hash: .*", done.stdout)
    if not total or not answers:
        raise RuntimeError(f"speedtest1 says: {done.stdout[-200:]}")
    return float(total[1]), answers[0]


def sqlite(context):
    process, inside = by_turns(context, "SQLite",
                               lambda: speedtest([context.path("tests", "native", "sqlite-speedtest1")]),
                               lambda: speedtest(guest(context, "sqlite-speedtest1")))
    if any(answers != process[0][1] for _, answers in process + inside):
        raise RuntimeError("a guest and a process give different answers")
    process_s, guest_s = [s for s, _ in process], [s for s, _ in inside]
    return {"sqlite_vs_native": ratio(process_s, guest_s, process_s=statistics.median(process_s),
                                      guest_s=statistics.median(guest_s))}
