/* SPDX-License-Identifier: MIT */
#include "kv.h"

#define NS_PER_MS 1000000
#define MS_PER_SECOND 1000
#define EXPIRE_MAX_MS 1000000000000LL /* about 31 years */

#define REPLY_ROOM 64u /* bytes around a bulk string */

#define NOT_AN_INTEGER "ERR value is not an integer or out of range"
#define OUT_OF_MEMORY "OOM the guest's memory is full"

struct request {
	struct cassin_conn *c;
	const struct slice *args;
	uint32_t n;
};

static uint64_t commands; /* carried out so far */

static void reply_text(struct cassin_conn *c, const char *text)
{
	cassin_send(c, text, strlen(text));
}

void reply_error(struct cassin_conn *c, const char *format, ...)
{
	char text[256];
	va_list list;
	va_start(list, format);
	int n = cassin_vformat(text, sizeof text, format, list);
	va_end(list);
	if (n >= (int)sizeof text)
		n = sizeof text - 1;
	for (int i = 0; i < n; i++) { /* it may quote what the client sent */
		if ((unsigned char)text[i] < ' ')
			text[i] = ' ';
	}
	cassin_send(c, "-", 1);
	cassin_send(c, text, (size_t)n);
	cassin_send(c, "\r\n", 2);
}

static void reply_number(struct cassin_conn *c, char mark, long long n)
{
	char text[32];
	int len = cassin_format(text, sizeof text, "%c%lld\r\n", mark, n);
	cassin_send(c, text, (size_t)len);
}

static void reply_bulk(struct cassin_conn *c, struct slice s)
{
	if (!cassin_reserve(c, s.len + REPLY_ROOM)) {
		reply_error(c, OUT_OF_MEMORY);
		return;
	}
	reply_number(c, '$', s.len);
	cassin_send(c, s.at, s.len);
	cassin_send(c, "\r\n", 2);
}

static void reply_null(struct cassin_conn *c)
{
	reply_text(c, "$-1\r\n");
}

/* Whether the text is `name` (in capitals), in capitals or not. */
static bool is(struct slice s, const char *name)
{
	uint32_t i = 0;
	for (; i < s.len && name[i]; i++) {
		char ch = s.at[i];
		if ((ch >= 'a' && ch <= 'z' ? (char)(ch - 'a' + 'A') : ch) != name[i])
			return false;
	}
	return i == s.len && !name[i];
}

static bool parse_signed(struct slice s, long long *out)
{
	bool minus = s.len && *s.at == '-';
	if (minus && is(s, "-9223372036854775808")) {
		*out = INT64_MIN;
		return true;
	}
	long long n = cassin_parse(s.at + minus, s.len - minus);
	*out = minus ? -n : n;
	return n >= 0;
}

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
		bool seconds = is(r->args[i], "EX");
		long long time;
		if (is(r->args[i], "NX") && !*xx) {
			*nx = true;
		} else if (is(r->args[i], "XX") && !*nx) {
			*xx = true;
		} else if ((seconds || is(r->args[i], "PX")) && i + 1 < r->n && *expires == CASSIN_FOREVER) {
			if (!parse_signed(r->args[++i], &time)) {
				reply_error(r->c, NOT_AN_INTEGER);
				return false;
			}
			long long most = seconds ? EXPIRE_MAX_MS / MS_PER_SECOND : EXPIRE_MAX_MS;
			if (time <= 0 || time > most) {
				reply_error(r->c, "ERR invalid expire time in 'set' command");
				return false;
			}
			*expires = cassin_now() + (uint64_t)time * (seconds ? MS_PER_SECOND : 1) * NS_PER_MS;
		} else {
			reply_error(r->c, "ERR syntax error");
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
		reply_error(r->c, OUT_OF_MEMORY);
	else
		reply_text(r->c, "+OK\r\n");
}

