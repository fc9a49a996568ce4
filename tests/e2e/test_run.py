# SPDX-License-Identifier: MIT
"""cassin run: one guest in the foreground, without a daemon."""

import fcntl
import os
import pty
import shutil
import signal
import socket
import stat
import subprocess
import termios
import time

from cassin_test import Failed, contains, equal, holds, http_get, mistaken, one_line, port_free, wait_until
from namespaces import namespace


def read_line(process):
    """Reads up to the end of a line from a process's output."""
    return process.stdout.readline().decode(errors="replace")


def wait_exit(process, seconds=20):
    try:
        return process.wait(seconds)
    except subprocess.TimeoutExpired:
        raise Failed(f"did not end within {seconds} s") from None


def test_hello_prints_and_exits_with_0(t):
    result = t.cassin("run", t.guest("hello"), code=0)
    contains(result.out.lower(), "hello")
    equal(result.err, "", "stderr")


def test_the_exit_code_is_the_guests(t):
    for code in (0, 1, 42, 255):
        t.cassin("run", t.guest("life"), "exit", code, code=code)
    t.cassin("run", t.guest("life"), "exit", 256 + 7, code=7)


def test_arguments_reach_the_guest_though_they_look_like_options(t):
    result = t.cassin("run", t.guest("life"), "--json", code=1)
    contains(result.out, "no such property: --json")
    result = t.cassin("run", "--name", "x", t.guest("life"), "two words", "-p", code=1)
    contains(result.out, "no such property: two words")


def test_input_reaches_the_guest_and_its_end_too(t):
    result = t.cassin("run", t.guest("life"), "read", input="one line\n", code=0)
    contains(result.out, "reading\n", "read: one line\n", "end of input\n")


def test_long_input_arrives_whole(t):
    text = "".join(f"line {i} of many\n" for i in range(20000))
    result = t.cassin("run", t.guest("life"), "read", input=text, code=0)
    equal(result.out.replace("read: ", "").removeprefix("reading\n").removesuffix("end of input\n"), text, "echoed text")


def test_a_crash_ends_with_134_and_a_report(t):
    result = t.cassin("run", t.guest("life"), "crash", code=134)
    contains(result.err, "guest life", "crashed: invalid opcode", "rsp 0x", "backtrace:", "#0", "crashes+")


def test_a_guest_that_reads_outside_its_memory_is_reported(t):
    path = t.compile("wild", "int main(void) { *(volatile char *)0x123456789000 = 1; return 0; }")
    result = t.cassin("run", path, code=134)
    contains(result.err, "guest wild", "0x123456789000", "main+")


def test_recursion_off_the_stack_meets_the_guard_page(t):
    path = t.compile("deep", "static int deeper(volatile int n) { volatile char room[512]; room[0] = (char)n; "
                     "return n ? deeper(n + 1) + room[0] : 0; } int main(void) { return deeper(1); }")
    result = t.cassin("run", path, code=134)
    contains(result.err, "guard", "deeper+")


def test_memory_past_the_quota_is_refused_to_the_guest(t):
    path = t.compile("greedy", "int main(void) { int n = 0; while (cassin_alloc(65536)) n++; "
                     'cassin_print("%d\\n", n); return n < 16 ? 0 : 1; }')
    holds(1 <= int(t.cassin("run", "--memory", "1M", path, code=0).out) < 16, "a MiB has fewer than 16 pieces of 64 KiB to give")


def test_a_port_serves(t):
    port = t.ports()
    process = t.start([t.tool("cassin"), "run", "-p", f"{port}:80", t.guest("http")], stdin=subprocess.DEVNULL)
    wait_until(lambda: not port_free(port), "the port is bound")
    equal(http_get(port, "/status").json()["name"], "http", "name")
    process.send_signal(signal.SIGINT)
    equal(wait_exit(process), 130, "exit code")
    holds(port_free(port), "the port is free after the end")


