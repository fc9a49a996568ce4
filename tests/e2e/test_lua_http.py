# SPDX-License-Identifier: MIT
"""The Lua HTTP service: handlers that are a file of the spec."""

import json
import os

from cassin_test import ROOT, contains, equal, holds, http_get, one_line

ODD = """
get("/loop", function() while true do end end)
get("/stubborn", function() while true do pcall(function() while true do end end) end end)
get("/fails", function() return nil + 1 end)
get("/much", function() local s = "x" for i = 1, 40 do s = s .. s end return s end)
get("/status", function() return 99, "x" end)
get("/split", function() return "x", {["X-A"] = "b\\r\\nc: d"} end)
get("/length", function() return "x", {["Content-Length"] = 7} end)
get("/table", function() return {} end)
get("/nothing", function() end)
get("/name", guest_name)
get("/deep", function() local function f() return 1 + f() end return f() end)
get("/a.b-c/:x/y", function(req) return req.params.x end)
get("/io", function() return tostring(io.read) .. tostring(io.stdin) .. tostring(io.popen) end)
get("/file", function() for line in io.lines("data.txt") do return line end end)
post("/echo", function(req)
	return table.concat({req.method, req.path, req.query.q or "-", req.headers["x-a"] or "-", req.body}, "|")
end)
"""


def curl(t, *args):
    return t.run(["curl", "-s", "-m", "40", *args], code=0).out


def served(t, daemon, name, app, *options):
    """A guest that serves this script; gives the beginning of its URLs."""
    port = t.ports()
    t.write(f"{name}.lua", app)
    daemon.cassin("spawn", "--name", name, "--memory", "4M", "-p", f"{port}:80", "--file", f"app.lua={name}.lua", "--file",
                  "data.txt=" + t.write("data.txt", "from a file\n"), t.guest("lua-http"), *options, code=0)
    return f"http://127.0.0.1:{port}"


def test_the_shipped_shop_runs_from_its_spec(t):
    folder = os.path.join(ROOT, "examples", "lua-http")
    with open(os.path.join(folder, "shop.json"), encoding="utf-8") as file:
        spec = json.load(file)
    equal(os.path.basename(spec["image"]), "lua-http.elf", "image")
    port = t.ports()
    spec["image"] = t.guest("lua-http")
    spec["ports"][0]["host"] = f"tcp:127.0.0.1:{port}"
    spec["files"][0]["path"] = os.path.join(folder, spec["files"][0]["path"])
    t.write("shop.json", json.dumps(spec))
    t.daemon().cassin("spawn", "--spec", "shop.json", code=0)
    url = f"http://127.0.0.1:{port}"
    equal(curl(t, url + "/"), "bread      3\nsoup       12\n", "stock")
    contains(curl(t, "-i", url + "/stock/bread"), "200 OK", "Content-Type: application/json", '{"name": "bread", "count": 3}')
    contains(curl(t, "-i", "-d", "77", url + "/stock/bread"), "201 Created", "bread: 77")
    contains(curl(t, "-i", "-d", "many", url + "/stock/bread"), "400 Bad Request")
    contains(curl(t, url + "/"), "bread      77\n")
    contains(curl(t, "-i", url + "/stock/x%20y"), "404 Not Found", "no x y here")
    contains(curl(t, "-I", url + "/"), "200 OK", "Content-Length: 28")
    contains(curl(t, "-i", "-X", "DELETE", url + "/stock/bread"), "405 Method Not Allowed", "Allow: GET, POST")


def test_a_handler_sees_the_whole_request(t):
    url = served(t, t.daemon(), "echo", ODD)
    equal(curl(t, "-d", "hi", "-H", "X-A: 1", "-H", "x-a: 2", url + "/echo?q=a+b%21&r"), "POST|/echo|a b!|1, 2|hi", "answer")
    equal(curl(t, "-d", "", url + "/echo"), "POST|/echo|-|-|", "answer")
    equal(curl(t, url + "/a.b-c/one/y"), "one", "a part of the path")
    contains(curl(t, "-i", url + "/axb-c/one/y"), "404")
    equal(curl(t, url + "/name"), "echo", "the guest's name")
    equal(curl(t, url + "/file"), "from a file", "a file of the spec")
    equal(curl(t, url + "/io"), "nilnilnil", "what would wait for the console")
    large = t.write("large", "x" * 300000)
    answer = curl(t, "--data-binary", "@" + large, "-H", "Expect: 100-continue", url + "/echo")
    equal(len(answer), len("POST|/echo|-|-|") + 300000, "length of a large body")
    t.write("larger", "x" * 1100000)
    contains(curl(t, "-i", "--data-binary", "@" + t.path("larger"), url + "/echo"), "413 Content Too Large")
    contains(curl(t, "-i", "-d", "x", "-H", "Transfer-Encoding: chunked", url + "/echo"), "411 Length Required")
    # Pipelined, and kept alive.
    pair = curl(t, "-d", "1", url + "/echo", "--next", "-s", "-d", "2", url + "/echo")
    equal(pair, "POST|/echo|-|-|1POST|/echo|-|-|2", "two requests on a connection")


