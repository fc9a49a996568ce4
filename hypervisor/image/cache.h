/* SPDX-License-Identifier: MIT */
/*
 * The images of an engine, by path: loaded once while the file is the same, and kept for a while after the last guest. All that
 * are in use are here, those of files that have changed since too. Any thread. The lock is held for the list alone, never while a
 * file is read or checked: a file system that hangs holds up who names a file of it, and nobody else.
 */
#ifndef IMAGE_CACHE_H
#define IMAGE_CACHE_H

#include <pthread.h>

#include "base/account.h"
#include "image/image.h"

#define IMAGES_IDLE_MAX 32u                        /* that no guest uses, kept for the next spawn, */
#define IMAGES_IDLE_BYTES_MAX (UINT64_C(64) << 20) /* and their image_bytes() */

struct image_cache {
	pthread_mutex_t lock;
	struct cached_image *first; /* the last used first */
	uint64_t bytes;             /* of all of them */
	struct account *account;    /* on which these are; NULL: on none */
	uint64_t idle_most;         /* bytes of those that no guest uses */
};

/* With an account (NULL: none), what no guest uses is at most a 16th of its pool. */
void image_cache_init(struct image_cache *c, struct account *account);
void image_cache_destroy(struct image_cache *c);
/* The image of a file as it is now; a reference. What image_load() says; -ENOMEM also when the account
 * has no room for it, and nothing idle to make some. Two threads that want the same file may both read it, and
 * get the same image. */
int image_cache_get(struct image_cache *c, const char *path, struct image **out, struct cassin_error_text *err);
/* Drops what is not worth keeping: idle images beyond the limits, and those whose file has changed. */
void image_cache_trim(struct image_cache *c);
/* Drops idle images, no more once they were `piece` bytes. True: there were some. */
bool image_cache_drop(struct image_cache *c, uint64_t piece);
/* Memory of all images, by image_bytes(). Does not wait for files. */
uint64_t image_cache_bytes(struct image_cache *c);

#endif
