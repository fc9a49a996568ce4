-- SPDX-License-Identifier: MIT
-- What the interpreter is measured with: each part prints its name and its answer when it is done.
io.stdout:setvbuf("line")

local function fib(n)
	return n < 2 and n or fib(n - 1) + fib(n - 2)
end

-- Three bodies that draw each other, in steps of equal length.
local function bodies(steps)
	local all = {}
	for i = 1, 3 do
		all[i] = {x = i, y = i * i, z = -i, vx = 0.1 / i, vy = 0, vz = 0.2 * i, mass = 1 / i}
	end
	for _ = 1, steps do
		for i, a in ipairs(all) do
			for j = i + 1, #all do
				local b = all[j]
				local dx, dy, dz = a.x - b.x, a.y - b.y, a.z - b.z
				local square = dx * dx + dy * dy + dz * dz + 0.01
				local pull = 0.001 / (square * math.sqrt(square))
				a.vx, a.vy, a.vz = a.vx - dx * b.mass * pull, a.vy - dy * b.mass * pull, a.vz - dz * b.mass * pull
				b.vx, b.vy, b.vz = b.vx + dx * a.mass * pull, b.vy + dy * a.mass * pull, b.vz + dz * a.mass * pull
			end
		end
		for _, a in ipairs(all) do
			a.x, a.y, a.z = a.x + a.vx * 0.001, a.y + a.vy * 0.001, a.z + a.vz * 0.001
		end
	end
	return string.format("%.9f", all[1].x)
end

local function strings(n)
	local parts, length = {}, 0
	for i = 1, n do
		parts[#parts + 1] = string.format("%d:%s", i, ("ab"):rep(i % 7))
		if #parts == 100 then
			length = length + #table.concat(parts, ","):gsub("ab", "c"):upper()
			parts = {}
		end
	end
	return length
end

local function sorted(n)
	local numbers, drawn = {}, 1
	for i = 1, n do
		drawn = (drawn * 1664525 + 1013904223) % 4294967296
		numbers[i] = drawn
	end
	table.sort(numbers)
	return numbers[n // 2]
end

print("begin", 0)
print("fib", fib(24))
print("bodies", bodies(15000))
print("strings", strings(30000))
print("sort", sorted(25000))
