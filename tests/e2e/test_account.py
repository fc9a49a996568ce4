# SPDX-License-Identifier: MIT
"""The account of the host's memory: it names what the daemon has grown by, the pool respects it, and nothing is left."""

import re

from cassin_test import Failed, contains, equal, holds, one_line, wait_until

MIB = 1 << 20

# Fills argv[1] MiB with bytes that cannot be compressed, and waits for ever.
FULL = """
int main(int argc, char **argv)
{
	unsigned long mib = argc > 1 ? (unsigned long)cassin_parse(argv[1], strlen(argv[1])) : 1;
	unsigned char *at = (unsigned char *)((cassin_boot->heap + 0x3ffff) & ~0xffful);
	for (unsigned long i = 0; i < mib << 8; i++) {
		*(volatile unsigned char *)(at + (i << 12)) = 1;
		cassin_random(at + (i << 12), 4096);
	}
	cassin_sleep_until(1); /* so that the next time needs no more memory */
	cassin_print("full\\n");
	cassin_ready();
	for (;;)
		cassin_sleep_until(CASSIN_FOREVER - 1);
}
"""

# Starts as many timeouts as it gets, which pend for ever. 0: it gets no ring, or cannot submit to it.
PEND = """
static struct cassin_ring ring __attribute__((aligned(64)));
static struct cassin_sqe submissions[64] __attribute__((aligned(64)));

static unsigned pend(void)
{
	uint64_t completions = (cassin_boot->heap + 0xfff) & ~0xffful;
	unsigned made = 0;
	if (cassin_call(CASSIN_CALL_RING_SETUP, (uint64_t)&ring, (uint64_t)submissions, 64, completions, 4096))
		return 0;
	for (; made < 4000 && ring.cq_tail == 0; made++) {
		submissions[made % 64] =
			(struct cassin_sqe){.op = CASSIN_OP_TIMEOUT, .user_data = made, .offset = CASSIN_FOREVER - 1};
		ring.sq_tail++;
		if (cassin_enter(1, 0, 0) != 1)
			return 0;
	}
	return made;
}
"""

TIMEOUTS = PEND + """
int main(void)
{
	unsigned made = pend();
	if (!made)
		return 1;
	cassin_print("%u pend\\n", made);
	cassin_ready();
	for (;;)
		cassin_enter(0, 4000, CASSIN_FOREVER);
}
"""


def account(daemon):
    return daemon.request("GET", "/v1/stats", status=200).json()["account"]


