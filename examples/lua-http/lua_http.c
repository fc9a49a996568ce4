/* SPDX-License-Identifier: MIT */
/*
 * lua-http [--port N] [--limit MS] [SCRIPT]
 *
 * A small HTTP/1.1 server whose handlers are a Lua script, one of the guest's files (app.lua): see router.lua for what
 * scripts have. A handler that fails, or computes for longer than the limit, is a 500 and a line on the console; the others
 * go on.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cassin/kernel.h>

#include <lauxlib.h>
#include <lualib.h>

#include "http_request.h"

#define BODY_MAX (1u << 20) /* of a request, bytes */
#define LIMIT_MS 2000u
#define LOOK_EVERY 10000 /* instructions of Lua */

extern const char router_source[], router_source_end[]; /* router.S */

static lua_State *lua;              /* its registry has the dispatcher under &lua */
static uint64_t limit_ns, must_end; /* of a handler; monotonic */
static char continued;              /* a connection's `data` while its client has been told to send the body */

/* ---- Handlers ---- */

static void look_at_clock(lua_State *l, lua_Debug *where)
{
	(void)where;
	if (cassin_now() <= must_end)
		return;
	/* A pcall() of the script's may catch it: whatever comes next fails, too. */
	lua_sethook(l, look_at_clock, LUA_MASKCOUNT, 1);
	lua_sethook(lua, look_at_clock, LUA_MASKCOUNT, 1);
	luaL_error(l, "ran for longer than %d ms", (int)(limit_ns / 1000000));
}

static int with_traceback(lua_State *l)
{
	const char *message = lua_tostring(l, 1);
	luaL_traceback(l, l, message ? message : "an error that is no text", 1);
	return 1;
}

/* Calls the function below `arguments` values; an error's text is left in place of the results. */
static bool call(int arguments, int results)
{
	int at = lua_gettop(lua) - arguments;
	lua_pushcfunction(lua, with_traceback);
	lua_insert(lua, at);
	must_end = cassin_now() + limit_ns;
	lua_sethook(lua, look_at_clock, LUA_MASKCOUNT, LOOK_EVERY);
	int r = lua_pcall(lua, arguments, results, at);
	lua_remove(lua, at);
	return r == LUA_OK;
}

static void push(struct slice s)
{
	lua_pushlstring(lua, s.at, s.len);
}

/* A table of the head's fields: names in lower case, values of the same name joined as RFC 9110 (5.2) says. */
static void push_fields(struct slice rest)
{
	lua_newtable(lua);
	while (rest.len) {
		struct slice line = slice_trim(slice_cut(&rest, '\n'));
		if (!line.len)
			continue;
		struct slice name = slice_cut(&line, ':'), value = slice_trim(line);
		luaL_Buffer b;
		char *at = luaL_buffinitsize(lua, &b, name.len);
		for (uint32_t i = 0; i < name.len; i++)
			at[i] = name.at[i] >= 'A' && name.at[i] <= 'Z' ? (char)(name.at[i] | 0x20) : name.at[i];
		luaL_pushresultsize(&b, name.len);
		lua_pushvalue(lua, -1);
		if (lua_rawget(lua, -3) == LUA_TSTRING) {
			lua_pushliteral(lua, ", ");
			push(value);
			lua_concat(lua, 3);
		} else {
			lua_pop(lua, 1);
			push(value);
		}
		lua_rawset(lua, -3);
	}
}

/* In protected mode, as any of it may find no memory: takes a pointer to the request and a body's. */
struct question {
	const struct request *request;
	struct slice body;
};

static int ask(lua_State *l)
{
	const struct question *q = lua_touserdata(l, 1);
	struct slice path = request_path(q->request->target), query = {path.at + path.len, 0};
	const char *end = q->request->target.at + q->request->target.len;
	if (query.at < end && *query.at == '?')
		query = (struct slice){query.at + 1, (uint32_t)(end - query.at - 1)};
	lua_rawgetp(l, LUA_REGISTRYINDEX, &lua);
	push(q->request->method);
	push(path);
	push(query);
	push_fields(q->request->fields);
	push(q->body);
	lua_call(l, 5, 3);
	return 3;
}

/* ---- HTTP ---- */

static const char *reason(int status)
{
	static const struct {
		int status;
		const char *text;
	} all[] = {
		{200, "OK"},
		{201, "Created"},
		{202, "Accepted"},
		{204, "No Content"},
		{301, "Moved Permanently"},
		{302, "Found"},
		{303, "See Other"},
		{304, "Not Modified"},
		{400, "Bad Request"},
		{401, "Unauthorized"},
		{403, "Forbidden"},
		{404, "Not Found"},
		{405, "Method Not Allowed"},
		{409, "Conflict"},
		{411, "Length Required"},
		{413, "Content Too Large"},
		{429, "Too Many Requests"},
		{431, "Request Header Fields Too Large"},
		{500, "Internal Server Error"},
		{503, "Service Unavailable"},
	};
	for (size_t i = 0; i < sizeof all / sizeof *all; i++)
		if (all[i].status == status)
			return all[i].text;
	return "Status";
}

static void reply(struct cassin_conn *c, const struct request *r, int status, const char *fields, size_t fields_len,
		  const char *body, size_t len)
{
	char head[160];
	bool bodiless = status == 204 || status == 304;
	int n = snprintf(head, sizeof head, "HTTP/1.1 %d %s\r\nServer: cassin\r\n%s", status, reason(status),
			 !r->keep_alive ? "Connection: close\r\n"
			 : r->http10    ? "Connection: keep-alive\r\n"
					: "");
	if (!bodiless)
		n += snprintf(head + n, sizeof head - (size_t)n, "Content-Length: %zu\r\n", len);
	cassin_send(c, head, (size_t)n);
	cassin_send(c, fields, fields_len);
	cassin_send(c, "\r\n", 2);
	if (!bodiless && !slice_is(r->method, "HEAD"))
		cassin_send(c, body, len);
	if (!r->keep_alive)
		c->closing = true;
}

