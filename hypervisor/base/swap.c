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

#include <cassin/open_file.h>

#define UNIT 512u

static const char mark[] = "cassin swap\n"; /* the first unit: so that no other file is ever overwritten */

static uint64_t units_of(size_t len)
{
	return (len + UNIT - 1) / UNIT;
}

/* An empty file, or one that says what it is; then it is ours alone. */
static int claim(struct swap *s, struct cassin_error_text *err)
{
	char found[sizeof mark - 1];
	struct stat st;
	if (fstat(s->fd, &st))
		return cassin_error_set(err, -errno, "%s: %s", s->path, strerror(errno));
	if (flock(s->fd, LOCK_EX | LOCK_NB))
		return cassin_error_set(err, -EBUSY, "%s: another process has this swap file", s->path);
	if (st.st_size &&
	    (pread(s->fd, found, sizeof found, 0) != (ssize_t)sizeof found || memcmp(found, mark, sizeof found) != 0))
		return cassin_error_set(err, -EEXIST, "%s: exists and is no swap file", s->path);
	if (ftruncate(s->fd, 0) || pwrite(s->fd, mark, sizeof mark - 1, 0) != (ssize_t)sizeof mark - 1 ||
	    ftruncate(s->fd, (off_t)(s->units * UNIT)))
		return cassin_error_set(err, -errno, "%s: cannot be made a swap file: %s", s->path, strerror(errno));
	return 0;
}

int swap_open(struct swap *s, const char *path, uint64_t bytes, struct cassin_error_text *err)
{
	*s = (struct swap){.fd = -1, .units = bytes / UNIT};
	pthread_mutex_init(&s->lock, NULL);
	s->path = strdup(path);
	if (!s->path)
		return cassin_error_set(err, -ENOMEM, "no memory for a swap file");
	int r = extents_init(&s->extents, s->units);
	if (r)
		return cassin_error_set(err, r, "%s: cannot be a swap file of %llu bytes: %s", path,
					(unsigned long long)bytes,
					r == -EINVAL ? "at least 1 KiB, less than 2 TiB" : strerror(-r));
	s->fd = cassin_file_open(AT_FDCWD, path, O_RDWR | O_CREAT | O_NOFOLLOW, path, err);
	if (s->fd < 0)
		return s->fd;
	r = claim(s, err);
	if (!r && (r = cassin_own_file_note(&s->file, s->fd)))
		cassin_error_set(err, r, "cannot look at %s: %s", path, strerror(-r));
	if (r) {
		close(s->fd);
		s->fd = -1;
	}
	return r;
}

void swap_remove(struct swap *s)
{
	if (s->fd >= 0)
		cassin_own_file_remove(&s->file, s->path);
}

void swap_close(struct swap *s)
{
	swap_remove(s);
	if (s->fd >= 0)
		close(s->fd);
	if (s->path)
		pthread_mutex_destroy(&s->lock);
	free(s->path);
	extents_destroy(&s->extents);
	*s = (struct swap){.fd = -1};
}

static uint64_t allocate(struct swap *s, uint64_t n)
{
	pthread_mutex_lock(&s->lock);
	uint64_t at = extents_take(&s->extents, n);
	pthread_mutex_unlock(&s->lock);
	if (at)
		atomic_fetch_add(&s->used, n);
	return at;
}

int swap_take(struct swap *s, size_t len, uint64_t *at)
{
	uint64_t unit = allocate(s, units_of(len));
	*at = unit * UNIT;
	return unit ? 0 : -ENOSPC;
}

int swap_put(struct swap *s, uint64_t at, const void *bytes, size_t len)
{
	return pwrite(s->fd, bytes, len, (off_t)at) == (ssize_t)len ? 0 : -EIO;
}

int swap_read(struct swap *s, uint64_t at, void *bytes, size_t len)
{
	return pread(s->fd, bytes, len, (off_t)at) == (ssize_t)len ? 0 : -EIO;
}

void swap_free(struct swap *s, uint64_t at, size_t len)
{
	uint64_t n = units_of(len);
	pthread_mutex_lock(&s->lock);
	extents_give(&s->extents, (uint32_t)(at / UNIT), (uint32_t)n);
	pthread_mutex_unlock(&s->lock);
	atomic_fetch_sub(&s->used, n);
}

uint64_t swap_used(const struct swap *s)
{
	return atomic_load(&s->used) * UNIT;
}
