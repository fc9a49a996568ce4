# SPDX-License-Identifier: MIT
"""The parts of Denali's evaluation: how each is measured here, and what the paper reports.

The paper: Whitaker, Shaw, Gribble, "Scale and Performance in the Denali Isolation Kernel", OSDI 2002; its figures are of
a 1.7 GHz Pentium 4 with 1 GB of memory.
"""

import statistics
from dataclasses import dataclass, field

from plots import figure, lines

MANY_GUESTS = "number of guests"


@dataclass
class Outcome:
    """What a part came to: plots as (title, SVG), a table as rows of texts, the first its head, and sentences."""
    plots: list = field(default_factory=list)
    table: list = field(default_factory=list)
    found: list = field(default_factory=list)


@dataclass
class Part:
    key: str
    title: str
    shows: str    # what was done
    paper: str    # what the paper reports
    differs: str  # how this differs from the paper's experiment
    measure: object


def cell(value, unit=""):
    return "-" if value is None else figure(value) + unit


def over(a, b):
    return None if a is None or not b else a / b


def plot(series, metric, title, unit):
    """One line for each ramp, by name."""
    return title, lines([(name, ramp.line(metric)) for name, ramp in series.items()], unit, MANY_GUESTS)


def table(series, *columns):
    """A row for each number of guests; a column for each figure of each ramp. A column is (metric, words)."""
    counts = sorted({n for ramp in series.values() for n, _ in ramp.steps})
    head = ["guests"] + [f"{name}: {words}" for _, words in columns for name in series]
    return [head] + [[figure(n)] + [cell(ramp.at(n, metric)) for metric, _ in columns for ramp in series.values()]
                     for n in counts]


def guests(count):
    return "1 guest" if count == 1 else f"{figure(count)} guests"


def stops(series):
    return [f"{name}: no further than {guests(ramp.most())} ({ramp.stopped})." for name, ramp in series.items() if ramp.stopped]


def best_ratio(a, b, metric):
    """The largest ratio of the two ramps' figures at the same number of guests: (ratio, guests)."""
    ratios = [(over(value, b.at(n, metric)), n) for n, value, _, _ in a.line(metric) if b.at(n, metric)]
    return max(ratios, default=(None, 0))


def web(lab):
    series = {"small document": lab.run("web-small", "requests_per_s", ramp=[1, 8], connections=8)["cassin"],
              "100 KB": lab.run("web-100k", "requests_per_s", ramp=[1, 8], connections=4)["cassin"]}
    found = stops(series)
    for name, ramp in series.items():
        ratio = over(ramp.last("requests_per_s"), max(value for _, value, _, _ in ramp.line("requests_per_s")))
        found.append(f"{name}: with {guests(ramp.most())}, {cell(ratio)} of the best throughput is left.")
    return Outcome([plot({name: ramp}, "requests_per_s", f"Throughput, {name}", "/s") for name, ramp in series.items()],
                   table(series, ("requests_per_s", "requests/s"), ("latency_p99_us", "99 %, us"), ("errors", "errors")), found)


def events(lab):
    series = {mode: lab.run(f"events-{mode}", "echo_per_s", ramp=[1, 8], connections=16)["cassin"]
              for mode in ("batched", "immediate")}
    ratio, count = best_ratio(series["batched"], series["immediate"], "echo_per_s")
    return Outcome([plot(series, "echo_per_s", "Messages there and back", "/s"),
                    plot(series, "hypercalls_per_s", "Hypercalls", "/s")],
                   table(series, ("echo_per_s", "messages/s"), ("hypercalls_per_s", "hypercalls/s")),
                   [f"Batched delivery gives up to {cell(ratio)} times the throughput of immediate delivery, with "
                    f"{guests(count)}.", *stops(series)])


def idle(lab):
    series = {"with a timeout": lab.run("idle-timeout", "requests_per_s", ramp=[1, 8], connections=4)["cassin"],
              "without": lab.run("idle-yield", "requests_per_s", ramp=[1, 8], connections=4)["cassin"]}
    ratio, count = best_ratio(*series.values(), "requests_per_s")
    return Outcome([plot(series, "requests_per_s", "Web throughput beside guests that idle", "/s"),
                    plot(series, "cpu_guest", "CPU in guests", "cores")],
                   table(series, ("requests_per_s", "requests/s"), ("latency_p99_us", "99 %, us"), ("cpu_guest", "cores in guests")),
                   [f"Idling with a timeout gives up to {cell(ratio)} times the throughput, beside {guests(count)}.",
                    *stops(series)])


