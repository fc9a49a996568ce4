-- SPDX-License-Identifier: MIT
-- A small shop. Its state is the guest's memory: each guest, and each clone, has its own.
local stock = {bread = 3, soup = 12}

get("/", function(req)
	local lines = {}
	for name, count in pairs(stock) do
		lines[#lines + 1] = ("%-10s %d\n"):format(name, count)
	end
	table.sort(lines)
	return table.concat(lines)
end)

get("/stock/:name", function(req)
	local count = stock[req.params.name]
	if not count then
		return 404, "no " .. req.params.name .. " here\n"
	end
	return ('{"name": "%s", "count": %d}\n'):format(req.params.name, count), {["Content-Type"] = "application/json"}
end)

post("/stock/:name", function(req)
	local count = math.tointeger(tonumber(req.body))
	if not count or count < 0 then
		return 400, "send a count\n"
	end
	stock[req.params.name] = count
	return 201, req.params.name .. ": " .. count .. "\n"
end)
