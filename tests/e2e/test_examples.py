# SPDX-License-Identifier: MIT
"""The examples of the manual pages, of every command's help and of the documents are run as they stand, where what they name is there."""

import os
import re
import shutil
import signal
import subprocess

from cassin_test import ROOT, SLOW, Failed, contains, equal, have, holds
from test_docs import COMMANDS, manual

# What a person ends with Ctrl-C, or what serves until it is ended; and how it may end then.
GOES_ON = {"cassin run -p 8080:80 build/examples/http.elf": 130, "cassin run --gdb 1234 build/examples/kv.elf": 130,
           "cassin logs -f db": 130, "cassin logs -f http-3": 130, "cassin trace web-3": 0,
           "cassin trace --json web-3 | jq 'select(.op == \"send\")'": 130}
# Programs of others, reports of another day, a terminal, minutes: tests of their own have these commands.
NOT_HERE = ("my-vmm", "cassin density idle", "cassin density compare", "cassin density --ramp", "cassin top", "cassin conformance",
            "cassind", "cassin new", "less", "sudo")
SMALLER = {"-n 1000": "-n 45", "-n 500": "-n 45", "-t 10": "-t 1"}
MANY = 45  # guests with a port each, from 8000 on


def examples_of_page(name):
    """Lines under EXAMPLES that are to be typed."""
    section = manual(name).partition(".Sh EXAMPLES")[2].partition("\n.Sh ")[0]
    return [line.replace("\\e", "\\") for line in re.findall(r"^\.Dl (.*)$", section, re.MULTILINE)]


def examples_of_help(t, command):
    text = t.cassin("help", command, code=0).out.partition("\nExample")[2]
    return [line.strip() for line in text.splitlines()[1:] if line.startswith("  ")]


class Shell:
    """Types commands where `build` is the build, and what examples name is in the folder."""

    def __init__(self, t, daemon):
        self.t, self.many = t, 0
        os.symlink(t.build, t.path("build"))
        os.symlink(os.path.join(ROOT, "examples"), t.path("examples"))
        t.write("web.json", '{"image": "build/examples/http.elf", "name": "of-spec"}')
        path = f"{t.build}/tools:{t.build}/guest-lib:{os.environ['PATH']}"
        self.environment = t.environment({"CASSIN_SOCKET": daemon.socket, "PATH": path})

    def adapted(self, line):
        """The line with ports that are free here, and with fewer guests."""
        for text, less in SMALLER.items():
            line = line.replace(text, less)
        if not shutil.which("jq"):
            line = re.sub(r"\| jq .*", "| cat", line)
        if "8000+:" in line:
            self.many = self.t.ports(MANY)
        line = re.sub(r"(?<=-p )8000(?=\+)|(?<=127\.0\.0\.1:)80[0-4]\d", lambda port: str(self.many + int(port[0]) - 8000), line)
        return re.sub(r"(?<=-p )\d{4}(?=:)|(?<=--gdb )\d{4}", lambda port: str(self.t.ports()), line)

    def type(self, line, ended_by=None):
        """Runs a line in a shell of its own group; one that goes on gets Ctrl-C. Returns its status and what it printed."""
        self.t.note([line])
        process = subprocess.Popen(["bash", "-o", "pipefail", "-c", self.adapted(line)], cwd=self.t.folder, env=self.environment,
                                   stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True)
        try:
            if ended_by is not None:
                try:
                    process.wait(2 * SLOW)
                except subprocess.TimeoutExpired:
                    os.killpg(process.pid, signal.SIGINT)
            out, _ = process.communicate(timeout=40 * SLOW)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            raise Failed(f"did not end: {line}") from None
        status = process.returncode
        return 128 - status if status < 0 else status, out.decode(errors="replace")


def prepare(t, daemon, line):
    """Nothing of the last example is left, and the guests and the template that this one names are there."""
    daemon.cassin("rm", "--all")
    for template in daemon.request("GET", "/v1/templates", status=200).json()["templates"]:
        daemon.cassin("template", "rm", template["name"], code=0)
    if "--template web" in line or "template rm" in line:
        daemon.cassin("template", "create", "web", t.guest("http"), code=0)
    if not line.startswith("cassin spawn"):
        for name, image in (("web-3", "http"), ("http-3", "http"), ("db", "kv"), ("echo", "echo"), ("test-0", "echo")):
            daemon.cassin("spawn", "--name", name, t.guest(image), code=0)


def try_all(t, lines):
    daemon = t.daemon()
    shell = Shell(t, daemon)
    tried = 0
    for line in lines:
        if any(words in line for words in NOT_HERE):
            continue
        prepare(t, daemon, line)
        expected = GOES_ON.get(line)
        code, out = shell.type(line, expected)
        equal(code, expected or 0, f"exit code of: {line}\n{out[-1500:]}\n")
        tried += 1
    return tried


# seconds: 240
def test_the_examples_of_the_manual_pages_work(t):
    holds(try_all(t, examples_of_page("cassin.1")) >= 10, "examples were found")


# seconds: 400
def test_the_examples_of_the_helps_work(t):
    lines = [line for command in COMMANDS for line in examples_of_help(t, command)]
    holds(all(line in "\n".join(lines) for line in GOES_ON if "http-3" not in line), "what goes on is an example still")
    holds(try_all(t, lines) >= 30, "examples were found")


def blocks(page, language=""):
    """The code blocks of a page, of one language."""
    with open(os.path.join(ROOT, page), encoding="utf-8") as text:
        found = re.findall(r"^```(\w*)\n(.*?)^```$", text.read(), re.DOTALL | re.MULTILINE)
    return [block for of, block in found if of == language]