SWITCH_PAGES = 256


def switch(lab):
    few, many, rounds = (2, 20, 1) if lab.quick else (2, 1000, 5)
    best = lab.program("bench-switch", few, many, rounds)
    worst = lab.program("bench-switch", few, many, rounds, SWITCH_PAGES)
    touch = worst["touch_ns"][0]
    rows = [["guests in turn", "best: nothing is touched, us", f"worst: {SWITCH_PAGES} pages are written to, us",
             "of that the writing alone, us"]]
    costs = {"best": [], "worst": []}
    for count, key in ((few, "few_ns"), (many, "many_ns")):
        a, b = (statistics.median(got[key]) / 1000 for got in (best, worst))
        costs["best"].append((count, a, min(best[key]) / 1000, max(best[key]) / 1000))
        costs["worst"].append((count, b, min(worst[key]) / 1000, max(worst[key]) / 1000))
        rows.append([figure(count), cell(a), cell(b), cell(touch / 1000)])
    ratio = over(costs["worst"][-1][1], costs["best"][0][1])
    return Outcome([("Cost of a switch", lines(list(costs.items()), "us", MANY_GUESTS))], rows,
                   [f"The worst case costs {cell(ratio)} times the best."])


def operations(lab):
    count, rounds = (10, 1) if lab.quick else (1000, 5)
    calls = {name: statistics.median(values) / 1000 for name, values in lab.program("bench-calls", rounds, count).items()
             if name.endswith("_ns")}
    stream, tcp = lab.run("stream", "echo_per_s"), lab.run("tcp", "requests_per_s", connections=2)
    rows = [["operation", "guest, us", "process, us"],
            ["null hypercall", cell(calls["null_ns"]), "-"],
            ["bare exit and back, without the hypervisor", cell(calls["raw_ns"]), "-"],
            ["one operation in one enter", cell(calls["enter1_ns"]), "-"],
            ["one operation of 64 in one enter", cell(calls["enter64_ns"] / 64), "-"],
            ["32 bytes there and back over TCP, median", *(cell(stream[s].last("echo_p50_us")) for s in ("cassin", "process"))],
            ["CPU of the server for that", *(cell(cpu(stream[s], "echo_per_s")) for s in ("cassin", "process"))],
            ["CPU of the server for 100 KB over TCP", *(cell(cpu(tcp[s], "requests_per_s")) for s in ("cassin", "process"))]]
    rates = {name: tcp[name].last("requests_per_s") * 102400 * 8 / 1e6 for name in ("cassin", "process")}
    rows.append(["Mb/s over TCP", *(cell(rates[name]) for name in ("cassin", "process"))])
    return Outcome([], rows, [f"Over TCP, a guest sends {cell(over(rates['cassin'], rates['process']))} times as many bytes a second "
                              "as the process."])


def cpu(ramp, rate):
    """Microseconds of CPU that the system took for each answer."""
    parts = [ramp.last(name) for name in ("cpu_guest", "cpu_hypervisor", "cpu_processes")]
    used = sum(part for part in parts if part is not None)
    return over(used * 1e6, ramp.last(rate)) if any(part is not None for part in parts) else None


def interactive(lab):
    series = {"echo": lab.run("hogs-and-echo", "echo_p99_us", ramp=[1, 4])["cassin"]}
    ramp = series["echo"]
    return Outcome([("Latency of the interactive guest",
                     lines([("median", ramp.line("echo_p50_us")), ("99 %", ramp.line("echo_p99_us"))], "us",
                           "guests that compute"))],
                   table(series, ("echo_p50_us", "median, us"), ("echo_p99_us", "99 %, us"), ("echo_p99_slices", "99 %, slices"),
                         ("fairness_error", "error of shares")),
                   [f"With {guests(ramp.most())} that compute, 99 % of the answers come within "
                    f"{cell(ramp.last('echo_p99_slices'))} slices.", *stops(series)])


