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

static size_t block_align(void)
{
	size_t align = (size_t)(uintptr_t)cassin_tls_align;
	return align > CASSIN_LOCAL_ALIGN ? align : CASSIN_LOCAL_ALIGN;
}

static size_t block_size(void)
{
	return round_up((size_t)(uintptr_t)cassin_tls_size, block_align());
}

/* What it takes, aligned to CASSIN_LOCAL_ALIGN, so that somewhere in it the block's end is aligned as the block is. */
static size_t block_room(void)
{
	return block_size() ? block_align() - CASSIN_LOCAL_ALIGN + block_size() + sizeof(void *) : 0;
}

/* Fills the block for which there is room at `at`, all zero, and turns fs to it. */
static int set_block(char *at)
{
	size_t align = (size_t)(uintptr_t)cassin_tls_align, before = (uintptr_t)at + block_size();
	char *base = at + block_size() + (round_up(before, block_align()) - before);
	memcpy(base - round_up((size_t)(uintptr_t)cassin_tls_size, align), cassin_tls_from,
	       (size_t)(uintptr_t)cassin_tls_filled);
	*(void **)(void *)base = base;
	return cassin_thread_tls_set(base);
}

void local_begin_main(void)
{
	size_t room = block_room();
	if (!room)
		return;
	char *block = cassin_alloc_aligned(CASSIN_LOCAL_ALIGN, room);
	if (!block)
		cassin_panic("no memory for main's thread-local variables: %zu bytes, aligned to %zu", block_size(),
			     block_align());
	if (set_block(memset(block, 0, room)))
		cassin_panic("fs cannot be set");
}

size_t cassin_local_size(void)
{
	return reent_size() + block_room();
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
