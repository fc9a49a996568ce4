/* SPDX-License-Identifier: MIT */
#include "gdb_packets.h"

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "gdb_registers.h"

/* Numbers that GDB gives to signals differ from the host's for some; for those that occur here they agree. */
static void put_error(struct rsp_reply *out, long error)
{
	rsp_put(out, "E%02x", (unsigned)-error & 0xff);
}

static void put_result(struct rsp_reply *out, int result)
{
	if (result)
		put_error(out, result);
	else
		rsp_put(out, "OK");
}

static bool starts(const char **text, const char *word)
{
	size_t len = strlen(word);
	if (strncmp(*text, word, len) != 0)
		return false;
	*text += len;
	return true;
}

/* ---- Where it is ---- */

static void put_register(struct rsp_reply *out, const struct cassin_debug_registers *r, unsigned n)
{
	unsigned char value[GDB_REGISTER_MAX];
	size_t size = gdb_register_get(r, n, value);
	rsp_put(out, "%02x:", n);
	rsp_put_hex(out, value, size);
	rsp_put(out, ";");
}

void gdb_stop_reply(struct gdb_client *c, struct rsp_reply *out)
{
	struct cassin_debug_registers r;
	switch (c->stop.kind) {
	case DEBUG_STOPPED:
		rsp_put(out, "T%02x", (unsigned)c->stop.signal);
		if (cassin_engine_debug_registers(c->target->debugger, &r) == 0) {
			put_register(out, &r, GDB_RBP);
			put_register(out, &r, GDB_RSP);
			put_register(out, &r, GDB_RIP);
		}
		if (c->stop.breakpoint && c->swbreak)
			rsp_put(out, "swbreak:;");
		rsp_put(out, "thread:1;");
		break;
	case DEBUG_EXITED:
		rsp_put(out, "W%02x", (unsigned)c->stop.code & 0xff);
		break;
	case DEBUG_CRASHED:
		rsp_put(out, "X%02x", SIGABRT);
		break;
	case DEBUG_KILLED:
		rsp_put(out, "X%02x", SIGKILL);
		break;
	}
	c->leaves |= c->stop.kind != DEBUG_STOPPED;
}

/* ---- Registers ---- */

static void get_all(struct gdb_client *c, struct rsp_reply *out)
{
	struct cassin_debug_registers r;
	unsigned char value[GDB_REGISTER_MAX];
	int result = cassin_engine_debug_registers(c->target->debugger, &r);
	for (unsigned n = 0; !result && n < GDB_REGISTERS; n++)
		rsp_put_hex(out, value, gdb_register_get(&r, n, value));
	if (result)
		put_error(out, result);
}

static int set_all(struct gdb_client *c, const char *digits)
{
	struct cassin_debug_registers r;
	int result = cassin_engine_debug_registers(c->target->debugger, &r);
	for (unsigned n = 0; !result && n < GDB_REGISTERS; n++) {
		unsigned char value[GDB_REGISTER_MAX];
		size_t size = gdb_register_size(n);
		if (!rsp_bytes(digits, size, value))
			return -EINVAL;
		gdb_register_set(&r, n, value);
		digits += 2 * size;
	}
	return result ? result : cassin_engine_debug_set_registers(c->target->debugger, &r);
}

static void get_one(struct gdb_client *c, const char *text, struct rsp_reply *out)
{
	struct cassin_debug_registers r;
	unsigned char value[GDB_REGISTER_MAX];
	uint64_t n;
	bool known = rsp_number(&text, &n) && n < GDB_REGISTERS;
	int result = known ? cassin_engine_debug_registers(c->target->debugger, &r) : -EINVAL;
	if (result)
		put_error(out, result);
	else
		rsp_put_hex(out, value, gdb_register_get(&r, (unsigned)n, value));
}

static int set_one(struct gdb_client *c, const char *text)
{
	struct cassin_debug_registers r;
	unsigned char value[GDB_REGISTER_MAX];
	uint64_t n;
	if (!rsp_number(&text, &n) || n >= GDB_REGISTERS || !rsp_take(&text, '=') ||
	    !rsp_bytes(text, gdb_register_size((unsigned)n), value))
		return -EINVAL;
	int result = cassin_engine_debug_registers(c->target->debugger, &r);
	if (result)
		return result;
	gdb_register_set(&r, (unsigned)n, value);
	return cassin_engine_debug_set_registers(c->target->debugger, &r);
}