def cliff(lab):
    quick = {"ramp": [5, 20, 80], "pool": "2M", "rate": 20, "connections": 4}
    series = {words: lab.run(name, "requests_per_s", **quick)["cassin"]
              for words, name in (("not parked", "cliff"), ("parked", "cliff-parked"), ("swapped", "cliff-swapped"))}
    found = stops(series)
    swapped = series["swapped"]
    own = swapped.last("memory_hypervisor_kib")
    if own is not None:
        found.append(f"With {guests(swapped.most())} and a swap file, the hypervisor's own memory is "
                     f"{figure(own * 1024)} bytes for each guest.")
    return Outcome([plot(series, "requests_per_s", "Requests answered, of those asked", "/s"),
                    plot(series, "latency_p99_us", "Latency, 99 %", "us"),
                    plot(series, "memory_pages_kib", "Pages in use for each guest", "KiB"),
                    plot(series, "memory_hypervisor_kib", "Hypervisor's own memory for each guest", "KiB")],
                   table(series, ("requests_per_s", "requests/s"), ("latency_p99_us", "99 %, us"), ("errors", "errors")), found)


PARTS = [
    Part("web", "Throughput against the number of guests",
         "Web servers, one in each guest, asked by 64 connections at a time: each request is a new TCP connection to a guest "
         "drawn evenly. Once for a small page, and once for a document of 100 KB that each guest keeps in its own memory.",
         "More than 10,000 VMs on one host. The throughput falls off a memory cliff near 1,000 VMs, where memory is full and "
         "the disk takes over.",
         "Memory is not filled up in this part: it ends before the host is short of it. The clients are on the same host and take "
         "their share of its CPUs; the paper's were on other machines. The requests are spread evenly, so that every guest is "
         "busy now and then.", web),
    Part("batching", "Events in batches against events one at a time",
         "256 connections, spread over guests that echo. Batched: a guest takes all events that have come with one hypercall. "
         "Immediate: it takes one event with each hypercall.",
         "Up to 30 % more throughput from batched delivery, up to 800 VMs.",
         "A guest of Cassin asks for its events; nothing interrupts it. What is compared is one exit for each event with one "
         "exit for all that have come. Where there are more guests than connections, few events meet and the two are the same. "
         "The measure is messages a second over kept connections, not web requests.", events),
    Part("idle", "Idling with a timeout against idling without one",
         "10 web servers under load, beside guests that wake up every 10 ms for next to nothing. They idle with a deadline; "
         "or, as if there were none, look at the clock and yield until it is time.",
         "More than twice the throughput from idling with a timeout.",
         "The guests that idle are others than those that serve, so that all of the difference is the CPU time which the "
         "idling ones take.", idle),
    Part("switch", "Context switch, best and worst case",
         "Guests yield to each other in turn on one worker. Best: they touch nothing. Worst: each writes to "
         f"{SWITCH_PAGES} pages in its turn, and has lost its cache lines and translations when it has the next.",
         "1.4 us in the best case; in the worst 3.9 us with one VM and 9 us with more.",
         "The least number here is two guests: one alone does not switch. CPU time is counted, of the whole process. Each switch "
         "is an exit to user space and back, and where KVM itself is a guest, exits cost many times what they do on bare "
         "hardware: the ratio tells more than the times.", switch),
    Part("operations", "Cost of operations",
         "Hypercalls and operations of the rings, in a loop in a guest; then real sockets: 32 bytes to a guest and back, and "
         "documents of 100 KB over TCP, from one guest, and from the same program as a process.",
         "TCP at 569 Mb/s in Denali, 607 Mb/s in BSD.",
         "A guest of Cassin has no network stack and sends no packets: it names bytes, and the host's TCP sends them. The client "
         "is on the same host, so that no network card bounds the rate.", operations),
    Part("interactive", "Latency of an interactive guest beside others",
         "One guest echoes what it is sent 50 times a second, while more and more others compute without a pause.",
         "It has no figure to stand beside this one: its interactive service was a game server with a load of its own, which "
         "is not rebuilt here.",
         "Nothing else than the CPU is wanted by the others. The unit of the scheduler is a slice of 1 ms.", interactive),
    Part("cliff", "The memory cliff, with and without parking",
         "Web servers that may have 32 MiB together, enough for some 1,000 of them, asked for 200 pages a second in "
         "all. Not parked; parked "
         "after a second of waiting, which compresses their memory out of the pool; parked and moved to a file.",
         "The throughput falls off a cliff near 1,000 VMs. A VM that is swapped out costs 8,472 bytes of kernel metadata.",
         "Denali pages any VM in and out. Cassin has no paging: without parking, memory that is full is a wall: further "
         "guests are refused, those that run go on, and one that needs a page more ends. With parking the number of "
         "guests is bounded by those that are awake at "
         "once, and a request to a parked guest waits until it is unparked. Parked memory lies outside the pool, "
         "compressed, or in the file.", cliff),
]
