/* SPDX-License-Identifier: MIT */
/*
 * Connections between guests of one domain, by name: two bounded byte rings in the hypervisor's memory, without the host's
 * network. The ends may belong to different workers: the rings are under the pipe's lock, each end's stream is touched only
 * by its guest's worker, and the other side gets a message.
 */
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "device/stream.h"
#include "guest/guest.h"

#define RING_FIRST 4096u
#define RING_MOST 65536u

/* Bytes on their way to one end. */
struct direction {
	unsigned char *at;
	uint32_t size, start, len;
	bool ended;  /* nothing more will come */
	bool broken; /* nobody will read */
	bool left;   /* the writer has closed: what is in it is on the reader's account of unread bytes */
	bool lost;   /* some of it was thrown away, as that account was full */
	bool reader_waits, writer_waits;
};

struct pipe_call {
	struct guest_call call;
	struct pipe *pipe;
	unsigned end;
	bool posted; /* under the pipe's lock */
};

struct pipe {
	pthread_mutex_t lock;
	atomic_uint refs; /* each end, each message under way */
	uint16_t port;
	enum { PIPE_CONNECTING, PIPE_CONNECTED, PIPE_REFUSED } state; /* under the lock */
	struct direction to[2];
	struct pipe_call calls[2];
	struct guest *guest[2];   /* end 0 connected, end 1 listened; references */
	struct stream *stream[2]; /* NULL: closed, or not accepted yet; its guest's worker only */
};

struct pipe_stream {
	struct stream stream;
	struct pipe *pipe;
	unsigned end;
};

static size_t take(struct direction *d, unsigned char *to, size_t len)
{
	size_t done = 0;
	while (done < len && d->len) {
		size_t n = d->size - d->start;
		n = n < d->len ? n : d->len;
		n = n < len - done ? n : len - done;
		memcpy(to + done, d->at + d->start, n);
		d->start = (uint32_t)((d->start + n) % d->size);
		d->len -= (uint32_t)n;
		done += n;
	}
	return done;
}

static void ring_free(struct pipe *p, unsigned end)
{
	struct direction *d = &p->to[end];
	if (d->at && d->left)
		account_uncharge(atomic_load(&p->guest[end]->unread), ACCOUNT_STREAMS, d->size);
	else if (d->at)
		stream_discharge(p->guest[1 - end], d->size);
	free(d->at);
	d->at = NULL;
	d->size = d->start = d->len = 0;
}

/* The writer to `end` closes. It is to owe nothing for what its peer may never read, neither now nor in its next life; and its
 * peer's own memory is not a stranger's to use up. So unread bytes have an account of their own, and are lost if it is full. */
static void ring_leave(struct pipe *p, unsigned end)
{
	struct direction *d = &p->to[end];
	struct account *unread = atomic_load(&p->guest[end]->unread); /* NULL: there was no pipe, so len is 0 */
	uint32_t len = d->len, kept = (len + RING_FIRST - 1) / RING_FIRST * RING_FIRST;
	unsigned char *at = len ? malloc(kept) : NULL;
	if (at)
		take(d, at, len);
	ring_free(p, end); /* before the charge: what was there is room for it */
	if (at && account_replace(unread, ACCOUNT_STREAMS, kept)) {
		free(at);
		at = NULL;
	}
	d->lost = len && !at;
	d->left = true;
	if (at) {
		d->at = at;
		d->size = kept;
		d->len = len;
	}
}

static void pipe_put(struct pipe *p)
{
	if (atomic_fetch_sub(&p->refs, 1) != 1)
		return;
	for (unsigned end = 0; end < 2; end++)
		ring_free(p, end);
	for (unsigned end = 0; end < 2; end++)
		guest_put(p->guest[end]);
	pthread_mutex_destroy(&p->lock);
	free(p);
}

/* ---- Telling the other side ---- */

static void on_call(struct guest *g, struct guest_call *c);

/* Marks that `end` is to be told. True: the caller posts it, once it has let the lock go. */
static bool mark(struct pipe *p, unsigned end)
{
	if (p->calls[end].posted)
		return false;
	p->calls[end].posted = true;
	atomic_fetch_add(&p->refs, 1);
	return true;
}

static void tell(struct pipe *p, unsigned end)
{
	guest_post(p->guest[end], &p->calls[end].call, on_call);
}