static void reply_error(struct cassin_conn *c, const struct request *r, int status)
{
	static const char fields[] = "Content-Type: text/plain\r\n";
	char body[64];
	int n = snprintf(body, sizeof body, "%d %s\n", status, reason(status));
	reply(c, r, status, fields, sizeof fields - 1, body, (size_t)n);
}

static void answer(struct cassin_conn *c, const struct request *r, struct slice body)
{
	struct question q = {r, body};
	lua_pushcfunction(lua, ask);
	lua_pushlightuserdata(lua, &q);
	if (call(1, 3)) {
		size_t fields_len, len;
		const char *fields = lua_tolstring(lua, -2, &fields_len), *text = lua_tolstring(lua, -1, &len);
		reply(c, r, (int)lua_tointeger(lua, -3), fields, fields_len, text, len);
	} else {
		printf("%.*s %.*s: %s\n", (int)r->method.len, r->method.at, (int)r->target.len, r->target.at,
		       lua_tostring(lua, -1));
		reply_error(c, r, 500);
	}
	lua_settop(lua, 0);
}

/* An answer, after which the connection cannot be kept: where the next request begins is not known. */
static uint32_t give_up(struct cassin_conn *c, struct request *r, int status)
{
	r->keep_alive = false;
	reply_error(c, r, status);
	return c->in_len;
}

static uint32_t input(struct cassin_conn *c)
{
	struct request r = {.keep_alive = false};
	if (*c->in == '\r' || *c->in == '\n') /* RFC 9112, 2.2: empty lines before a request are ignored */
		return 1;
	uint32_t len = request_head_length(c->in, c->in_len);
	if (len > HEAD_MAX || (!len && c->in_len >= HEAD_MAX))
		return give_up(c, &r, 431);
	if (!len)
		return 0;
	if (!request_parse((struct slice){c->in, len}, &r) || !request_path(r.target).len)
		return give_up(c, &r, 400);
	if (r.chunked)
		return give_up(c, &r, 411);
	if (r.length > BODY_MAX)
		return give_up(c, &r, 413);
	if (c->in_len - len < r.length) {
		if (r.continues && !c->data)
			cassin_send(c, "HTTP/1.1 100 Continue\r\n\r\n", 25);
		c->data = &continued;
		return 0;
	}
	c->data = NULL;
	answer(c, &r, (struct slice){c->in + len, (uint32_t)r.length});
	return len + (uint32_t)r.length;
}

/* ---- The script ---- */

static int guest_name(lua_State *l)
{
	lua_pushstring(l, cassin_name());
	return 1;
}

/* The libraries, but for what blocks on the console: this guest has one loop. */
static int prepare(lua_State *l)
{
	static const char *const gone[] = {"stdin", "read", "input", "popen", "tmpfile"};
	luaL_openlibs(l);
	lua_getglobal(l, "io");
	for (size_t i = 0; i < sizeof gone / sizeof *gone; i++) {
		lua_pushnil(l);
		lua_setfield(l, -2, gone[i]);
	}
	lua_pop(l, 1);
	lua_register(l, "guest_name", guest_name);
	size_t size = (size_t)(router_source_end - router_source);
	if (luaL_loadbuffer(l, router_source, size, "=router"))
		lua_error(l);
	lua_call(l, 0, 1);
	lua_rawsetp(l, LUA_REGISTRYINDEX, &lua);
	if (luaL_loadfile(l, lua_tostring(l, 1)))
		lua_error(l);
	lua_call(l, 0, 0);
	return 0;
}

static bool load(const char *script)
{
	lua = luaL_newstate();
	if (!lua) {
		printf("lua-http: no memory\n");
		return false;
	}
	lua_pushcfunction(lua, prepare);
	lua_pushstring(lua, script);
	bool good = call(1, 0);
	if (!good)
		printf("lua-http: %s\n", lua_tostring(lua, -1));
	lua_settop(lua, 0);
	lua_gc(lua, LUA_GCCOLLECT);
	return good;
}

static int usage(void)
{
	printf("usage: lua-http [--port N] [--limit MS] [SCRIPT]\n");
	return 2;
}

int main(int argc, char **argv)
{
	long long port = 80, limit = LIMIT_MS;
	const char *script = NULL;
	for (int i = 1; i < argc; i++) {
		if (strcmp(argv[i], "--port") == 0 && i + 1 < argc && ++i)
			port = cassin_parse(argv[i], strlen(argv[i]));
		else if (strcmp(argv[i], "--limit") == 0 && i + 1 < argc && ++i)
			limit = cassin_parse(argv[i], strlen(argv[i]));
		else if (script || argv[i][0] == '-')
			return usage();
		else
			script = argv[i];
	}
	if (port < 1 || port > UINT16_MAX || limit < 1 || limit > 3600000)
		return usage();
	limit_ns = (uint64_t)limit * 1000000;
	if (!load(script ? script : "app.lua"))
		return 1;
	struct cassin_service service = {.port = (uint16_t)port, .input_max = HEAD_MAX + BODY_MAX, .input = input};
	int r = cassin_serve(&service);
	if (r)
		printf("lua-http: port %d: error %d\n", (int)port, -r);
	return r ? 1 : 0;
}
