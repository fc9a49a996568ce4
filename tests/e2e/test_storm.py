# SPDX-License-Identifier: MIT
"""Crowds: very many requests at once, very many guests one after the other, memory that ends while pages are copied."""

import concurrent.futures
import json
import os
import re
import threading
import time

from cassin_test import Failed, contains, equal, holds, wait_until

STORM = 20000 // int(os.environ.get("CASSIN_TEST_SLOW", "1"))
STORM_CONNECTIONS = 100
STORM_GUESTS = 200
CHURN_ROUNDS = 10
CHURN_EACH = 100  # of each of two kinds, in a round
REST_S = 5

# Writes to all pages of its data, half a million bytes that come from its image, and says so; then looks at them for ever.
COPIES = """
#define PAGES 128
static volatile unsigned char data[PAGES][4096] = {{1}};
int main(void)
{
	unsigned char own;
	cassin_random(&own, 1);
	cassin_ready();
	cassin_sleep_until(cassin_now() + 1000000);
	for (unsigned i = 0; i < PAGES; i++) {
		data[i][i] = (unsigned char)(own + i);
		if (i % 16 == 0)
			cassin_sleep_until(cassin_now() + 1000000);
	}
	for (unsigned round = 0;; round++) {
		for (unsigned i = 0; i < PAGES; i++)
			if (data[i][i] != (unsigned char)(own + i))
				return 3;
		cassin_print("whole %u\\n", round);
		cassin_sleep_until(cassin_now() + 300000000);
	}
}
"""


def stats(daemon):
    return daemon.request("GET", "/v1/stats", status=200).json()


def holdings(daemon):
    """What the daemon holds for its guests."""
    now = stats(daemon)
    return {"guests": now["guests"], "frames": now["used_frames"] - now["quarantined_frames"],
            "descriptors": len(os.listdir(f"/proc/{daemon.process.pid}/fd"))}


def resident_kib(daemon):
    """Of the daemon's own memory; what guests had is given back to the host once all rest."""
    time.sleep(REST_S)
    return daemon.memory_kib()


def balanced(daemon, before):
    """All that was taken has been given back; some of it takes a moment."""
    def check():
        now = holdings(daemon)
        return all(now[name] <= before[name] for name in before)
    try:
        wait_until(check, "balance", 15)
    except Failed as failure:
        raise Failed(f"before: {before}, after: {holdings(daemon)}") from failure


def web_answers(daemon):
    contains(daemon.cassin("connect", "web", "80", input="GET / HTTP/1.0\r\n\r\n", code=0).out, "200 OK")


def statuses(connection):
    """The status of each answer that comes until the connection ends."""
    text = b""
    while piece := connection.recv(1 << 16):
        text += piece
    return [int(status) for status in re.findall(rb"HTTP/1\.1 (\d{3}) ", text)]


def ask_many(t, daemon, first, count):
    """So many spawns on one connection, all sent at once."""
    requests = b""
    for i in range(first, first + count):
        body = json.dumps({"name": f"s{i}", "image": t.guest("life"), "args": ["sleep"]}).encode()
        last = b"Connection: close\r\n" if i == first + count - 1 else b""
        requests += b"POST /v1/guests HTTP/1.1\r\nHost: x\r\n%sContent-Length: %d\r\n\r\n%s" % (last, len(body), body)
    with daemon.connect(seconds=250) as connection:
        sender = threading.Thread(target=connection.sendall, args=[requests])
        sender.start()
        got = statuses(connection)
        sender.join()
        return got


