/* SPDX-License-Identifier: MIT */
#include "base/blob.h"
#include "base/hash.h"
#include "base/hidden.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <cassin/open_file.h>

#define READ_TRIES 3
#define SETTLE_NAPS 4
#define SETTLE_NS 5000000 /* longer than a tick of most kernels; four are longer than that of any */

struct cassin_blob *blob_new(size_t size)
{
	struct cassin_blob *b = hidden_alloc(sizeof *b + size, false);
	if (!b)
		return NULL;
	*b = (struct cassin_blob){.size = size};
	atomic_init(&b->refs, 1);
	return b;
}

struct cassin_blob *blob_get(struct cassin_blob *b)
{
	atomic_fetch_add(&b->refs, 1);
	return b;
}

static struct cassin_blob *copy(const struct cassin_blob *b)
{
	struct cassin_blob *c = blob_new(b->size);
	if (c)
		memcpy(c->bytes, b->bytes, b->size);
	return c;
}

struct cassin_blob *blob_get_free(struct cassin_blob *b)
{
	return b->store ? copy(b) : blob_get(b);
}

/* ---- Files ---- */

/* Fewer bytes than there were: it has shrunk since. */
static int read_whole(int fd, struct cassin_blob *b)
{
	ssize_t n = cassin_read_whole(fd, b->bytes, b->size);
	if (n < 0)
		return (int)n;
	b->size = (size_t)n;
	return 0;
}

static int64_t nanoseconds(struct timespec t)
{
	return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static struct file_id id_of(const struct stat *st)
{
	return (struct file_id){
		.device = st->st_dev,
		.inode = st->st_ino,
		.mtime_ns = nanoseconds(st->st_mtim),
		.ctime_ns = nanoseconds(st->st_ctim),
		.size = st->st_size,
	};
}

bool file_same(const struct file_id *a, const struct file_id *b)
{
	return a->device == b->device && a->inode == b->inode && a->mtime_ns == b->mtime_ns &&
	       a->ctime_ns == b->ctime_ns && a->size == b->size;
}

int file_identify(const char *path, struct file_id *out, struct cassin_error_text *err)
{
	struct stat st;
	if (stat(path, &st))
		return cassin_error_set(err, -errno, "%s: %s", path, strerror(errno));
	*out = id_of(&st);
	return 0;
}

/* The kernel's time stamps move once a tick: a write in the same tick as the one before it leaves the same. So waits for the tick
 * behind the last change; not for one that a server's clock puts into the future. */
static void wait_for_tick(const struct stat *st)
{
	for (int i = 0; i < SETTLE_NAPS; i++) {
		struct timespec now, nap = {.tv_nsec = SETTLE_NS};
		clock_gettime(CLOCK_REALTIME_COARSE, &now);
		if (nanoseconds(now) > nanoseconds(st->st_ctim))
			return;
		nanosleep(&nap, NULL);
	}
}

static int check_size(const struct stat *st, const char *path, uint64_t most, struct cassin_error_text *err)
{
	if ((uint64_t)st->st_size > most)
		return cassin_error_set(err, -EFBIG, "%s: %lld bytes: larger than %llu MiB", path,
					(long long)st->st_size, (unsigned long long)(most >> 20));
	return 0;
}

/* 0, -EBUSY: somebody wrote to it meanwhile, which sets no error. */
static int read_open(int fd, struct cassin_blob **out, const char *path, uint64_t most, struct file_id *id,
		     struct cassin_error_text *err)
{
	struct stat st, after;
	if (fstat(fd, &st))
		return cassin_error_set(err, -errno, "%s: %s", path, strerror(errno));
	int r = check_size(&st, path, most, err);
	if (r)
		return r;
	wait_for_tick(&st);
	struct cassin_blob *b = blob_new((size_t)st.st_size);
	r = b ? read_whole(fd, b) : -ENOMEM;
	if (!r && fstat(fd, &after))
		r = -errno;
	if (r) {
		blob_put(b);
		return cassin_error_set(err, r, "%s: %s", path, strerror(-r));
	}
	struct file_id before = id_of(&st), now = id_of(&after);
	if (!file_same(&before, &now)) {
		blob_put(b);
		return -EBUSY;
	}
	if (id)
		*id = now;
	*out = b;
	return 0;
}

int blob_read(struct cassin_blob **out, const char *path, uint64_t most, struct file_id *id,
	      struct cassin_error_text *err)
{
	for (int i = 0; i < READ_TRIES; i++) {
		int fd = cassin_file_open(AT_FDCWD, path, O_RDONLY, path, err);
		if (fd < 0)
			return fd;
		int r = read_open(fd, out, path, most, id, err);
		close(fd);
		if (r != -EBUSY)
			return r;
	}
	return cassin_error_set(err, -EBUSY, "%s: is being written to: it changed each time that it was read", path);
}

/* ---- The store ---- */

void blob_store_init(struct blob_store *s)
{
	*s = (struct blob_store){.lock = PTHREAD_MUTEX_INITIALIZER};
}

void blob_store_destroy(struct blob_store *s)
{
	for (size_t i = 0; i < BLOB_BUCKETS; i++)
		assert(!s->buckets[i]);
	pthread_mutex_destroy(&s->lock);
}

static unsigned bucket_of(const struct cassin_blob *b)
{
	return (unsigned)(hash_fnv(b->bytes, b->size) % BLOB_BUCKETS);
}

/* A reference; NULL: none. Under the lock. */
static struct cassin_blob *find_same(struct blob_store *s, const struct cassin_blob *b, unsigned bucket)
{
	for (struct cassin_blob *same = s->buckets[bucket]; same; same = same->next)
		if (same->size == b->size && !memcmp(same->bytes, b->bytes, b->size))
			return blob_get(same);
	return NULL;
}

/* The same bytes with one reference: who else holds the blob must not see it change. */
static struct cassin_blob *sole(struct cassin_blob *b)
{
	if (atomic_load(&b->refs) == 1)
		return b;
	struct cassin_blob *c = copy(b);
	blob_put(b);
	return c;
}

struct cassin_blob *blob_intern(struct blob_store *s, struct cassin_blob *b)
{
	if (b->store == s)
		return b;
	unsigned bucket = bucket_of(b);
	pthread_mutex_lock(&s->lock);
	struct cassin_blob *kept = find_same(s, b, bucket);
	if (kept) {
		pthread_mutex_unlock(&s->lock);
		blob_put(b);
		return kept;
	}
	kept = sole(b);
	if (kept) {
		kept->store = s;
		kept->bucket = bucket;
		kept->next = s->buckets[bucket];
		s->buckets[bucket] = kept;
	}
	pthread_mutex_unlock(&s->lock);
	return kept;
}

/* Whether that was the last reference; then it is found in its store no more. */
static bool drop_stored(struct blob_store *s, struct cassin_blob *b)
{
	struct cassin_blob **link = &s->buckets[b->bucket];
	pthread_mutex_lock(&s->lock);
	bool last = atomic_fetch_sub(&b->refs, 1) == 1;
	if (last) {
		while (*link != b)
			link = &(*link)->next;
		*link = b->next;
	}
	pthread_mutex_unlock(&s->lock);
	return last;
}

void blob_put(struct cassin_blob *b)
{
	if (!b)
		return;
	if (b->store ? drop_stored(b->store, b) : atomic_fetch_sub(&b->refs, 1) == 1)
		hidden_free(b);
}