def test_a_port_can_be_a_unix_socket(t):
    path = t.path("web.sock")
    t.start([t.tool("cassin"), "run", "-p", "unix:web.sock:80", t.guest("http")], stdin=subprocess.DEVNULL)
    wait_until(lambda: os.path.exists(path), "the socket is there")
    holds(stat.S_ISSOCK(os.stat(path).st_mode), "it is a socket")
    result = t.run(["curl", "-sS", "--unix-socket", path, "http://guest/status"], code=0)
    equal(result.json()["name"], "http", "name")


def test_a_port_never_takes_the_place_of_a_file(t):
    """Nor what came to its path meanwhile, at the end."""
    path = t.path("precious")
    for make, word in ((lambda: t.write("precious", "text"), "a file"), (lambda: os.symlink("elsewhere", path), "a symbolic link"),
                       (lambda: os.mkfifo(path), "a FIFO")):
        make()
        before = os.lstat(path)
        result = t.cassin("run", "-p", "unix:precious:80", t.guest("http"), code=125)
        one_line(result.err, "unix:", "precious", word)
        equal(os.lstat(path).st_ino, before.st_ino, f"{word} is the same afterwards")
        os.unlink(path)
    process = t.start([t.tool("cassin"), "run", "-p", "unix:precious:80", t.guest("http")], stdin=subprocess.DEVNULL)
    wait_until(lambda: os.path.exists(path), "the socket is there")
    os.rename(path, path + ".aside")
    t.write("precious", "text")
    process.send_signal(signal.SIGINT)
    equal(wait_exit(process), 130, "exit code")
    with open(path, encoding="utf-8") as file:
        equal(file.read(), "text", "what the file holds")


def test_a_port_replaces_a_socket_whose_process_is_gone(t):
    path = t.path("web.sock")
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(path)
    process = t.start([t.tool("cassin"), "run", "-p", "unix:web.sock:80", t.guest("http")], stdin=subprocess.DEVNULL)
    wait_until(lambda: t.run(["curl", "-sS", "--unix-socket", path, "http://guest/status"]).code == 0, "it answers")
    one_line(t.cassin("run", "-p", "unix:web.sock:80", t.guest("http"), code=125).err, "web.sock", "in use")
    process.send_signal(signal.SIGINT)
    equal(wait_exit(process), 130, "exit code")
    holds(not os.path.exists(path), "the socket is gone")


def test_a_port_in_use_is_refused_in_one_line(t):
    port = t.ports()
    t.start([t.tool("cassin"), "run", "-p", f"{port}:80", t.guest("http")], stdin=subprocess.DEVNULL)
    wait_until(lambda: not port_free(port), "the port is bound")
    result = t.cassin("run", "-p", f"{port}:80", t.guest("http"), code=125)
    one_line(result.err, str(port), "in use")


def refused(t, option, value, *parts):
    """An option's value that is a mistake, whichever command is given it."""
    for command in ("run", "spawn"):
        result = t.cassin(command, f"{option}={value}" if option.startswith("--") else f"{option}{value}", t.guest("hello"))
        mistaken(result, command, *(parts or [f"{option} {value}: "]))


def test_values_of_options_that_cannot_be_are_mistakes_of_usage(t):
    for option, values in {"--weight": ("0", "10001", "x", ""), "--cpu-max": ("x", "0 100000", "-1"),
                           "--restart": ("x", "no:3", "always:x"), "--isolation": ("x", ""), "--domain": ("a/b", "")}.items():
        for value in values:
            refused(t, option, value)
    refused(t, "--isolation", "chroot", "cell or vm")
    refused(t, "--cpu-max", "999", "cpu_max: the quota must be from")
    refused(t, "--file", "a=", "--file: a=: names no file")
    mistaken(t.cassin("run", t.guest("hello"), "\udcff"), "run", "args[0]", "is not UTF-8")
    mistaken(t.cassin("spawn", "-n", 2, "-p", "8000:80", t.guest("hello")), "spawn", "cannot share")
    mistaken(t.cassin("template", "create", "--weight", "1", "x", t.guest("hello")), "template", " create: unrecognized")
    mistaken(t.cassin("template", "create", "a/b", t.guest("hello")), "template", "create: a/b: must be letters")
    shutil.copy(t.guest("hello"), t.path("no name.elf"))
    mistaken(t.cassin("run", "no name.elf"), "run", "--name")