/* ---- Reading and writing ---- */

static struct pipe_stream *pipe_of(struct stream *s)
{
	return (struct pipe_stream *)s;
}

static size_t put(struct direction *d, const unsigned char *from, size_t len)
{
	size_t done = 0;
	while (done < len && d->len < d->size) {
		size_t at = (d->start + d->len) % d->size, n = d->size - d->len;
		n = n < d->size - at ? n : d->size - at;
		n = n < len - done ? n : len - done;
		memcpy(d->at + at, from + done, n);
		d->len += (uint32_t)n;
		done += n;
	}
	return done;
}

/* Makes room for `more` bytes, as far as the limit and the writer's account go. */
static int ring_grow(struct pipe *p, unsigned end, size_t more)
{
	struct direction *d = &p->to[end];
	uint32_t size = d->size ? d->size : RING_FIRST;
	while (size < RING_MOST && size < d->len + more)
		size *= 2;
	if (size == d->size)
		return 0;
	struct guest *writer = p->guest[1 - end];
	int r = account_charge(&writer->account, ACCOUNT_STREAMS, size);
	if (r)
		return d->size ? 0 : memory_refused(&writer->memory, r);
	unsigned char *at = malloc(size);
	if (!at) {
		stream_discharge(writer, size);
		return d->size ? 0 : -ENOMEM;
	}
	uint32_t len = (uint32_t)take(d, at, d->len);
	ring_free(p, end);
	d->at = at;
	d->size = size;
	d->len = len;
	return 0;
}

static ssize_t pipe_read(struct stream *s, const struct iovec *iov, int n)
{
	struct pipe *p = pipe_of(s)->pipe;
	unsigned end = pipe_of(s)->end;
	struct direction *d = &p->to[end];
	ssize_t done = 0;
	bool post = false;
	pthread_mutex_lock(&p->lock);
	for (int i = 0; i < n; i++)
		done += (ssize_t)take(d, iov[i].iov_base, iov[i].iov_len);
	if (d->left && !d->len)
		ring_free(p, end);
	if (!done && d->lost) {
		done = -ECONNRESET;
	} else if (!done && !d->ended) {
		d->reader_waits = true;
		done = -EAGAIN;
	}
	if (done > 0 && d->writer_waits) {
		d->writer_waits = false;
		post = mark(p, 1 - end);
	}
	pthread_mutex_unlock(&p->lock);
	if (post)
		tell(p, 1 - end);
	return done;
}

static ssize_t write_locked(struct pipe *p, unsigned end, const struct iovec *iov, int n)
{
	struct direction *d = &p->to[end];
	size_t total = 0;
	ssize_t done = 0;
	if (d->broken || d->ended)
		return -EPIPE;
	for (int i = 0; i < n; i++)
		total += iov[i].iov_len;
	int r = ring_grow(p, end, total);
	if (r)
		return r;
	for (int i = 0; i < n; i++)
		done += (ssize_t)put(d, iov[i].iov_base, iov[i].iov_len);
	if (!done)
		d->writer_waits = true;
	return done ? done : -EAGAIN;
}

static ssize_t pipe_write(struct stream *s, const struct iovec *iov, int n)
{
	struct pipe *p = pipe_of(s)->pipe;
	unsigned end = 1 - pipe_of(s)->end;
	bool post = false;
	pthread_mutex_lock(&p->lock);
	ssize_t done = write_locked(p, end, iov, n);
	if (done > 0 && p->to[end].reader_waits) {
		p->to[end].reader_waits = false;
		post = mark(p, end);
	}
	pthread_mutex_unlock(&p->lock);
	if (post)
		tell(p, end);
	return done;
}

static int pipe_shutdown(struct stream *s)
{
	struct pipe *p = pipe_of(s)->pipe;
	unsigned end = 1 - pipe_of(s)->end;
	pthread_mutex_lock(&p->lock);
	p->to[end].ended = true;
	bool post = mark(p, end);
	pthread_mutex_unlock(&p->lock);
	if (post)
		tell(p, end);
	return 0;
}

static void pipe_want(struct stream *s, unsigned events)
{
	(void)s; /* a read or write that found nothing has said so under the lock */
	(void)events;
}

