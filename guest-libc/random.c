/* SPDX-License-Identifier: MIT */
/*
 * Random bytes that nobody can guess: the hypervisor's, some at a time. What is left of them when the guest is cloned is not
 * the clones'. rand() and random() begin as C and POSIX have it, always the same.
 */
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cassin/kernel.h>

#include "system.h"

#define POOL 256u
#define ENTROPY_MOST 256u /* as POSIX.1-2024 has it */

static struct {
	struct cassin_mutex lock;
	struct cassin_birth birth;
	uint32_t left; /* the last bytes of `bytes` */
	unsigned char bytes[POOL];
} pool;

/* Callers of these functions are promised random bytes and have no way to hear that there are none. */
static void draw(void *to, size_t size)
{
	char *at = to;
	while (size) {
		uint32_t n = size < CASSIN_IO_MAX ? (uint32_t)size : CASSIN_IO_MAX;
		int r = cassin_random(at, n);
		if (r)
			cassin_panic("no random bytes: error %d", -r);
		at += n;
		size -= n;
	}
}

int getentropy(void *to, size_t size)
{
	if (size > ENTROPY_MOST)
		return system_failed(EIO);
	int r = size ? cassin_random(to, (uint32_t)size) : 0;
	return r ? system_failed(-r) : 0;
}

/* Bytes are forgotten as they are handed out. */
static void take(void *to, uint32_t size)
{
	cassin_mutex_lock(&pool.lock, CASSIN_FOREVER);
	if (cassin_reborn(&pool.birth) || pool.left < size) {
		draw(pool.bytes, POOL);
		pool.left = POOL;
	}
	unsigned char *from = pool.bytes + POOL - pool.left;
	memcpy(to, from, size);
	memset(from, 0, size);
	pool.left -= size;
	cassin_mutex_unlock(&pool.lock);
}

void arc4random_buf(void *to, size_t size)
{
	if (size <= POOL / 4)
		take(to, (uint32_t)size);
	else
		draw(to, size);
}

uint32_t arc4random(void)
{
	uint32_t n;
	take(&n, sizeof n);
	return n;
}

uint32_t arc4random_uniform(uint32_t end)
{
	uint32_t n = 0;
	if (end < 2)
		return 0;
	do /* the first 2^32 mod end numbers would come once too often */
		n = arc4random();
	while (n < -end % end);
	return n % end;
}
