/* SPDX-License-Identifier: MIT */
/* What kv knows of a connection: its number, its name, and the commands that wait for EXEC. */
#include "kv.h"

#define NAME_MOST 64u
#define QUEUE_MOST (1u << 20) /* bytes of commands that one connection may have waiting */
#define COMPATIBLE "7.0.0"    /* whose commands these are: client libraries look at it */

struct queued {
	struct queued *next;
	uint32_t n;
	struct slice args[]; /* and behind them what they point to */
};

struct session {
	long long id;
	bool multi, broken; /* commands are kept for EXEC; one of them was wrong */
	size_t queued_bytes;
	struct queued *first, **end;
	char name[NAME_MOST + 1];
};

static long long sessions;
static uint64_t commands; /* carried out so far */
static struct cassin_birth birth;

bool session_open(struct cassin_conn *c)
{
	struct session *s = cassin_zalloc(1, sizeof *s);
	if (!s)
		return false;
	if (cassin_reborn(&birth)) /* a clone's first connection */
		store_seed();
	s->id = ++sessions;
	s->end = &s->first;
	c->data = s;
	return true;
}

static void forget(struct session *s)
{
	for (struct queued *q; (q = s->first);) {
		s->first = q->next;
		cassin_free(q);
	}
	s->end = &s->first;
	s->multi = s->broken = false;
	s->queued_bytes = 0;
}

void session_close(struct cassin_conn *c)
{
	forget(c->data);
	cassin_free(c->data);
}

/* ---- Who is there ---- */

static void set_name(const struct request *r, struct slice name)
{
	struct session *s = r->c->data;
	bool fits = name.len <= NAME_MOST;
	for (uint32_t i = 0; fits && i < name.len; i++)
		fits = name.at[i] > ' ' && name.at[i] <= '~';
	if (!fits) {
		reply_error(r->c,
			    "ERR Client names cannot contain spaces, newlines or special characters, nor more than "
			    "64 of others.");
		return;
	}
	memcpy(s->name, name.at, name.len);
	s->name[name.len] = 0;
	reply_text(r->c, "+OK\r\n");
}

static void client(const struct request *r)
{
	const struct session *s = r->c->data;
	if (slice_is(r->args[1], "SETNAME") && r->n == 3)
		set_name(r, r->args[2]);
	else if (slice_is(r->args[1], "GETNAME") && r->n == 2)
		reply_string(r->c, s->name);
	else if (slice_is(r->args[1], "ID") && r->n == 2)
		reply_number(r->c, ':', s->id);
	else if (slice_is(r->args[1], "SETINFO") && r->n == 4)
		reply_text(r->c, "+OK\r\n"); /* which library it is makes no difference */
	else
		reply_error(r->c, "ERR only CLIENT ID, GETNAME, SETNAME NAME and SETINFO WHAT VALUE are known");
}

static void no_password(const struct request *r)
{
	reply_error(r->c, "ERR AUTH <password> called without any password configured");
}

static void hello(const struct request *r)
{
	struct session *s = r->c->data;
	if (r->n > 1 && !slice_is(r->args[1], "2")) {
		reply_error(r->c, "NOPROTO unsupported protocol version");
		return;
	}
	if (r->n > 2) {
		bool names = r->n == 4 && slice_is(r->args[2], "SETNAME") && r->args[3].len <= NAME_MOST;
		if (!names) {
			if (slice_is(r->args[2], "AUTH"))
				no_password(r);
			else
				reply_error(r->c, KV_SYNTAX);
			return;
		}
		memcpy(s->name, r->args[3].at, r->args[3].len);
		s->name[r->args[3].len] = 0;
	}
	static const char *const fields[] = {"server", "redis",      "version", COMPATIBLE,
					     "mode",   "standalone", "role",    "master"};
	reply_number(r->c, '*', 14);
	for (size_t i = 0; i < sizeof fields / sizeof *fields; i++)
		reply_string(r->c, fields[i]);
	reply_string(r->c, "proto");
	reply_number(r->c, ':', 2);
	reply_string(r->c, "id");
	reply_number(r->c, ':', s->id);
	reply_string(r->c, "modules");
	reply_number(r->c, '*', 0);
}

static void choose(const struct request *r)
{
	long long which;
	if (!slice_number(r->args[1], &which))
		reply_error(r->c, KV_NO_INTEGER);
	else if (which)
		reply_error(r->c, "ERR DB index is out of range");
	else
		reply_text(r->c, "+OK\r\n");
}

static void quit(const struct request *r)
{
	reply_text(r->c, "+OK\r\n");
	r->c->closing = true;
}

static void reset(const struct request *r)
{
	struct session *s = r->c->data;
	forget(s);
	*s->name = 0;
	reply_text(r->c, "+RESET\r\n");
}

