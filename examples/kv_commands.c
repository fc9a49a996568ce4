/* SPDX-License-Identifier: MIT */
/* The commands that work on the data, and those that need nothing. */
#include "kv.h"

#define NS_PER_MS 1000000
#define MS_PER_SECOND 1000
#define EXPIRE_MAX_MS 1000000000000LL /* about 31 years */

static void ping(const struct request *r)
{
	if (r->n > 1)
		reply_bulk(r->c, r->args[1]);
	else
		reply_text(r->c, "+PONG\r\n");
}

static void echo(const struct request *r)
{
	reply_bulk(r->c, r->args[1]);
}

/* Reads SET's options. False: it has replied with an error. */
static bool set_options(const struct request *r, uint64_t *expires, bool *nx, bool *xx)
{
	for (uint32_t i = 3; i < r->n; i++) {
		bool seconds = slice_is(r->args[i], "EX");
		long long time;
		if (slice_is(r->args[i], "NX") && !*xx) {
			*nx = true;
		} else if (slice_is(r->args[i], "XX") && !*nx) {
			*xx = true;
		} else if ((seconds || slice_is(r->args[i], "PX")) && i + 1 < r->n && *expires == CASSIN_FOREVER) {
			if (!slice_number(r->args[++i], &time)) {
				reply_error(r->c, KV_NO_INTEGER);
				return false;
			}
			long long most = seconds ? EXPIRE_MAX_MS / MS_PER_SECOND : EXPIRE_MAX_MS;
			if (time <= 0 || time > most) {
				reply_error(r->c, "ERR invalid expire time in 'set' command");
				return false;
			}
			*expires = cassin_now() + (uint64_t)time * (seconds ? MS_PER_SECOND : 1) * NS_PER_MS;
		} else {
			reply_error(r->c, KV_SYNTAX);
			return false;
		}
	}
	return true;
}

static void set(const struct request *r)
{
	uint64_t expires = CASSIN_FOREVER;
	bool nx = false, xx = false;
	if (!set_options(r, &expires, &nx, &xx))
		return;
	if (nx || xx) {
		bool there = store_get(r->args[1]) != NULL;
		if (nx ? there : !there) {
			reply_null(r->c);
			return;
		}
	}
	if (store_set(r->args[1], r->args[2], expires))
		reply_error(r->c, KV_OUT_OF_MEMORY);
	else
		reply_text(r->c, "+OK\r\n");
}

static void reply_value(struct cassin_conn *c, struct slice key)
{
	const struct entry *e = store_get(key);
	if (e)
		reply_bulk(c, entry_value(e));
	else
		reply_null(c);
}

static void get(const struct request *r)
{
	reply_value(r->c, r->args[1]);
}

static void del(const struct request *r)
{
	long long gone = 0;
	for (uint32_t i = 1; i < r->n; i++)
		gone += store_delete(r->args[i]);
	reply_number(r->c, ':', gone);
}

static void exists(const struct request *r)
{
	long long found = 0;
	for (uint32_t i = 1; i < r->n; i++)
		found += store_get(r->args[i]) != NULL;
	reply_number(r->c, ':', found);
}

static void add(const struct request *r, long long by)
{
	const struct entry *e = store_get(r->args[1]);
	long long value = 0;
	char text[32];
	if (e && !slice_number(entry_value(e), &value)) {
		reply_error(r->c, KV_NO_INTEGER);
		return;
	}
	if (__builtin_add_overflow(value, by, &value)) {
		reply_error(r->c, "ERR increment or decrement would overflow");
		return;
	}
	int len = cassin_format(text, sizeof text, "%lld", value);
	if (store_set(r->args[1], (struct slice){text, (uint32_t)len}, e ? e->expires : CASSIN_FOREVER))
		reply_error(r->c, KV_OUT_OF_MEMORY);
	else
		reply_number(r->c, ':', value);
}

static void incr(const struct request *r)
{
	add(r, 1);
}

static void decr(const struct request *r)
{
	add(r, -1);
}

