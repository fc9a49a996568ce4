/* SPDX-License-Identifier: MIT */
/* The locks that the library takes around its streams and tables. Taken again by their owner they count. */
#include <stdlib.h>
#include <sys/lock.h>

#include <cassin/kernel.h>

struct __lock {
	struct cassin_mutex mutex;
	unsigned depth;
};

#define STATIC_LOCK(name) struct __lock __lock_##name
STATIC_LOCK(__sinit_recursive_mutex);
STATIC_LOCK(__sfp_recursive_mutex);
STATIC_LOCK(__atexit_recursive_mutex);
STATIC_LOCK(__at_quick_exit_mutex);
STATIC_LOCK(__malloc_recursive_mutex);
STATIC_LOCK(__env_recursive_mutex);
STATIC_LOCK(__tz_mutex);
STATIC_LOCK(__dd_hash_mutex);
STATIC_LOCK(__arc4random_mutex);

/* The library has no way to hear that there is no memory. */
void __retarget_lock_init(_LOCK_T *lock)
{
	*lock = cassin_zalloc(1, sizeof **lock);
	if (!*lock)
		cassin_panic("no memory for a lock");
}

void __retarget_lock_init_recursive(_LOCK_T *lock)
{
	__retarget_lock_init(lock);
}

void __retarget_lock_close(_LOCK_T lock)
{
	cassin_free(lock);
}

void __retarget_lock_close_recursive(_LOCK_T lock)
{
	cassin_free(lock);
}

static int take(_LOCK_T lock, uint64_t deadline)
{
	int r = cassin_mutex_lock(&lock->mutex, deadline);
	if (r && r != -CASSIN_EDEADLK)
		return r;
	lock->depth++;
	return 0;
}

void __retarget_lock_acquire(_LOCK_T lock)
{
	take(lock, CASSIN_FOREVER);
}

void __retarget_lock_acquire_recursive(_LOCK_T lock)
{
	take(lock, CASSIN_FOREVER);
}

int __retarget_lock_try_acquire(_LOCK_T lock)
{
	return take(lock, CASSIN_NOW);
}

int __retarget_lock_try_acquire_recursive(_LOCK_T lock)
{
	return take(lock, CASSIN_NOW);
}

void __retarget_lock_release(_LOCK_T lock)
{
	if (!--lock->depth)
		cassin_mutex_unlock(&lock->mutex);
}

void __retarget_lock_release_recursive(_LOCK_T lock)
{
	__retarget_lock_release(lock);
}