def test_a_handler_that_fails_is_a_500_and_the_others_go_on(t):
    daemon = t.daemon()
    url = served(t, daemon, "odd", ODD, "--limit", "300")
    for target in ("loop", "stubborn", "fails", "much", "status", "split", "length", "table", "deep"):
        contains(curl(t, "-i", f"{url}/{target}"), "500 Internal Server Error")
        equal(curl(t, "-d", "on", url + "/echo"), "POST|/echo|-|-|on", f"after /{target}")
    contains(curl(t, "-i", url + "/nothing"), "204 No Content")
    log = daemon.cassin("logs", "odd", code=0).out
    contains(log, "GET /loop: ", "ran for longer than 300 ms", "GET /fails: app.lua:4: attempt to perform arithmetic on a nil value",
             "GET /much: not enough memory", "a header that cannot be sent: X-A")


def test_a_script_that_is_wrong_ends_the_guest_before_it_is_ready(t):
    for app, says in (("get(", "app.lua:1: unexpected symbol near <eof>"), ("error('no luck')", "app.lua:1: no luck"),
                      ("get('x', print)", "does not begin with /"), ("while true do end", "ran for longer than")):
        t.write("app.lua", app)
        result = t.cassin("run", "--file", "app.lua", t.guest("lua-http"), "--limit", "300", code=1)
        contains(result.out, "lua-http: ", says)
    contains(t.cassin("run", t.guest("lua-http"), code=1).out, "cannot open app.lua")
    contains(t.cassin("run", t.guest("lua-http"), "--port", "x", code=2).out, "usage: lua-http")


def test_clones_of_a_template_serve_each_with_a_state_of_its_own(t):
    daemon = t.daemon()
    first = t.ports(3)
    app = os.path.join(ROOT, "examples", "lua-http", "app.lua")
    daemon.cassin("template", "create", "--memory", "4M", "--file", app, "shop", t.guest("lua-http"), code=0)
    daemon.cassin("spawn", "-n", "3", "--template", "shop", "--name", "s", "-p", f"{first}+:80", code=0)
    curl(t, "-d", "9", f"http://127.0.0.1:{first}/stock/bread")
    for i, count in enumerate((9, 3, 3)):
        contains(http_get(first + i, "/stock/bread").text, f'"count": {count}')
    one_line(daemon.cassin("template", "create", "--file", "app.lua=" + t.write("bad.lua", "get("), "bad", t.guest("lua-http"),
                           code=1).err, "ended with 1 before its ready call")
    holds(len(daemon.guests()) == 3, "the template's guest is gone")


def test_clones_draw_numbers_of_their_own(t):
    app = """
math.random(10)
get("/number", function() return tostring(math.random(0)) end)
get("/seed", function() math.randomseed(7) return tostring(math.random(0)) end)
"""
    daemon = t.daemon()
    port = t.ports(4)
    t.write("app.lua", app)
    daemon.cassin("template", "create", "--memory", "4M", "--file", "app.lua", "shop", t.guest("lua-http"), code=0)
    daemon.cassin("spawn", "-n", "4", "--template", "shop", "-p", f"{port}+:80", code=0)
    numbers = [curl(t, f"http://127.0.0.1:{port + i}/number") for i in range(4) for _ in range(2)]
    equal(len(set(numbers)), 8, f"different numbers among {numbers}")
    seeded = {curl(t, f"http://127.0.0.1:{port + i}/seed") for i in range(4)} | {curl(t, f"http://127.0.0.1:{port}/seed")}
    equal(len(seeded), 1, "numbers of one seed")
    equal(curl(t, f"http://127.0.0.1:{port}/number"), curl(t, f"http://127.0.0.1:{port + 1}/number"), "what comes after it")
