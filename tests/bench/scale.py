# SPDX-License-Identifier: MIT
"""The figures of crowds: clones, shares of the CPU, and 10,000 guests against 100."""

import os
import statistics
import time

from daemon import Daemon, free_ports
from figures import ratio, spread
from memgroup import MemoryGroup
from services import SETTLE_S, counted, load, rest, settled

FEW = 100
MANY = 10000
FULL = 100000
SLICE_US = 1000
SPAWN_BATCH = 1000
AT_ONCE = (1, 8)  # processes: one after the other, or some at a time; clones are compared with the faster way
ASKERS = 16
HOG_SECONDS = 10
QUIET_LEAST = 0.2  # of all answers, for their percentile to count
WAITED_NOTED = 0.02


def http(context):
    return context.path("examples", "http.elf")


def clone(context):
    context.progress("clones and processes to their first answers")
    got = context.run("bench-clone", http(context), context.path("tests", "native", "http"), free_ports(2),
                      100 if context.quick else 300)
    block = 50  # as in clone.c
    of_block = [[statistics.median(got[name][i:i + block]) for i in range(0, len(got[name]), block)]
                for name in ("clone_us", "process_us")]
    return {"clone_us_vs_process": {
        **ratio(*of_block), "clone_us": statistics.median(got["clone_us"]),
        "process_us": statistics.median(got["process_us"]), "clone_us_spread": spread(got["clone_us"]),
        "process_us_spread": spread(got["process_us"])}}


def clones_round(context, count, with_idle):
    """Clones that have answered one request each, by name: memory of each and how many answered as themselves."""
    before = settled()
    with MemoryGroup(f"cassin-bench-{os.getpid()}") as group, Daemon(context.build, group) as daemon:
        daemon.template("web", http(context))
        done = daemon.spawn("clone", count, template="web")
        asked = load(context, daemon.gateway(), count, "clone", 0, "status", ASKERS)
        time.sleep(SETTLE_S)
        full, pss, in_group = settled(), daemon.pss_kib(), group.kib()
        running = daemon.stats()["running"]
        idle_cpu = rest(daemon) if with_idle else None
    got = counted(before, full, pss, in_group, count)
    return {"kib": got, "answered": min(asked["requests"], running), "idle_cpu": idle_cpu,
            "spawn_s": done["elapsed_ns"] / 1e9, "ask_s": asked["seconds"], "p99_us": asked["p99_us"]}


def clone_memory(context):
    rounds = []
    for i in range(1 if context.quick else 2):
        context.progress(f"memory of {MANY:,} clones that have answered, round {i + 1}")
        rounds.append(clones_round(context, MANY, False))
    good = [r["kib"] for r in rounds if r["kib"]["agrees"]]
    kib = {name: round(statistics.median(r[name] for r in good or [r["kib"] for r in rounds]), 2)
           for name in rounds[0]["kib"] if name != "agrees"}
    figure = {"value": kib["mem_available"], "rounds": len(rounds), "kib": kib}
    if not good:
        way = "by_group" if "by_group" in kib else "by_pss"
        figure["value"] = kib[way]
        figure["note"] = "MemAvailable is disturbed: counted " + way.replace("_", " ")
    answered = min(rounds, key=lambda r: r["answered"])
    return {"clone_kib": figure, "live_http": {"value": answered["answered"], "rounds": len(rounds),
                                               **{name: answered[name] for name in ("spawn_s", "ask_s", "p99_us")}}}


def full_house(context):
    context.progress(f"{FULL:,} clones")
    got = clones_round(context, FULL, True)
    detail = {name: got[name] for name in ("kib", "spawn_s", "ask_s", "p99_us")}
    return {"live_http_100k": {"value": got["answered"], **detail}, "idle_cpu_100k": {"value": got["idle_cpu"]}}


