# SPDX-License-Identifier: MIT
"""Files that a spec gives to its guest."""

import json
import os

from cassin_test import contains, equal, holds, mistaken, one_line

READER = """
#include <stdio.h>

int main(int argc, char **argv)
{
	char line[80];
	for (int i = 1; i < argc; i++) {
		FILE *in = fopen(argv[i], "r");
		if (!in) {
			perror(argv[i]);
			return 1;
		}
		while (fgets(line, sizeof line, in))
			printf("%s: %s", argv[i], line);
		fclose(in);
	}
	return 0;
}
"""


def reader(t):
    return t.compile("reader", READER, "--libc")


def test_run_gives_files_by_option(t):
    image = reader(t)
    t.write("notes.txt", "one\ntwo\n")
    t.write("x.conf", "colour = red\n")
    result = t.cassin("run", "--file", "notes.txt", "--file", "etc/app.conf=x.conf", image, "notes.txt", "/etc/app.conf", code=0)
    equal(result.out, "notes.txt: one\nnotes.txt: two\n/etc/app.conf: colour = red\n", "output")
    result = t.cassin("run", "--file", "notes.txt", image, "other.txt", code=1)
    contains(result.out + result.err, "other.txt: No such file")


def test_a_spec_gives_files_beside_it_and_in_it_and_an_option_replaces_one(t):
    image = reader(t)
    os.makedirs(t.path("shop"))
    t.write("shop/menu", "soup\n")
    t.write("other", "bread\n")
    spec = {"name": "g", "image": image, "args": ["menu", "motd"],
            "files": [{"name": "menu", "path": "menu"}, {"name": "motd", "text": "welcome\n"}]}
    t.write("shop/spec.json", json.dumps(spec))
    equal(t.cassin("run", "--spec", "shop/spec.json", code=0).out, "menu: soup\nmotd: welcome\n", "output")
    result = t.cassin("run", "--spec", "shop/spec.json", "--file", "menu=other", code=0)
    equal(result.out, "menu: bread\nmotd: welcome\n", "output with --file")


def test_files_that_cannot_be_read_are_refused_in_one_line(t):
    image = t.guest("hello")
    one_line(t.cassin("run", "--file", "absent", image, code=125).err, "absent", "No such file")
    one_line(t.cassin("run", "--file", "a=" + t.folder, image, code=125).err, "file a", "not a regular file")
    mistaken(t.cassin("run", "--file", "/etc/.pwd.lock", image), "run", "pwd.lock", "NAME=PATH")
    t.write("large", "")
    os.truncate(t.path("large"), (16 << 20) + 1)
    one_line(t.cassin("run", "--file", "large", image, code=125).err, "large", "16 MiB")
    many = [part for i in range(65) for part in ("--file", f"n{i}={image}")]
    contains(t.cassin("run", *many, image, code=2).err, "64")


def test_a_daemon_s_guests_have_files_that_it_keeps_and_shows(t):
    daemon = t.daemon("--state", t.path("state"))
    image = reader(t)
    t.write("motd", "first\n")
    daemon.cassin("spawn", "-n", "3", "--name", "r", "--restart", "no", "--file", "motd", image, "motd", code=0)
    for i in range(3):
        daemon.await_state(f"r-{i}", "exited")
        contains(daemon.cassin("logs", f"r-{i}", code=0).out, "motd: first")
    shown = daemon.request("GET", "/v1/guests/r-0", status=200).json()["spec"]["files"]
    equal(shown, [{"name": "motd", "path": t.path("motd")}], "files in the spec")
    inline = {"name": "inline", "image": image, "args": ["a"], "files": [{"name": "a", "text": "within\n"}]}
    daemon.request("POST", "/v1/guests", inline, status=201)
    daemon.await_state("inline", "exited")
    contains(daemon.cassin("logs", "inline", code=0).out, "a: within")
    equal(daemon.guest("inline")["spec"]["files"], inline["files"], "files in the spec")


def test_a_daemon_wants_absolute_paths_and_says_what_it_cannot_read(t):
    daemon = t.daemon()
    image = t.guest("hello")
    body = {"name": "g", "image": image, "files": [{"name": "a", "text": ""}, {"name": "b", "path": "b"}]}
    contains(daemon.request("POST", "/v1/guests", body, status=400).json()["error"], "files[1].path", "absolute")
    answer = daemon.request("POST", "/v1/spawn", {"spec": body, "count": 1, "name_prefix": "g"})
    holds(answer.status == 400, f"status {answer.status}: {answer.text}")
    contains(answer.json()["error"], "files[1].path", "absolute")
    body["files"][1]["path"] = t.path("absent")
    contains(daemon.request("POST", "/v1/guests", body, status=422).json()["error"], "file b", "No such file")
    equal(daemon.guests(), [], "guests")


def test_clones_share_their_template_s_files_or_bring_their_own(t):
    daemon = t.daemon()
    image = t.compile("late", READER.replace("\tchar line[80];", "\tchar line[80];\n\tcassin_call0(CASSIN_CALL_READY);")
                      .replace("#include <stdio.h>", "#include <stdio.h>\n#include <cassin/kernel.h>"), "--libc")
    t.write("app", "of the template\n")
    t.write("mine", "of the clone\n")
    daemon.cassin("template", "create", "--file", "app", "late", image, "app", code=0)
    daemon.cassin("spawn", "--template", "late", "--name", "same", code=0)
    daemon.cassin("spawn", "--template", "late", "--name", "own", "--file", "app=mine", code=0)
    for name, says in (("same", "of the template"), ("own", "of the clone")):
        daemon.await_state(name, "exited")
        contains(daemon.cassin("logs", name, code=0).out, says)