/* ---- Memory ---- */

/* "ADDR,LEN" */
static bool take_range(const char **text, uint64_t *va, uint64_t *len)
{
	return rsp_number(text, va) && rsp_take(text, ',') && rsp_number(text, len);
}

static void read_memory(struct gdb_client *c, const char *text, struct rsp_reply *out)
{
	unsigned char bytes[CASSIN_DEBUG_IO_MAX];
	uint64_t va, len;
	long n = -EINVAL;
	if (take_range(&text, &va, &len))
		n = cassin_engine_debug_read(c->target->debugger, va, bytes, len < sizeof bytes ? len : sizeof bytes);
	if (n < 0)
		put_error(out, n);
	else
		rsp_put_hex(out, bytes, (size_t)n);
}

/* In pieces, as packets may hold more than the engine takes. */
static int write_pieces(struct gdb_client *c, uint64_t va, const unsigned char *bytes, size_t len)
{
	int result = 0;
	for (size_t at = 0; !result && at < len; at += CASSIN_DEBUG_IO_MAX) {
		size_t n = len - at < CASSIN_DEBUG_IO_MAX ? len - at : CASSIN_DEBUG_IO_MAX;
		result = cassin_engine_debug_write(c->target->debugger, va + at, bytes + at, n);
	}
	return result;
}

static int write_memory(struct gdb_client *c, const struct rsp *in)
{
	static _Thread_local unsigned char bytes[RSP_PACKET_MAX];
	const char *text = in->packet + 1;
	uint64_t va, len;
	if (!take_range(&text, &va, &len) || !rsp_take(&text, ':'))
		return -EINVAL;
	size_t rest = in->len - (size_t)(text - in->packet);
	if (*in->packet == 'X')
		return rest == len ? write_pieces(c, va, (const unsigned char *)text, len) : -EINVAL;
	if (rest % 2 || rest / 2 != len || !rsp_bytes(text, len, bytes))
		return -EINVAL;
	return write_pieces(c, va, bytes, len);
}

/* Software breakpoints only: the others are unknown words, for which GDB finds other ways. */
static void breakpoint(struct gdb_client *c, const char *text, bool set, struct rsp_reply *out)
{
	uint64_t va, kind;
	if (!starts(&text, "0,"))
		return;
	if (!take_range(&text, &va, &kind))
		put_error(out, -EINVAL);
	else
		put_result(out, cassin_engine_debug_breakpoint(c->target->debugger, va, set));
}

/* ---- Going on ---- */

/* The stop tells later, unless it cannot go on. */
static bool resume(struct gdb_client *c, bool step, struct rsp_reply *out)
{
	int result = c->ended ? -ESRCH : cassin_engine_debug_resume(c->target->debugger, step);
	if (result && c->ended)
		gdb_stop_reply(c, out);
	else if (result)
		put_error(out, result);
	c->running = !result || (result == -ESRCH && !c->ended); /* its end is reported soon */
	return !c->running;
}

/* "[ADDR]" of c and s; "SIGNAL[;ADDR]" of C and S: guests have no signals. */
static bool resume_at(struct gdb_client *c, const char *text, bool step, struct rsp_reply *out)
{
	struct cassin_debug_registers r;
	uint64_t rip;
	int result = 0;
	if (rsp_number(&text, &rip)) {
		result = cassin_engine_debug_registers(c->target->debugger, &r);
		r.rip = rip;
		if (!result)
			result = cassin_engine_debug_set_registers(c->target->debugger, &r);
	}
	if (!result)
		return resume(c, step, out);
	put_error(out, result);
	return true;
}

/* The first action is for the one thread that there is. */
static bool resume_by(struct gdb_client *c, const char *action, struct rsp_reply *out)
{
	if (*action == 'c' || *action == 'C')
		return resume(c, false, out);
	if (*action == 's' || *action == 'S')
		return resume(c, true, out);
	put_error(out, -EINVAL);
	return true;
}

static void kill_guest(struct gdb_client *c)
{
	cassin_engine_guest_kill(c->target->engine, c->target->guest);
	c->leaves = true;
}