static void add_by(const struct request *r, bool minus)
{
	long long by;
	if (!slice_number(r->args[2], &by))
		reply_error(r->c, KV_NO_INTEGER);
	else if (minus && by == INT64_MIN)
		reply_error(r->c, "ERR decrement would overflow");
	else
		add(r, minus ? -by : by);
}

static void incrby(const struct request *r)
{
	add_by(r, false);
}

static void decrby(const struct request *r)
{
	add_by(r, true);
}

static void mget(const struct request *r)
{
	reply_number(r->c, '*', r->n - 1);
	for (uint32_t i = 1; i < r->n; i++)
		reply_value(r->c, r->args[i]);
}

/* All or nothing, but for a memory that is full. */
static void mset(const struct request *r)
{
	if (r->n % 2 == 0) {
		reply_error(r->c, "ERR wrong number of arguments for 'MSET' command");
		return;
	}
	for (uint32_t i = 1; i < r->n; i += 2) {
		if (store_set(r->args[i], r->args[i + 1], CASSIN_FOREVER)) {
			reply_error(r->c, KV_OUT_OF_MEMORY);
			return;
		}
	}
	reply_text(r->c, "+OK\r\n");
}

static void setnx(const struct request *r)
{
	bool there = store_get(r->args[1]) != NULL;
	if (!there && store_set(r->args[1], r->args[2], CASSIN_FOREVER))
		reply_error(r->c, KV_OUT_OF_MEMORY);
	else
		reply_number(r->c, ':', !there);
}

static void length(const struct request *r)
{
	const struct entry *e = store_get(r->args[1]);
	reply_number(r->c, ':', e ? e->value_len : 0);
}

static void type(const struct request *r)
{
	reply_text(r->c, store_get(r->args[1]) ? "+string\r\n" : "+none\r\n");
}

static void expire_in(const struct request *r, long long unit_ms)
{
	long long time;
	if (!slice_number(r->args[2], &time)) {
		reply_error(r->c, KV_NO_INTEGER);
		return;
	}
	if (time > EXPIRE_MAX_MS / unit_ms) {
		reply_error(r->c, "ERR invalid expire time in 'expire' command");
		return;
	}
	struct entry *e = store_get(r->args[1]);
	if (e && time > 0)
		store_expire(e, cassin_now() + (uint64_t)(time * unit_ms) * NS_PER_MS);
	else if (e)
		store_delete(r->args[1]);
	reply_number(r->c, ':', e != NULL);
}

static void expire(const struct request *r)
{
	expire_in(r, MS_PER_SECOND);
}

static void pexpire(const struct request *r)
{
	expire_in(r, 1);
}

static void persist(const struct request *r)
{
	struct entry *e = store_get(r->args[1]);
	bool ends = e && e->expires != CASSIN_FOREVER;
	if (ends)
		store_expire(e, CASSIN_FOREVER);
	reply_number(r->c, ':', ends);
}

static void setex(const struct request *r)
{
	long long seconds;
	if (!slice_number(r->args[2], &seconds))
		reply_error(r->c, KV_NO_INTEGER);
	else if (seconds <= 0 || seconds > EXPIRE_MAX_MS / MS_PER_SECOND)
		reply_error(r->c, "ERR invalid expire time in 'setex' command");
	else if (store_set(r->args[1], r->args[3], cassin_now() + (uint64_t)seconds * MS_PER_SECOND * NS_PER_MS))
		reply_error(r->c, KV_OUT_OF_MEMORY);
	else
		reply_text(r->c, "+OK\r\n");
}

/* Milliseconds to the key's end; -1: it has none, -2: no such key. */
static long long time_left(struct slice key)
{
	const struct entry *e = store_get(key);
	uint64_t now = cassin_now();
	if (!e)
		return -2;
	if (e->expires == CASSIN_FOREVER)
		return -1;
	return e->expires > now ? (long long)((e->expires - now + NS_PER_MS - 1) / NS_PER_MS) : 0;
}

static void ttl(const struct request *r)
{
	long long ms = time_left(r->args[1]);
	reply_number(r->c, ':', ms < 0 ? ms : (ms + MS_PER_SECOND / 2) / MS_PER_SECOND);
}

