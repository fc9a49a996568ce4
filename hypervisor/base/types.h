/* SPDX-License-Identifier: MIT */
/* Distinct types for the addresses that must never be mixed. Host addresses are plain pointers. */
#ifndef TYPES_H
#define TYPES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cassin/abi.h>

#define PAGE_SIZE CASSIN_PAGE_SIZE
#define PAGE_SHIFT 12

typedef struct {
	uint64_t v;
} gva_t; /* guest virtual address: a guest's word, to be checked */

typedef struct {
	uint64_t v;
} gpa_t; /* guest-physical address within a cell */

typedef uint32_t frame_t; /* 4 KiB frame number within a cell: gpa >> 12; 0 is none */
#define FRAME_NONE 0u

static inline gva_t gva(uint64_t v)
{
	return (gva_t){v};
}

static inline gpa_t frame_gpa(frame_t f)
{
	return (gpa_t){(uint64_t)f << PAGE_SHIFT};
}

static inline uint64_t page_down(uint64_t v)
{
	return v & ~(uint64_t)(PAGE_SIZE - 1);
}

static inline uint64_t page_up(uint64_t v)
{
	return page_down(v + PAGE_SIZE - 1);
}

#endif