def test_bad_ports_are_refused(t):
    for text in ("80", "0:80", "80:0", "70000:80", "x:80", ":80", "8080:", "1.2.3:80:80", "localhost:80:80", "unix::80"):
        refused(t, "-p", text)


def test_memory_is_the_guests_limit(t):
    t.cassin("run", "--memory", "1M", t.guest("hello"), code=0)
    t.cassin("run", "--memory", "256K", t.guest("hello"), code=0)


def test_bad_memory_sizes_are_refused(t):
    for size in ("0", "1", "4K", "-1", "1000T", "99999999999999999999", "banana", "16MB!", ""):
        refused(t, "--memory", size)


def test_a_cell_of_its_own(t):
    contains(t.cassin("run", "--isolation", "vm", t.guest("hello"), code=0).out.lower(), "hello")


def test_a_domain(t):
    contains(t.cassin("run", "--domain", "other", t.guest("hello"), code=0).out.lower(), "hello")
    refused(t, "--domain", "no/slash")


def test_names_are_checked(t):
    for name in ("", "-x", "a b", "ä", "x" * 64, "a/b"):
        refused(t, "--name", name)
    t.cassin("run", "--name", "x" * 63, t.guest("hello"), code=0)


def test_a_spec_file(t):
    os.symlink(t.guest("life"), t.path("life.elf"))
    t.write("spec.json", '{"name": "one", "image": "life.elf", "args": ["exit", "9"], "memory": "2M"}')
    t.cassin("run", "--spec", "spec.json", code=9)
    # What is said on the command line wins.
    t.cassin("run", "--spec", "spec.json", t.guest("life"), "exit", "8", code=8)


def test_a_restart_policy_works_in_the_foreground(t):
    result = t.cassin("run", "--restart", "on-failure", t.guest("life"), "recover", code=0)
    contains(result.out, "life 0", "life 1", "life 2")


def test_restarts_are_given_up_after_the_limit(t):
    began = time.monotonic()
    t.cassin("run", "--restart", "on-failure:2", t.guest("life"), "exit", "5", code=5)
    holds(time.monotonic() - began >= 0.1, "there was a back-off")


def test_ctrl_c_stops_a_guest_that_listens(t):
    process = t.start([t.tool("cassin"), "run", t.guest("life"), "accept"], stdout=subprocess.PIPE, stdin=subprocess.DEVNULL)
    contains(read_line(process), "accepting")
    process.send_signal(signal.SIGINT)
    equal(wait_exit(process), 130, "exit code")
    contains(process.stdout.read().decode(), "asked to stop")


def test_ctrl_c_ends_a_guest_that_does_not_listen(t):
    process = t.start([t.tool("cassin"), "run", t.guest("hog"), "spin"], stdout=subprocess.PIPE, stdin=subprocess.DEVNULL)
    contains(read_line(process), "spinning")
    process.send_signal(signal.SIGINT)
    process.send_signal(signal.SIGTERM)
    holds(wait_exit(process) > 128, "a signal's exit code")


def test_a_second_ctrl_c_kills_at_once(t):
    process = t.start([t.tool("cassin"), "run", t.guest("life"), "sleep"], stdout=subprocess.PIPE, stdin=subprocess.DEVNULL)
    contains(read_line(process), "sleeping")
    process.send_signal(signal.SIGINT)
    time.sleep(0.2)
    process.send_signal(signal.SIGINT)
    equal(wait_exit(process), 130, "exit code")


