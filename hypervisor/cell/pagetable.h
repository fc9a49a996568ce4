/* SPDX-License-Identifier: MIT */
/* Page-table entries, descriptor tables and the monitor's layout: the words of Intel SDM volume 3, chapters 3 to 7, and
 * AMD APM volume 2, chapters 4, 5 and 8. */
#ifndef PAGETABLE_H
#define PAGETABLE_H

#include "cell/cell.h"
#include "cell/monitor.h"

#define PTE_P UINT64_C(0x1)
#define PTE_W UINT64_C(0x2)
#define PTE_U UINT64_C(0x4)
#define PTE_A UINT64_C(0x20)
#define PTE_D UINT64_C(0x40)
#define PTE_LARGE UINT64_C(0x80)
#define PTE_NX (UINT64_C(1) << 63)
#define PTE_FRAME UINT64_C(0x000ffffffffff000)
#define PTE_TABLE (PTE_P | PTE_W | PTE_U | PTE_A)
#define PTE_TABLE_SUPERVISOR (PTE_P | PTE_W | PTE_A)

/* Software bits. A present entry may be PTE_COW: read-only now, writable by right. A not-present entry says PTE_MAPPED
 * (page number where the frame would be, PTE_W and PTE_NX as rights) or PTE_HOLE (unmapped by the guest, though an
 * initial region lies there). All zero: look in the initial regions. */
#define PTE_COW UINT64_C(0x200)
#define PTE_MAPPED UINT64_C(0x400)
#define PTE_HOLE UINT64_C(0x800)

/* Page-fault error code. */
#define PF_PRESENT UINT64_C(0x1)
#define PF_WRITE UINT64_C(0x2)
#define PF_USER UINT64_C(0x4)
#define PF_RESERVED UINT64_C(0x8)
#define PF_FETCH UINT64_C(0x10)
#define PF_PKEY UINT64_C(0x20) /* refused by a protection key, which only the guest itself can have set */

/* GDT entries; user data before user code, as sysret would have it. */
#define GDT_KERNEL_CODE 1
#define GDT_KERNEL_DATA 2
#define GDT_USER_DATA 4
#define GDT_USER_CODE 5
#define GDT_TSS 6        /* two entries for each worker */
#define MONITOR_IDT 2048 /* offset in the page of the GDT */
#define TSS_STRIDE 256u
#define TSS_LIMIT (104u + 32u) /* I/O bitmap for ports 0 to 0xff, and its end byte */

/* The monitor's pages, in order: code, descriptors, task states, a page for each worker: commit list below, stack on
 * top. */
#define COMMIT_STACK 256u

static inline uint64_t monitor_page_va(const struct cell *c, frame_t f)
{
	return MONITOR_VA + ((uint64_t)(f - c->code) << PAGE_SHIFT);
}

static inline uint64_t monitor_tss_va(const struct cell *c, unsigned worker)
{
	return monitor_page_va(c, c->tss) + worker * TSS_STRIDE;
}

/* Where the worker's stack starts (its top); below it, from the page's start, its commit list. */
static inline uint64_t monitor_stack_va(const struct cell *c, unsigned worker)
{
	return monitor_page_va(c, c->stacks + worker) + PAGE_SIZE;
}

#endif
