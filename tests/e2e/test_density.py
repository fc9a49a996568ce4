# SPDX-License-Identifier: MIT
"""cassin density: scenarios, reports, what it refuses and what it survives. Ramps are tiny: figures are not judged."""

import csv
import glob
import json
import os
import re
import shutil
import signal
import subprocess
import time

from cassin_test import Failed, contains, equal, holds, one_line, port_free, wait_until

SCENARIOS = ["churn", "hogs-and-echo", "http-zipf", "idle", "kv", "mixed", "timers-1hz"]
QUICK = ["--runs", 1, "--warmup", "0.1", "--measure", "0.4", "--no-baseline", "--reserve", "64M"]
SPEC = {"name": "mine", "ramp": [2, 5], "warmup_s": 0.1, "measure_s": 0.4, "runs": 1,
        "groups": [{"name": "web", "image": "http.elf", "memory": "1M", "share": 1, "port": 80}]}
LOAD = {"kind": "http", "group": "web", "connections": 4}


def density(t, *args, code=0, **how):
    return t.cassin("density", *args, code=code, **how)


def results(t, folder="out"):
    with open(t.path(f"{folder}/results.json"), encoding="utf-8") as file:
        return json.load(file)


def scenario(t, **changes):
    spec = {**SPEC, **changes}
    return t.write("mine.json", json.dumps({k: v for k, v in spec.items() if v is not None}))


def steps(report, system=0, run=0):
    return report["systems"][system]["runs"][run]["steps"]


def no_one_left():
    """No daemon and no load client of the test's own session is there any more."""
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{pid}/stat", encoding="utf-8") as file:
                comm, rest = file.read().split("(", 1)[1].rsplit(")", 1)
        except (FileNotFoundError, ProcessLookupError):
            continue
        if comm in ("cassind", "cassin-load") and int(rest.split()[3]) == os.getsid(0) and rest.split()[0] != "Z":
            return False
    return True


def run_shipped(t, name, *more):
    density(t, *QUICK, "--ramp", "3,6", "--out", "out", *more, name)
    report = results(t)
    equal((report["complete"], report["ended"]), (True, "complete"), "end")
    equal([s["guests"] for s in steps(report)], [3, 6], "steps")
    holds(no_one_left(), "daemon and client are gone")
    return steps(report)[-1]["metrics"]


def run_asked(t, name):
    """On a busy host no request may be answered in a short time: then in a longer one."""
    for seconds in (0.4, 3, 12):
        m = run_shipped(t, name, "--measure", seconds)
        if m["requests_per_s"] > 0:
            break
        shutil.rmtree(t.path("out"))
    return m


def test_every_shipped_scenario_is_listed(t):
    listed = [line.split()[0] for line in density(t, "--list").out.splitlines()]
    equal(listed, SCENARIOS, "names")


def test_idle_tells_memory_by_kind_and_spawn_latency(t):
    m = run_shipped(t, "idle")
    holds(m["memory_pages_kib"] > 0 and m["memory_tables_kib"] > 0 and m["memory_hypervisor_kib"] >= 0, f"kinds: {m}")
    holds(0 < m["spawn_p50_us"] <= m["spawn_p99_us"], "spawn latency")
    holds("exits_per_s" in m and "switches_per_s" in m and "cpu_hypervisor" in m, f"rates: {m}")


def test_http_zipf_asks_over_sockets_and_tells_percentiles(t):
    with open(os.path.join(t.build, "tools/density/scenarios/http-zipf.json"), encoding="utf-8") as file:
        shipped = json.load(file)
    shipped["groups"][0]["host_port"] = t.ports(10)
    m = run_asked(t, t.write("shipped.json", json.dumps(shipped)))
    holds(m["requests_per_s"] > 0 and m["errors"] == 0, f"requests: {m}")
    holds(0 < m["latency_p50_us"] <= m["latency_p99_us"] <= m["latency_max_us"], f"latencies: {m}")
    holds(m["exits_per_s"] > m["requests_per_s"] / 2, f"a request costs an exit: {m}")


def test_kv_asks_through_the_gateway(t):
    m = run_asked(t, "kv")
    holds(m["requests_per_s"] > 0 and m["errors"] == 0, f"requests: {m}")


def test_timers_tell_how_late_they_are(t):
    m = run_shipped(t, "timers-1hz", "--warmup", "1.6", "--measure", 1)
    holds(m["late_p50_us"] > 0 and m["errors"] == 0, f"lateness: {m}")


