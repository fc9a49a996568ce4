-- SPDX-License-Identifier: MIT
-- What Lua says of itself: a guest and a process with the same interpreter must print the same.
print(_VERSION, math.maxinteger, math.mininteger, math.pi, 2^53, 1e15, 1e100, -0.0, 1/0, -1/0)
print(7 // 2, -7 // 2, 7 % -3, -7 % 3, 7.5 // 2, 5 / 2, 3 | 4, 1 << 62, ~0, "10" + 5, 10 .. 20)
print(string.format("%5d|%-5d|%05d|%x|%X|%o|%c|%q|%s|%10.3s|%%", 42, 42, 42, 255, 255, 8, 65, "a\nb\0c", nil, "abcdef"))
print(string.format("%f %.3f %e %.10g %g %a %a %5.1f", 1.5, 2 / 3, 12345.678, 0.1, 1e20, 1.0, 0.1, -3.14159))
print(math.tointeger(3.0), math.floor(-3.5), math.ceil(-3.5), math.fmod(7, -3), math.ult(1, -1), math.type(1), math.type(1.0))
for _, f in ipairs {"sin", "cos", "tan", "asin", "acos", "atan", "exp", "log", "sqrt"} do
	print(f, string.format("%.12g", math[f](0.5)))
end
print(tonumber("0x1p4"), tonumber("1e1"), tonumber("z", 36), tonumber("8", 8), tonumber(" 12 "), tonumber("1 2"))
print(("hello world"):gsub("o", "0"), ("key = value"):match("^(%w+)%s*=%s*(%w+)$"), ("abc"):rep(3, "-"), ("abc"):reverse())
print(string.pack("<i4d", 42, 1.5):byte(1, -1))
print(utf8.char(228, 8364, 128512), utf8.len("äöü"), #"äöü", utf8.codepoint("€", 1))
print(os.time {year = 2024, month = 2, day = 29, hour = 12}, os.date("!%Y-%m-%d %H:%M:%S %a %b %j", 86400 * 366))
print(os.date("!*t", 1e9).year, os.difftime(10, 4), os.setlocale(), os.getenv("CASSIN_NO_SUCH"), type(os.clock()))

local words = {}
for word in ("the quick brown fox jumps over the lazy dog"):gmatch("%a+") do
	words[#words + 1] = word
end
table.sort(words)
print(table.concat(words, " "), select("#", table.unpack(words)), table.concat(table.move(words, 1, 3, 2), ","))

local function numbers(n)
	return coroutine.wrap(function()
		for i = 1, n do
			coroutine.yield(i)
		end
	end)
end
local sum = 0
for i in numbers(1000) do
	sum = sum + i
end
print(sum, coroutine.isyieldable(), coroutine.close(coroutine.create(print)))

print(pcall(error, {code = 1}) , select(2, pcall(error, "text", 0)), select(2, pcall(function() local x; x.y = 1 end)))
print(xpcall(function() error("deep") end, function(m) return "handled: " .. m end))
print(select(2, load("x = = 1", "chunk")), load("return ...", "c")(1, 2))
do
	local closed <close> = setmetatable({}, {__close = function() print("closed") end})
	local constant <const> = 5
	print(constant)
end
goto done
print("never")
::done::

local object = setmetatable({}, {__index = function(_, k) return k .. "!" end, __call = function(_, a) return a * 2 end,
	__len = function() return 99 end, __eq = function() return true end, __concat = function() return "joined" end})
print(object.x, object(21), #object, object .. 1, rawlen(object))
local weak = setmetatable({}, {__mode = "k"})
for i = 1, 1000 do
	weak[{}] = i
end
collectgarbage()
print(next(weak), collectgarbage("isrunning"))

-- No processes to start. Where calls of C end, and those of Lua.
local depth = 0
local function nest()
	depth = depth + 1
	return (string.gsub("a", "a", nest))
end
print(pcall(nest))
print(depth, select(2, load("return " .. ("("):rep(500) .. "1" .. (")"):rep(500))))
local function endless() return 1 + endless() end
print(select(2, pcall(endless)))
print(pcall(string.rep, "x", 1 << 60))
print(pcall(string.match, ("a"):rep(300), ("(a?)"):rep(40)))
