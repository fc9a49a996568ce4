/* SPDX-License-Identifier: MIT */
/*
 * Each thread has a `struct _reent` (errno, strtok()'s place, and the like), and thread-local variables if the image has
 * any: System V ABI, AMD64 supplement, "thread-local storage", variant II: the block ends where fs points, and there
 * lies a pointer to itself. Guests without such variables set no fs, and their switches cost no exit.
 */
#include "local.h"

#include <reent.h>
#include <stdint.h>
#include <string.h>

#include <cassin/kernel.h>
#include <cassin/kernel/local.h>

/* guest.ld; of the last three the address is the value. */
extern const char cassin_tls_from[], cassin_tls_filled[], cassin_tls_size[], cassin_tls_align[];

static size_t round_up(size_t n, size_t to)
{
	return (n + to - 1) / to * to;
}

/* What a thread has: the `struct _reent`, and behind it, if there is one, the block with the pointer at its end. */
static size_t reent_size(void)
{
	return round_up(sizeof(struct _reent), CASSIN_LOCAL_ALIGN);
}

static size_t block_size(void)
{
	size_t size = (size_t)(uintptr_t)cassin_tls_size;
	return size ? round_up(size, CASSIN_LOCAL_ALIGN) : 0;
}

/* Fills a block, which is zero, and turns fs to it. */
static int set_block(char *block)
{
	size_t align = (size_t)(uintptr_t)cassin_tls_align;
	char *base = block + block_size();
	memcpy(base - round_up((size_t)(uintptr_t)cassin_tls_size, align), cassin_tls_from,
	       (size_t)(uintptr_t)cassin_tls_filled);
	*(void **)(void *)base = base;
	return cassin_thread_tls_set(base);
}

void local_begin_main(void)
{
	if (!block_size())
		return;
	char *block = cassin_alloc_aligned(CASSIN_LOCAL_ALIGN, block_size() + sizeof(void *));
	if (!block)
		cassin_panic("no memory for main's thread-local variables");
	if (set_block(memset(block, 0, block_size())))
		cassin_panic("fs cannot be set");
}

size_t cassin_local_size(void)
{
	size_t block = block_size();
	return reent_size() + (block ? block + sizeof(void *) : 0);
}

void cassin_local_begin(void *at)
{
	_REENT_INIT_PTR_ZEROED((struct _reent *)at);
	if (block_size() && set_block((char *)at + reent_size()))
		cassin_panic("fs cannot be set");
}

void cassin_local_end(void *at)
{
	_impure_ptr = _global_impure_ptr; /* the library takes none away that is in use */
	_reclaim_reent(at);
}

void cassin_local_switched(void *at)
{
	_impure_ptr = at ? at : _global_impure_ptr;
}
