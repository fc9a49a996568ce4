/* SPDX-License-Identifier: MIT */
#include "cell/cell.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/time.h"
#include "cell/pagetable.h"
#include "cell/reach.h"
#include "cell/vcpu.h"

#define GIB (UINT64_C(1) << 30)
#define MIB (UINT64_C(1) << 20)
#define SLOT_SIZE (64 * MIB)
#define APIC_HOLE_START UINT64_C(0xfc000000) /* KVM keeps its APIC page in this slot's reach */
#define FLUSH_EVERY_NS UINT64_C(50000000)    /* whoever causes more flushes waits */
#define RETURN_MOST 8192u                    /* frames given back to the host at a time, */
#define RETURN_TICK 65536u                   /* and in one call */
#define POPULATE_MOST 64u                    /* frames whose pages are asked of the host at a time, */
#define POPULATE_SHARE 8u                    /* and one for each so many that there are */
#define SHADOWS_MOST (1u << 22)              /* shadow pages that KVM may keep while a cell is busy */
#define SHADOWS_LEAST 64u

static int slot_set(struct cell *c, unsigned slot, uint64_t gpa_at, uint64_t size, void *host)
{
	struct kvm_userspace_memory_region r = {
		.slot = slot,
		.guest_phys_addr = gpa_at,
		.memory_size = size,
		.userspace_addr = (uintptr_t)host,
	};
	return ioctl(c->vm, KVM_SET_USER_MEMORY_REGION, &r) ? -errno : 0;
}

/* frames_grow_fn: the next slot of the reservation. Called under the allocator's lock. */
static int cell_grow(void *opaque, frame_t *first, uint32_t *count)
{
	struct cell *c = opaque;
	if (c->grown == APIC_HOLE_START)
		c->grown += SLOT_SIZE;
	if (c->grown >= c->size || c->nslots + 2 >= c->kvm->slots)
		return -ENOMEM;
	uint64_t size = c->size - c->grown < c->slot_size ? c->size - c->grown : c->slot_size;
	int r = slot_set(c, c->nslots, c->grown, size, c->memory + c->grown);
	if (r)
		return r;
	*first = (frame_t)(c->grown >> PAGE_SHIFT);
	*count = (uint32_t)(size >> PAGE_SHIFT);
	if (c->grown == 0) { /* frame 0 is FRAME_NONE */
		++*first;
		--*count;
	}
	c->grown += size;
	c->nslots++;
	return 0;
}

static void write_descriptors(struct cell *c)
{
	uint64_t *gdt = cell_frame(c, c->code + 1);
	gdt[GDT_KERNEL_CODE] = 0x00af9b000000ffff;
	gdt[GDT_KERNEL_DATA] = 0x00cf93000000ffff;
	gdt[GDT_USER_DATA] = 0x00cff3000000ffff;
	gdt[GDT_USER_CODE] = 0x00affb000000ffff;
	for (unsigned w = 0; w < c->workers; w++) {
		uint64_t base = monitor_tss_va(c, w);
		gdt[GDT_TSS + 2 * w] = (base & 0xffffff) << 16 | TSS_LIMIT | UINT64_C(0x8b) << 40 |
				       (base >> 24 & 0xff) << 56;
		gdt[GDT_TSS + 2 * w + 1] = base >> 32;

		unsigned char *tss = (unsigned char *)cell_frame(c, c->tss) + w * TSS_STRIDE;
		uint64_t rsp0 = monitor_stack_va(c, w);
		static const uint16_t bitmap = 104;
		memcpy(tss + 4, &rsp0, sizeof rsp0);
		memcpy(tss + 102, &bitmap, sizeof bitmap);
		memset(tss + 104, 0xff, TSS_LIMIT + 1 - 104);
		tss[104 + CASSIN_PORT / 8] &= (unsigned char)~(1u << CASSIN_PORT % 8);
	}
	uint64_t *idt = (uint64_t *)((unsigned char *)cell_frame(c, c->code + 1) + MONITOR_IDT);
	for (unsigned v = 0; v < MONITOR_VECTORS; v++) {
		uint64_t stub = MONITOR_VA + (uint64_t)(monitor_stubs - monitor_start) + v * MONITOR_STUB_SIZE;
		idt[2 * v] = (stub & 0xffff) | GDT_KERNEL_CODE * 8u << 16 | UINT64_C(0x8e) << 40 |
			     (stub >> 16 & 0xffff) << 48;
		idt[2 * v + 1] = stub >> 32;
	}
}

