# SPDX-License-Identifier: MIT
"""The figures of guests under the daemon: memory, CPU time at rest, exits and requests."""

import contextlib
import os
import statistics
import subprocess
import time

from daemon import Daemon, free_ports, port_free
from figures import ratio, spread
from memgroup import MemoryGroup

GUESTS = 1000
FEW = 10
CONNECTIONS = 10
HTTP_CONNECTIONS = 20
NATIVE_PATIENCE_S = 10
IDLE_S = 10
SETTLE_S = 4  # the engine trims a cell that has been at rest for some seconds
PAGE_KIB = 4
SAMPLES = 30
SAMPLE_S = 0.05
IDLE_ROUNDS = 3
EXTRA_ROUNDS = 5
AGREE_KIB = 4  # of GUESTS guests
AGREE_SHARE = 0.2
# What the kernel holds for a process's guests besides its own pages: shadow tables, tables, objects, stacks.
KERNEL_FIELDS = ["SecPageTables", "PageTables", "SUnreclaim", "KernelStack", "Percpu"]


def meminfo():
    with open("/proc/meminfo") as file:
        return {line.split(":")[0]: int(line.split()[1]) for line in file}


def settled():
    """/proc/meminfo at a quiet moment: taking the best of many leaves out what other programs hold for a short time."""
    os.sync()
    samples = []
    for _ in range(SAMPLES):
        samples.append(meminfo())
        time.sleep(SAMPLE_S)
    return max(samples, key=lambda sample: sample["MemAvailable"])


def load(context, port, guests, name, milliseconds, mode, connections=CONNECTIONS):
    return context.run("bench-load", port, guests, name, connections, milliseconds, mode)


def rest(daemon):
    """CPU seconds per second of a daemon that has nothing to do."""
    before, start = daemon.cpu_seconds(), time.monotonic()
    time.sleep(IDLE_S)
    return (daemon.cpu_seconds() - before) / (time.monotonic() - start)


def counted(before, full, pss, in_group, guests):
    """KiB per guest, counted in all ways, and whether they agree."""
    got = {"mem_available": (before["MemAvailable"] - full["MemAvailable"]) / guests, "pss": pss / guests}
    for field in KERNEL_FIELDS:
        got[field] = (full[field] - before[field]) / guests
    got["by_pss"] = got["pss"] + sum(got[field] for field in KERNEL_FIELDS)
    if in_group:
        got["by_group"] = in_group / guests
    got["agrees"] = abs(got["mem_available"] - got["by_pss"]) <= max(AGREE_KIB * GUESTS / guests, AGREE_SHARE * got["by_pss"])
    return got


def memory_round(context, image, serves, with_idle):
    """KiB per guest of GUESTS idle guests, the daemon and the kernel's share included, counted in two ways: by
    MemAvailable, and by the process's PSS and what the kernel says that it holds itself."""
    before = settled()
    port = free_ports(GUESTS) if serves else 0
    with MemoryGroup(f"cassin-bench-{os.getpid()}") as group, Daemon(context.build, group) as daemon:
        empty, empty_pss = settled(), daemon.pss_kib()
        daemon.spawn("idle", GUESTS, image, port)
        if port:
            asked = load(context, port, GUESTS, "idle", 0, "status")
            if asked["requests"] != GUESTS:
                raise RuntimeError(f"{asked['requests']} of {GUESTS} guests answered")
        time.sleep(SETTLE_S)
        full, pss, in_group = settled(), daemon.pss_kib(), group.kib()
        pages = daemon.stats()["used_frames"] * PAGE_KIB / GUESTS
        idle_cpu = rest(daemon) if with_idle else 0
    got = counted(before, full, pss, in_group, GUESTS)
    got["pages"] = pages
    got["beyond_empty_daemon"] = (empty["MemAvailable"] - full["MemAvailable"]) / GUESTS
    got["pss_beyond_empty_daemon"] = (pss - empty_pss) / GUESTS
    got["idle_cpu"] = idle_cpu
    return got


def memory(context, key, image, serves):
    """Rounds in which other programs took or gave memory, so that the two ways to count disagree, are made again."""
    wanted, rounds = 1 if context.quick else 5, []
    while sum(r["agrees"] for r in rounds) < wanted and len(rounds) < wanted + EXTRA_ROUNDS:
        context.progress(f"memory of {GUESTS:,} idle guests: {os.path.basename(image)}, round {len(rounds) + 1}")
        rounds.append(memory_round(context, image, serves, serves and len(rounds) < IDLE_ROUNDS))
    good = [r for r in rounds if r["agrees"]]
    medians = {name: round(statistics.median(r[name] for r in good or rounds), 2)
               for name in rounds[0] if name not in ("idle_cpu", "agrees")}
    total = [r["mem_available"] for r in good or rounds]
    figure = {"value": statistics.median(total), "spread": spread(total), "rounds": len(total), "kib": medians,
              "dropped_rounds": len(rounds) - len(total)}
    if not good:
        way = "by_group" if "by_group" in medians else "by_pss"
        figure["value"] = medians[way]
        figure["note"] = ("other programs disturb MemAvailable: counted by " +
                          ("a memory control group" if way == "by_group" else "PSS and /proc/meminfo"))
    return {key: figure}, [r["idle_cpu"] for r in rounds[:IDLE_ROUNDS]]


