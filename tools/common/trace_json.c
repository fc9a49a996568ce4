/* SPDX-License-Identifier: MIT */
#include "trace_json.h"

#include <cassin/abi.h>
#include <cassin/text.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum form { NUMBER, ADDRESS, DEADLINE, RIGHTS, CLOCK };

struct call {
	const char *name;
	struct {
		const char *name;
		enum form form;
	} args[5];
};

/* In the words of docs/abi.md. */
static const struct call calls[] = {
	[CASSIN_CALL_NULL] = {"null", {{0}}},
	[CASSIN_CALL_ENTER] = {"enter", {{"to_submit", NUMBER}, {"min_complete", NUMBER}, {"deadline", DEADLINE}}},
	[CASSIN_CALL_RING_SETUP] = {"ring_setup",
				    {{"ring", ADDRESS},
				     {"sqes", ADDRESS},
				     {"sq_entries", NUMBER},
				     {"cqes", ADDRESS},
				     {"cq_entries", NUMBER}}},
	[CASSIN_CALL_EXIT] = {"exit", {{"code", NUMBER}}},
	[CASSIN_CALL_LOG] = {"log", {{"addr", ADDRESS}, {"len", NUMBER}}},
	[CASSIN_CALL_YIELD] = {"yield", {{0}}},
	[CASSIN_CALL_INFO] = {"info", {{"addr", ADDRESS}, {"size", NUMBER}}},
	[CASSIN_CALL_READY] = {"ready", {{0}}},
	[CASSIN_CALL_TLS_SET] = {"tls_set", {{"addr", ADDRESS}}},
	[CASSIN_CALL_MAP] =
		{"map", {{"space", NUMBER}, {"va", ADDRESS}, {"page", NUMBER}, {"count", NUMBER}, {"rights", RIGHTS}}},
	[CASSIN_CALL_UNMAP] = {"unmap", {{"space", NUMBER}, {"va", ADDRESS}, {"count", NUMBER}}},
	[CASSIN_CALL_PROTECT] = {"protect",
				 {{"space", NUMBER}, {"va", ADDRESS}, {"count", NUMBER}, {"rights", RIGHTS}}},
	[CASSIN_CALL_SPACE_CREATE] = {"space_create", {{0}}},
	[CASSIN_CALL_SPACE_DESTROY] = {"space_destroy", {{"space", NUMBER}}},
	[CASSIN_CALL_TIME] = {"time", {{"clock", CLOCK}}},
	[CASSIN_CALL_USER_RUN] = {"user_run", {{"space", NUMBER}, {"frame", ADDRESS}, {"deadline", DEADLINE}}},
	[CASSIN_CALL_UPCALL_SET] = {"upcall_set",
				    {{"entry", ADDRESS},
				     {"stack", ADDRESS},
				     {"stack_size", NUMBER},
				     {"mask", ADDRESS},
				     {"timer", DEADLINE}}},
	[CASSIN_CALL_READY_AT_WAIT] = {"ready_at_wait", {{0}}},
	[CASSIN_CALL_FILE_INFO] = {"file_info", {{"file", NUMBER}, {"addr", ADDRESS}}},
	[CASSIN_CALL_FILE_READ] = {"file_read",
				   {{"file", NUMBER}, {"offset", NUMBER}, {"addr", ADDRESS}, {"len", NUMBER}}},
	[CASSIN_CALL_UPCALL_RETURN] = {"upcall_return", {{"frame", ADDRESS}, {"timer", DEADLINE}}},
};

enum uses { USES_HANDLE = 1, USES_MEMORY = 2, USES_OFFSET = 4, USES_PORT = 8, USES_DEADLINE = 16 };

static const struct {
	const char *name;
	unsigned uses;
} operations[] = {
	[CASSIN_OP_NOP] = {"nop", 0},
	[CASSIN_OP_TIMEOUT] = {"timeout", USES_DEADLINE},
	[CASSIN_OP_CANCEL] = {"cancel", USES_OFFSET},
	[CASSIN_OP_CONSOLE_READ] = {"console_read", USES_MEMORY},
	[CASSIN_OP_CONSOLE_WRITE] = {"console_write", USES_MEMORY},
	[CASSIN_OP_RANDOM] = {"random", USES_MEMORY},
	[CASSIN_OP_LISTEN] = {"listen", USES_PORT},
	[CASSIN_OP_ACCEPT] = {"accept", USES_HANDLE},
	[CASSIN_OP_CONNECT] = {"connect", USES_MEMORY},
	[CASSIN_OP_RECV] = {"recv", USES_HANDLE | USES_MEMORY},
	[CASSIN_OP_SEND] = {"send", USES_HANDLE | USES_MEMORY},
	[CASSIN_OP_SHUTDOWN] = {"shutdown", USES_HANDLE},
	[CASSIN_OP_CLOSE] = {"close", USES_HANDLE},
};