/* ---- Words ---- */

static void give_features(struct gdb_client *c, const char *text, struct rsp_reply *out)
{
	uint64_t at, len;
	size_t size = strlen(c->xml);
	if (!take_range(&text, &at, &len)) {
		put_error(out, -EINVAL);
		return;
	}
	at = at < size ? at : size;
	bool last = len >= size - at;
	len = last ? size - at : len;
	len = len < RSP_PACKET_MAX / 4 ? len : RSP_PACKET_MAX / 4;
	rsp_put(out, at + len == size ? "l" : "m");
	rsp_put_binary(out, c->xml + at, len);
}

static void put_name(struct gdb_client *c, struct rsp_reply *out)
{
	struct cassin_guest_status s;
	if (cassin_engine_guest_status(c->target->engine, c->target->guest, &s) == 0)
		rsp_put_hex(out, s.name, strlen(s.name));
}

static void query(struct gdb_client *c, const char *text, struct rsp_reply *out)
{
	if (starts(&text, "Supported")) {
		c->swbreak = strstr(text, "swbreak+");
		rsp_put(out, "PacketSize=%x;swbreak+;vContSupported+;QStartNoAckMode+;qXfer:features:read+",
			RSP_PACKET_MAX);
	} else if (starts(&text, "Xfer:features:read:target.xml:")) {
		give_features(c, text, out);
	} else if (starts(&text, "ThreadExtraInfo,")) {
		put_name(c, out);
	} else if (starts(&text, "fThreadInfo")) {
		rsp_put(out, "m1");
	} else if (starts(&text, "sThreadInfo")) {
		rsp_put(out, "l");
	} else if (starts(&text, "Attached")) {
		rsp_put(out, c->target->spawned ? "0" : "1");
	} else if (starts(&text, "Offsets")) {
		uint64_t offset = cassin_engine_debug_offset(c->target->debugger);
		rsp_put(out, "Text=%" PRIx64 ";Data=%" PRIx64 ";Bss=%" PRIx64, offset, offset, offset);
	} else if (starts(&text, "Symbol:")) {
		rsp_put(out, "OK");
	} else if (!strcmp(text, "C")) {
		rsp_put(out, "QC1");
	}
}

static bool word(struct gdb_client *c, const char *text, struct rsp_reply *out)
{
	if (starts(&text, "Cont;"))
		return resume_by(c, text, out);
	if (starts(&text, "Cont?")) {
		rsp_put(out, "vCont;c;C;s;S");
	} else if (starts(&text, "Kill")) {
		kill_guest(c);
		rsp_put(out, "OK");
	}
	return true;
}

bool gdb_packet(struct gdb_client *c, const struct rsp *in, struct rsp_reply *out)
{
	const char *text = in->packet + 1;
	switch (*in->packet) {
	case '?':
		gdb_stop_reply(c, out);
		break;
	case 'g':
		get_all(c, out);
		break;
	case 'G':
		put_result(out, set_all(c, text));
		break;
	case 'p':
		get_one(c, text, out);
		break;
	case 'P':
		put_result(out, set_one(c, text));
		break;
	case 'm':
		read_memory(c, text, out);
		break;
	case 'M':
	case 'X':
		put_result(out, write_memory(c, in));
		break;
	case 'z':
	case 'Z':
		breakpoint(c, text, *in->packet == 'Z', out);
		break;
	case 'c':
	case 's':
		return resume_at(c, text, *in->packet == 's', out);
	case 'C':
	case 'S':
		text = strchr(text, ';');
		return resume_at(c, text ? text + 1 : "", *in->packet == 'S', out);
	case 'v':
		return word(c, text, out);
	case 'q':
		query(c, text, out);
		break;
	case 'Q':
		c->quiet |= !strcmp(text, "StartNoAckMode");
		if (!strcmp(text, "StartNoAckMode"))
			rsp_put(out, "OK");
		break;
	case 'H':
	case 'T':
		rsp_put(out, "OK");
		break;
	case 'D':
		c->leaves = true;
		rsp_put(out, "OK");
		break;
	case 'k':
		kill_guest(c);
		return false;
	default:
		break;
	}
	return true;
}