def test_hogs_and_echo_tells_fairness_and_latency_in_slices(t):
    m = run_shipped(t, "hogs-and-echo", "--measure", 1)
    holds(m["echo_p99_us"] > 0 and m["echo_p99_slices"] > 0 and m["errors"] == 0, f"echo: {m}")
    holds(m["fairness_error"] >= 0 and 0 < m["fairness_index"] <= 1.0001, f"fairness: {m}")


def test_churn_replaces_guests_and_leaves_nothing_behind(t):
    m = run_shipped(t, "churn", "--measure", 2)
    holds(m["churn_per_s"] > 0 and m["churn_p99_us"] >= m["churn_p50_us"], f"churn: {m}")
    holds(abs(m["churn_descriptors"]) < 10 and abs(m["churn_frames"]) < 100, f"left behind: {m}")


def test_mixed_runs_several_loads_at_once(t):
    density(t, *QUICK, "--ramp", "10,20", "--out", "out", "mixed")
    m = steps(results(t))[-1]["metrics"]
    holds(m["requests_per_s"] > 0 and m["errors"] == 0, f"requests: {m}")


def test_reports_are_whole_and_agree(t):
    density(t, *QUICK[2:], "--runs", 3, "--ramp", "2,4", "--out", "out", scenario(t, loads=[LOAD]))
    report = results(t)
    system = report["systems"][0]
    equal(len(system["runs"]), 3, "runs")
    for step in system["summary"]:
        equal(step["runs"], 3, "runs in the summary")
        for name, m in step["metrics"].items():
            holds(m["min"] <= m["median"] <= m["max"], f"{name}: {m}")
    with open(t.path("out/results.csv"), encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    for row in rows:
        of = next(s for s in steps(report, 0, int(row["run"]) - 1) if s["guests"] == int(row["guests"]))
        holds(abs(of["metrics"][row["metric"]] - float(row["value"])) <= abs(float(row["value"])) * 1e-6 + 1e-6, f"{row}")
    for key in ("kernel", "cpu", "kvm_module", "kvm_nx_huge_pages", "cgroup_favordynmods", "huge_pages", "mitigations"):
        holds(key in report["host"], f"host setting {key}")


def test_the_html_report_needs_no_other_file(t):
    density(t, *QUICK, "--ramp", "2,4", "--out", "out", scenario(t, title="Mine & <yours>"))
    with open(t.path("out/report.html"), encoding="utf-8") as file:
        page = file.read()
    contains(page, "Mine &amp; &lt;yours&gt;", "<svg", "In short", "nx_huge_pages", "favordynmods", "All figures")
    equal(re.findall(r"(?:src|href)=|@import|url\(|<script", page), [], "references to elsewhere")
    holds("nan" not in re.sub(r"[a-z]nan|nan[a-z]", "", page.lower()), "no figure is no number")


def refused(t, text, *parts):
    path = t.write("bad.json", text if isinstance(text, str) else json.dumps(text))
    one_line(density(t, *QUICK, "--out", "none", path, code=1).err, "bad.json", *parts)
    holds(not os.path.exists(t.path("none")), "no report is begun")


def test_bad_scenarios_are_refused_by_file_and_place(t):
    web = SPEC["groups"][0]
    refused(t, {**SPEC, "nonsense": 1}, "nonsense: unknown key")
    refused(t, {**SPEC, "groups": [{**web, "colour": 1}]}, "groups[0].colour: unknown key")
    refused(t, {**SPEC, "loads": [{**LOAD, "conections": 4}]}, "loads[0].conections: unknown key")
    refused(t, '{"name": "x",\n "ramp": [}', "bad.json:2")
    refused(t, '{"name": "x", "name": "y"}', "uplicate")
    refused(t, [], "must be an object")
    refused(t, {k: v for k, v in SPEC.items() if k != "name"}, "name: is missing")
    refused(t, {k: v for k, v in SPEC.items() if k != "groups"}, "groups: is missing")
    refused(t, {**SPEC, "groups": [{**web, "share": 0.5}]}, "shares add up to 0.5")
    refused(t, {**SPEC, "groups": [web, web]}, "groups[1].name")
    refused(t, {**SPEC, "groups": [{**web, "count": 3}]}, "one of")
    refused(t, {**SPEC, "loads": [{**LOAD, "group": "nobody"}]}, "loads[0].group", "nobody")
    refused(t, {**SPEC, "groups": [{k: v for k, v in web.items() if k != "port"}], "loads": [LOAD]}, "port")
    refused(t, {**SPEC, "loads": [{**LOAD, "kind": "smtp"}]}, "loads[0].kind", '"http"')
    refused(t, {**SPEC, "swap": "1G"}, "swap: needs", "park_s")


def test_impossible_numbers_are_refused(t):
    web = SPEC["groups"][0]
    for ramp in ([], [0], [-1], [5, 5], [10, 5], [1.5], ["9"], [10**9], [10**30], "10"):
        refused(t, {**SPEC, "ramp": ramp}, "ramp" if ramp != [10**30] else "")
    for key, value in (("runs", 0), ("runs", 10**6), ("warmup_s", -1), ("measure_s", 0), ("measure_s", "long"),
                       ("workers", 0), ("workers", 10**6), ("park_s", 0), ("park_s", 10**6)):
        refused(t, {**SPEC, key: value}, f"{key}: must be")
    for key, value in (("connections", 0), ("connections", 10**7), ("rate", -5), ("skew", 0), ("set_share", 2)):
        refused(t, {**SPEC, "loads": [{**LOAD, key: value}]}, f"loads[0].{key}: must be")
    for key, value in (("share", 0), ("share", 1.1), ("port", 0), ("port", 70000), ("host_port", 80), ("weights", [0])):
        refused(t, {**SPEC, "groups": [{**web, key: value}]}, f"groups[0].{key}: must be")
    refused(t, {**SPEC, "ramp": [60000], "groups": [{**web, "host_port": 20000}]}, "ports 20000 to 79999")


def test_bad_options_are_refused(t):
    for options in (["--ramp", "5,3"], ["--ramp", "x"], ["--ramp", "1,"], ["--runs", 0], ["--measure", "nan"],
                    ["--reserve", "lots"], ["--peer", "name"], ["--peer", "A B=x {port}"], ["--peer", "a=no-place"],
                    ["--peer", "cassin=x {port}"]):
        contains(density(t, *options, "idle", code=2).err, options[0], "cassin help density")
    one_line(density(t, "--out", "none", "nonsense", code=1).err, "nonsense", "--list")
    density(t, code=2)
    density(t, "idle", "kv", code=2)


def test_an_image_that_is_not_there_is_told(t):
    path = scenario(t, groups=[{**SPEC["groups"][0], "image": "nobody.elf"}])
    contains(density(t, *QUICK, "--out", "out", path, code=1).err, "nobody.elf", "--examples")
    equal(results(t)["systems"][0]["runs"][0]["ended"], "failed", "end")


def test_clones_weights_and_caps_reach_the_guests(t):
    groups = [{**SPEC["groups"][0], "clones": True},
              {"name": "hog", "image": "hog.elf", "count": 2, "weights": [100, 300], "cpu_max": "50000 100000",
               "fairness": True}]
    density(t, "--out", "out", scenario(t, groups=groups, loads=[LOAD], measure_s=1, workers=1))
    report = results(t)
    m = steps(report)[-1]["metrics"]
    holds(m["requests_per_s"] > 0 and m["errors"] == 0, f"clones answer: {m}")
    holds(m["fairness_error"] >= 0, f"fairness by weight: {m}")


def test_images_are_looked_for_in_the_given_folder_first(t):
    t.write("http.elf", "no guest at all")
    contains(density(t, "--examples", t.folder, "--out", "out", scenario(t), code=1).err, "http.elf")


def test_a_peer_is_measured_beside_cassin(t):
    server = t.write("server.py", """
import socket, sys
s = socket.create_server(("127.0.0.1", int(sys.argv[1])), backlog=64)
while True:
    c, _ = s.accept()
    c.recv(4096)
    c.sendall(b"HTTP/1.1 200 OK\\r\\nContent-Length: 2\\r\\n\\r\\nhi")
    c.close()
""")
    base = t.ports(10)
    path = scenario(t, groups=[{**SPEC["groups"][0], "host_port": base}], loads=[LOAD])
    density(t, "--peer", f"python=exec python3 {server} {{port}} {{i}}", "--out", "out", path)
    report = results(t)
    equal([s["name"] for s in report["systems"]], ["cassin", "python"], "systems")
    for i in (0, 1):
        equal([s["guests"] for s in steps(report, i)], [2, 5], "steps")
        holds(steps(report, i)[-1]["metrics"]["requests_per_s"] > 0, "requests")
    holds(steps(report, 1)[-1]["metrics"]["memory_processes_kib"] > 0, "memory of processes")
    for port in range(base, base + 5):
        holds(port_free(port), f"no process is left on port {port}")


def test_a_peer_that_fails_is_told_and_the_others_go_on(t):
    result = density(t, "--runs", 2, "--peer", "broken=exit 3 # {port}", "--peer", "absent=/nonexistent/vmm {port}",
                     "--out", "out", scenario(t), code=1)
    contains(result.err, "broken", "exited with 3", "absent", "exited with 127")
    report = results(t)
    equal([[r["ended"] for r in s["runs"]] for s in report["systems"]],
          [["complete", "complete"], ["failed"], ["failed"]], "ends")
    contains(report["systems"][1]["runs"][0]["why"], "exited with 3")
    equal(report["complete"], False, "complete")


def test_the_baseline_is_the_same_service_as_processes(t):
    if not os.path.exists(os.path.join(t.build, "tests/native/http")):
        raise Failed("the build made no tests/native/http")
    base = t.ports(10)
    path = scenario(t, groups=[{**SPEC["groups"][0], "host_port": base}], loads=[LOAD], baseline="http --port {port}")
    density(t, "--out", "out", path)
    report = results(t)
    equal([s["name"] for s in report["systems"]], ["cassin", "process"], "systems")
    m = steps(report, 1)[-1]["metrics"]
    holds(m["requests_per_s"] > 0 and m["errors"] == 0, f"requests: {m}")


def children(process):
    path = f"/proc/{process.pid}/task/{process.pid}/children"
    with open(path, encoding="utf-8") as file:
        return [int(pid) for pid in file.read().split()]


def named(pids, name):
    found = []
    for pid in pids:
        try:
            with open(f"/proc/{pid}/comm", encoding="utf-8") as file:
                found += [pid] if file.read().strip() == name else []
        except FileNotFoundError:
            pass
    return found


def start_long(t, **changes):
    path = scenario(t, warmup_s=1, measure_s=30, loads=[LOAD], **changes)
    return t.start([t.tool("cassin"), "density", "--out", "out", path], stdout=subprocess.PIPE, stderr=subprocess.PIPE)


def test_killing_the_load_client_gives_a_partial_report(t):
    process = start_long(t)
    client = wait_until(lambda: named(children(process), "cassin-load"), "the load client")[0]
    time.sleep(0.3)
    os.kill(client, signal.SIGKILL)
    _, err = process.communicate(timeout=20)
    equal(process.returncode, 1, "exit code")
    contains(err.decode(), "load client was killed by signal 9")
    report = results(t)
    equal((report["complete"], report["systems"][0]["runs"][0]["ended"]), (False, "failed"), "end")
    contains(report["systems"][0]["runs"][0]["why"], "load client")
    holds(no_one_left(), "the daemon is gone")


def test_killing_the_daemon_gives_a_partial_report(t):
    process = start_long(t)
    wait_until(lambda: named(children(process), "cassin-load"), "the load client")
    os.kill(named(children(process), "cassind")[0], signal.SIGKILL)
    # The load client tells errors until its time is over; a measurement's end is when the lab asks the daemon again.
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=20)
    equal(results(t)["complete"], False, "complete")
    holds(no_one_left(), "the load client is gone")


