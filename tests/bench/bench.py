#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Measures speed and size of what lies in BUILD and prints a table.

Each figure is a size, or a ratio to something measured beside it in the same run. Exit status: 0 when all figures
could be measured, 1 when one could not (with --strict also when one misses its limit).
"""

import argparse
import glob
import json
import os
import platform
import subprocess
import sys
import time

import figures
import programs
import scale
import services

# key: what, unit, sense of the limit, limit
KEYS = {
    "spawn_vs_process": ("spawn and exit of hello, over a process's", "", "<=", 0.5),
    "image_hostile_vs_plain": ("loading an image of 65,000 note headers, over reading it", "", "<=", 3),
    "hello_kib": ("host memory of an idle minimal guest", "KiB", "<=", 48),
    "http_kib": ("host memory of an idle http guest", "KiB", "<=", 128),
    "hypercall_vs_raw": ("null hypercall, over a bare KVM exit", "", "<=", 1.15),
    "switch_vs_hypercall": ("switch among 1,000 guests, over a null hypercall", "", "<=", 1.9),
    "batch64_per_op": ("one of 64 operations, over a single one", "", "<=", 0.06),
    "user_roundtrip_exits": ("exits for a system call of user code", "", "<=", 2),
    "map_batch_per_page": ("one of 512 pages mapped at once, over a single one", "", "<=", 0.05),
    "capped_share": ("of a CPU for a guest capped at 1 %, whatever it asks for", "", "<=", 0.03),
    "neighbour_gap_slices": ("latest tick beside such a guest without a cap", "slices", "<=", 4),
    "park_us_per_page": ("parking a page of a guest of 512 MiB, over one of 4 MiB", "", "<=", 1.3),
    "park_gap_slices": ("latest tick beside that parking", "slices", "<=", 4),
    "neighbour_speed": ("speed beside one that protects pages, over one that spins", "", ">=", 0.8),
    "compute_vs_native": ("computing speed in a guest, over a process's", "", ">=", 0.97),
    "lua_vs_native": ("speed of Lua in a guest, over a process's", "", ">=", 0.9),
    "sqlite_vs_native": ("speed of SQLite in a guest, over a process's", "", ">=", 0.9),
    "thread_switch_ns_vs_native": ("switch of threads in a guest, over a process's contexts", "", "<=", 1.2),
    "exits_per_request": ("exits for an HTTP request", "", "<=", 1.1),
    "http_flatness": ("requests/s over 1,000 guests, over 10 guests", "", ">=", 0.75),
    "idle_cpu": ("CPU share used by 1,000 idle guests", "", "<=", 0.01),
    "clone_us_vs_process": ("clone's spawn to its first answer, over a process's", "", "<=", 0.35),
    "clone_kib": ("host memory of an idle clone of http, of 10,000", "KiB", "<=", 64),
    "http_lua_kib": ("host memory of an idle clone of the Lua service", "KiB", "<=", 512),
    "parked_kib": ("host memory of a parked clone of http, of 10,000", "KiB", "<=", 24),
    "swapped_kib": ("memory in core of a clone in the swap file", "KiB", "<=", 4),
    "wake_us_vs_process": ("parked clone's request to answer, over a process's", "", "<=", 0.3),
    "fairness": ("error of CPU shares, 32 hogs, two workers", "", "<=", 0.05),
    "echo_under_hogs_slices": ("p99 of an echo beside 32 hogs, in slices", "", "<=", 2),
    "spawn_rate": ("clones per second, over processes", "", ">=", 4),
    "switch_10k": ("switch among 10,000 guests, over 100 guests", "", "<=", 1.25),
    "flat_10k": ("requests/s over 10,000 guests, over 100 guests", "", ">=", 0.8),
    "live_http": ("http clones up at once, each asked by name", "", ">=", 10000),
}

# Large: with --full only.
FULL_KEYS = {
    "live_http_100k": ("http clones up at once, each asked by name", "", ">=", 100000),
    "idle_cpu_100k": ("CPU share used by 100,000 idle guests", "", "<=", 0.02),
    "churn_left": ("frames, descriptors left by 200,000 guests", "", "<=", 0),
}

# With --backend process, in place of those above. A prefix and a measure's key, which is the same function over another backend.
PROCESS_KEYS = {
    # The loop beside it reads and writes the registers at each stop, parent and child on one CPU: a tracer cannot have them
    # in any other way, and a hypercall is made of them.
    "p_hypercall_vs_raw": ("null hypercall, over a bare ptrace stop and resume", "", "<=", 1.15),
    "p_switch_1k_vs_hypercall": ("switch among 1,000 guests, over a null hypercall", "", "<=", 1.5),
    "p_spawn_vs_process": ("spawn and exit of hello, over a process's", "", "<=", 0.5),
    "p_clone_us_vs_process": ("clone's spawn to its first answer, over a process's", "", "<=", 0.5),
    "p_kib_over_kvm": ("idle http guest's memory beyond its pages and tables", "KiB", "<=", 110),
    "p_parked_kib": ("host memory of a parked clone of http, of 1,000", "KiB", "<=", 8),
    "p_http_vs_native": ("requests/s of http, 20 connections, over a process's", "", ">=", 0.4),
    "p_compute_vs_native": ("computing speed in a guest, over a process's", "", ">=", 0.97),
    "p_sqlite_vs_native": ("speed of SQLite in a guest, over a process's", "", ">=", 0.9),
}
ALL_KEYS = {**KEYS, **FULL_KEYS, **PROCESS_KEYS}

# What is measured together.
GROUPS = [
    (figures.spawn, ["spawn_vs_process"]),
    (figures.image, ["image_hostile_vs_plain"]),
    (figures.calls, ["hypercall_vs_raw", "switch_vs_hypercall", "batch64_per_op"]),
    (figures.paging, ["user_roundtrip_exits", "map_batch_per_page"]),
    (figures.park, ["park_us_per_page", "park_gap_slices"]),
    (figures.neighbour, ["neighbour_speed"]),
    (figures.storms, ["capped_share", "neighbour_gap_slices"]),
    (figures.compute, ["compute_vs_native"]),
    (programs.lua, ["lua_vs_native"]),
    (programs.sqlite, ["sqlite_vs_native"]),
    (figures.threads, ["thread_switch_ns_vs_native"]),
    (services.idle_minimal, ["hello_kib"]),
    (services.idle_http, ["http_kib", "idle_cpu"]),
    (services.exits, ["exits_per_request"]),
    (services.flatness, ["http_flatness"]),
    (scale.clone, ["clone_us_vs_process", "wake_us_vs_process"]),
    (scale.clone_memory, ["clone_kib", "live_http"]),
    (scale.lua_memory, ["http_lua_kib"]),
    (scale.parked_memory, ["parked_kib"]),
    (scale.swapped_memory, ["swapped_kib"]),
    (scale.hogs, ["fairness", "echo_under_hogs_slices"]),
    (scale.spawn_rate, ["spawn_rate"]),
    (scale.switches, ["switch_10k"]),
    (scale.flat, ["flat_10k"]),
    (scale.full_house, ["live_http_100k", "idle_cpu_100k"]),
    (scale.churn, ["churn_left"]),
]

# The same of PROCESS_KEYS: what is measured, and what the function calls it.
PROCESS_GROUPS = [
    (figures.calls, {"p_hypercall_vs_raw": "hypercall_vs_raw", "p_switch_1k_vs_hypercall": "switch_vs_hypercall"}),
    (figures.spawn, {"p_spawn_vs_process": "spawn_vs_process"}),
    (scale.clone, {"p_clone_us_vs_process": "clone_us_vs_process"}),
    (services.idle_http_beyond_pages, {"p_kib_over_kvm": "http_kib_over_pages"}),
    (scale.parked_memory_few, {"p_parked_kib": "parked_kib"}),
    (services.http_vs_native, {"p_http_vs_native": "http_vs_native"}),
    (figures.compute, {"p_compute_vs_native": "compute_vs_native"}),
    (programs.sqlite, {"p_sqlite_vs_native": "sqlite_vs_native"}),
]


def groups_of(backend):
    return PROCESS_GROUPS if backend == "process" else [(function, {key: key for key in keys}) for function, keys in GROUPS]


class Progress:
    def __init__(self):
        self.terminal = sys.stderr.isatty()

    def __call__(self, text):
        if self.terminal:
            print(f"\r\033[K{text} ...", end="", file=sys.stderr, flush=True)
        else:
            print(f"bench: {text}", file=sys.stderr, flush=True)

    def end(self):
        if self.terminal:
            print("\r\033[K", end="", file=sys.stderr, flush=True)


def host():
    cpu = "unknown"
    with open("/proc/cpuinfo") as file:
        for line in file:
            if line.startswith("model name"):
                cpu = line.split(":", 1)[1].strip()
                break
    modules = sorted(os.path.basename(path) for path in glob.glob("/sys/module/kvm_*"))
    return {"kernel": platform.release(), "kvm": modules, "cpu": cpu, "cpus": os.cpu_count(),
            "memory_kib": services.meminfo()["MemTotal"], "load": os.getloadavg()[0],
            "time": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())}


def resolve(backend):
    """What auto comes to here; the programs learn it by the environment."""
    if backend == "auto":
        backend = "kvm" if os.access("/dev/kvm", os.R_OK | os.W_OK) else "process"
    os.environ["CASSIN_BACKEND"] = backend
    return backend


def parse_args():
    parser = argparse.ArgumentParser(description="Measures speed and size and prints a table.")
    parser.add_argument("build", metavar="BUILD", help="the build directory")
    parser.add_argument("--json", metavar="FILE", help="write the figures, with details, to FILE")
    parser.add_argument("--only", metavar="KEY,...", help="measure these only: " + ", ".join(ALL_KEYS))
    parser.add_argument("--quick", action="store_true", help="fewer rounds")
    parser.add_argument("--full", action="store_true", help="also with 100,000 guests (8 GiB of memory), and 200,000 that come and go")
    parser.add_argument("--strict", action="store_true", help="exit status 1 when a limit is missed")
    parser.add_argument("--backend", choices=["auto", "kvm", "process"], default=os.environ.get("CASSIN_BACKEND") or "auto",
                        help="what runs guests: process has figures of its own (default: CASSIN_BACKEND, or auto)")
    args = parser.parse_args()
    args.backend = resolve(args.backend)
    keys = PROCESS_KEYS if args.backend == "process" else {**KEYS, **FULL_KEYS}
    args.keys = args.only.split(",") if args.only else [key for key in keys if args.full or key not in FULL_KEYS]
    for key in args.keys:
        if key not in keys:
            parser.error(f"--only: no such figure of backend {args.backend}: {key}")
    return args


def complete(key, figure):
    what, unit, sense, limit = ALL_KEYS[key]
    value = figure["value"]
    met = value <= limit if sense == "<=" else value >= limit
    return {"what": what, "unit": unit, "sense": sense, "limit": limit, "met": met, **figure, "value": round(value, 5)}


def measure(args, progress):
    context = figures.Context(os.path.abspath(args.build), args.quick, progress)
    found, errors = {}, {}
    for function, keys in groups_of(args.backend):
        wanted = [key for key in keys if key in args.keys]
        if not wanted:
            continue
        try:
            got = function(context)
            found.update({key: complete(key, got[keys[key]]) for key in wanted})
        except (OSError, RuntimeError, ValueError, KeyError, subprocess.SubprocessError) as error:
            errors.update({key: f"{type(error).__name__}: {error}" for key in wanted})
    progress.end()
    return {key: found[key] for key in ALL_KEYS if key in found}, errors


def table(found, errors, backend):
    print(f"backend: {backend}")
    print(f"{'key':<26} {'what':<51} {'figure':>10}  {'must be':<8} {'met':<4} spread")
    for key, (what, unit, sense, limit) in ALL_KEYS.items():
        if key in found:
            figure = found[key]
            form = "d" if isinstance(figure["value"], int) else ".4g"
            value = f"{figure['value']:{form}}" + (f" {unit}" if unit else "")
            met = "yes" if figure["met"] else "NO"
            low_high = figure.get("spread")
            text = f"{low_high[0]:.4g} to {low_high[1]:.4g}" if low_high else ""
            note = figure.get("note", "")
            print(f"{key:<26} {what:<51} {value:>10}  {sense} {limit:<5} {met:<4} {text}{'; ' if note else ''}{note}")
        elif key in errors:
            print(f"{key:<26} {what:<51} {'-':>10}  {sense} {limit:<5} {'?':<4} not measured: {errors[key]}")


def main():
    args = parse_args()
    progress = Progress()
    about = host()
    print(f"{about['cpu']}, {about['cpus']} CPUs, Linux {about['kernel']}, "
          f"{'process cells' if args.backend == 'process' else ' '.join(about['kvm'])}, "
          f"load {about['load']:.1f}")
    found, errors = measure(args, progress)
    table(found, errors, args.backend)
    if args.json:
        with open(args.json, "w") as file:
            json.dump({"figures": found, "errors": errors, "host": about, "backend": args.backend}, file, indent=1)
            file.write("\n")
    missed = any(not figure["met"] for figure in found.values())
    return 1 if errors or (args.strict and missed) else 0


if __name__ == "__main__":
    sys.exit(main())
