# SPDX-License-Identifier: MIT
"""Lua's interpreter as a guest: the REPL on the console, errors, limits, and what it computes."""

import os

from cassin_test import contains, equal, holds

BEHAVIOUR = os.path.join(os.path.dirname(os.path.abspath(__file__)), "lua_behaviour.lua")


def lua(t, *args, code=0, options=(), **how):
    return t.cassin("run", *options, t.guest("lua"), *args, code=code, **how)


def test_lua_answers_line_by_line(t):
    text = "1+1\nx = 5\nfor i=1,2 do\nprint(i*x)\nend\nerror('bad')\n='still here'\nos.exit(3)\n"
    out = lua(t, input=text, code=3).out
    contains(out, "Lua 5.4.4", "> 2\n", "> > >> >> 5\n10\n", "stdin:1: bad\nstack traceback:", "still here\n")


def test_lua_ends_with_its_input(t):
    contains(lua(t, input="print('last')\n", code=0).out, "> last\n> ")


def test_lua_reads_options_and_says_what_is_wrong(t):
    contains(lua(t, "-v").out, "Lua 5.4.4")
    equal(lua(t, "-e", "print(1+1)").out, "2\n", "output")
    contains(lua(t, "-e", "error('boo')", code=1).out, "lua.elf: (command line):1: boo\nstack traceback:", "in main chunk")
    contains(lua(t, "-e", "x = = 1", code=1).out, "unexpected symbol near '='")
    contains(lua(t, "missing.lua", code=1).out, "cannot open missing.lua")


def test_lua_exits_with_the_scripts_code(t):
    lua(t, "-e", "os.exit(7)", code=7)
    lua(t, "-e", "os.exit(false)", code=1)


def test_lua_hears_that_there_is_no_memory_and_goes_on(t):
    script = ("print(pcall(function() local s = 'x' while true do s = s .. s end end)) "
              "print(pcall(function() local t = {} while true do t[#t + 1] = {} end end)) "
              "collectgarbage() print(#string.rep('x', 100000))")
    out = lua(t, "-e", script, options=("--memory", "4M")).out
    equal(out, "false\tnot enough memory\nfalse\tnot enough memory\n100000\n", "output")


def test_lua_runs_scripts_and_modules_of_its_spec(t):
    t.write("main.lua", "local m = require 'greet' print(m(...)) for l in io.lines('main.lua') do print(l) end\n")
    t.write("greet.lua", "return function(who) return 'hello ' .. who end\n")
    out = lua(t, "main.lua", "you", options=("--file", "main.lua", "--file", "greet.lua")).out
    contains(out, "hello you\nlocal m = require")


def test_lua_refuses_what_a_guest_has_not(t):
    script = ("print(os.execute(), os.execute('ls')) print(pcall(io.popen, 'ls')) print(io.open('new', 'w')) "
              "print(os.remove('new')) print(os.rename('a', 'b')) print(io.tmpfile())")
    lines = lua(t, "-e", script).out.splitlines()
    for line, want in zip(lines, ["false\tnil\tFunction not implemented", "false\t'popen' not supported",
                                  "nil\tnew: Read-only file system", "nil\tnew: No such file or directory",
                                  "nil\t", "nil\tRead-only file system"]):
        contains(line, want)
    equal(len(lines), 6, "lines")


def test_lua_computes_as_a_process_does(t):
    with open(BEHAVIOUR, encoding="utf-8") as script:
        t.write("behaviour.lua", script.read())
    native = t.run([os.path.join(t.build, "tests", "native", "lua"), "behaviour.lua"], code=0)
    guest = lua(t, "behaviour.lua", options=("--memory", "128M", "--file", "behaviour.lua"))
    equal(guest.out.splitlines(), native.out.splitlines(), "lines")
    contains(native.out, "C stack overflow", "stack overflow", "resulting string too large")


def test_lua_draws_other_numbers_in_each_guest(t):
    script = "print(math.random(0), math.random(1, 1 << 40)) print(math.randomseed())"
    first, second = (lua(t, "-e", script).out.split() for _ in range(2))
    equal(len(first), 4, "numbers")
    for one, other in zip(first, second):
        holds(one != other, f"{one} and {other} differ")
    fixed = "math.randomseed(42) print(math.random(0), math.random(1 << 40), math.random(100))"
    native = t.run([os.path.join(t.build, "tests", "native", "lua"), "-e", fixed], code=0).out
    equal(lua(t, "-e", fixed).out, native, "the numbers of a seed that the script gives")
    contains(lua(t, "-e", "print(pcall(math.random, 'x'))").out, "bad argument #1 to 'math.random'")


def test_lua_says_that_a_recursion_was_endless(t):
    script = "local function f() return 1 + f() end print(pcall(f)) print('on')"
    contains(lua(t, "-e", script).out, "false", "stack overflow", "\non\n")