static void info(const struct request *r)
{
	struct cassin_info figures;
	char text[896], name[128];
	cassin_info(&figures);
	cassin_format(name, sizeof name, "%s", cassin_name());
	int n = cassin_format(
		text, sizeof text,
		"# Server\r\nserver:cassin kv\r\nredis_version:" COMPATIBLE
		"\r\nname:%s\r\nuptime_in_seconds:%llu\r\n\r\n"
		"# Clients\r\nconnected_clients:%u\r\n\r\n"
		"# Memory\r\nused_memory:%zu\r\nmaxmemory:%llu\r\ntouched_memory:%llu\r\n\r\n"
		"# Stats\r\ntotal_connections_received:%lld\r\ntotal_commands_processed:%llu\r\nexits:%llu\r\n\r\n"
		"# Keyspace\r\n",
		name, (unsigned long long)((cassin_now() - figures.started_at) / 1000000000), cassin_connections(),
		cassin_heap_used(), (unsigned long long)cassin_boot->heap_size,
		(unsigned long long)((figures.pages_used + figures.table_pages) * CASSIN_PAGE_SIZE), sessions,
		(unsigned long long)commands, (unsigned long long)figures.exits);
	if (store_count() && n < (int)sizeof text)
		n += cassin_format(text + n, sizeof text - (size_t)n, "db0:keys=%llu,expires=%llu\r\n",
				   (unsigned long long)store_count(), (unsigned long long)store_expiring());
	if (n >= (int)sizeof text)
		n = sizeof text - 1;
	reply_bulk(r->c, (struct slice){text, (uint32_t)n});
}

/* ---- Transactions ---- */

static void multi(const struct request *r)
{
	struct session *s = r->c->data;
	if (s->multi)
		reply_error(r->c, "ERR MULTI calls can not be nested");
	else
		reply_text(r->c, "+OK\r\n");
	s->multi = true;
}

static const struct command *find(struct slice name);
static void run(struct cassin_conn *c, const struct command *command, const struct slice *args, uint32_t n);

/* One after the other, with nobody else's between them: kv has one thread. */
static void exec(const struct request *r)
{
	struct session *s = r->c->data;
	long long n = 0;
	if (!s->multi) {
		reply_error(r->c, "ERR EXEC without MULTI");
	} else if (s->broken) {
		reply_error(r->c, "EXECABORT Transaction discarded because of previous errors.");
	} else {
		for (const struct queued *q = s->first; q; q = q->next)
			n++;
		reply_number(r->c, '*', n);
		for (const struct queued *q = s->first; q; q = q->next)
			run(r->c, find(q->args[0]), q->args, q->n);
	}
	forget(s);
}

static void discard(const struct request *r)
{
	struct session *s = r->c->data;
	if (s->multi)
		reply_text(r->c, "+OK\r\n");
	else
		reply_error(r->c, "ERR DISCARD without MULTI");
	forget(s);
}

static void queue(struct cassin_conn *c, const struct slice *args, uint32_t n)
{
	struct session *s = c->data;
	size_t size = sizeof(struct queued) + n * sizeof *args;
	for (uint32_t i = 0; i < n; i++)
		size += args[i].len;
	struct queued *q = s->queued_bytes + size <= QUEUE_MOST ? cassin_alloc(size) : NULL;
	if (!q) {
		s->broken = true;
		reply_error(c, "OOM no room for the transaction");
		return;
	}
	char *at = (char *)(q->args + n);
	q->next = NULL;
	q->n = n;
	for (uint32_t i = 0; i < n; at += args[i++].len) {
		memcpy(at, args[i].at, args[i].len);
		q->args[i] = (struct slice){at, args[i].len};
	}
	*s->end = q;
	s->end = &q->next;
	s->queued_bytes += size;
	reply_text(c, "+QUEUED\r\n");
}

/* ---- Commands ---- */

/* What is about the connection; the first AT_ONCE do not wait for EXEC. */
#define AT_ONCE 5
static const struct command table[] = {
	{"MULTI", 1, 1, multi}, {"EXEC", 1, 1, exec},        {"DISCARD", 1, 1, discard}, {"QUIT", 1, 0, quit},
	{"RESET", 1, 1, reset}, {"SELECT", 2, 2, choose},    {"HELLO", 1, 0, hello},     {"CLIENT", 2, 0, client},
	{"INFO", 1, 0, info},   {"AUTH", 2, 3, no_password},
};

static const struct command *find(struct slice name)
{
	for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
		if (slice_is(name, table[i].name))
			return &table[i];
	}
	return command_find(name);
}

static void run(struct cassin_conn *c, const struct command *command, const struct slice *args, uint32_t n)
{
	struct request r = {c, args, n};
	commands++;
	command->run(&r);
}

void kv_execute(struct cassin_conn *c, const struct slice *args, uint32_t n)
{
	struct session *s = c->data;
	if (slice_is(args[0], "POST") ||
	    slice_is(args[0], "HOST:")) { /* a browser that was led here by somebody's page */
		c->closing = true;
		return;
	}
	const struct command *command = find(args[0]);
	bool at_once = command >= table && command < table + AT_ONCE;
	bool wrong = !command || n < command->least || (command->most && n > command->most);
	if (!command) {
		int shown = args[0].len < 64 ? (int)args[0].len : 64;
		reply_error(c, "ERR unknown command '%.*s'", shown, args[0].at);
	} else if (wrong) {
		reply_error(c, "ERR wrong number of arguments for '%s' command", command->name);
	}
	if (wrong)
		s->broken |= s->multi;
	else if (s->multi && !at_once)
		queue(c, args, n);
	else
		run(c, command, args, n);
}