# seconds: 120
def test_a_storm_of_thousands_of_spawns_at_once_is_answered_one_by_one(t):
    daemon = t.daemon("--max-guests", STORM_GUESTS + 1)
    daemon.cassin("spawn", "--name", "web", t.guest("http"), code=0)
    each = STORM // STORM_CONNECTIONS
    with concurrent.futures.ThreadPoolExecutor(STORM_CONNECTIONS) as pool:
        runs = [pool.submit(ask_many, t, daemon, i * each, each) for i in range(STORM_CONNECTIONS)]
        web_answers(daemon)
        answers = [run.result() for run in runs]
    equal({len(got) for got in answers}, {each}, "answers on each connection")
    got = [status for statuses in answers for status in statuses]
    equal((got.count(201), got.count(507)), (STORM_GUESTS, STORM - STORM_GUESTS), "guests made, and refused for the limit")
    equal(stats(daemon)["running"], STORM_GUESTS + 1, "guests that run")
    web_answers(daemon)
    daemon.cassin("rm", "s*", code=0)
    daemon.cassin("spawn", "-n", STORM_GUESTS, "--name", "again", t.guest("life"), "sleep", code=0)


# seconds: 120
def test_thousands_of_guests_come_and_go_and_nothing_is_left(t):
    daemon = t.daemon()
    daemon.cassin("template", "create", "web", t.guest("http"), code=0)
    before, memory = None, None
    for i in range(CHURN_ROUNDS):
        daemon.cassin("spawn", "-n", CHURN_EACH // 2, "--name", "done", t.guest("life"), "exit", "0", code=0)
        daemon.cassin("spawn", "-n", CHURN_EACH // 2, "--name", "crashed", t.guest("life"), "crash")
        daemon.cassin("spawn", "-n", CHURN_EACH, "--name", "clone", "--template", "web", code=0)
        contains(daemon.cassin("connect", f"clone-{i}", "80", input="GET /status HTTP/1.0\r\n\r\n", code=0).out, f"clone-{i}")
        daemon.cassin("rm", "--all", code=0)
        if i == 0:
            before, memory = holdings(daemon), resident_kib(daemon)
    balanced(daemon, before)
    equal(stats(daemon)["spawns"], 2 * CHURN_EACH * CHURN_ROUNDS + 1, "guests in all, the template's first")
    grown = resident_kib(daemon) - memory
    holds(grown < 4096, f"memory of the daemon has grown by {grown} KiB")


def ends(daemon, name):
    return [g["name"] for g in daemon.guests() if g["name"].startswith(name) and g["state"] == "crashed"]


def copying(t, daemon, *what):
    """Guests that write to their image's pages until the pool has no more: some end, and no other is hurt."""
    daemon.cassin("spawn", "--name", "web", t.guest("http"), code=0)
    web_answers(daemon)
    daemon.cassin("spawn", "-n", 12, "--name", "c", *what)
    wait_until(lambda: ends(daemon, "c"), "one needs more than there is")

    def settled():
        running = [g["name"] for g in daemon.guests() if g["name"].startswith("c-") and g["state"] == "running"]
        return running if all("whole 1" in daemon.cassin("logs", name, code=0).out for name in running) else None
    running = wait_until(settled, "those that go on find their pages as they wrote them")
    holds(len(running) >= 2, f"only {running} go on")
    for name in ends(daemon, "c"):
        contains(daemon.request("GET", f"/v1/guests/{name}/report", status=200).text, "pool exhausted")
    equal({g["restarts"] for g in daemon.guests()}, {0}, "restarts")
    web_answers(daemon)
    daemon.cassin("rm", "c-*", code=0)
    daemon.cassin("spawn", "-n", 2, "--name", "again", *what, code=0)
    wait_until(lambda: "whole 1" in daemon.cassin("logs", "again-1", code=0).out, "there is room again")


def test_a_pool_that_ends_while_image_pages_are_copied_ends_who_needs_more(t):
    copying(t, t.daemon("--pool", "4M", "--memory-wait", "0"), t.compile("copies", COPIES))


def test_a_pool_that_ends_while_clones_copy_pages_ends_who_needs_more(t):
    daemon = t.daemon("--pool", "4M", "--memory-wait", "0")
    daemon.cassin("template", "create", "c", t.compile("copies", COPIES), code=0)
    copying(t, daemon, "--template", "c")