def idle_minimal(context):
    return memory(context, "hello_kib", context.bench("bench-idle.elf"), False)[0]


def idle_http(context):
    figures, idle = memory(context, "http_kib", context.path("examples", "http.elf"), True)
    figures["idle_cpu"] = {"value": statistics.median(idle), "spread": spread(idle), "rounds": len(idle),
                           "seconds": IDLE_S, "guests": GUESTS}
    return figures


def idle_http_beyond_pages(context):
    """What an idle http guest holds besides its pages and tables, which are frames of the pool. By a memory control group where
    there is one: the daemon's PSS is without its share of what processes of guests map."""
    rounds = []
    for i in range(1 if context.quick else 3):
        context.progress(f"memory of {GUESTS:,} idle http guests beyond their pages, round {i + 1}")
        rounds.append(memory_round(context, context.path("examples", "http.elf"), True, False))
    way = "by_group" if "by_group" in rounds[0] else "mem_available"
    beyond = [r[way] - r["pages"] for r in rounds]
    return {"http_kib_over_pages": {"value": statistics.median(beyond), "spread": spread(beyond), "rounds": len(beyond),
                                    "kib": rounds[-1], "note": "counted " + way.replace("_", " ")}}


@contextlib.contextmanager
def native_http(context, port):
    with subprocess.Popen([context.path("tests", "native", "http"), "--port", str(port)], stdin=subprocess.DEVNULL,
                          stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        try:
            until = time.monotonic() + NATIVE_PATIENCE_S
            while port_free(port):
                if process.poll() is not None or time.monotonic() > until:
                    raise RuntimeError(f"the process of http does not listen on port {port}")
                time.sleep(0.01)
            yield
        finally:
            process.kill()


def http_vs_native(context):
    """Requests per second of one guest and of one process of the same sources, by turns."""
    guest_port = free_ports(2)
    native_port = guest_port + 1
    rates = {"guest": [], "process": []}
    with Daemon(context.build) as daemon, native_http(context, native_port):
        daemon.spawn("one", 1, context.path("examples", "http.elf"), guest_port)
        for i in range(3 if context.quick else 9):
            context.progress(f"requests to http in a guest and in a process, round {i + 1}")
            by_turns = (("guest", guest_port), ("process", native_port))
            for who, port in by_turns[::-1] if i % 2 else by_turns:
                got = load(context, port, 1, "one", 1500, "keep", HTTP_CONNECTIONS)
                rates[who].append(got["requests"] / got["seconds"])
    return {"http_vs_native": ratio(rates["guest"], rates["process"], guest_per_s=statistics.median(rates["guest"]),
                                    process_per_s=statistics.median(rates["process"]))}


def exits(context):
    """Exits of a guest for each request of one client that asks again as soon as it is answered."""
    port = free_ports(1)
    per_request, requests = [], 0
    with Daemon(context.build) as daemon:
        daemon.spawn("one", 1, context.path("examples", "http.elf"), port)
        load(context, port, 1, "one", 300, "keep", 1)
        for i in range(2 if context.quick else 7):
            context.progress(f"exits per request, round {i + 1}")
            before = daemon.guest("one-0")["counters"]["exits"]
            got = load(context, port, 1, "one", 1500, "keep", 1)
            per_request.append((daemon.guest("one-0")["counters"]["exits"] - before) / got["requests"])
            requests += got["requests"]
    return {"exits_per_request": {"value": statistics.median(per_request), "spread": spread(per_request),
                                  "rounds": len(per_request), "requests": requests,
                                  "requests_per_s": got["requests"] / got["seconds"], "p50_us": got["p50_us"]}}


def flatness(context):
    """Two daemons, one with few guests and one with many, asked by turns; the other one rests meanwhile."""
    image = context.path("examples", "http.elf")
    rates = {FEW: [], GUESTS: []}
    latest = {}
    with Daemon(context.build) as few, Daemon(context.build) as many:
        ports = {}
        for daemon, count in ((few, FEW), (many, GUESTS)):
            ports[count] = free_ports(count)
            daemon.spawn("web", count, image, ports[count])
            load(context, ports[count], count, "web", 0, "status")
        for i in range(3 if context.quick else 9):
            context.progress(f"requests spread over {FEW} and {GUESTS:,} guests, round {i + 1}")
            for count in (FEW, GUESTS) if i % 2 else (GUESTS, FEW):
                # A cell that has rested has given back what KVM held for it: the round begins when all are busy again.
                load(context, ports[count], count, "web", 0, "status")
                latest[count] = load(context, ports[count], count, "web", 2000, "once")
                rates[count].append(latest[count]["requests"] / latest[count]["seconds"])
    return {"http_flatness": ratio(rates[GUESTS], rates[FEW],
                                   few_per_s=statistics.median(rates[FEW]), many_per_s=statistics.median(rates[GUESTS]),
                                   few_p50_us=latest[FEW]["p50_us"], many_p50_us=latest[GUESTS]["p50_us"])}
