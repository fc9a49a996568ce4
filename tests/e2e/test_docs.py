# SPDX-License-Identifier: MIT
"""Manual pages, help texts and completion say the same."""

import os
import re
import subprocess

from cassin_test import ROOT, contains, equal, have, holds

COMMANDS = ["run", "spawn", "ps", "inspect", "logs", "stop", "kill", "restart", "rm", "stats", "top", "connect", "debug", "trace",
            "density", "conformance", "template", "new", "doctor", "version"]


def manual(name):
    with open(os.path.join(ROOT, "docs", "man", name), encoding="utf-8") as page:
        return page.read()


def plain(name):
    """A page as a reader sees its words: the macros of options turned into their dashes."""
    return re.sub(r"Fl ([a-zA-Z-]+)", r"-\1", manual(name).replace("\\-", "-"))


def options(text):
    return set(re.findall(r"(?<![\w-])(--[a-z][a-z-]+|-[a-zA-Z])(?![\w-])", text))


def test_every_option_of_the_help_is_in_the_manual_page(t):
    page = plain("cassin.1")
    contains(t.cassin("help", code=0).out, *COMMANDS)
    for command in COMMANDS:
        text = t.cassin("help", command, code=0).out
        equal(t.cassin(command, "--help", code=0).out, text, "--help")
        usage = text.partition("\nExample")[0]
        missing = [o for o in options(usage) if o not in options(page)]
        equal(missing, [], f"options of {command} that the manual page lacks")
        contains(page, f"Cm {command}")
    text = t.run([t.tool("cassind"), "--help"], code=0).out
    equal([o for o in options(text) if o not in options(plain("cassind.8"))], [], "options that cassind.8 lacks")


def test_every_long_option_of_the_manual_page_is_taken(t):
    helps = "".join(t.cassin("help", command, code=0).out for command in COMMANDS)
    unknown = {o for o in options(plain("cassin.1")) if o.startswith("--")} - options(helps) - {"--help", "--version"}
    # --ready-fd and the like belong to the daemon.
    equal(unknown - options(t.run([t.tool("cassind"), "--help"]).out), set(), "options nobody knows")


def test_manual_pages_are_well_formed(t):
    for name in ("cassin.1", "cassind.8"):
        path = os.path.join(ROOT, "docs", "man", name)
        result = t.run([have("groff"), "-ww", "-z", "-mdoc", "-Tutf8", path], code=0)
        equal(result.err, "", f"warnings about {name}")


def test_every_example_of_the_help_begins_with_a_program(t):
    for command in COMMANDS:
        examples = t.cassin("help", command, code=0).out.partition("Example")[2].splitlines()[1:]
        holds(examples, f"{command} has examples")


def complete(t, daemon, line):
    """What bash offers at the end of a line."""
    script = f"""
source {ROOT}/tools/completion/cassin.bash
COMP_LINE='{line}' COMP_POINT=${{#COMP_LINE}}
COMP_WORDS=({line}) COMP_CWORD=$((${{#COMP_WORDS[@]}} - 1))
[[ '{line}' == *' ' ]] && COMP_WORDS+=('') && COMP_CWORD=$((COMP_CWORD + 1))
_cassin 2>/dev/null
printf '%s\\n' "${{COMPREPLY[@]}}"
"""
    environment = {"PATH": f"{os.path.dirname(t.tool('cassin'))}:{os.environ['PATH']}", "CASSIN_SOCKET": daemon.socket}
    return set(t.run(["bash", "--norc", "-c", script], env=environment, code=0).out.split())


def test_completion_knows_commands_options_and_guests(t):
    daemon = t.daemon()
    daemon.cassin("spawn", "-n", 3, "--name", "web", t.guest("life"), "sleep", code=0)
    holds(set(COMMANDS) <= complete(t, daemon, "cassin "), "commands")
    equal(complete(t, daemon, "cassin in"), {"inspect"}, "a command's beginning")
    holds({"web-0", "web-1", "web-2"} <= complete(t, daemon, "cassin kill "), "guests")
    equal(complete(t, daemon, "cassin kill web-1"), {"web-1"}, "a guest's beginning")
    equal(complete(t, daemon, "cassin run --isolation "), {"cell", "vm"}, "values")
    for command in COMMANDS:
        offered = complete(t, daemon, f"cassin {command} -")
        known = {o for o in options(t.cassin("help", command, code=0).out.partition("\nExample")[0]) if o.startswith("--")}
        equal(sorted(known - offered), [], f"options of {command} that completion lacks")


def described(name):
    with open(os.path.join(ROOT, "docs", name), encoding="utf-8") as text:
        return text.read()


def test_every_path_of_the_api_document_is_served(t):
    daemon = t.daemon()
    paths = re.findall(r"^\| `([A-Z]+) (/\S+)` \|", described("api.md"), re.MULTILINE)
    holds(len(paths) >= 13, f"paths: {paths}")
    for method, path in paths:
        if "NAME" in path:
            daemon.cassin("rm", "--all")
            daemon.cassin("spawn", "--name", "bad", t.guest("life"), "crash", code=1)
        if "templates/NAME" in path:
            daemon.cassin("template", "create", "bad", t.guest("http"), code=0)
        answer = daemon.request(method, path.replace("NAME", "bad"), "")
        holds(answer.status not in (404, 405), f"{method} {path}: status {answer.status}")


def test_every_metric_is_in_the_api_document_and_every_one_there_exists(t):
    daemon = t.daemon()
    served = set(re.findall(r"^# TYPE (\S+)", daemon.request("GET", "/metrics", status=200).text, re.MULTILINE))
    told = set(re.findall(r"^\| `(cassin_[a-z_]+)` \|", described("api.md"), re.MULTILINE))
    equal(sorted(served ^ told), [], "metrics of one side only")


def test_completion_has_no_syntax_error(t):
    t.run(["bash", "-n", f"{ROOT}/tools/completion/cassin.bash"], code=0)


def test_unknown_commands_and_options_are_refused_with_a_hint(t):
    contains(t.cassin("nonsense", code=2).err, "nonsense", "cassin help")
    contains(t.cassin(code=2).err, "Usage")
    for command in COMMANDS:
        contains(t.cassin(command, "--nonsense", code=2).err, f"cassin {command}: ", "nonsense", f"cassin help {command}")


def test_help_explains_itself(t):
    equal(t.cassin("help", "help", code=0).out, t.cassin("help", code=0).out, "help of help")


def test_the_overview_lists_commands_in_two_columns(t):
    listed = [line for line in t.cassin("help", code=0).out.partition("Commands:\n")[2].partition("\n\n")[0].splitlines()]
    holds(len(listed) > 10, "commands are listed")
    starts = {len(line) - len(line.strip().partition(" ")[2].strip()) for line in listed}
    equal(len(starts), 1, "columns where summaries begin")


def test_a_full_disk_or_closed_pipe_is_no_success(t):
    daemon = t.daemon()
    daemon.cassin("spawn", "-n", 50, t.guest("life"), "sleep", code=0)
    with open("/dev/full", "wb") as full:
        process = subprocess.run([t.tool("cassin"), "--socket", daemon.socket, "ps"], stdout=full, stderr=subprocess.PIPE,
                                 check=False, timeout=20)
    holds(process.returncode != 0, "a failed write is told")
