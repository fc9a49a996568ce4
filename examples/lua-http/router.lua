-- SPDX-License-Identifier: MIT
-- Between the server and app.lua: routes, and what a handler returns. The server runs this first, then app.lua, and calls the
-- function that this returns for each request. The server's own is guest_name().

local routes = {}

-- route("GET", "/hello/:name", function(req) ... end): ":name" stands for one part of a path, and is req.params.name.
function route(method, path, handler)
	if type(method) ~= "string" or type(path) ~= "string" or type(handler) ~= "function" then
		error("route: give a method, a path and a function", 2)
	end
	if path:sub(1, 1) ~= "/" then
		error("route: the path " .. path .. " does not begin with /", 2)
	end
	local names = {}
	local pattern = path:gsub("[^%w/:]", "%%%0"):gsub(":(%w+)", function(name)
		names[#names + 1] = name
		return "([^/]+)"
	end)
	routes[#routes + 1] = {method = method, pattern = "^" .. pattern .. "$", names = names, handler = handler}
end

function get(path, handler)
	route("GET", path, handler)
end

function post(path, handler)
	route("POST", path, handler)
end

local function decode(text)
	return (text:gsub("%%(%x%x)", function(digits) return string.char(tonumber(digits, 16)) end))
end

local function parse_query(text)
	local query = {}
	for key, value in text:gmatch("([^&=]+)=?([^&]*)") do
		query[decode((key:gsub("+", " ")))] = decode((value:gsub("+", " ")))
	end
	return query
end

local function find(method, path)
	local others = {}
	for _, r in ipairs(routes) do
		local parts = {path:match(r.pattern)}
		if parts[1] and (r.method == method or (r.method == "GET" and method == "HEAD")) then
			local params = {}
			for i, name in ipairs(r.names) do
				params[name] = decode(parts[i])
			end
			return r, params
		elseif parts[1] then
			others[#others + 1] = r.method
		end
	end
	return nil, others
end

local function field_lines(headers)
	local lines, typed = {}, false
	for name, value in pairs(headers) do
		name, value = tostring(name), tostring(value)
		if name:find("[^%w!#$%%&'*+.^_`|~-]") or name == "" or value:find("[\r\n%z]") then
			error("a header that cannot be sent: " .. name, 0)
		end
		local lower = name:lower()
		if lower == "content-length" or lower == "connection" or lower == "transfer-encoding" then
			error("the header " .. name .. " is the server's", 0)
		end
		typed = typed or lower == "content-type"
		lines[#lines + 1] = name .. ": " .. value .. "\r\n"
	end
	if not typed then
		lines[#lines + 1] = "Content-Type: text/plain; charset=utf-8\r\n"
	end
	return table.concat(lines)
end

-- A handler returns a body, or a status and a body, or these and a table of headers. Nothing is 204.
local function finish(status, body, headers)
	if type(status) ~= "number" then
		status, body, headers = status == nil and 204 or 200, status, body
	end
	if math.type(status) ~= "integer" or status < 200 or status > 599 then
		error("a handler's status must be from 200 to 599, not " .. tostring(status), 0)
	end
	if body ~= nil and type(body) ~= "string" and type(body) ~= "number" then
		error("a handler's body must be a string, not a " .. type(body), 0)
	end
	return status, field_lines(headers or {}), tostring(body or "")
end

return function(method, path, query, headers, body)
	local found, more = find(method, decode(path))
	if not found then
		if #more == 0 then
			return 404, field_lines({}), "404 Not Found\n"
		end
		return 405, field_lines({Allow = table.concat(more, ", ")}), "405 Method Not Allowed\n"
	end
	return finish(found.handler({method = method, path = path, params = more, query = parse_query(query),
		headers = headers, body = body}))
end
