# SPDX-License-Identifier: MIT
"""Denali's evaluation: every part can be measured, and the report tells what was and what was not."""

import os
import re
import signal
import subprocess
import sys
from xml.etree import ElementTree

from cassin_test import ROOT, contains, equal, holds, wait_until

SCRIPT = os.path.join(ROOT, "tests", "denali", "denali.py")
PARTS = ["web", "batching", "idle", "switch", "operations", "interactive", "cliff"]


def denali(t, *options, build=None, code=0, seconds=900):
    return t.run([sys.executable, SCRIPT, build or t.build, "--quick", "--out", "out", *options], code=code, seconds=seconds)


def report(t):
    with open(t.path("out/report.html"), encoding="utf-8") as file:
        return file.read()


# seconds: 180
def test_every_part_is_measured_and_told_beside_the_papers_figures(t):
    contains(denali(t).out, "7 of 7 parts measured")
    page = report(t)
    equal(re.findall(r'<section class="part" id="(\w+)"', page), PARTS, "parts")
    contains(page, "<svg", "569 Mb/s", "8,472 bytes", "9 us with more", "Up to 30 %", "near 1,000 VMs", "A short run")
    equal(page.count("The paper:"), len(PARTS), "what the paper says")
    equal(page.count("What differs:"), len(PARTS), "what differs")
    holds("Not measured." not in page, "all are measured")
    equal(re.findall(r"(?:src|href)=|@import|url\(|<script", page), [], "references to elsewhere")
    contains(page, "not parked: no further than", "pool of 2 MiB is exhausted")
    pictures = sorted(os.listdir(t.path("out/plots")))
    equal(len(pictures), page.count("<svg"), "plots as pictures")
    for name in pictures:
        equal(ElementTree.parse(t.path(f"out/plots/{name}")).getroot().tag, "{http://www.w3.org/2000/svg}svg", name)


def test_a_part_that_cannot_be_measured_is_told(t):
    result = denali(t, "--only", "switch,cliff", build=t.folder, code=1)
    contains(result.out, "0 of 2 parts measured", "not measured")
    page = report(t)
    equal(page.count("Not measured."), 2, "parts that say so")
    contains(page, "this report is partial", "no scenario cliff")


def test_ctrl_c_leaves_a_report_that_says_it_is_partial(t):
    process = t.start([sys.executable, SCRIPT, t.build, "--quick", "--out", "out", "--only", "cliff,idle"],
                      stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    wait_until(lambda: os.path.exists(t.path("out/idle-timeout/results.json")), "the first scenario is under way", 60)
    process.send_signal(signal.SIGTERM)
    out, _ = process.communicate(timeout=60)
    equal(process.returncode, 130, "exit code")
    contains(out.decode(), "0 of 2 parts measured")
    contains(report(t), "2 of the parts were not measured", "It was not reached.")


def test_parts_that_do_not_exist_are_refused(t):
    contains(denali(t, "--only", "web,nonsense", code=2).err, "nonsense")