static void get(const struct request *r)
{
	const struct entry *e = store_get(r->args[1]);
	if (e)
		reply_bulk(r->c, entry_value(e));
	else
		reply_null(r->c);
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
	if (e && !parse_signed(entry_value(e), &value)) {
		reply_error(r->c, NOT_AN_INTEGER);
		return;
	}
	if (__builtin_add_overflow(value, by, &value)) {
		reply_error(r->c, "ERR increment or decrement would overflow");
		return;
	}
	int len = cassin_format(text, sizeof text, "%lld", value);
	if (store_set(r->args[1], (struct slice){text, (uint32_t)len}, e ? e->expires : CASSIN_FOREVER))
		reply_error(r->c, OUT_OF_MEMORY);
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

static void expire(const struct request *r)
{
	long long seconds;
	if (!parse_signed(r->args[2], &seconds)) {
		reply_error(r->c, NOT_AN_INTEGER);
		return;
	}
	if (seconds > EXPIRE_MAX_MS / MS_PER_SECOND) {
		reply_error(r->c, "ERR invalid expire time in 'expire' command");
		return;
	}
	struct entry *e = store_get(r->args[1]);
	if (e && seconds > 0)
		store_expire(e, cassin_now() + (uint64_t)seconds * MS_PER_SECOND * NS_PER_MS);
	else if (e)
		store_delete(r->args[1]);
	reply_number(r->c, ':', e != NULL);
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

static void keys(const struct request *r)
{
	long long found = 0;
	for (const struct entry *e = store_next(NULL); e; e = store_next(e))
		found += glob_match(r->args[1], entry_key(e));
	reply_number(r->c, '*', found);
	for (const struct entry *e = store_next(NULL); e && found; e = store_next(e)) {
		if (glob_match(r->args[1], entry_key(e))) {
			reply_bulk(r->c, entry_key(e));
			found--;
		}
	}
	for (; found; found--) /* their time ran out since they were counted */
		reply_null(r->c);
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

static void info(const struct request *r)
{
	struct cassin_info figures;
	char text[768], name[128];
	cassin_info(&figures);
	cassin_format(name, sizeof name, "%s", cassin_name());
	int n = cassin_format(text, sizeof text,
			      "# Server\r\nserver:cassin kv\r\nname:%s\r\nuptime_in_seconds:%llu\r\n\r\n"
			      "# Clients\r\nconnected_clients:%u\r\n\r\n"
			      "# Memory\r\nused_memory:%zu\r\nmaxmemory:%llu\r\ntouched_memory:%llu\r\n\r\n"
			      "# Stats\r\ntotal_commands_processed:%llu\r\nexits:%llu\r\n\r\n"
			      "# Keyspace\r\n",
			      name, (unsigned long long)((cassin_now() - figures.started_at) / 1000000000),
			      cassin_connections(), cassin_heap_used(), (unsigned long long)cassin_boot->heap_size,
			      (unsigned long long)((figures.pages_used + figures.table_pages) * CASSIN_PAGE_SIZE),
			      (unsigned long long)commands, (unsigned long long)figures.exits);
	if (store_count() && n < (int)sizeof text)
		n += cassin_format(text + n, sizeof text - (size_t)n, "db0:keys=%llu,expires=%llu\r\n",
				   (unsigned long long)store_count(), (unsigned long long)store_expiring());
	if (n >= (int)sizeof text)
		n = sizeof text - 1;
	reply_bulk(r->c, (struct slice){text, (uint32_t)n});
}

/* COMMAND, which redis-cli asks for help texts. */
static void command_list(const struct request *r)
{
	reply_text(r->c, "*0\r\n");
}

/* CONFIG GET: two of the settings there are to ask for, as redis-benchmark does: nothing is kept on disk. */
static void config(const struct request *r)
{
	if (r->n != 3 || !is(r->args[1], "GET"))
		reply_error(r->c, "ERR only CONFIG GET NAME is known");
	else if (is(r->args[2], "SAVE"))
		reply_text(r->c, "*2\r\n$4\r\nsave\r\n$0\r\n\r\n");
	else if (is(r->args[2], "APPENDONLY"))
		reply_text(r->c, "*2\r\n$10\r\nappendonly\r\n$2\r\nno\r\n");
	else
		reply_text(r->c, "*0\r\n");
}

static void quit(const struct request *r)
{
	reply_text(r->c, "+OK\r\n");
	r->c->closing = true;
}

static const struct command {
	const char *name;
	uint32_t least, most; /* arguments, the name too; most 0: no limit */
	void (*run)(const struct request *r);
} table[] = {
	{"GET", 2, 2, get},           {"SET", 3, 0, set},       {"INCR", 2, 2, incr}, {"DECR", 2, 2, decr},
	{"PING", 1, 2, ping},         {"ECHO", 2, 2, echo},     {"DEL", 2, 0, del},   {"EXISTS", 2, 0, exists},
	{"EXPIRE", 3, 3, expire},     {"TTL", 2, 2, ttl},       {"PTTL", 2, 2, pttl}, {"KEYS", 2, 2, keys},
	{"FLUSHALL", 1, 2, flushall}, {"DBSIZE", 1, 1, dbsize}, {"INFO", 1, 0, info}, {"COMMAND", 1, 0, command_list},
	{"CONFIG", 2, 0, config},     {"QUIT", 1, 0, quit},
};

static const struct command *find(struct slice name)
{
	for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
		if (is(name, table[i].name))
			return &table[i];
	}
	return NULL;
}

void kv_execute(struct cassin_conn *c, const struct slice *args, uint32_t n)
{
	const struct command *command = find(args[0]);
	struct request r = {c, args, n};
	commands++;
	if (!command) {
		int shown = args[0].len < 64 ? (int)args[0].len : 64;
		reply_error(c, "ERR unknown command '%.*s'", shown, args[0].at);
	} else if (n < command->least || (command->most && n > command->most)) {
		reply_error(c, "ERR wrong number of arguments for '%s' command", command->name);
	} else {
		command->run(&r);
	}
}
