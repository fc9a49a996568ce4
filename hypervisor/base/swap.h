/* SPDX-License-Identifier: MIT */
/* A file for the memory of parked guests: extents of 512-byte units. Any thread. What it holds ends with the process. */
#ifndef SWAP_H
#define SWAP_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>

#include <cassin/own_file.h>
#include <cassin/spec.h>

#include "base/extents.h"

struct swap {
	int fd; /* -1: there is none */
	char *path;
	struct cassin_own_file file; /* what was opened there */
	pthread_mutex_t lock;
	struct extents extents; /* of units; the first has the mark */
	uint64_t units;
	atomic_uint_fast64_t used; /* units */
};

/* Makes the file, or takes over one that an earlier process left. -EEXIST: it is something else; -EBUSY: another process
 * has it. */
int swap_open(struct swap *s, const char *path, uint64_t bytes, struct cassin_error_text *err);
/* Removes the file and closes it; or removes it only, for there are threads that still use it. Nothing happens when there is none. */
void swap_close(struct swap *s);
void swap_remove(struct swap *s);
/* Takes room for len bytes, writes that many at a place within, reads them: -ENOSPC; -EIO. */
int swap_take(struct swap *s, size_t len, uint64_t *at);
int swap_put(struct swap *s, uint64_t at, const void *bytes, size_t len);
int swap_read(struct swap *s, uint64_t at, void *bytes, size_t len);
void swap_free(struct swap *s, uint64_t at, size_t len);
/* Bytes in use. */
uint64_t swap_used(const struct swap *s);

#endif
