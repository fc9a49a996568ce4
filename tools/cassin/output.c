/* SPDX-License-Identifier: MIT */
#include "output.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#define PIECE 65536u
#define FIRST 4096u

struct output {
	const struct cassin_sandbox *sandbox;
	void (*broken_fn)(void *opaque);
	void *opaque;
	atomic_int error; /* errno; 0: none */
	int written;      /* eventfd */
	int fd;
	const char *what;
	char piece[PIECE]; /* the thread's */
	pthread_mutex_t lock;
	pthread_cond_t more;
	char *bytes; /* a ring of `size` */
	size_t size, start, len;
	uint64_t lost;  /* behind the last byte of the ring */
	bool no_memory; /* some have been, ever, for want of memory rather than of a reader */
	bool ended;
};

/* Moves the bytes to a ring that has room for `more`, as far as that may be. */
static void grow(struct output *o, size_t more)
{
	size_t size = o->size ? o->size : FIRST;
	while (size < o->len + more && size < OUTPUT_BYTES_MAX)
		size *= 2;
	char *bytes = size > o->size ? malloc(size) : NULL;
	if (!bytes) {
		o->no_memory |= size > o->size && !o->lost;
		return;
	}
	size_t first = o->len < o->size - o->start ? o->len : o->size - o->start;
	if (o->len) {
		memcpy(bytes, o->bytes + o->start, first);
		memcpy(bytes + first, o->bytes, o->len - first);
	}
	free(o->bytes);
	o->bytes = bytes;
	o->size = size;
	o->start = 0;
}

void output_write(struct output *o, const char *bytes, size_t len)
{
	if (atomic_load(&o->error))
		return;
	pthread_mutex_lock(&o->lock);
	if (o->size - o->len < len)
		grow(o, len);
	size_t room = o->lost ? 0 : o->size - o->len; /* once bytes are lost, all are until that has been said */
	size_t n = len < room ? len : room;
	for (size_t done = 0; done < n;) {
		size_t at = (o->start + o->len) % o->size, piece = o->size - at < n - done ? o->size - at : n - done;
		memcpy(o->bytes + at, bytes + done, piece);
		o->len += piece;
		done += piece;
	}
	o->lost += len - n;
	pthread_cond_signal(&o->more);
	pthread_mutex_unlock(&o->lock);
}

/* Takes the next piece, or what is to be said of lost bytes. 0: it is over. */
static size_t take(struct output *o)
{
	pthread_mutex_lock(&o->lock);
	while (!o->len && !o->lost && !o->ended)
		pthread_cond_wait(&o->more, &o->lock);
	size_t n = o->len < o->size - o->start ? o->len : o->size - o->start;
	n = n < PIECE ? n : PIECE;
	if (n) {
		memcpy(o->piece, o->bytes + o->start, n);
		o->start = (o->start + n) % o->size;
		o->len -= n;
	} else if (o->lost) {
		n = (size_t)snprintf(o->piece, PIECE, "\n[cassin: %llu bytes of %s lost: %s]\n",
				     (unsigned long long)o->lost, o->what,
				     o->no_memory ? "there was no memory for them" : "nobody read them");
		o->lost = 0;
	}
	pthread_mutex_unlock(&o->lock);
	return n;
}

/* 0 or errno. */
static int write_all(int fd, const char *bytes, size_t len)
{
	while (len) {
		ssize_t n = write(fd, bytes, len);
		if (n >= 0) {
			bytes += n;
			len -= (size_t)n;
		} else if (errno == EAGAIN) {
			struct pollfd out = {.fd = fd, .events = POLLOUT};
			poll(&out, 1, -1);
		} else if (errno != EINTR) {
			return errno;
		}
	}
	return 0;
}

static void *writer(void *opaque)
{
	struct output *o = opaque;
	struct cassin_error_text err;
	int error = -cassin_sandbox_enter(o->sandbox, CASSIN_SANDBOX_WRITER, &err);
	for (size_t n; !error && (n = take(o));)
		error = write_all(o->fd, o->piece, n);
	if (error) {
		atomic_store(&o->error, error);
		o->broken_fn(o->opaque);
	}
	eventfd_write(o->written, 1);
	return NULL;
}

struct output *output_start(int fd, const char *what, const struct cassin_sandbox *sandbox,
			    void (*broken)(void *opaque), void *opaque)
{
	struct output *o = calloc(1, sizeof *o);
	pthread_t thread;
	if (!o)
		return NULL;
	o->fd = fd;
	o->what = what;
	o->sandbox = sandbox;
	o->broken_fn = broken;
	o->opaque = opaque;
	o->written = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	pthread_mutex_init(&o->lock, NULL);
	pthread_cond_init(&o->more, NULL);
	grow(o, 1); /* by who writes there may be no memory for the first */
	int error = o->written < 0 ? errno : !o->size ? ENOMEM : pthread_create(&thread, NULL, writer, o);
	if (!error) {
		pthread_detach(thread); /* it may wait for a reader for ever */
		return o;
	}
	output_free(o);
	errno = error;
	return NULL;
}

int output_error(const struct output *o)
{
	return atomic_load(&o->error);
}

int output_lost(struct output *o)
{
	pthread_mutex_lock(&o->lock);
	bool lost = o->no_memory;
	pthread_mutex_unlock(&o->lock);
	int error = output_error(o);
	return error || !lost ? error : ENOMEM;
}

int output_end(struct output *o)
{
	pthread_mutex_lock(&o->lock);
	o->ended = true;
	pthread_cond_signal(&o->more);
	pthread_mutex_unlock(&o->lock);
	return o->written;
}

void output_free(struct output *o)
{
	if (o->written >= 0)
		close(o->written);
	pthread_cond_destroy(&o->more);
	pthread_mutex_destroy(&o->lock);
	free(o->bytes);
	free(o);
}