/* ---- Values ---- */

static json_t *address(uint64_t value)
{
	return json_sprintf("0x%" PRIx64, value);
}

/* A number that JSON's readers take; a larger one is a mistake of the guest's, and shown like an address. */
static json_t *number(uint64_t value)
{
	return value <= INT64_MAX ? json_integer((json_int_t)value) : address(value);
}

static json_t *deadline(uint64_t value)
{
	return value == CASSIN_FOREVER ? json_string("forever")
	       : value == CASSIN_NOW   ? json_string("now")
				       : number(value);
}

static json_t *rights(uint64_t value)
{
	if (value & ~(uint64_t)(CASSIN_READ | CASSIN_WRITE | CASSIN_EXEC))
		return address(value);
	return json_sprintf("%s%s%s", value & CASSIN_READ ? "r" : "-", value & CASSIN_WRITE ? "w" : "-",
			    value & CASSIN_EXEC ? "x" : "-");
}

static json_t *clock_name(uint64_t value)
{
	static const char *const names[] = {"monotonic", "wall", "virtual"};
	return value < sizeof names / sizeof *names ? json_string(names[value]) : number(value);
}

static json_t *value_of(enum form form, uint64_t value)
{
	switch (form) {
	case NUMBER:
		return number(value);
	case ADDRESS:
		return address(value);
	case DEADLINE:
		return deadline(value);
	case RIGHTS:
		return rights(value);
	case CLOCK:
		return clock_name(value);
	}
	return NULL;
}

static json_t *text_of(const struct cassin_trace_record *r)
{
	char out[CASSIN_TEXT_ESCAPED];
	size_t n = cassin_text_escape(out, r->text, r->text_len);
	return json_stringn(out, n);
}

static void set_result(json_t *o, int64_t result)
{
	const char *error = result < 0 && result > -4096 ? strerrorname_np((int)-result) : NULL;
	json_object_set_new(o, "result", json_integer(result));
	if (error)
		json_object_set_new(o, "error", json_string(error));
}

/* ---- Records ---- */

static json_t *name_of(uint64_t n, const char *known, const char *kind)
{
	return known ? json_string(known) : json_sprintf("%s-%" PRIu64, kind, n);
}

/* Names of CASSIN_EVENT_*, "timer,stop". */
static json_t *events_of(uint64_t events)
{
	char text[32];
	snprintf(text, sizeof text, "%s%s%s", events & CASSIN_EVENT_COMPLETION ? ",completion" : "",
		 events & CASSIN_EVENT_TIMER ? ",timer" : "", events & CASSIN_EVENT_STOP ? ",stop" : "");
	return json_string(text + (*text == ','));
}

/* Why user code ended, and where. */
static void set_user(json_t *o, const struct cassin_trace_record *r)
{
	static const char *const reasons[] = {"call", "fault", "deadline", "event"};
	json_t *user = json_object();
	if (r->result < (int64_t)(sizeof reasons / sizeof *reasons))
		json_object_set_new(user, "reason", json_string(reasons[r->result]));
	json_object_set_new(user, "rip", address(r->args[CASSIN_TRACE_USER_RIP]));
	if (r->result == CASSIN_USER_FAULT) {
		bool page = r->args[CASSIN_TRACE_USER_VECTOR] == 14;
		json_object_set_new(user, "vector", number(r->args[CASSIN_TRACE_USER_VECTOR]));
		json_object_set_new(user, "error",
				    page ? rights(r->args[CASSIN_TRACE_USER_ERROR])
					 : number(r->args[CASSIN_TRACE_USER_ERROR]));
		if (page)
			json_object_set_new(user, "address", address(r->args[CASSIN_TRACE_USER_ADDRESS]));
	}
	if (r->args[CASSIN_TRACE_USER_EVENTS])
		json_object_set_new(user, "events", events_of(r->args[CASSIN_TRACE_USER_EVENTS]));
	json_object_set_new(o, "user", user);
}