def hogs(context):
    rounds = 1 if context.quick else 3
    context.progress(f"32 hogs, and an echo guest beside them: {rounds} x {HOG_SECONDS + 6} s")
    got = context.run("bench-hogs", context.path("tools", "density", "guests", "hog.elf"),
                      context.path("examples", "echo.elf"), free_ports(1), rounds, HOG_SECONDS)
    waited, quiet = statistics.median(got["waited"]), statistics.median(got["quiet"])
    enough = quiet >= QUIET_LEAST
    slices = [us / SLICE_US for us in got["p99_us" if enough else "p99_all_us"]]
    figures = {
        "fairness": {"value": statistics.median(got["share_error"]), "spread": spread(got["share_error"]),
                     "rounds": rounds, "waited": waited},
        "echo_under_hogs_slices": {
            "value": statistics.median(slices), "spread": spread(slices), "rounds": rounds, "quiet": quiet,
            "p99_all_us": statistics.median(got["p99_all_us"]), "p50_us": statistics.median(got["p50_us"]),
            "alone_p50_us": got["alone_p50_us"], "alone_p99_us": got["alone_p99_us"]},
    }
    if waited >= WAITED_NOTED:
        figures["fairness"]["note"] = f"workers waited for a CPU {waited:.0%} of the time"
    if quiet < 1 - WAITED_NOTED:
        figures["echo_under_hogs_slices"]["note"] = (
            f"{quiet:.0%} of the answers undisturbed by other programs" + ("" if enough else "; all are counted"))
    return figures


def spawn_rate(context):
    """The time of a batch is the client's, from its request to the answer that all run and are ready."""
    rates, processes = [], []
    with Daemon(context.build) as daemon:
        daemon.template("idle", context.bench("bench-idle.elf"))
        daemon.spawn("warm", SPAWN_BATCH, template="idle")
        for i in range(3 if context.quick else 9):
            context.progress(f"{SPAWN_BATCH:,} clones and processes, round {i + 1}")
            start = time.monotonic()
            daemon.spawn(f"round{i}", SPAWN_BATCH, template="idle")
            rates.append(SPAWN_BATCH / (time.monotonic() - start))
            seconds = [context.run("bench-processes", context.bench("hello-process"), SPAWN_BATCH, n)["seconds"]
                       for n in AT_ONCE]
            processes.append(SPAWN_BATCH / min(seconds))
    return {"spawn_rate": ratio(rates, processes, clones_per_s=statistics.median(rates),
                                processes_per_s=statistics.median(processes))}


def switches(context):
    rounds = 2 if context.quick else 5
    context.progress(f"switches over {FEW} and {MANY:,} guests")
    got = context.run("bench-switch", context.bench("bench-calls.elf"), FEW, MANY, rounds)
    return {"switch_10k": ratio(got["many_ns"], got["few_ns"], few_ns=statistics.median(got["few_ns"]),
                                many_ns=statistics.median(got["many_ns"]))}


def flat(context):
    """As services.flatness(), over clones and by Zipf's law."""
    rates, ports, latest = {FEW: [], MANY: []}, {}, {}
    with Daemon(context.build) as few, Daemon(context.build) as many:
        for daemon, count in ((many, MANY), (few, FEW)):
            ports[count] = free_ports(count)
            daemon.template("web", http(context))
            daemon.spawn("web", count, port=ports[count], template="web")
        for i in range(3 if context.quick else 7):
            context.progress(f"requests spread over {FEW} and {MANY:,} guests, round {i + 1}")
            for count in (FEW, MANY) if i % 2 else (MANY, FEW):
                load(context, ports[count], count, "web", 1500, "zipf")  # as many are busy as stay so
                latest[count] = load(context, ports[count], count, "web", 3000, "zipf")
                rates[count].append(latest[count]["requests"] / latest[count]["seconds"])
    return {"flat_10k": ratio(rates[MANY], rates[FEW], few_per_s=statistics.median(rates[FEW]),
                              many_per_s=statistics.median(rates[MANY]), few_p50_us=latest[FEW]["p50_us"],
                              many_p50_us=latest[MANY]["p50_us"])}
