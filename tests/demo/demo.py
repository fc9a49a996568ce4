#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The demonstration: demo.py BUILD [--guests N] [--report FILE]. ./x demo calls this.

Starts a daemon of its own, spawns 500 HTTP guests, asks every one of them, crashes one while the others go on,
measures, prints a table and writes a report. Exits 0 only if every check held; leaves nothing running.
"""

import argparse
import os
import platform
import shutil
import signal
import subprocess
import sys
import tempfile
import time

import measure
import report
from world import Broken, World

CRASHES_MOST = 9  # the wait grows no further then
BOLD, GREEN, RED, PLAIN = "\033[1m", "\033[32m", "\033[31m", "\033[0m"


class Checks:
    """What must hold, said as it is found out."""

    def __init__(self):
        self.all = []
        self.colour = sys.stdout.isatty() and "NO_COLOR" not in os.environ

    def say(self, text):
        print(text, flush=True)

    def step(self, text):
        print(f"\n{BOLD if self.colour else ''}{text}{PLAIN if self.colour else ''}", flush=True)

    def check(self, holds, text):
        self.all.append((bool(holds), text))
        word = "ok" if holds else "FAILED"
        if self.colour:
            word = f"{GREEN if holds else RED}{word}{PLAIN}"
        print(f"  {word}  {text}", flush=True)
        return holds

    def held(self):
        return bool(self.all) and all(holds for holds, _ in self.all)


def spawn(world, checks, facts):
    count = facts["guests"]
    checks.step(f"Spawning {count} HTTP guests, each with a port of its own")
    before = measure.memory(world.daemon.pid)
    before["threads"] = measure.threads(world.daemon.pid)
    began = time.monotonic()
    summary = world.spawn_many(count)
    facts["spawn_s"] = time.monotonic() - began
    checks.check(summary["running"] == count, f"{summary['running']} of {count} guests run on ports {world.base} to "
                 f"{world.base + count - 1}, {facts['spawn_s']:.2f} s after the command was typed")
    starts = sorted(guest["started_ns"] for guest in world.guests())
    facts["spawn_us"] = [(b - a) / 1000 for a, b in zip(starts, starts[1:])]
    facts["spawn_each_us"] = summary["spawn_ns"] / count / 1000
    return before


def ask_all(world, checks, facts):
    count = facts["guests"]
    checks.step("Asking every one of them for /status, with curl over TCP")
    answers = world.sweep(range(count), "first")
    right = [i for i, answer in answers.items() if answer.name == f"web-{i}"]
    wrong = sorted(set(range(count)) - set(right))[:5]
    checks.check(len(right) == count, f"{len(right)} of {count} guests answered and named themselves"
                 + (f"; not so: {', '.join(f'web-{i}' for i in wrong)}" if wrong else ""))
    facts["first_ms"] = [answer.seconds * 1000 for answer in answers.values()]
    facts["sweep_rate"] = count / world.sweep_seconds


def weigh(world, checks, facts, before):
    count = facts["guests"]
    after = measure.settled_memory(world.daemon.pid)
    used = [guest["used_bytes"] / 1024 for guest in world.guests()]
    facts["kib"] = {
        "MemAvailable, all in": (before["available"] - after["available"]) / count,
        "PSS of the hypervisor": (after["pss"] - before["pss"]) / count,
        "pages and tables of a guest": sum(used) / len(used),
    }
    checks.check(facts["kib"]["PSS of the hypervisor"] < 1024 and sum(used) > 0,
                 "memory was measured: " + ", ".join(f"{v:.0f} KiB ({k})" for k, v in facts["kib"].items()))
    threads = measure.threads(world.daemon.pid)
    cells = world.stats()["cells"]
    children = measure.children(world.daemon.pid)
    if facts["backend"] == "kvm":
        holds, what = not children, f"one process, {threads} threads, {cells} virtual machine{'s' if cells != 1 else ''} of KVM"
    else:
        holds = measure.are_guests(children)
        what = f"one hypervisor, {threads} threads; guests run in {len(children)} traced processes, without KVM"
    # The pool that serves API requests starts with the first of them; KVM has a task of its own for each machine.
    checks.check(threads <= before["threads"] + 24 and holds, what)


def crash_one(world, checks, facts):
    count = facts["guests"]
    victim = count // 2
    others = [i for i in range(count) if i != victim]
    checks.step(f"Crashing web-{victim} on purpose, again and again, while the other {len(others)} serve")
    watch = measure.Watch(world, victim, others)
    watch.start()
    time.sleep(0.6)
    answers, while_down, crashes = {}, False, 0
    try:
        while crashes < CRASHES_MOST and not while_down:
            world.await_running(f"web-{victim}")
            watch.mark(f"crash {crashes + 1}")
            refused = world.crash(victim)
            crashes += 1
            checks.say(f"  crash {crashes}: curl says: {refused or 'nothing'}")
            # Each restart in a row waits twice as long as the last: at some time long enough to ask all the others.
            answers = world.sweep(others, f"crash{crashes}")
            while_down = world.guest(f"web-{victim}")["state"] == "waiting"
        right = sum(answer.name == f"web-{i}" for i, answer in answers.items())
        checks.check(right == len(others) and while_down,
                     f"{right} of {len(others)} others answered while web-{victim} was down")
        guest = world.await_running(f"web-{victim}")
        status = world.status(victim)
        checks.check(guest["restarts"] == crashes and status["name"] == f"web-{victim}" and status["restarts"] == crashes,
                     f"web-{victim} is back after {crashes} crashes and names itself")
        time.sleep(0.5)
    finally:
        watch.stop()
    facts["report"] = world.guest(f"web-{victim}")["report"] or ""
    checks.check("page fault" in facts["report"], f"its crash report: {facts['report'].partition(chr(10))[0]}")
    hurt = [g["name"] for g in world.guests() if g["restarts"] and g["name"] != f"web-{victim}"]
    checks.check(not hurt, f"no other guest was restarted{': ' + ', '.join(hurt) if hurt else ''}")
    checks.check(watch.others_failed == 0 and watch.others,
                 f"{len(watch.others)} requests to the others meanwhile, one after the other: {watch.others_failed} failed")
    facts["watch"], facts["victim"] = watch, f"web-{victim}"


def load_http(world, checks, facts):
    checks.step("One guest under load, with wrk")
    before = world.guest("web-0")["counters"]
    single = world.wrk(0, connections=1)
    after = world.guest("web-0")["counters"]
    facts["exits_per_request"] = (after["exits"] - before["exits"]) / max(single["requests"], 1)
    many = world.wrk(0, connections=20)
    facts["rates"]["http, 1 connection"] = single["rate"]
    facts["rates"]["http, 20 connections"] = many["rate"]
    facts["rates"][f"http, {facts['guests']} guests, one curl for all"] = facts["sweep_rate"]
    checks.check(single["errors"] == 0 and many["errors"] == 0 and single["requests"] > 0,
                 f"{single['rate']:,.0f} requests/s on one connection, {many['rate']:,.0f} on 20, no errors; "
                 f"{facts['exits_per_request']:.2f} exits per request")


def load_kv(world, checks, facts):
    checks.step("A key-value guest, with redis-cli and redis-benchmark")
    port = world.spawn_kv()
    said = [world.redis(port, *words.split()) for words in ("PING", "SET greeting hello", "GET greeting")]
    checks.check(said == ["PONG", "OK", "hello"], f"redis-cli: PING, SET and GET say {', '.join(said)}")
    plain, piped = world.redis_benchmark(port), world.redis_benchmark(port, "-P", "16")
    for name in ("SET", "GET", "INCR"):
        facts["rates"][f"kv {name}"] = plain.get(name, 0)
        facts["rates"][f"kv {name}, 16 in a pipeline"] = piped.get(name, 0)
    checks.check(all(rates.get(name, 0) > 0 for rates in (plain, piped) for name in ("SET", "GET", "INCR")),
                 f"redis-benchmark: {plain.get('GET', 0):,.0f} GET/s, {piped.get('GET', 0):,.0f} with 16 in a pipeline")


def table(facts):
    """Rows of (what, figure) for people."""
    watch = facts["watch"]
    rows = [("guests", f"{facts['guests']}"),
            ("backend", facts["backend"]),
            ("spawn, per guest", f"{facts['spawn_each_us']:.0f} us"),
            ("spawn, typed to all ready", f"{facts['spawn_s']:.2f} s")]
    rows += [(f"host memory per guest: {name}", f"{kib:.1f} KiB") for name, kib in facts["kib"].items()]
    rows += [(f"requests/s: {name}", f"{rate:,.0f}") for name, rate in facts["rates"].items()]
    rows += [("exits per HTTP request", f"{facts['exits_per_request']:.2f}"),
             ("answers of the others during the crashes", f"{len(watch.others):,} ({watch.others_failed} failed)")]
    return rows


def print_table(rows):
    width = max(len(what) for what, _ in rows)
    print()
    for what, figure in rows:
        print(f"  {what:<{width}}  {figure:>14}")


def machine():
    name = platform.processor() or "x86-64"
    with open("/proc/cpuinfo", encoding="utf-8") as info:
        for line in info:
            if line.startswith("model name"):
                name = line.partition(":")[2].strip()
                break
    return f"{name}, {os.cpu_count()} CPUs, Linux {platform.release()}"


def clean_up(world, checks):
    checks.step("Cleaning up")
    ended, left = world.close()
    checks.check(ended == 0, f"the daemon ended with {ended} after SIGTERM")
    checks.check(not left, f"nothing is left{': ' + ', '.join(left) if left else ': no socket, no bound port'}")


def show(world, checks, facts):
    before = spawn(world, checks, facts)
    ask_all(world, checks, facts)
    weigh(world, checks, facts, before)
    crash_one(world, checks, facts)
    load_http(world, checks, facts)
    load_kv(world, checks, facts)


def interrupt(number, frame):
    raise KeyboardInterrupt


def main():
    signal.signal(signal.SIGTERM, interrupt)
    parser = argparse.ArgumentParser(description="Cassin's demonstration.")
    parser.add_argument("build", help="the build directory")
    parser.add_argument("--guests", type=int, default=500, metavar="N", help="how many HTTP guests, 10 to 2000 (500)")
    parser.add_argument("--report", metavar="FILE", help="the report (BUILD/demo/report.html)")
    options = parser.parse_args()
    if not 10 <= options.guests <= 2000:
        parser.error("--guests: must be from 10 to 2000")
    missing = [program for program in ("curl", "wrk", "redis-cli", "redis-benchmark") if not shutil.which(program)]
    if missing:
        sys.exit(f"demo: needs {', '.join(missing)}: ./x demo installs them")
    path = options.report or os.path.join(options.build, "demo", "report.html")
    checks, facts = Checks(), {"guests": options.guests, "rates": {}, "machine": machine(), "began": time.time()}
    folder = tempfile.mkdtemp(prefix="cassin-demo-")
    world, complete = None, False
    try:
        checks.step("Starting a daemon of its own")
        world = World(os.path.abspath(options.build), folder, options.guests)
        facts["backend"] = world.backend()
        checks.say(f"  cassind {world.version()}, process {world.daemon.pid}, backend {facts['backend']}")
        show(world, checks, facts)
        complete = True
    except (Broken, OSError, subprocess.SubprocessError, KeyError, ValueError) as why:
        checks.check(False, f"{type(why).__name__}: {why}")
        if world:
            print(world.log_tail())
    except KeyboardInterrupt:
        checks.check(False, "interrupted")
    finally:
        if world:
            clean_up(world, checks)
        shutil.rmtree(folder, ignore_errors=True)
    if complete:
        rows = table(facts)
        print_table(rows)
        report.write(path, facts, rows, checks.all)
        print(f"\n  the report: {path}")
    print(f"\n{'Every check held.' if checks.held() and complete else 'Some checks failed.'}")
    sys.exit(0 if checks.held() and complete else 1)


if __name__ == "__main__":
    main()