/* One end goes: its own input is thrown away, the other's ends. */
static void end_close(struct pipe *p, unsigned end)
{
	pthread_mutex_lock(&p->lock);
	p->stream[end] = NULL;
	p->to[1 - end].ended = true;
	p->to[end].broken = true;
	ring_free(p, end);
	ring_leave(p, 1 - end);
	bool post = p->state != PIPE_CONNECTING && mark(p, 1 - end);
	pthread_mutex_unlock(&p->lock);
	if (post)
		tell(p, 1 - end);
	pipe_put(p);
}

static void pipe_close(struct stream *s)
{
	end_close(pipe_of(s)->pipe, pipe_of(s)->end);
	free(s);
}

static const struct stream_kind pipe_kind = {
	.read = pipe_read,
	.write = pipe_write,
	.shutdown = pipe_shutdown,
	.want = pipe_want,
	.close = pipe_close,
};

/* ---- Connecting ---- */

void pipe_refuse(struct pipe *p)
{
	end_close(p, 1);
}

/* The answer to a CONNECT; `end` 1 lets go when it is a refusal. */
static void decide(struct pipe *p, bool connected)
{
	pthread_mutex_lock(&p->lock);
	p->state = connected ? PIPE_CONNECTED : PIPE_REFUSED;
	bool post = mark(p, 0);
	pthread_mutex_unlock(&p->lock);
	if (post)
		tell(p, 0);
	if (!connected)
		end_close(p, 1);
}

/* On the listening guest's worker. */
static void arrive(struct guest *g, struct pipe *p)
{
	struct stream *listener = g->stopping ? NULL : listener_find(g, p->port);
	pthread_mutex_lock(&p->lock);
	bool taken = listener && !p->to[0].broken;
	p->state = PIPE_CONNECTED; /* before the listener may accept it and write */
	pthread_mutex_unlock(&p->lock);
	if (taken)
		taken = !listener_push(listener, -1, NULL, p);
	decide(p, taken);
}

static void on_call(struct guest *g, struct guest_call *c)
{
	struct pipe_call *call = (struct pipe_call *)c;
	struct pipe *p = call->pipe;
	unsigned end = call->end;
	pthread_mutex_lock(&p->lock);
	call->posted = false;
	bool arrives = end == 1 && p->state == PIPE_CONNECTING;
	int result = p->state == PIPE_REFUSED ? -ECONNREFUSED : 0;
	struct stream *s = p->stream[end];
	pthread_mutex_unlock(&p->lock);
	if (arrives)
		arrive(g, p);
	else if (s && s->connecting)
		stream_connected(s, result);
	else if (s)
		stream_event(s, STREAM_READABLE | STREAM_WRITABLE);
	pipe_put(p);
}

int32_t pipe_open(struct guest *g, struct pipe *p, unsigned end)
{
	struct pipe_stream *s = calloc(1, sizeof *s);
	if (!s)
		return -ENOMEM;
	s->pipe = p;
	s->end = end;
	int32_t r = stream_add(g, &s->stream, &pipe_kind);
	if (r < 0) {
		free(s);
		return r;
	}
	p->stream[end] = &s->stream;
	if (end == 1)
		atomic_fetch_add_explicit(&g->count.accepted, 1, memory_order_relaxed);
	return r;
}

int pipe_connect(struct guest *g, const char *name, uint16_t port, struct stream **out)
{
	struct guest *to = g->host->by_name(g->host, g->spec.domain, name);
	if (!to)
		return -ENOENT;
	struct pipe *p = guest_worker(to) && stream_unread(g) ? calloc(1, sizeof *p) : NULL;
	if (!p) {
		int r = guest_worker(to) ? -ENOMEM : -ECONNREFUSED;
		guest_put(to);
		return r;
	}
	pthread_mutex_init(&p->lock, NULL);
	atomic_init(&p->refs, 2);
	atomic_fetch_add(&g->refs, 1);
	p->port = port;
	p->guest[0] = g;
	p->guest[1] = to;
	for (unsigned end = 0; end < 2; end++) {
		p->calls[end].pipe = p;
		p->calls[end].end = end;
	}
	int32_t r = pipe_open(g, p, 0);
	if (r < 0) {
		atomic_store(&p->refs, 1);
		pipe_put(p);
		return r;
	}
	*out = p->stream[0];
	pthread_mutex_lock(&p->lock);
	mark(p, 1);
	pthread_mutex_unlock(&p->lock);
	tell(p, 1);
	return 0;
}
