/* SPDX-License-Identifier: MIT */
/* The heap. It grows from low addresses, so that what is not needed is never touched. */
#ifndef CASSIN_GUEST_HEAP_H
#define CASSIN_GUEST_HEAP_H

#include <stddef.h>

/* 16-byte aligned. NULL: full, or too large. */
void *cassin_alloc(size_t size);
void *cassin_zalloc(size_t count, size_t size);        /* zeroed; the product is checked */
void *cassin_alloc_aligned(size_t align, size_t size); /* a power of two, at most 65536 */
void *cassin_realloc(void *p, size_t size);            /* on failure p stays */
void cassin_free(void *p);                             /* NULL is fine */
size_t cassin_heap_used(void);                         /* bytes handed out, with their headers */
/* For tests: a heap over other memory. */
void cassin_heap_reset(void *at, size_t size);

#endif