/* The monitor's pages as guests' roots show them (supervisor only), and the root of its own that shows the cell's memory
 * besides. */
static void write_tables(struct cell *c, frame_t pages, unsigned npages)
{
	frame_t l3 = c->tables, l2 = l3 + 1, l1 = l3 + 2, direct = l3 + 4;
	c->link = l3;
	c->root = l3 + 3;
	((uint64_t *)cell_frame(c, l3))[0] = frame_gpa(l2).v | PTE_TABLE_SUPERVISOR;
	((uint64_t *)cell_frame(c, l2))[0] = frame_gpa(l1).v | PTE_TABLE_SUPERVISOR;
	uint64_t *entries = cell_frame(c, l1);
	entries[0] = frame_gpa(pages).v | PTE_P | PTE_A;
	for (unsigned i = 1; i < npages; i++)
		entries[i] = frame_gpa(pages + i).v | PTE_P | PTE_W | PTE_A | PTE_D | PTE_NX;

	uint64_t *root = cell_frame(c, c->root);
	root[MONITOR_L4] = frame_gpa(l3).v | PTE_TABLE_SUPERVISOR;
	root[MONITOR_DIRECT_L4] = frame_gpa(direct).v | PTE_TABLE_SUPERVISOR;
	for (uint64_t g = 0; g * GIB < c->size; g++) {
		((uint64_t *)cell_frame(c, direct))[g] = frame_gpa(direct + 1 + (frame_t)g).v | PTE_TABLE_SUPERVISOR;
		uint64_t *l2_direct = cell_frame(c, direct + 1 + (frame_t)g);
		for (uint64_t i = 0; i < 512; i++)
			l2_direct[i] = (g * GIB + i * 2 * MIB) | PTE_P | PTE_W | PTE_A | PTE_D | PTE_LARGE | PTE_NX;
	}
}

/* Lays the monitor at the bottom of memory and moves the allocator past it. */
static int monitor_build(struct cell *c, struct cassin_error_text *err)
{
	unsigned ntss = (c->workers * TSS_STRIDE + PAGE_SIZE - 1) / PAGE_SIZE;
	unsigned npages = 2 + ntss + c->workers;
	uint64_t ntables = 5 + (c->size + GIB - 1) / GIB;
	frame_t first = FRAME_NONE;
	int r = 0;
	for (uint64_t i = 0; i < npages + ntables; i++) {
		frame_t f;
		bool fresh;
		r = frames_alloc(&c->frames, &f, &fresh);
		if (r)
			return cassin_error_set(err, r, "no memory for another cell: %s",
						r == -ENOMEM ? "the pool is exhausted" : strerror(-r));
		if (!first)
			first = f;
	}
	c->code = first;
	c->tss = first + 2;
	c->stacks = c->tss + ntss;
	c->tables = first + npages;
	memcpy(cell_frame(c, c->code), monitor_start, (size_t)(monitor_end - monitor_start));
	write_descriptors(c);
	write_tables(c, first, npages);
	return 0;
}

