/* SPDX-License-Identifier: MIT */
#include "image/cache.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/amount.h"

#define POOL_SHARE 16u

struct cached_image {
	struct cached_image *next;
	char *path;
	struct file_id id;
	struct image *image; /* a reference */
	bool stale;          /* its path names another file, or another content, by now */
};

void image_cache_init(struct image_cache *c, struct account *account)
{
	uint64_t share = account && account->pool ? account->pool->limit * PAGE_SIZE / POOL_SHARE : UINT64_MAX;
	*c = (struct image_cache){
		.lock = PTHREAD_MUTEX_INITIALIZER,
		.account = account,
		.idle_most = share < IMAGES_IDLE_BYTES_MAX ? share : IMAGES_IDLE_BYTES_MAX,
	};
}

static void drop(struct cached_image *e)
{
	image_put(e->image);
	free(e->path);
	free(e);
}

static void drop_all(struct cached_image *e)
{
	for (struct cached_image *next; e; e = next) {
		next = e->next;
		drop(e);
	}
}

void image_cache_destroy(struct image_cache *c)
{
	drop_all(c->first);
	pthread_mutex_destroy(&c->lock);
}

/* Nobody else has a reference; and nobody gets one but here, under the lock. */
static bool is_idle(const struct cached_image *e)
{
	return atomic_load(&e->image->refs) == 1;
}

/* Takes what is not worth keeping out of the list, no more once it is `piece` bytes: what images hold is freed without the lock. */
static struct cached_image *take_surplus(struct image_cache *c, uint64_t most, uint64_t piece)
{
	struct cached_image *out = NULL;
	uint64_t bytes = 0, taken = 0;
	unsigned n = 0;
	for (struct cached_image **link = &c->first; *link && taken < piece;) {
		struct cached_image *e = *link;
		uint64_t size = image_bytes(e->image);
		bool idle = is_idle(e);
		if (idle && !e->stale && n < IMAGES_IDLE_MAX && bytes + size <= most) {
			n++;
			bytes += size;
			idle = false;
		}
		if (!idle) {
			link = &e->next;
			continue;
		}
		*link = e->next;
		taken += size;
		c->bytes -= size;
		if (c->account)
			account_uncharge(c->account, ACCOUNT_IMAGES, size);
		e->next = out;
		out = e;
	}
	return out;
}

/* The entry of that file, which becomes the first; NULL: none. Others of the path become stale. */
static struct cached_image *find(struct image_cache *c, const char *path, const struct file_id *id)
{
	struct cached_image *found = NULL;
	for (struct cached_image **link = &c->first; *link;) {
		struct cached_image *e = *link;
		if (found || !file_same(&e->id, id) || strcmp(e->path, path) != 0) {
			e->stale |= strcmp(e->path, path) == 0;
			link = &e->next;
			continue;
		}
		*link = e->next;
		found = e;
	}
	if (found) {
		found->stale = false;
		found->next = c->first;
		c->first = found;
	}
	return found;
}

bool image_cache_drop(struct image_cache *c, uint64_t piece)
{
	pthread_mutex_lock(&c->lock);
	struct cached_image *gone = take_surplus(c, 0, piece);
	pthread_mutex_unlock(&c->lock);
	drop_all(gone);
	return gone;
}

/* What does not fit is tried again without what is idle. */
static bool charge(struct image_cache *c, uint64_t bytes)
{
	return !c->account || !account_charge(c->account, ACCOUNT_IMAGES, bytes) ||
	       (image_cache_drop(c, UINT64_MAX) && !account_charge(c->account, ACCOUNT_IMAGES, bytes));
}

/* Puts an image there, or gives the one that another thread has put there meanwhile. The entry is the list's then, or freed. NULL:
 * there is no room for it. */
static struct image *add(struct image_cache *c, struct cached_image *fresh)
{
	uint64_t bytes = image_bytes(fresh->image);
	bool room = charge(c, bytes);
	pthread_mutex_lock(&c->lock);
	struct cached_image *e = find(c, fresh->path, &fresh->id);
	if (!e && room) {
		e = fresh;
		e->next = c->first;
		c->first = e;
		c->bytes += bytes;
		fresh = NULL;
	}
	struct image *image = e ? image_get(e->image) : NULL;
	struct cached_image *surplus = take_surplus(c, c->idle_most, UINT64_MAX);
	pthread_mutex_unlock(&c->lock);
	if (fresh) {
		if (room && c->account)
			account_uncharge(c->account, ACCOUNT_IMAGES, bytes);
		drop(fresh);
	}
	drop_all(surplus);
	return image;
}

static int load(struct image_cache *c, const char *path, struct image **out, struct cassin_error_text *err)
{
	struct cached_image *e = calloc(1, sizeof *e);
	if (e)
		e->path = strdup(path);
	int r = e && e->path ? image_load(&e->image, path, &e->id, err)
			     : cassin_error_set(err, -ENOMEM, "%s: no memory", path);
	if (!r) {
		uint64_t bytes = image_bytes(e->image);
		*out = add(c, e);
		return *out ? 0
			    : cassin_error_set(err, -ENOMEM, "%s: no memory: the pool has no %s for the image's file",
					       path, amount_of(bytes).text);
	}
	if (e)
		drop(e);
	return r;
}

int image_cache_get(struct image_cache *c, const char *path, struct image **out, struct cassin_error_text *err)
{
	struct file_id id;
	int r = file_identify(path, &id, err);
	if (r)
		return r;
	pthread_mutex_lock(&c->lock);
	struct cached_image *e = find(c, path, &id);
	if (e)
		*out = image_get(e->image);
	pthread_mutex_unlock(&c->lock);
	return e ? 0 : load(c, path, out, err);
}

void image_cache_trim(struct image_cache *c)
{
	pthread_mutex_lock(&c->lock);
	struct cached_image *surplus = take_surplus(c, c->idle_most, UINT64_MAX);
	pthread_mutex_unlock(&c->lock);
	drop_all(surplus);
}

uint64_t image_cache_bytes(struct image_cache *c)
{
	pthread_mutex_lock(&c->lock);
	uint64_t bytes = c->bytes;
	pthread_mutex_unlock(&c->lock);
	return bytes;
}
