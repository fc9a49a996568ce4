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
FEW_PARKED = 1000
FULL = 100000
SLICE_US = 1000
SPAWN_BATCH = 1000
CHURNED = 200000
AT_ONCE = (1, 8)  # processes: one after the other, or some at a time; clones are compared with the faster way
ASKERS = 16
PARK_S = "1"
PARK_PATIENCE_S = 300
HOG_SECONDS = 10
LUA_MANY = 1000
LUA_APP = """get("/status", function() return '{"name":"' .. guest_name() .. '"}' end)"""
QUIET_LEAST = 0.2  # of all answers, for their percentile to count
WAITED_NOTED = 0.02


def http(context):
    return context.path("examples", "http.elf")


def blocks(values):
    """The medians of the program's blocks, which alternate."""
    block = 50  # as in clone.c
    return [statistics.median(values[i:i + block]) for i in range(0, len(values), block)]


def clone(context):
    context.progress("clones, parked ones and processes to their answers")
    count = 100 if context.quick else 300
    got = context.run("bench-clone", http(context), context.path("tests", "native", "http"), free_ports(2 * count), count)
    return {f"{name}_us_vs_process": {
        **ratio(blocks(got[f"{name}_us"]), blocks(got["process_us"])), f"{name}_us": statistics.median(got[f"{name}_us"]),
        "process_us": statistics.median(got["process_us"]), f"{name}_us_spread": spread(got[f"{name}_us"]),
        "process_us_spread": spread(got["process_us"])} for name in ("clone", "wake")}


def await_parked(daemon, count):
    """Until all are; those who have just answered are the last."""
    until = time.monotonic() + PARK_PATIENCE_S
    while (parked := daemon.stats()["parked"]) != count:
        if time.monotonic() > until:
            raise RuntimeError(f"{parked} of {count} guests are parked after {PARK_PATIENCE_S} s")
        time.sleep(0.2)


def forget_file(path):
    """What of it is in memory is the host's to use again: out with it, so that no way to count counts it."""
    with open(path, "rb") as file:
        os.fsync(file.fileno())
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def clones_round(context, count, with_idle=False, park=False, swap=None, lua=False):
    """Clones that have answered one request each, by name: memory of each and how many answered as themselves. `park`:
    all of them are parked when memory is counted; `swap`: in this file. `lua`: of the Lua service, not of http."""
    options = (["--park", PARK_S] if park else []) + (["--swap", swap] if swap else [])
    before = settled()
    with MemoryGroup(f"cassin-bench-{os.getpid()}") as group, Daemon(context.build, group, options) as daemon:
        if lua:
            daemon.template("web", context.path("examples", "lua-http.elf"), files=[{"name": "app.lua", "text": LUA_APP}])
        else:
            daemon.template("web", http(context))
        done = daemon.spawn("clone", count, template="web")
        asked = load(context, daemon.gateway(), count, "clone", 0, "status", ASKERS)
        if park:
            await_parked(daemon, count)
        time.sleep(SETTLE_S)
        if swap:
            forget_file(swap)
        full, pss, in_group = settled(), daemon.pss_kib(), group.kib()
        stats = daemon.stats()
        idle_cpu = rest(daemon) if with_idle else None
    got = counted(before, full, pss, in_group, count)
    return {"kib": got, "answered": min(asked["requests"], stats["running"]), "idle_cpu": idle_cpu,
            "spawn_s": done["elapsed_ns"] / 1e9, "ask_s": asked["seconds"], "p99_us": asked["p99_us"],
            "swap_kib": stats["swap_bytes"] / 1024 / count}


def memory_figure(rounds):
    """KiB of each clone: by MemAvailable, unless other programs disturbed it in all rounds."""
    good = [r["kib"] for r in rounds if r["kib"]["agrees"]]
    kib = {name: round(statistics.median(r[name] for r in good or [r["kib"] for r in rounds]), 2)
           for name in rounds[0]["kib"] if name != "agrees"}
    figure = {"value": kib["mem_available"], "rounds": len(rounds), "kib": kib}
    if not good:
        way = "by_group" if "by_group" in kib else "by_pss"
        figure["value"] = kib[way]
        figure["note"] = "MemAvailable is disturbed: counted " + way.replace("_", " ")
    return figure


def memory_rounds(context, what, count=MANY, **how):
    rounds = []
    for i in range(1 if context.quick else 2):
        context.progress(f"memory of {count:,} {what}, round {i + 1}")
        rounds.append(clones_round(context, count, **how))
    return rounds


def clone_memory(context):
    rounds = memory_rounds(context, "clones that have answered")
    answered = min(rounds, key=lambda r: r["answered"])
    return {"clone_kib": memory_figure(rounds),
            "live_http": {"value": answered["answered"], "rounds": len(rounds),
                          **{name: answered[name] for name in ("spawn_s", "ask_s", "p99_us")}}}


def lua_memory(context):
    context.progress(f"memory of {LUA_MANY:,} clones of the Lua service")
    round_ = clones_round(context, LUA_MANY, lua=True)
    if round_["answered"] != LUA_MANY:
        raise RuntimeError(f"{round_['answered']} of {LUA_MANY} answered")
    return {"http_lua_kib": memory_figure([round_])}


def parked_memory(context):
    return {"parked_kib": memory_figure(memory_rounds(context, "parked clones", park=True))}


def parked_memory_few(context):
    """Where each guest that is awake has a process, a host may not have 10,000 of them at once."""
    return {"parked_kib": memory_figure(memory_rounds(context, "parked clones", FEW_PARKED, park=True))}


def swapped_memory(context):
    """The file is in the build's folder: a folder for temporary files may be memory itself."""
    path = os.path.join(context.build, f"bench-{os.getpid()}.swap")
    rounds = memory_rounds(context, "clones in the swap file", park=True, swap=path)
    in_file = min(r["swap_kib"] for r in rounds)
    if in_file <= 0:
        raise RuntimeError("the swap file was not used")
    return {"swapped_kib": {**memory_figure(rounds), "in_file_kib": round(in_file, 2)}}


def full_house(context):
    context.progress(f"{FULL:,} clones")
    got = clones_round(context, FULL, with_idle=True)
    detail = {name: got[name] for name in ("kib", "spawn_s", "ask_s", "p99_us")}
    return {"live_http_100k": {"value": got["answered"], **detail}, "idle_cpu_100k": {"value": got["idle_cpu"]}}


def holdings(daemon):
    """What the daemon holds, once it has had the time to give back."""
    time.sleep(SETTLE_S)
    stats = daemon.stats()
    return {"frames": stats["used_frames"] - stats["quarantined_frames"], "guests": stats["guests"],
            "descriptors": daemon.descriptors(), "pss_kib": daemon.pss_kib()}


def churn(context):
    """Many guests come and go through one daemon; what it holds behind the first round and behind the last."""
    with Daemon(context.build) as daemon:
        held = []
        for i in range(CHURNED // SPAWN_BATCH):
            context.progress(f"{i * SPAWN_BATCH:,} of {CHURNED:,} guests have come and gone")
            daemon.spawn("gone", SPAWN_BATCH, http(context))
            daemon.remove("gone-*")
            if i == 0:
                held.append(holdings(daemon))
        held.append(holdings(daemon))
    grown = {name: held[1][name] - held[0][name] for name in held[0]}
    return {"churn_left": {"value": max(grown["frames"], 0) + max(grown["descriptors"], 0) + grown["guests"],
                           "guests": CHURNED, "grown": grown, "note": f"memory {grown['pss_kib']:+,} KiB"}}


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
            "p50_all_us": statistics.median(got["p50_all_us"]),
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