static int cell_open(struct cell *c, struct cassin_error_text *err)
{
	c->vm = ioctl(c->kvm->fd, KVM_CREATE_VM, 0);
	if (c->vm < 0)
		return cassin_error_set(err, -errno, "cannot create a KVM VM for a cell: %s", strerror(errno));
	c->memory = mmap(NULL, c->size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (c->memory == MAP_FAILED)
		return cassin_error_set(err, -errno, "cannot reserve %llu MiB of address space for a cell: %s",
					(unsigned long long)(c->size / MIB), strerror(errno));
	/* Density counts pages: no huge ones behind guests that touch a few; no copies in a child process. */
	madvise(c->memory, c->size, MADV_NOHUGEPAGE);
	madvise(c->memory, c->size, MADV_DONTFORK);
	madvise(c->memory, c->size, MADV_DONTDUMP); /* guests' secrets are not the core dump's */
	c->dummy = mmap(NULL, PAGE_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (c->dummy == MAP_FAILED)
		return cassin_error_set(err, -ENOMEM, "no memory for a cell");
	int r = slot_set(c, c->kvm->slots - 1, c->size, PAGE_SIZE, c->dummy);
	if (r)
		return cassin_error_set(err, r, "cannot give a cell its memory: %s", strerror(-r));
	ioctl(c->vm, KVM_SET_NR_MMU_PAGES, SHADOWS_MOST);
	return monitor_build(c, err);
}

int cell_create(struct cell **out, const struct kvm *k, struct frame_pool *pool, uint64_t bytes, unsigned workers,
		struct cassin_error_text *err)
{
	uint64_t size = cell_size(bytes);
	if (!size)
		return cassin_error_set(err, -E2BIG, "a cell cannot have %llu GiB: its monitor reaches %llu GiB",
					(unsigned long long)(bytes / GIB), (unsigned long long)(CELL_BYTES_MOST / GIB));
	struct cell *c = calloc(1, sizeof *c);
	if (!c)
		return cassin_error_set(err, -ENOMEM, "no memory for a cell");
	c->kvm = k;
	c->workers = workers;
	c->flush_ration.every = FLUSH_EVERY_NS;
	c->vm = -1;
	c->size = size;
	c->slot_size = c->size < SLOT_SIZE ? c->size : SLOT_SIZE;
	c->memory = c->dummy = MAP_FAILED;
	pthread_mutex_init(&c->lock, NULL);
	frames_init(&c->frames, pool, cell_grow, c);
	int r = cell_open(c, err);
	if (r) {
		cell_destroy(c);
		return r;
	}
	*out = c;
	return 0;
}

void cell_destroy(struct cell *c)
{
	for (unsigned w = 0; w < WORKERS_MAX; w++)
		vcpu_destroy(c->vcpus[w]);
	while (c->images)
		cell_image_free(c, c->images);
	cell_clocks_free(c);
	if (c->vm >= 0)
		kvm_descriptor_close(c->vm);
	if (c->memory != MAP_FAILED)
		munmap(c->memory, c->size);
	if (c->dummy != MAP_FAILED)
		munmap(c->dummy, PAGE_SIZE);
	frames_destroy(&c->frames);
	pthread_mutex_destroy(&c->lock);
	free(c->domain);
	free(c);
}

/* Until when the guest is to wait whose turn this thread has: it has caused flushes. 0: it need not. */
static _Thread_local uint64_t owed_until;

uint64_t cell_flush_owed(void)
{
	return owed_until;
}

uint64_t cell_flush_settle(void)
{
	uint64_t until = owed_until;
	owed_until = 0;
	return until;
}

static void flush_locked(struct cell *c)
{
	unsigned slot = c->kvm->slots - 1;
	slot_set(c, slot, c->size, 0, c->dummy);
	slot_set(c, slot, c->size, PAGE_SIZE, c->dummy);
	atomic_fetch_add(&c->flushes, 1);
	uint64_t until = ration_take(&c->flush_ration, monotonic_ns());
	owed_until = until > owed_until ? until : owed_until;
}

/* Frees the quarantine when it holds at least `least`. */
static bool release_locked(struct cell *c, uint32_t least)
{
	uint32_t waiting = frames_quarantined(&c->frames);
	if (waiting < least)
		return false;
	flush_locked(c);
	frames_release(&c->frames, waiting);
	return true;
}

/* The first touch of a page that the host has not given yet is an exception, here or below the guest, and KVM maps ahead
 * only what is there: pages come in runs, before they are needed. */
static void populate(struct cell *c, frame_t f)
{
	frame_t from = atomic_load_explicit(&c->populated, memory_order_relaxed);
	if (f < from)
		return;
	uint32_t n = f / POPULATE_SHARE < POPULATE_MOST ? f / POPULATE_SHARE : POPULATE_MOST;
	uint64_t end = c->size >> PAGE_SHIFT, to = f + 1 + n < end ? f + 1 + n : end;
	if (atomic_compare_exchange_strong(&c->populated, &from, (frame_t)to))
		madvise(cell_frame(c, f), (size_t)(to - f) << PAGE_SHIFT,
			MADV_POPULATE_WRITE); /* else they come one by one */
}

int cell_frame_alloc_locked(struct cell *c, frame_t *out, bool *fresh)
{
	int r = frames_alloc(&c->frames, out, fresh);
	if (r == -ENOMEM && release_locked(c, 1))
		r = frames_alloc(&c->frames, out, fresh);
	return r;
}

int cell_frame_alloc(struct cell *c, frame_t *out, bool *fresh)
{
	int r = frames_alloc(&c->frames, out, fresh);
	if (!r)
		populate(c, *out);
	if (r != -ENOMEM)
		return r;
	pthread_mutex_lock(&c->lock);
	r = cell_frame_alloc_locked(c, out, fresh);
	pthread_mutex_unlock(&c->lock);
	return r;
}

int cell_frame_zero(struct cell *c, frame_t *out)
{
	bool fresh;
	int r = cell_frame_alloc(c, out, &fresh);
	if (!r && !fresh)
		memset(cell_frame(c, *out), 0, PAGE_SIZE);
	return r;
}

void cell_flush(struct cell *c)
{
	pthread_mutex_lock(&c->lock);
	flush_locked(c);
	pthread_mutex_unlock(&c->lock);
}

void cell_tables_free(struct cell *c, const frame_t *at, size_t n)
{
	if (frames_quarantine(&c->frames, at, n) < CELL_QUARANTINE_MOST)
		return;
	pthread_mutex_lock(&c->lock);
	release_locked(c, CELL_QUARANTINE_MOST);
	pthread_mutex_unlock(&c->lock);
}

void cell_trim(struct cell *c)
{
	cell_images_drop(c);
	pthread_mutex_lock(&c->lock);
	ioctl(c->vm, KVM_SET_NR_MMU_PAGES, SHADOWS_LEAST);
	ioctl(c->vm, KVM_SET_NR_MMU_PAGES, SHADOWS_MOST);
	release_locked(c, 1);
	pthread_mutex_unlock(&c->lock);
}

static int compare_frames(const void *a, const void *b)
{
	frame_t x = *(const frame_t *)a, y = *(const frame_t *)b;
	return (x > y) - (x < y);
}

static uint32_t return_some(struct cell *c, uint32_t most)
{
	frame_t idle[RETURN_MOST];
	uint32_t n = frames_take_idle(&c->frames, idle, most < RETURN_MOST ? most : RETURN_MOST);
	qsort(idle, n, sizeof *idle, compare_frames);
	for (uint32_t from = 0, to; from < n; from = to) {
		to = from + 1;
		while (to < n && idle[to] == idle[to - 1] + 1)
			to++;
		if (madvise(cell_frame(c, idle[from]), (to - from) * (size_t)PAGE_SIZE, MADV_DONTNEED))
			memset(cell_frame(c, idle[from]), 0, (to - from) * (size_t)PAGE_SIZE);
	}
	frames_clean(&c->frames, idle, n);
	return n;
}

void cell_return(struct cell *c, bool rest)
{
	uint32_t idle = frames_idle(&c->frames), left = rest ? idle : idle / 2, n;
	for (left = left < RETURN_TICK ? left : RETURN_TICK; left; left -= n) {
		n = return_some(c, left);
		if (!n)
			return;
	}
}

int cell_probe(struct kvm *k, struct cassin_error_text *err)
{
	struct frame_pool pool = {.limit = 4096};
	struct cell *c;
	int r = cell_create(&c, k, &pool, 4 * MIB, 1, err);
	if (r)
		return r;
	/* Nothing has run here yet, so nothing is cached: the direct map may be opened to ring 3. */
	((uint64_t *)cell_frame(c, c->root))[MONITOR_DIRECT_L4] |= PTE_U;
	((uint64_t *)cell_frame(c, c->root + 1))[0] |= PTE_U;
	uint64_t *large = cell_frame(c, c->root + 2);
	large[0] = (large[0] | PTE_U) & ~PTE_NX;
	r = vcpu_probe(c, k, MONITOR_DIRECT_VA + frame_gpa(c->code).v + (uint64_t)(monitor_probe - monitor_start), err);
	cell_destroy(c);
	return r;
}
