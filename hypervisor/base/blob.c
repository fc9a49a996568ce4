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

void blob_store_init(struct blob_store *s, struct account *account)
{
	*s = (struct blob_store){.lock = PTHREAD_MUTEX_INITIALIZER, .account = account};
}

void blob_store_destroy(struct blob_store *s)
{
	for (size_t i = 0; i < BLOB_BUCKETS; i++)
		assert(!s->buckets[i]);
	pthread_mutex_destroy(&s->lock);
}

static struct cassin_blob **bucket_of(struct blob_store *s, uint64_t hash)
{
	return &s->buckets[hash % BLOB_BUCKETS];
}

/* The next one behind `before` (a reference; NULL: from the beginning) that may be the same: a reference, NULL: none. *added says
 * what there was to look at. */
static struct cassin_blob *next_alike(struct blob_store *s, struct cassin_blob *before, uint64_t hash, size_t size,
				      uint64_t *added)
{
	pthread_mutex_lock(&s->lock);
	if (!before)
		*added = s->added;
	struct cassin_blob *b = before ? before->next : *bucket_of(s, hash);
	while (b && (b->hash != hash || b->size != size))
		b = b->next;
	if (b)
		blob_get(b);
	pthread_mutex_unlock(&s->lock);
	blob_put(before);
	return b;
}

static struct cassin_blob *find_same(struct blob_store *s, const struct cassin_blob *b, uint64_t hash, uint64_t *added)
{
	struct cassin_blob *c = NULL;
	do {
		c = next_alike(s, c, hash, b->size, added);
	} while (c && memcmp(c->bytes, b->bytes, b->size) != 0);
	return c;
}

static void discharge(struct blob_store *s, size_t size)
{
	if (s->account)
		account_uncharge(s->account, ACCOUNT_FILES, sizeof(struct cassin_blob) + size);
}

/* The same bytes with one reference, which the store's account has: who else holds the blob must not see it change. The reference
 * is taken over. NULL: no memory. */
static struct cassin_blob *charged(struct blob_store *s, struct cassin_blob *b)
{
	struct cassin_blob *sole = NULL;
	if (!s->account || !account_charge(s->account, ACCOUNT_FILES, sizeof *b + b->size)) {
		sole = atomic_load(&b->refs) == 1 && !b->store ? blob_get(b) : copy(b);
		if (!sole)
			discharge(s, b->size);
	}
	blob_put(b);
	return sole;
}

/* False: others have come since one like it was looked for. */
static bool insert(struct blob_store *s, struct cassin_blob *b, uint64_t hash, uint64_t added)
{
	pthread_mutex_lock(&s->lock);
	bool as_seen = s->added == added;
	if (as_seen) {
		b->store = s;
		b->hash = hash;
		b->next = *bucket_of(s, hash);
		*bucket_of(s, hash) = b;
		s->added++;
	}
	pthread_mutex_unlock(&s->lock);
	return as_seen;
}

struct cassin_blob *blob_intern(struct blob_store *s, struct cassin_blob *b)
{
	if (b->store == s)
		return b;
	uint64_t hash = hash_fnv(b->bytes, b->size), added;
	size_t size = b->size;
	struct cassin_blob *kept = find_same(s, b, hash, &added);
	if (kept) {
		blob_put(b);
		return kept;
	}
	b = charged(s, b);
	while (b && !insert(s, b, hash, added)) {
		kept = find_same(s, b, hash, &added);
		if (!kept)
			continue;
		blob_put(b);
		discharge(s, size);
		return kept;
	}
	return b;
}

/* Whether that was the last reference; then it is found in its store no more. */
static bool drop_stored(struct blob_store *s, struct cassin_blob *b)
{
	struct cassin_blob **link = bucket_of(s, b->hash);
	pthread_mutex_lock(&s->lock);
	bool last = atomic_fetch_sub(&b->refs, 1) == 1;
	if (last) {
		while (*link != b)
			link = &(*link)->next;
		*link = b->next;
	}
	pthread_mutex_unlock(&s->lock);
	if (last)
		discharge(s, b->size);
	return last;
}

void blob_put(struct cassin_blob *b)
{
	if (!b)
		return;
	if (b->store ? drop_stored(b->store, b) : atomic_fetch_sub(&b->refs, 1) == 1)
		hidden_free(b);
}