static void set_upcall(json_t *o, const struct cassin_trace_record *r)
{
	json_t *args = json_object();
	json_object_set_new(args, "events", events_of(r->args[CASSIN_TRACE_UPCALL_EVENTS]));
	json_object_set_new(args, "rip", address(r->args[CASSIN_TRACE_UPCALL_RIP]));
	json_object_set_new(args, "frame", address(r->args[CASSIN_TRACE_UPCALL_FRAME]));
	json_object_set_new(o, "args", args);
}

static void set_call(json_t *o, const struct cassin_trace_record *r)
{
	const struct call *c = r->number < sizeof calls / sizeof *calls ? &calls[r->number] : NULL;
	json_object_set_new(o, "call", name_of(r->number, c ? c->name : NULL, "call"));
	if (r->kind == CASSIN_TRACE_RETURN && r->number == CASSIN_CALL_USER_RUN && r->result >= 0)
		set_user(o, r);
	if (r->kind != CASSIN_TRACE_CALL)
		return;
	json_t *args = json_object();
	for (size_t i = 0; c && i < sizeof c->args / sizeof *c->args && c->args[i].name; i++)
		json_object_set_new(args, c->args[i].name, value_of(c->args[i].form, r->args[i]));
	json_object_set_new(o, "args", args);
}

static void set_operation(json_t *o, const struct cassin_trace_record *r)
{
	bool known = r->number < sizeof operations / sizeof *operations;
	unsigned uses = known ? operations[r->number].uses : 0;
	json_object_set_new(o, "op", name_of(r->number, known ? operations[r->number].name : NULL, "op"));
	json_object_set_new(o, "user_data", address(r->user_data));
	if (r->kind != CASSIN_TRACE_SUBMIT)
		return;
	json_t *args = json_object();
	if (uses & USES_HANDLE)
		json_object_set_new(args, "handle", json_integer(r->handle));
	if (uses & USES_MEMORY) {
		json_object_set_new(args, "addr", address(r->addr));
		json_object_set_new(args, "len", number(r->len));
	}
	if (uses & USES_PORT)
		json_object_set_new(args, "port", number(r->offset));
	if (uses & USES_OFFSET)
		json_object_set_new(args, "user_data", address(r->offset));
	if (uses & USES_DEADLINE)
		json_object_set_new(args, "deadline", deadline(r->offset));
	if (r->flags)
		json_object_set_new(args, "flags",
				    r->flags == CASSIN_SQE_SKIP_SUCCESS ? json_string("skip_success")
									: number(r->flags));
	json_object_set_new(o, "args", args);
}

json_t *trace_json(const struct cassin_trace_record *r)
{
	static const char *const events[] = {"call", "return", "submit", "complete", "upcall", "end"};
	static const char *const ends[] = {"exited", "crashed", "killed"};
	json_t *o = json_pack("{s:s, s:I}", "event", events[r->kind], "time_ns", (json_int_t)r->at_ns);
	if (!o)
		return NULL;
	if (r->kind == CASSIN_TRACE_CALL || r->kind == CASSIN_TRACE_RETURN)
		set_call(o, r);
	else if (r->kind == CASSIN_TRACE_SUBMIT || r->kind == CASSIN_TRACE_COMPLETE)
		set_operation(o, r);
	else if (r->kind == CASSIN_TRACE_UPCALL)
		set_upcall(o, r);
	else
		json_object_set_new(o, "how", json_string(ends[r->number]));
	if (r->text_len)
		json_object_set_new(o, "text", text_of(r));
	if (r->kind != CASSIN_TRACE_CALL && r->kind != CASSIN_TRACE_SUBMIT && r->kind != CASSIN_TRACE_UPCALL)
		set_result(o, r->result);
	if (r->kind == CASSIN_TRACE_RETURN || r->kind == CASSIN_TRACE_COMPLETE)
		json_object_set_new(o, "took_ns", number(r->took_ns));
	return o;
}

json_t *trace_json_lost(uint64_t records)
{
	return json_pack("{s:s, s:I}", "event", "lost", "records", (json_int_t)records);
}
