/* SPDX-License-Identifier: MIT */
/*
 * Where things lie in a stub, the host process that runs a guest's code. Guests' addresses end at CASSIN_VA_END (half a
 * terabyte); all of ours is far above, where the stub's filter lets nothing be mapped.
 */
#ifndef PROCESS_LAYOUT_H
#define PROCESS_LAYOUT_H

#define STUB_VA 0x7fe000000000 /* the program that a stub begins as; it goes when the stub is confined */
#define PAGE_VA 0x7ff000000000 /* our page: code, filter and list, which the guest can read and not write */
#define STUB_END 0x7ffffffff000
#define STUB_MEMORY 3 /* the descriptor of its cell's memory, the only one it has */

/* In our page. */
#define PAGE_FILTER 1024 /* struct sock_fprog, and its program */
#define PAGE_LIST 2048   /* struct map_step, the last one of kind STEP_END */
#define PAGE_STEPS 64

/* What a step does: maps with these rights (PROT_*) and flags, or else */
#define STEP_POPULATE 0x8000 /* MAP_POPULATE */
#define STEP_UNMAP 0x100
#define STEP_END 0x200

#ifndef __ASSEMBLER__
#include <stdint.h>

struct map_step {
	uint64_t va, bytes;
	uint64_t offset; /* in the cell's memory */
	uint64_t kind;
};

extern const unsigned char stub_program[], stub_program_end[]; /* an ELF file */
extern const unsigned char stub_code[], stub_code_end[];       /* what is copied to the start of our page */
extern const unsigned char stub_confine[];  /* in stub_program: where a new stub is sent. r12: our page's offset */
extern const unsigned char stub_batch[];    /* in stub_code: does the steps at rbx */
extern const unsigned char stub_flags[];    /* in stub_code: where its stack begins */
extern const unsigned char stub_call_end[]; /* in stub_code: behind the only call that the filter admits */
#endif

#endif