def test_ctrl_c_typed_on_a_terminal_ends_the_guest(t):
    ours, theirs = pty.openpty()

    def take_terminal():
        os.setsid()
        fcntl.ioctl(theirs, termios.TIOCSCTTY, 0)
    process = t.start([t.tool("cassin"), "run", t.guest("life"), "accept"], stdin=theirs, stdout=theirs, stderr=theirs,
                      preexec_fn=take_terminal)
    os.close(theirs)
    shown = b""
    while b"accepting" not in shown:
        shown += os.read(ours, 1000)
    os.write(ours, b"\x03")
    equal(wait_exit(process), 130, "exit code")
    while b"asked to stop" not in shown:
        shown += os.read(ours, 1000)
    os.close(ours)


def test_lines_typed_on_a_terminal_reach_the_guest(t):
    ours, theirs = pty.openpty()
    process = t.start([t.tool("cassin"), "run", t.guest("life"), "read"], stdin=theirs, stdout=theirs, stderr=theirs)
    os.close(theirs)
    os.write(ours, b"typed\n\x04")
    equal(wait_exit(process), 0, "exit code")
    shown = os.read(ours, 4096).decode()
    contains(shown, "read: typed", "end of input")
    os.close(ours)


def test_a_closed_output_ends_the_guest(t):
    flood = t.compile("flood", "int main(void) { for (;;) cassin_print(\"more and more and more\\n\"); }")
    reader, writer = os.pipe()
    process = t.start([t.tool("cassin"), "run", flood], stdout=writer, stdin=subprocess.DEVNULL)
    os.close(writer)
    os.read(reader, 1)
    os.close(reader)
    equal(wait_exit(process), 141, "exit code")


def test_two_runs_of_one_image_side_by_side(t):
    many = [t.start([t.tool("cassin"), "run", t.guest("hello")], stdout=subprocess.DEVNULL) for _ in range(4)]
    equal([wait_exit(p) for p in many], [0] * 4, "exit codes")


def without_kvm(t, script):
    """Runs cassin and cassind where the script has changed /dev for them alone."""
    text = f'set -e; {script}; shift 0; exec "$@"'
    prefix = namespace(["-m"], "sh", "-c", text, "sh")
    return (t.run([*prefix, t.tool("cassin"), "run", "--backend", "kvm", t.guest("hello")], code=125),
            t.run([*prefix, t.tool("cassind"), "--backend", "kvm", "--socket", t.path("no.sock")], code=3))


# needs: namespaces
# needs: namespaces
def test_without_kvm_one_line_says_how_to_get_it(t):
    for result in without_kvm(t, "mount -t tmpfs none /dev"):
        one_line(result.err, "/dev/kvm", "modprobe")
    holds(not os.path.exists(t.path("no.sock")), "no socket is left")


# needs: root
def test_a_forbidden_kvm_is_told_in_one_line_with_the_cure(t):
    os.chmod(t.folder, 0o755)
    nobody = ["setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups"]
    public = ["unshare", "-m", "sh", "-c", 'mount -t tmpfs none /mnt; mount -t tmpfs none /dev; : >/dev/kvm; chmod 600 /dev/kvm; '
              'cp "$1" /mnt/tool; cp "$2" /mnt/hello.elf; chmod 755 /mnt /mnt/*; shift 2; exec "$@"', "sh"]
    result = t.run([*public, t.tool("cassin"), t.guest("hello"), *nobody, "/mnt/tool", "run", "--backend", "kvm",
                    "/mnt/hello.elf"], code=125)
    one_line(result.err, "/dev/kvm", "permission denied", "usermod -aG kvm")
    result = t.run([*public, t.tool("cassind"), t.guest("hello"), *nobody, "/mnt/tool", "--backend", "kvm", "--socket",
                    "/mnt/x.sock"])
    holds(result.code == 3, f"exit code 3: {result.code}")


# needs: namespaces
# needs: namespaces
def test_a_kvm_that_is_no_kvm_is_told(t):
    for result in without_kvm(t, "mount -t tmpfs none /dev; : >/dev/kvm"):
        one_line(result.err, "/dev/kvm")
