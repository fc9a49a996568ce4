# SPDX-License-Identifier: MIT
"""The figures that the measuring programs give: each alternates what is measured with what it is compared with."""

import json
import os
import statistics
import subprocess
import tempfile

PATIENCE_S = 900
BLOCK = 50  # as in spawn.c


class Context:
    def __init__(self, build, quick, progress):
        self.build = build
        self.quick = quick
        self.progress = progress

    def path(self, *parts):
        return os.path.join(self.build, *parts)

    def bench(self, name):
        return self.path("tests", "bench", name)

    def run(self, name, *args):
        """Runs a measuring program and returns what it prints."""
        command = [self.bench(name)] + [str(arg) for arg in args]
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=PATIENCE_S)
        if done.returncode:
            why = done.stderr.decode("utf-8", "replace").strip() or f"{name}: exit status {done.returncode}"
            raise RuntimeError(why)
        return json.loads(done.stdout)


def spread(values):
    """Tenth and ninetieth percentile."""
    ordered = sorted(values)
    last = len(ordered) - 1
    return [round(ordered[round(last * share)], 4) for share in (0.1, 0.9)]


def ratio(over, under, **detail):
    """The median of ratios of neighbours, with their spread."""
    ratios = [a / b for a, b in zip(over, under)]
    return {"value": statistics.median(ratios), "spread": spread(ratios), "rounds": len(ratios), **detail}


def spawn(context):
    context.progress("spawning 1,000 guests and processes")
    got = context.run("bench-spawn", context.path("examples", "hello.elf"), context.bench("hello-process"),
                      200 if context.quick else 1000)
    medians = {name: statistics.median(values) for name, values in got.items()}
    of_block = {name: [statistics.median(values[i:i + BLOCK]) for i in range(0, len(values), BLOCK)]
                for name, values in got.items()}
    return {"spawn_vs_process": {
        "value": medians["guest_us"] / medians["process_us"], **medians, "rounds": len(got["guest_us"]),
        "spread": spread([a / b for a, b in zip(of_block["guest_us"], of_block["process_us"])]),
        "guest_us_spread": spread(got["guest_us"]), "process_us_spread": spread(got["process_us"])}}


def calls(context):
    context.progress("hypercalls, batches and switches between 1,000 guests")
    rounds = 3 if context.quick else 10
    got = context.run("bench-calls", context.bench("bench-calls.elf"), rounds, 1000)
    times = {name: statistics.median(values) for name, values in got.items() if name.endswith("_ns")}
    null = got["null_ns"]
    passes = len(null) // rounds
    null_of_round = [statistics.median(null[i * passes:(i + 1) * passes]) for i in range(rounds)]
    return {
        "hypercall_vs_raw": ratio(null, got["raw_ns"], raw_ns=times["raw_ns"], null_ns=times["null_ns"]),
        "switch_vs_hypercall": ratio(got["switch_ns"], null_of_round, switch_ns=times["switch_ns"],
                                     null_ns=times["null_ns"], calls_per_switch=got["calls_per_switch"]),
        "batch64_per_op": ratio([ns / 64 for ns in got["enter64_ns"]], got["enter1_ns"],
                                enter1_ns=times["enter1_ns"], enter64_ns=times["enter64_ns"]),
    }


def image(context):
    context.progress("loading an image of 65,000 note headers, and reading its file")
    with tempfile.TemporaryDirectory(prefix="cassin-bench-") as folder:
        got = context.run("bench-image", folder, 7 if context.quick else 25)
    times = {name: statistics.median(values) for name, values in got.items()}
    return {"image_hostile_vs_plain": ratio(got["load_ns"], got["read_ns"], **times)}


def paging(context):
    context.progress("system calls of user code, and mapping")
    got = context.run("bench-paging", context.bench("bench-paging.elf"), 3 if context.quick else 10)
    exits = [count / 1000 for count in got["exits_per_1000"]]
    times = {name: statistics.median(got[name]) for name in ("map1_ns", "map_many_ns")}
    return {
        "user_roundtrip_exits": {"value": statistics.median(exits), "spread": spread(exits), "rounds": len(exits)},
        "map_batch_per_page": ratio([ns / got["pages"] for ns in got["map_many_ns"]], got["map1_ns"], **times),
    }


def neighbour(context):
    context.progress("a guest that touches 8 MiB beside one that computes, and beside some that change page tables")
    got = context.run("bench-neighbour", context.bench("bench-neighbour.elf"), 2, 3 if context.quick else 15)
    speeds = {f"beside_{mode}": statistics.median(values) for mode, values in got.items()}
    spaces = statistics.median(a / b for a, b in zip(got["spaces"], got["spin"]))
    return {"neighbour_speed": ratio(got["protect"], got["spin"], **speeds, beside_spaces_over_spin=spaces)}


def storms(context):
    context.progress("guests that ask for as much work as they can: capped, and beside one that ticks")
    got = context.run("bench-storms", context.path("tests", "guests", "storm.elf"), context.bench("bench-ticker.elf"),
                      1 if context.quick else 5)
    medians = {name: statistics.median(values) for name, values in got.items()}

    def worst(of):
        return max((name for name in medians if name.startswith(of) and not name.endswith("_spin")), key=medians.get)

    return {
        key: {"value": medians[worst(of)], "spread": spread(got[worst(of)]), "rounds": len(got[worst(of)]), "note": worst(of),
              **{name: value for name, value in medians.items() if name.startswith(of)}}
        for key, of in (("capped_share", "share_"), ("neighbour_gap_slices", "gap_"))}


def park(context):
    context.progress("parking guests of 4 and of 512 MiB, beside one that ticks")
    got = context.run("bench-park", context.bench("bench-fill.elf"), context.bench("bench-ticker.elf"), 1 if context.quick else 5)
    times = {name: statistics.median(values) for name, values in got.items()}
    gap = {"value": times["gap"], "spread": spread(got["gap"]), "rounds": len(got["gap"])}
    return {"park_us_per_page": ratio(got["large_ns"], got["small_ns"], **times), "park_gap_slices": gap}


def compute(context):
    context.progress("computing in a guest and in a process")
    got = context.run("bench-compute", context.bench("bench-compute.elf"), 7 if context.quick else 25, 400)
    return {"compute_vs_native": ratio(got["process_ns"], got["guest_ns"],
                                       process_ns=statistics.median(got["process_ns"]),
                                       guest_ns=statistics.median(got["guest_ns"]))}


def threads(context):
    context.progress("switches between threads in a guest and between contexts in a process")
    got = context.run("bench-threads", context.bench("bench-threads.elf"), 7 if context.quick else 25, 400)
    return {"thread_switch_ns_vs_native": ratio(got["guest_ns"], got["swap_ns"],
                                                guest_ns=statistics.median(got["guest_ns"]),
                                                swap_ns=statistics.median(got["swap_ns"]),
                                                bare_ns=statistics.median(got["bare_ns"]), hypercalls=got["hypercalls"],
                                                note=f"{got['hypercalls']} hypercalls")}
