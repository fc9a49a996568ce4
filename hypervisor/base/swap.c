/* SPDX-License-Identifier: MIT */
#include "base/swap.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#define UNIT 512u

static const char mark[] = "cassin swap\n"; /* the first unit: so that no other file is ever overwritten */

static uint64_t units_of(size_t len)
{
	return (len + UNIT - 1) / UNIT;
}

static bool bit(const struct swap *s, uint64_t unit)
{
	return s->taken[unit / 8] >> unit % 8 & 1;
}

static void set_bits(struct swap *s, uint64_t at, uint64_t n, bool value)
{
	for (uint64_t u = at; u < at + n; u++) {
		unsigned char mask = (unsigned char)(1u << u % 8);
		s->taken[u / 8] = (unsigned char)(value ? s->taken[u / 8] | mask : s->taken[u / 8] & ~mask);
	}
}

/* An empty file, or one that says what it is; then it is ours alone. */
static int claim(struct swap *s, struct cassin_error_text *err)
{
	char found[sizeof mark - 1];
	struct stat st;
	if (fstat(s->fd, &st) || !S_ISREG(st.st_mode))
		return error_set(err, -EINVAL, "%s: the swap file must be a regular file", s->path);
	if (flock(s->fd, LOCK_EX | LOCK_NB))
		return error_set(err, -EBUSY, "%s: another process has this swap file", s->path);
	if (st.st_size &&
	    (pread(s->fd, found, sizeof found, 0) != (ssize_t)sizeof found || memcmp(found, mark, sizeof found) != 0))
		return error_set(err, -EEXIST, "%s: exists and is no swap file", s->path);
	if (ftruncate(s->fd, 0) || pwrite(s->fd, mark, sizeof mark - 1, 0) != (ssize_t)sizeof mark - 1 ||
	    ftruncate(s->fd, (off_t)(s->units * UNIT)))
		return error_set(err, -errno, "%s: cannot be made a swap file: %s", s->path, strerror(errno));
	return 0;
}

int swap_open(struct swap *s, const char *path, uint64_t bytes, struct cassin_error_text *err)
{
	*s = (struct swap){.fd = -1, .units = bytes / UNIT, .next = 1};
	pthread_mutex_init(&s->lock, NULL);
	s->path = strdup(path);
	s->taken = calloc(s->units / 8 + 1, 1);
	if (!s->path || !s->taken)
		return error_set(err, -ENOMEM, "no memory for a swap file");
	s->fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (s->fd < 0)
		return error_set(err, -errno, "%s: cannot open the swap file: %s", path, strerror(errno));
	set_bits(s, 0, 1, true);
	int r = claim(s, err);
	if (!r)
		r = own_file_note(&s->file, s->fd);
	if (r) {
		close(s->fd);
		s->fd = -1;
	}
	return r;
}

void swap_close(struct swap *s)
{
	if (s->fd >= 0) {
		own_file_remove(&s->file, s->path);
		close(s->fd);
	}
	if (s->path)
		pthread_mutex_destroy(&s->lock);
	free(s->path);
	free(s->taken);
	*s = (struct swap){.fd = -1};
}

/* Finds n free units in a row between two places. */
static uint64_t find(const struct swap *s, uint64_t from, uint64_t to, uint64_t n)
{
	uint64_t run = 0;
	for (uint64_t u = from; u < to; u++) {
		run = bit(s, u) ? 0 : run + 1;
		if (run == n)
			return u + 1 - n;
	}
	return 0;
}

static uint64_t allocate(struct swap *s, uint64_t n)
{
	pthread_mutex_lock(&s->lock);
	uint64_t at = find(s, s->next, s->units, n);
	if (!at)
		at = find(s, 1, s->units, n);
	if (at) {
		set_bits(s, at, n, true);
		s->next = at + n;
		atomic_fetch_add(&s->used, n);
	}
	pthread_mutex_unlock(&s->lock);
	return at;
}

int swap_write(struct swap *s, const void *bytes, size_t len, uint64_t *at)
{
	uint64_t unit = allocate(s, units_of(len));
	if (!unit)
		return -ENOSPC;
	*at = unit * UNIT;
	if (pwrite(s->fd, bytes, len, (off_t)*at) == (ssize_t)len)
		return 0;
	swap_free(s, *at, len);
	return -EIO;
}

int swap_read(struct swap *s, uint64_t at, void *bytes, size_t len)
{
	return pread(s->fd, bytes, len, (off_t)at) == (ssize_t)len ? 0 : -EIO;
}

void swap_free(struct swap *s, uint64_t at, size_t len)
{
	uint64_t n = units_of(len);
	pthread_mutex_lock(&s->lock);
	set_bits(s, at / UNIT, n, false);
	if (at / UNIT < s->next)
		s->next = at / UNIT;
	atomic_fetch_sub(&s->used, n);
	pthread_mutex_unlock(&s->lock);
}

uint64_t swap_used(const struct swap *s)
{
	return atomic_load(&s->used) * UNIT;
}