static void pttl(const struct request *r)
{
	reply_number(r->c, ':', time_left(r->args[1]));
}

static void reply_keys(const struct request *r, struct slice pattern)
{
	long long found = 0;
	for (const struct entry *e = store_next(NULL); e; e = store_next(e))
		found += glob_match(pattern, entry_key(e));
	reply_number(r->c, '*', found);
	for (const struct entry *e = store_next(NULL); e && found; e = store_next(e)) {
		if (glob_match(pattern, entry_key(e))) {
			reply_bulk(r->c, entry_key(e));
			found--;
		}
	}
	for (; found; found--) /* their time ran out since they were counted */
		reply_null(r->c);
}

static void keys(const struct request *r)
{
	reply_keys(r, r->args[1]);
}

/* All there are at once, which is one of the answers that SCAN may give. */
static void scan(const struct request *r)
{
	struct slice pattern = {"*", 1};
	for (uint32_t i = 2; i < r->n; i += 2) {
		if (i + 1 == r->n || !(slice_is(r->args[i], "MATCH") || slice_is(r->args[i], "COUNT"))) {
			reply_error(r->c, KV_SYNTAX);
			return;
		}
		if (slice_is(r->args[i], "MATCH"))
			pattern = r->args[i + 1];
	}
	reply_text(r->c, "*2\r\n$1\r\n0\r\n");
	reply_keys(r, pattern);
}

static void flushall(const struct request *r)
{
	store_clear();
	reply_text(r->c, "+OK\r\n");
}

static void dbsize(const struct request *r)
{
	reply_number(r->c, ':', (long long)store_count());
}

/* COMMAND, which redis-cli asks for help texts: there are none. */
static void command_list(const struct request *r)
{
	if (r->n == 2 && slice_is(r->args[1], "COUNT"))
		reply_number(r->c, ':', (long long)command_count());
	else
		reply_text(r->c, "*0\r\n");
}

/* CONFIG GET: two of the settings there are to ask for, as redis-benchmark does: nothing is kept on disk. */
static void config(const struct request *r)
{
	if (r->n != 3 || !slice_is(r->args[1], "GET"))
		reply_error(r->c, "ERR only CONFIG GET NAME is known");
	else if (slice_is(r->args[2], "SAVE"))
		reply_text(r->c, "*2\r\n$4\r\nsave\r\n$0\r\n\r\n");
	else if (slice_is(r->args[2], "APPENDONLY"))
		reply_text(r->c, "*2\r\n$10\r\nappendonly\r\n$2\r\nno\r\n");
	else
		reply_text(r->c, "*0\r\n");
}

static const struct command table[] = {
	{"GET", 2, 2, get},           {"SET", 3, 0, set},
	{"SETNX", 3, 3, setnx},       {"SETEX", 4, 4, setex},
	{"MGET", 2, 0, mget},         {"MSET", 3, 0, mset},
	{"STRLEN", 2, 2, length},     {"TYPE", 2, 2, type},
	{"INCR", 2, 2, incr},         {"DECR", 2, 2, decr},
	{"INCRBY", 3, 3, incrby},     {"DECRBY", 3, 3, decrby},
	{"PING", 1, 2, ping},         {"ECHO", 2, 2, echo},
	{"DEL", 2, 0, del},           {"UNLINK", 2, 0, del},
	{"EXISTS", 2, 0, exists},     {"EXPIRE", 3, 3, expire},
	{"PEXPIRE", 3, 3, pexpire},   {"PERSIST", 2, 2, persist},
	{"TTL", 2, 2, ttl},           {"PTTL", 2, 2, pttl},
	{"KEYS", 2, 2, keys},         {"SCAN", 2, 0, scan},
	{"FLUSHALL", 1, 2, flushall}, {"FLUSHDB", 1, 2, flushall},
	{"DBSIZE", 1, 1, dbsize},     {"COMMAND", 1, 0, command_list},
	{"CONFIG", 2, 0, config},
};

size_t command_count(void)
{
	return sizeof table / sizeof *table;
}

const struct command *command_find(struct slice name)
{
	for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
		if (slice_is(name, table[i].name))
			return &table[i];
	}
	return NULL;
}
