/* SPDX-License-Identifier: MIT */
/*
 * chat [PORT]: a chat room on TCP port PORT (default 5000), for `nc` or telnet. The first line is one's name.
 *
 * A thread for each person reads lines and puts messages into one queue; one thread takes them out and sends them to
 * everybody; a third says now and then how many are here. Who does not read is sent away.
 */
#include <cassin/kernel.h>

#define DEFAULT_PORT 5000
#define NAME_MOST 20u
#define TEXT_MOST 400u
#define QUEUED_MOST 64u
#define PATIENCE UINT64_C(1000000000) /* with who does not read, ns */
#define TICK UINT64_C(60000000000)    /* between announcements, ns */

struct person {
	struct cassin_stream stream;
	char name[NAME_MOST + 1]; /* empty: not said yet */
	struct person *next;
};

struct message {
	uint32_t len;
	char text[TEXT_MOST];
};

static struct cassin_mutex people_lock;
static struct person *people;
static unsigned npeople;
static struct cassin_queue messages;

static void tell_all(const char *format, ...) __attribute__((format(printf, 1, 2)));
static void tell_all(const char *format, ...)
{
	struct message m;
	va_list args;
	va_start(args, format);
	int n = cassin_vformat(m.text, sizeof m.text, format, args);
	va_end(args);
	m.len = n < (int)sizeof m.text ? (uint32_t)n : (uint32_t)sizeof m.text - 1;
	cassin_queue_send(&messages, &m,
			  CASSIN_FOREVER); /* fails when the room is being closed: nobody is to hear it then */
}

/* ---- Each person's thread ---- */

/* Reads a line without its end into `line`; what is behind it stays in the buffer. False: there are no more. */
static bool read_line(struct person *p, char *buffer, uint32_t *have, char *line)
{
	char *end;
	while (!(end = memchr(buffer, '\n', *have))) {
		if (*have == TEXT_MOST)
			return false;
		int32_t n = cassin_stream_receive(&p->stream, buffer + *have, TEXT_MOST - *have, CASSIN_FOREVER);
		if (n <= 0)
			return false;
		*have += (uint32_t)n;
	}
	size_t len = (size_t)(end - buffer), used = len + 1;
	if (len && buffer[len - 1] == '\r')
		len--;
	memcpy(line, buffer, len);
	line[len] = 0;
	*have -= (uint32_t)used;
	memmove(buffer, buffer + used, *have);
	return true;
}

static void enter_room(struct person *p)
{
	cassin_mutex_lock(&people_lock, CASSIN_FOREVER);
	p->next = people;
	people = p;
	npeople++;
	cassin_mutex_unlock(&people_lock);
}

static void leave_room(struct person *p)
{
	cassin_mutex_lock(&people_lock, CASSIN_FOREVER);
	struct person **link = &people;
	while (*link != p)
		link = &(*link)->next;
	*link = p->next;
	npeople--;
	cassin_mutex_unlock(&people_lock);
}

static int serve_person(void *arg)
{
	struct person *p = arg;
	char buffer[TEXT_MOST], line[TEXT_MOST + 1];
	uint32_t have = 0;
	enter_room(p);
	if (read_line(p, buffer, &have, line) && *line) {
		cassin_format(p->name, sizeof p->name, "%s", line);
		cassin_log(CASSIN_LOG_INFO, "%s comes", p->name);
		tell_all("* %s comes\n", p->name);
		while (read_line(p, buffer, &have, line) && strcmp(line, "/quit") != 0)
			tell_all("%s: %s\n", p->name, line);
	}
	leave_room(p);
	if (*p->name)
		tell_all("* %s goes\n", p->name);
	cassin_stream_close(&p->stream);
	cassin_free(p);
	return 0;
}

/* ---- The room's threads ---- */

static int deliver(void *arg)
{
	static struct message m;
	(void)arg;
	while (!cassin_queue_receive(&messages, &m, CASSIN_FOREVER)) {
		cassin_mutex_lock(&people_lock, CASSIN_FOREVER);
		for (struct person *p = people; p; p = p->next) {
			if (*p->name && cassin_stream_send(&p->stream, m.text, m.len, cassin_after(PATIENCE)))
				cassin_stream_close(&p->stream); /* ends its thread's receive */
		}
		cassin_mutex_unlock(&people_lock);
	}
	return 0;
}

static int announce(void *arg)
{
	(void)arg;
	for (uint64_t next = cassin_after(TICK); cassin_stop_wait(next); next += TICK)
		tell_all("* %u here\n", npeople);
	return 0;
}

static void arrived(struct cassin_stream *stream)
{
	struct cassin_thread_options options = {.name = "person", .detached = 1};
	struct person *p = cassin_zalloc(1, sizeof *p);
	if (p)
		p->stream = *stream;
	if (!p || cassin_thread_create(NULL, &options, serve_person, p)) {
		cassin_log(CASSIN_LOG_WARNING, "no memory for another person");
		cassin_stream_close(stream);
		cassin_free(p);
	}
}

static int listen(void *arg)
{
	int32_t listener = *(const int32_t *)arg;
	struct cassin_stream stream;
	while (!cassin_stopping()) {
		int r = cassin_stream_accept(&stream, listener, CASSIN_FOREVER);
		if (!r)
			arrived(&stream);
		else if (!cassin_stopping())
			cassin_sleep(PATIENCE / 10); /* out of handles, say: somebody may go */
	}
	return 0;
}

static void close_room(void *arg)
{
	(void)arg;
	cassin_queue_close(&messages);
	cassin_mutex_lock(&people_lock, CASSIN_FOREVER);
	for (struct person *p = people; p; p = p->next) {
		cassin_stream_send(&p->stream, "* bye\n", 6, cassin_after(PATIENCE));
		cassin_stream_close(&p->stream);
	}
	cassin_mutex_unlock(&people_lock);
}

static int start(const char *name, unsigned priority, int (*run)(void *), void *arg)
{
	struct cassin_thread_options options = {.name = name, .priority = priority, .detached = 1};
	return cassin_thread_create(NULL, &options, run, arg);
}

int main(int argc, char **argv)
{
	static int32_t listener;
	static struct cassin_stop_hook hook = {.run = close_room};
	long long port = argc > 1 ? cassin_parse(argv[1], strlen(argv[1])) : DEFAULT_PORT;
	if (argc > 2 || port < 1 || port > UINT16_MAX) {
		cassin_print("usage: chat [PORT]\n");
		return 2;
	}
	listener = cassin_listen((uint16_t)port);
	int r = listener < 0 ? listener : cassin_queue_init(&messages, sizeof(struct message), QUEUED_MOST);
	if (!r)
		r = start("deliver", CASSIN_PRIORITY_DEFAULT + 1, deliver, NULL);
	if (!r)
		r = start("announce", 0, announce, NULL);
	if (!r)
		r = start("listen", 0, listen, &listener);
	if (r) {
		cassin_log(CASSIN_LOG_ERROR, "port %d: error %d", (int)port, -r);
		return 1;
	}
	cassin_stop_hook(&hook);
	cassin_ready();
	return cassin_stop_run();
}