def settled(daemon):
    """The account and the process's own memory, in bytes, once they stand still."""
    def look():
        all_of_it = account(daemon)  # processes that guests run in are others'
        return all_of_it["total"] - all_of_it["processes"], daemon.memory_kib() << 10
    seen = [look()]
    def still():
        seen.append(look())
        return all(abs(a - b) < MIB // 4 for a, b in zip(seen[-1], seen[-2]))
    wait_until(still, "memory stands still", 30)
    return seen[-1]


def agrees(daemon, start, what):
    """Within 5 % and half a MiB, which threads and the allocator have besides."""
    def close():
        total, own = settled(daemon)
        grown = own - start[1]
        return abs(grown - (total - start[0])) <= 0.05 * grown + MIB // 2
    try:
        wait_until(close, f"the account agrees with the process, {what}", 40)
    except Failed as late:
        raise Failed(f"{late}: {settled(daemon)} after {start}; of it {account(daemon)}") from late


def parked(daemon, n):
    wait_until(lambda: daemon.request("GET", "/v1/stats", status=200).json()["parked"] == n, f"{n} are parked", 40)


def test_the_account_is_what_the_daemon_has_grown_by_and_nothing_is_left(t):
    daemon = t.daemon("--pool", "512M", "--park", "1")
    full, start = t.compile("full", FULL), settled(daemon)
    daemon.cassin("spawn", "-n", 4, "--memory", "32M", "--name", "f", full, "10", code=0)
    parked(daemon, 4)
    holds(account(daemon)["parked"] >= 40 * MIB, "parked bytes are counted")
    agrees(daemon, start, "with parked guests")
    daemon.cassin("template", "create", "--memory", "32M", "t", full, "12", code=0)
    holds(12 * MIB <= account(daemon)["frozen"] < 14 * MIB, "a template's pages are counted")
    agrees(daemon, start, "with a template")
    daemon.cassin("spawn", "-n", 100, "--name", "p", t.compile("timeouts", TIMEOUTS), code=0)
    wait_until(lambda: account(daemon)["operations"] > MIB, "operations are counted")
    agrees(daemon, start, "with operations that pend")
    daemon.cassin("rm", "--all", code=0)
    daemon.cassin("template", "rm", "t", code=0)
    wait_until(lambda: account(daemon)["cells"] < MIB, "frames go back to the host", 40)
    left = account(daemon)
    equal({k: left[k] for k in ("frames", "tables", "parked", "frozen", "operations", "streams", "guests", "consoles")},
          dict.fromkeys(("frames", "tables", "parked", "frozen", "operations", "streams", "guests", "consoles"), 0), "what is left")
    try:
        wait_until(lambda: daemon.memory_kib() << 10 < start[1] + 4 * MIB, "the process is as small as at its start", 40)
    finally:
        print(f"memory {daemon.memory_kib()} KiB, after {start[1] >> 10} KiB at the start; {account(daemon)}")


def test_operations_cost_what_the_account_says(t):
    daemon = t.daemon("--pool", "512M")
    timeouts, start = t.compile("timeouts", TIMEOUTS), settled(daemon)
    daemon.cassin("spawn", "-n", 50, "--name", "p", timeouts, code=0)
    for i in range(50):
        wait_until(lambda i=i: "pend" in daemon.cassin("logs", f"p-{i}", code=0).out, f"p-{i} is done", 40)
    holds(account(daemon)["operations"] > 20 * MIB, "most of it is operations")
    agrees(daemon, start, "with operations")


def test_a_full_pool_refuses_templates_and_says_what_it_is_full_of(t):
    daemon = t.daemon("--pool", "100M")
    full = t.compile("full", FULL)
    daemon.cassin("template", "create", "--memory", "40M", "t0", full, "30", code=0)
    daemon.cassin("template", "create", "--memory", "40M", "t1", full, "30", code=0)
    refused = daemon.cassin("template", "create", "--memory", "40M", "t2", full, "30", code=1)
    one_line(refused.err, "the pool of 100 MiB is exhausted", "templates 60.")
    holds(daemon.memory_kib() < 150 << 10, "the daemon stays within its pool, about")


def test_guests_that_are_parked_fill_the_pool_too(t):
    daemon = t.daemon("--pool", "64M", "--park", "1", "--memory-wait", "2")
    full = t.compile("full", FULL)
    daemon.cassin("spawn", "-n", 5, "--memory", "16M", "--name", "f", full, "10", code=0)
    parked(daemon, 5)
    daemon.cassin("spawn", "--memory", "24M", "--timeout", "30", "--name", "last", full, "15")
    daemon.await_state("last", "crashed")
    contains(daemon.request("GET", "/v1/guests/last/report", status=200).text, "pool exhausted", "it waited 2.0 s", "pool of 64 MiB")
    equal(daemon.request("GET", "/v1/stats", status=200).json()["parked"], 5, "the others sleep on")


def test_a_guest_that_needs_memory_waits_until_others_have_ended(t):
    daemon = t.daemon("--pool", "64M", "--memory-wait", "600")
    full = t.compile("full", FULL)
    daemon.cassin("spawn", "-n", 5, "--memory", "16M", "--name", "f", full, "10", code=0)
    for i in range(5):
        wait_until(lambda i=i: "full" in daemon.cassin("logs", f"f-{i}", code=0).out, f"f-{i} has what it needs", 40)
    daemon.cassin("spawn", "--memory", "24M", "--name", "last", full, "15")
    wait_until(lambda: "needs memory" in daemon.cassin("ps", "last", code=0).out, "ps shows that it waits")
    contains(daemon.cassin("inspect", "last", code=0).out, "needs memory", "yes, and waits")
    equal([g["name"] for g in daemon.guests() if g["needs_memory"]], ["last"], "guests that wait")
    equal(daemon.request("GET", "/v1/stats", status=200).json()["needing_memory"], 1, "guests that wait")
    daemon.cassin("rm", "f-0", "f-1", code=0)
    wait_until(lambda: not daemon.guest("last")["needs_memory"], "it goes on")
    equal(daemon.guest("last")["state"], "running", "its state")
    equal(daemon.request("GET", "/v1/stats", status=200).json()["needing_memory"], 0, "guests that wait now")
    holds(daemon.request("GET", "/v1/stats", status=200).json()["memory_waits"] >= 1, "waits are counted")


def padded(t, name, mib, number):
    """A guest's image with as much behind it."""
    with open(t.guest(name), "rb") as file:
        content = file.read()
    path = t.path(f"{name}-{number}.elf")
    with open(path, "wb") as file:
        file.write(content + bytes([number + 1]) * (mib * MIB))
    return path


def test_images_fill_the_pool_and_those_that_nobody_uses_go(t):
    daemon = t.daemon("--pool", "100M")
    for i in range(8):
        daemon.cassin("spawn", "--name", f"h{i}", padded(t, "hello", 30, i), code=0)
        daemon.await_state(f"h{i}", "exited")
        daemon.cassin("rm", f"h{i}", code=0)
    wait_until(lambda: account(daemon)["images"] <= 100 * MIB // 16, "images that nobody uses are dropped")
    for i in range(3):
        daemon.cassin("spawn", "--name", f"s{i}", padded(t, "life", 30, i), "sleep", code=0)
    holds(account(daemon)["images"] >= 90 * MIB, "images in use are counted")
    one_line(daemon.cassin("spawn", "--name", "s3", padded(t, "life", 30, 3), "sleep", code=1).err, "no memory", "image")
    daemon.cassin("spawn", "--name", "small", t.guest("life"), "sleep", code=0)
    daemon.cassin("rm", "--all", code=0)
    wait_until(lambda: account(daemon)["images"] <= 100 * MIB // 16, "nothing large is kept")
    wait_until(lambda: daemon.memory_kib() < 16 << 10, "the process is small again", 40)


def with_files(t, name, **file):
    return {"name": name, "image": t.guest("life"), "args": ["sleep"], "files": [{"name": "data", **file}]}


def test_files_of_specs_are_counted_once_and_fill_the_pool(t):
    daemon = t.daemon("--pool", "56M")
    daemon.cassin("spawn", "--name", "warm", t.guest("life"), "sleep", code=0)
    start = settled(daemon)
    for number in range(4):
        t.write(f"data-{number}", bytes([number + 1]) * (15 * MIB))
    for i in range(10):  # one content, by ten names
        same = t.path("data-0") if i < 9 else t.write("data-0-again", b"\1" * (15 * MIB))
        daemon.request("POST", "/v1/guests", with_files(t, f"same-{i}", path=same), status=201)
    holds(15 * MIB <= account(daemon)["files"] < 16 * MIB, "one content is counted once")
    agrees(daemon, start, "with files")
    own = daemon.request("GET", "/v1/guests/same-3", status=200).json()["account"]
    holds(0 < own["files"] < 1024 and own["files"] <= own["total"], f"a guest has its list of them: {own}")
    daemon.request("POST", "/v1/guests", with_files(t, "text", text="x" * 100000), status=201)
    holds(15 * MIB + 100000 <= account(daemon)["files"] < 16 * MIB, "texts are counted")
    for i in (1, 2):
        daemon.request("POST", "/v1/guests", with_files(t, f"other-{i}", path=t.path(f"data-{i}")), status=201)
    refused = daemon.request("POST", "/v1/guests", with_files(t, "other-3", path=t.path("data-3")), status=507).json()["error"]
    contains(refused, "other-3: file data: no memory: the pool has no 15.0 MiB for it")
    metrics = daemon.request("GET", "/metrics", status=200).text
    contains(metrics, f'cassin_memory_bytes{{kind="files"}} {account(daemon)["files"]}')
    daemon.cassin("template", "create", "--file", t.path("data-1"), "t", t.guest("http"), code=0)
    daemon.cassin("rm", "--all", code=0)
    holds(15 * MIB <= account(daemon)["files"] < 16 * MIB, "a template keeps its files")
    daemon.cassin("template", "rm", "t", code=0)
    equal(account(daemon)["files"], 0, "files when all is removed")


def test_admission_knows_files_of_specs(t):
    daemon = t.daemon("--pool", "64M", "--no-overcommit")
    t.write("data", b"d" * (15 * MIB))
    daemon.request("POST", "/v1/guests", with_files(t, "one", path=t.path("data")) | {"memory": "4M"}, status=201)
    text = daemon.cassin("spawn", "--name", "two", "--memory", "12M", t.guest("life"), "sleep", code=1).err
    one_line(text, "no memory", "promised")
    daemon.cassin("rm", "--all", code=0)
    daemon.cassin("spawn", "--name", "two", "--memory", "12M", t.guest("life"), "sleep", code=0)


def test_the_sums_of_guests_domains_and_all_agree(t):
    daemon = t.daemon()
    for domain in ("a", "b"):
        daemon.cassin("spawn", "-n", 3, "--domain", domain, "--name", domain, t.compile("timeouts", TIMEOUTS), code=0)
    for name in (f"{domain}-{i}" for domain in ("a", "b") for i in range(3)):
        wait_until(lambda name=name: "pend" in daemon.cassin("logs", name, code=0).out, f"{name} is done")
    stats = daemon.request("GET", "/v1/stats", status=200).json()
    equal(sorted(stats["domains"]), ["a", "b"], "domains")
    for kind in ("frames", "tables", "files", "operations", "streams", "guests", "consoles"):
        of_guests = sum(g["account"][kind] for g in daemon.guests())
        holds(stats["account"][kind] == sum(d[kind] for d in stats["domains"].values()) == of_guests, f"{kind}: {stats}")
    holds(stats["account"]["operations"] > 0, "operations are counted")
    metrics = daemon.request("GET", "/metrics?per_guest=1", status=200).text
    by_kind = dict(re.findall(r'^cassin_memory_bytes\{kind="(\w+)"\} (\d+)$', metrics, re.MULTILINE))
    equal({k: int(v) for k, v in by_kind.items()} | {"total": stats["account"]["total"]}, stats["account"], "metrics")
    contains(metrics, 'cassin_domain_memory_bytes{domain="b",kind="tables"}',
             'cassin_guest_memory_bytes{guest="a-0",domain="a",kind="frames"}')
    contains(daemon.cassin("stats", code=0).out, "memory", "domain a", "operations")
    contains(daemon.cassin("inspect", "a-1", code=0).out, "host memory", "operations")


# Takes all that it may: pages, page tables, operations, console; fails if it does not get its own pages.
GREEDY = PEND + """
int main(void)
{
	uint64_t at = (cassin_boot->heap + 0xfff) & ~0xffful, end = cassin_boot->heap + cassin_boot->heap_size, tables = 0;
	for (uint64_t page = at; page + 4096 <= end; page += 4096)
		cassin_random((void *)page, 4096), *(volatile char *)page = 1;
	while (!cassin_map(0, (void *)(0x2000000000ul + (tables << 30)), cassin_boot->heap_page, 1, CASSIN_READ))
		tables++;
	unsigned made = pend();
	if (!made)
		return 1;
	for (unsigned i = 0; i < 400; i++)
		cassin_print("%u operations pend, %lu tables: and so the console is filled, too\\n", made, (unsigned long)tables);
	cassin_print("done\\n");
	for (;;)
		cassin_enter(0, 4000, CASSIN_FOREVER);
}
"""


def test_without_overcommitment_guests_take_their_most_and_the_pool_suffices(t):
    daemon = t.daemon("--pool", "48M", "--no-overcommit")
    greedy, names = t.compile("greedy", GREEDY), []
    for i in range(60):
        domain = ("a", "b")[i % 2]
        memory = ("256K", "1M", "3M")[i % 3]
        spawned = daemon.cassin("spawn", "--memory", memory, "--domain", domain, "--name", f"g{i}", greedy)
        if spawned.code:
            one_line(spawned.err, "of the pool of 48 MiB", "are promised")
            break
        names.append(f"g{i}")
    holds(4 <= len(names) < 40, f"some are admitted, and not all: {len(names)}")
    for name in names:
        wait_until(lambda name=name: "done" in daemon.cassin("logs", name, code=0).out, f"{name} has what it can get", 40)
    equal({g["state"] for g in daemon.guests()}, {"running"}, "states")
    stats = daemon.request("GET", "/v1/stats", status=200).json()
    holds(stats["account"]["frames"] > 256 * 1024 * len(names), "they have their pages")
    holds(stats["used_frames"] + stats["host_frames"] <= stats["committed_frames"] <= stats["pool_frames"], f"promises are kept: {stats}")
    daemon.cassin("kill", names[0], code=0)
    daemon.cassin("rm", *names, code=0)
    wait_until(lambda: daemon.request("GET", "/v1/stats", status=200).json()["committed_frames"] == 0, "no promise is left")