# As those above, of the README alone.
README_GOES_ON = {"cassin run -p 8080:80 build/examples/http.elf": 130, "cassin trace web-42": 0,
                  "cassin run -p 9080:80 --file app.lua=examples/lua-http/app.lua build/examples/lua-http.elf": 130}


# seconds: 240
def test_the_readme_works_from_top_to_bottom(t):
    """What a reader types under "Try it", one after the other and with one daemon."""
    have("gdb")
    shell, tried = Shell(t, t.daemon()), 0
    with open(os.path.join(ROOT, "README.md"), encoding="utf-8") as text:
        part = text.read().partition("\n## Try it\n")[2].partition("\n## ")[0]
    for line in "\n".join(re.findall(r"^```\n(.*?)^```$", part, re.DOTALL | re.MULTILINE)).splitlines():
        line = line.partition("  #")[0].rstrip()
        if not line or line.startswith(("./x", "PATH=", "cassind", "redis-cli", "cassin top")):
            continue
        line = line.replace('"$XDG_RUNTIME_DIR/cassin.sock"', "$CASSIN_SOCKET").replace("curl ", "curl -sS -f ")
        code, out = shell.type(line, README_GOES_ON.get(line))
        equal(code, README_GOES_ON.get(line, 0), f"exit code of: {line}\n{out[-1500:]}\n")
        tried += 1
    holds(tried >= 18, f"lines were found: {tried}")


# What each program of a page gets, and what it is to say.
PROGRAMS = {
    "README.md": [([], [], "", "hello, I am it and have 4096 pages")],
    "docs/guests.md": [([], [], "", "hello, I am it and have 4096 pages"), ([], ["--file", "motd.txt"], "", "message of the day"),
                       None,  # the service: below
                       ([], [], "a line\n", "a line\n")],
    "docs/guest-kernel.md": [(["--kernel"], [], "", "one 0\ntwo 0\none 1\ntwo 1\none 2\ntwo 2\n")],
    "docs/libc.md": [(["-lm"], [], "", "1.414213562373095")],
}


def whole_programs(page):
    return [block for block in blocks(page, "c") if "int main(" in block]


def test_the_programs_of_the_documents_run(t):
    t.write("motd.txt", "message of the day\n")
    for page, cases in PROGRAMS.items():
        programs = whole_programs(page)
        equal(len(programs), len(cases), f"programs of {page}")
        for program, case in zip(programs, cases):
            if case:
                options, run_options, typed, words = case
                t.write("it.c", program)
                t.run([t.compiler(), "-Wall", "-Wextra", "-Werror", "it.c", "-o", "it.elf", *options], code=0)
                contains(t.cassin("run", *run_options, "it.elf", input=typed, code=0).out, words)


def test_the_user_program_of_the_documents_runs(t):
    """By the commands beside it: all of them are in the folders that docs/guests.md puts into PATH."""
    program, kernel = whole_programs("docs/user-programs.md")
    t.write("hello.c", program)
    t.write("kernel.c", kernel)
    script = next(block for block in blocks("docs/user-programs.md") if "cassin-pack" in block)
    path = f"{t.build}/tools:{t.build}/guest-lib:{os.environ['PATH']}"
    contains(t.run(["bash", "-ec", script], env={"PATH": path}, code=0).out, "somebody: I am process ")


def test_the_service_of_the_documents_answers(t):
    t.write("lines.c", whole_programs("docs/guests.md")[2])
    t.run([t.compiler(), "-Wall", "lines.c", "-o", "lines.elf"], code=0)
    daemon = t.daemon()
    daemon.cassin("spawn", "-n", 3, "--name", "line", "lines.elf", code=0)
    out = daemon.cassin("connect", "line-2", "2000", input="hi\nyou\nbye\n", code=0).out
    equal([(line.split()[0], line.split()[2]) for line in out.splitlines()], [("1", "hi"), ("2", "you"), ("3", "bye")], "answers")
    daemon.cassin("stop", "line-2", code=0)
    contains(daemon.cassin("logs", "line-2", code=0).out, "line-2: asked to stop")


def test_the_spec_of_the_documents_is_taken(t):
    spec, = blocks("docs/spec.md", "json")
    t.write("shop.conf", "")
    t.compile("shop", "int main(void) { char c; cassin_ready(); return (int)cassin_read(&c, 1); }")
    daemon = t.daemon()
    t.write("shop.json", spec.replace("8080", str(t.ports())).replace("/run/shop-web.sock", t.path("web.sock")))
    daemon.cassin("spawn", "--spec", "shop.json", code=0)
    equal(daemon.guest("shop-web")["domain"], "shop", "its domain")


def test_the_requests_of_the_api_document_are_answered(t):
    """By curl, as they stand there."""
    have("curl")
    daemon = t.daemon()
    commands = [re.sub(r"^\{.*\n?", "", block, flags=re.MULTILINE) for block in blocks("docs/api.md") if block.startswith("ccurl")]
    holds(len(commands) >= 6, "requests were found")
    for command in commands:
        if "/v1/guests/web/" in command:
            daemon.cassin("rm", "--all")
            daemon.cassin("spawn", "--name", "web", t.guest("http"), code=0)
        for old, new in (("/srv/http.elf", t.guest("http")), ("8080", str(t.ports())), ("8000", str(t.ports(3)))):
            command = command.replace(old, new)
        script = f"shopt -s expand_aliases\nalias ccurl='curl -sS -m 2 --unix-socket {daemon.socket}'\n{command}"
        done = t.run(["bash", "-c", script])
        holds(done.code == (28 if "follow=1" in command else 0), f"{command}: {done.code}: {done.err}")
        holds(("error" in done.out) == ("nobody" in command), f"{command}: {done.out}")
        daemon.cassin("rm", "--all")
