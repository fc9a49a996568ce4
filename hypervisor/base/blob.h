/* SPDX-License-Identifier: MIT */
/*
 * Bytes that never change, shared by reference count: the content of a file of the host, or text of a spec. A store keeps
 * what is the same once.
 */
#ifndef BLOB_H
#define BLOB_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include <cassin/spec.h>

#include "base/account.h"

struct blob_store;

struct cassin_blob {
	atomic_uint refs;
	struct blob_store *store; /* NULL: in none */
	struct cassin_blob *next; /* there, */
	uint64_t hash;            /* in the bucket of this hash */
	size_t size;
	unsigned char bytes[];
};

#define BLOB_BUCKETS 1024u

/* Any thread. The lock is held for the lists alone: bytes are compared and copied without it. */
struct blob_store {
	pthread_mutex_t lock;
	struct account *account; /* which has each blob of the store once; NULL: none */
	uint64_t added;          /* blobs, ever */
	struct cassin_blob *buckets[BLOB_BUCKETS];
};

/* Its bytes are to be written by whoever has the only reference. NULL: no memory. */
struct cassin_blob *blob_new(size_t size);
struct cassin_blob *blob_get(struct cassin_blob *b);
void blob_put(struct cassin_blob *b); /* NULL is fine */
/* A reference to the same bytes for somebody who may outlive the store: a copy, if the blob is in one. NULL: no memory. */
struct cassin_blob *blob_get_free(struct cassin_blob *b);

/* Which file it was, and in which state: no other content has the same, as the kernel changes ctime with each write. */
struct file_id {
	dev_t device;
	ino_t inode;
	int64_t mtime_ns, ctime_ns, size;
};

/* A regular file's content, as it was at one moment, and what says so (`id`; NULL: of no interest). -EISDIR: not a regular file;
 * -EFBIG: more than `most` bytes; -EBUSY: it was written to each time that it was read; -ENOMEM, or the errno of open and read. The
 * line begins with the path. Blocks as long as the file system does, and some milliseconds on a file that was written just now. */
int blob_read(struct cassin_blob **out, const char *path, uint64_t most, struct file_id *id,
	      struct cassin_error_text *err);
/* What a path names now. */
int file_identify(const char *path, struct file_id *out, struct cassin_error_text *err);
bool file_same(const struct file_id *a, const struct file_id *b);

void blob_store_init(struct blob_store *s, struct account *account); /* NULL: none */
void blob_store_destroy(struct blob_store *s);                       /* which is empty */
/* Takes a reference over and gives one to the blob of the store with the same bytes: maybe the same. NULL: no memory, in the process
 * or on the store's account. */
struct cassin_blob *blob_intern(struct blob_store *s, struct cassin_blob *b);

#endif