def test_ctrl_c_leaves_a_valid_partial_report(t):
    path = scenario(t, ramp=[2, 400], warmup_s=0.1, measure_s=1.5, runs=9)
    process = t.start([t.tool("cassin"), "density", "--out", "out", path], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    wait_until(lambda: os.path.exists(t.path("out/results.json")) and steps(results(t)), "a first step")
    time.sleep(0.2)
    process.send_signal(signal.SIGINT)
    out, _ = process.communicate(timeout=20)
    equal(process.returncode, 130, "exit code")
    contains(out.decode(), "partial", "out/report.html")
    report = results(t)
    equal((report["complete"], report["ended"]), (False, "interrupted"), "end")
    equal(steps(report)[0]["guests"], 2, "the step that was done")
    holds(report["systems"][0]["summary"], "the summary is there")
    with open(t.path("out/report.html"), encoding="utf-8") as file:
        contains(file.read(), "This report is partial: interrupted", "</html>")
    holds(no_one_left(), "nothing is left running")


def test_the_lab_killed_takes_its_children_along(t):
    process = start_long(t)
    wait_until(lambda: named(children(process), "cassin-load"), "the load client")
    process.kill()
    process.wait()
    wait_until(no_one_left, "its children end with it")
    density(t, *QUICK, "--ramp", "1", "--out", "next", scenario(t))
    left = glob.glob(f"/tmp/cassin-density-{process.pid}-*") + glob.glob(f"/sys/fs/cgroup/**/cassin-density-{process.pid}")
    equal(left, [], "what the next call takes away")


def test_it_stops_before_the_host_is_short_of_memory(t):
    with open("/proc/meminfo", encoding="utf-8") as file:
        total = int(file.readline().split()[1])
    result = density(t, *QUICK[:-2], "--reserve", f"{total * 2}K", "--out", "out", scenario(t))
    contains(result.out, "stops at 0 guests", "MiB are to stay")
    run = results(t)["systems"][0]["runs"][0]
    equal((run["ended"], run["reached"]), ("memory", 0), "end")


def test_a_pool_that_is_full_ends_the_ramp_and_tells_how_far_it_got(t):
    path = scenario(t, ramp=[10, 2000], pool="8M", measure_s=0.3)
    result = density(t, "--reserve", "64M", "--out", "out", path)
    found = re.search(r"stops at (\d+) guests", result.out)
    holds(found and 10 < int(found.group(1)) < 2000, f"how far: {result.out}")
    run = results(t)["systems"][0]["runs"][0]
    equal((run["ended"], str(run["reached"])), ("memory", found.group(1)), "end")
    equal([s["guests"] for s in run["steps"]], [10, run["reached"]], "what was reached was measured")


def test_a_full_pool_has_room_again_where_guests_are_parked(t):
    path = scenario(t, ramp=[10, 150], pool="2M", park_s=1, swap="64M", measure_s=0.5,
                    loads=[{**LOAD, "connections": 1, "rate": 10}])
    density(t, "--out", "out", path)
    report = results(t)
    equal([(run["ended"], run["reached"]) for run in report["systems"][0]["runs"]], [("complete", 150)], "end")
    m = steps(report)[-1]["metrics"]
    holds(m["requests_per_s"] > 0 and m["errors"] == 0, f"who is parked answers: {m}")
    holds(not os.path.exists(t.path("out/.swap")), "the swap file is gone")


def test_a_swap_size_that_is_none_is_told_by_the_daemon(t):
    contains(density(t, "--out", "out", scenario(t, park_s=1, swap="huge"), code=1).err, "--swap-size huge")


def test_compare_shows_two_reports_side_by_side(t):
    for name in ("a", "b"):
        density(t, *QUICK, "--ramp", "2,4", "--out", name, scenario(t, loads=[LOAD]))
    out = density(t, "compare", "a", "b/results.json").out
    contains(out, "cassin, 2 guests", "cassin, 4 guests", "requests_per_s", "memory_pages_kib", "%")
    one_line(density(t, "compare", "a", "nowhere", code=1).err, "nowhere")
    t.write("other.json", "{}")
    one_line(density(t, "compare", "a", "other.json", code=1).err, "other.json", "no report")
    density(t, "compare", "a", code=2)


def test_the_load_client_refuses_a_bad_job(t):
    client = t.tool("cassin-load")
    one_line(t.run([client], input='{"kind": "http", "x": 1}', code=1).err, "x: unknown key")
    one_line(t.run([client], input='{"count": 0}', code=1).err, "count: must be")
    one_line(t.run([client], input="{", code=1).err, "job:1")
    contains(t.run([client, "--help"], code=0).out, "Usage")


def test_the_load_client_counts_what_fails(t):
    port = t.ports()
    job = {"kind": "http", "base": port, "count": 1, "connections": 2, "warmup_s": 0, "measure_s": 0.3}
    events = [json.loads(line) for line in t.run([t.tool("cassin-load")], input=json.dumps(job), code=0).out.splitlines()]
    equal([e["event"] for e in events], ["measuring", "result"], "events")
    holds(events[1]["errors"] > 0 and events[1]["requests"] == 0, f"errors: {events[1]}")
    contains(events[1]["first_error"], "refused")
