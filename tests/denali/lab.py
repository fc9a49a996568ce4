# SPDX-License-Identifier: MIT
"""Runs one scenario of `cassin density` and hands its figures out."""

import json
import os
import signal
import subprocess
from dataclasses import dataclass, field

from daemon import free_ports

PATIENCE_S = 7200
END_S = 60
QUICK = {"runs": 1, "warmup_s": 0.3, "measure_s": 0.8}


class Broken(Exception):
    """A part could not be measured."""


@dataclass
class Ramp:
    """What one system did in one scenario: (guests, {metric: {"median", "min", "max"}}) for each step."""
    steps: list
    stopped: str  # why it went no further; "": it went to the end
    settings: dict = field(default_factory=dict)  # the host's

    def line(self, metric):
        """(guests, median, least, most) where the metric was measured."""
        return [(guests, m[metric]["median"], m[metric]["min"], m[metric]["max"]) for guests, m in self.steps if metric in m]

    def at(self, guests, metric):
        return next((m[metric]["median"] for n, m in self.steps if n == guests and metric in m), None)

    def last(self, metric):
        line = self.line(metric)
        return line[-1][1] if line else None

    def most(self):
        """The largest number of guests that was measured."""
        return self.steps[-1][0]


def ports_needed(scenario):
    return max(scenario["ramp"]) if any("host_port" in group for group in scenario["groups"]) else 0


def reason(runs):
    """Why the system stopped before the end of its ramp, from the runs that did."""
    short = [run["why"] for run in runs if run["ended"] == "memory"]
    return short[0] if short else ""


def first_error(runs):
    errors = [step["metrics"]["first_error"] for run in runs for step in run["steps"] if "first_error" in step["metrics"]]
    return errors[0] if errors else "no request was answered"


def run_lab(command):
    """Runs it on this terminal and returns its exit code; an interrupt is the lab's first, so that it ends as it should."""
    process = subprocess.Popen(command)
    try:
        return process.wait(PATIENCE_S)
    except (KeyboardInterrupt, subprocess.TimeoutExpired):
        process.send_signal(signal.SIGINT)
        process.wait(END_S)
        raise


class Lab:
    def __init__(self, build, out, quick):
        self.build, self.out, self.quick = build, out, quick
        self.settings = {}

    def scenario(self, name, changes):
        """The shipped scenario, `changes` in its place when this is a short run. Returns the file to run."""
        density = os.path.join(self.build, "tools", "density")
        paths = [os.path.join(density, folder, f"{name}.json") for folder in ("denali", "scenarios")]
        path = next((path for path in paths if os.path.exists(path)), None)
        if not path:
            raise Broken(f"the build has no scenario {name}")
        with open(path, encoding="utf-8") as file:
            scenario = json.load(file)
        if self.quick:
            scenario.update(QUICK)
            scenario.update({key: value for key, value in changes.items() if key not in ("connections", "rate")})
            for load in scenario.get("loads", []):
                load.update({key: changes[key] for key in ("connections", "rate") if key in changes})
        count = ports_needed(scenario)
        base = free_ports(count) if count else 0
        for group in scenario["groups"]:
            if "host_port" in group:
                group["host_port"] = base
        own = os.path.join(self.out, f"{name}.json")
        with open(own, "w", encoding="utf-8") as file:
            json.dump(scenario, file, indent=1)
            file.write("\n")
        return own

    def run(self, name, needs, **quick):
        """Runs it and returns a Ramp for each system, by name. `needs`: the figure without which it is not measured;
        `quick`: what a short run changes in the scenario."""
        folder = os.path.join(self.out, name)
        command = [os.path.join(self.build, "tools", "cassin"), "density", "--out", folder, self.scenario(name, quick)]
        code = run_lab(command)
        if code:
            raise Broken(f"scenario {name}: cassin density ended with {code}; its report is in {folder}")
        with open(os.path.join(folder, "results.json"), encoding="utf-8") as file:
            results = json.load(file)
        self.settings = results["host"]
        ramps = {}
        for system in results["systems"]:
            steps = [(step["guests"], step["metrics"]) for step in system["summary"]]
            ramps[system["name"]] = Ramp(steps, reason(system["runs"]))
            if not any(median for _, median, _, _ in ramps[system["name"]].line(needs)):
                raise Broken(f"scenario {name}: {needs} of {system['name']} was not measured: {first_error(system['runs'])}")
        return ramps

    def program(self, name, *args):
        """Runs a measuring program of tests/bench and returns what it prints."""
        bench = os.path.join(self.build, "tests", "bench")
        command = [os.path.join(bench, name), os.path.join(bench, "bench-calls.elf"), *map(str, args)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE_S, check=False)
        if done.returncode:
            raise Broken(f"{name}: {done.stderr.strip() or f'exit status {done.returncode}'}")
        return json.loads(done.stdout)
