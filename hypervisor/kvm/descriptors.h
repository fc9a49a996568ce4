/* SPDX-License-Identifier: MIT */
/* Descriptor tables and the monitor's layout: the words of Intel SDM volume 3, chapters 3 to 7, and AMD APM volume 2, chapters 4
 * and 8. */
#ifndef DESCRIPTORS_H
#define DESCRIPTORS_H

#include "cell/pagetable.h"
#include "kvm/kvm_cell.h"
#include "kvm/monitor.h"

/* GDT entries; those of user code are in cell/pagetable.h. */
#define GDT_KERNEL_CODE 1
#define GDT_KERNEL_DATA 2
#define GDT_TSS 6        /* two entries for each worker */
#define MONITOR_IDT 2048 /* offset in the page of the GDT */
#define TSS_STRIDE 256u
#define TSS_LIMIT (104u + 32u) /* I/O bitmap for ports 0 to 0xff, and its end byte */

/* The monitor's pages, in order: code, descriptors, task states, a page for each worker: commit list below, stack on
 * top. */
#define COMMIT_STACK 256u

static inline uint64_t monitor_page_va(const struct kvm_cell *k, frame_t f)
{
	return MONITOR_VA + ((uint64_t)(f - k->code) << PAGE_SHIFT);
}

static inline uint64_t monitor_tss_va(const struct kvm_cell *k, unsigned worker)
{
	return monitor_page_va(k, k->tss) + worker * TSS_STRIDE;
}

/* Where the worker's stack starts (its top); below it, from the page's start, its commit list. */
static inline uint64_t monitor_stack_va(const struct kvm_cell *k, unsigned worker)
{
	return monitor_page_va(k, k->stacks + worker) + PAGE_SIZE;
}

#endif
