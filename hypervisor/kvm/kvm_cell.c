/* SPDX-License-Identifier: MIT */
/* A cell as a KVM VM: its slots of memory, its monitor, and what makes KVM forget. */
#include "kvm/kvm_cell.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>

#include "kvm/descriptors.h"
#include "kvm/kvm_vcpu.h"

#define GIB (UINT64_C(1) << 30)
#define MIB (UINT64_C(1) << 20)
#define APIC_HOLE_START UINT64_C(0xfc000000) /* KVM keeps its APIC page in the reach of a slot that began here, */
#define APIC_HOLE_SIZE (64 * MIB)            /* which is left out */
#define SHADOWS_MOST (1u << 22)              /* shadow pages that KVM may keep while a cell is busy */
#define SHADOWS_LEAST 64u

static int slot_set(struct kvm_cell *k, unsigned slot, uint64_t gpa_at, uint64_t size, void *host)
{
	struct kvm_userspace_memory_region r = {
		.slot = slot,
		.guest_phys_addr = gpa_at,
		.memory_size = size,
		.userspace_addr = (uintptr_t)host,
	};
	return ioctl(k->vm, KVM_SET_USER_MEMORY_REGION, &r) ? -errno : 0;
}

int kvm_cell_grow(struct cell *c, uint64_t *at, uint64_t *size)
{
	struct kvm_cell *k = kvm_cell(c);
	if (*at == APIC_HOLE_START)
		*at += APIC_HOLE_SIZE;
	if (*at >= c->size || k->nslots + 2 >= kvm_of(c)->slots)
		return -ENOMEM;
	*size = c->size - *at < *size ? c->size - *at : *size;
	int r = slot_set(k, k->nslots, *at, *size, c->memory + *at);
	if (!r)
		k->nslots++;
	return r;
}

static void write_descriptors(struct kvm_cell *k)
{
	uint64_t *gdt = cell_frame(&k->cell, k->code + 1);
	gdt[GDT_KERNEL_CODE] = 0x00af9b000000ffff;
	gdt[GDT_KERNEL_DATA] = 0x00cf93000000ffff;
	gdt[GDT_USER_DATA] = 0x00cff3000000ffff;
	gdt[GDT_USER_CODE] = 0x00affb000000ffff;
	for (unsigned w = 0; w < k->cell.workers; w++) {
		uint64_t base = monitor_tss_va(k, w);
		gdt[GDT_TSS + 2 * w] = (base & 0xffffff) << 16 | TSS_LIMIT | UINT64_C(0x8b) << 40 |
				       (base >> 24 & 0xff) << 56;
		gdt[GDT_TSS + 2 * w + 1] = base >> 32;

		unsigned char *tss = (unsigned char *)cell_frame(&k->cell, k->tss) + w * TSS_STRIDE;
		uint64_t rsp0 = monitor_stack_va(k, w);
		static const uint16_t bitmap = 104;
		memcpy(tss + 4, &rsp0, sizeof rsp0);
		memcpy(tss + 102, &bitmap, sizeof bitmap);
		memset(tss + 104, 0xff, TSS_LIMIT + 1 - 104);
		tss[104 + CASSIN_PORT / 8] &= (unsigned char)~(1u << CASSIN_PORT % 8);
	}
	uint64_t *idt = (uint64_t *)((unsigned char *)cell_frame(&k->cell, k->code + 1) + MONITOR_IDT);
	for (unsigned v = 0; v < MONITOR_VECTORS; v++) {
		uint64_t stub = MONITOR_VA + (uint64_t)(monitor_stubs - monitor_start) + v * MONITOR_STUB_SIZE;
		idt[2 * v] = (stub & 0xffff) | GDT_KERNEL_CODE * 8u << 16 | UINT64_C(0x8e) << 40 |
			     (stub >> 16 & 0xffff) << 48;
		idt[2 * v + 1] = stub >> 32;
	}
}

/* The monitor's pages as guests' roots show them (supervisor only), and the root of its own that shows the cell's memory
 * besides. */
static void write_tables(struct kvm_cell *k, frame_t pages, unsigned npages)
{
	frame_t l3 = k->tables, l2 = l3 + 1, l1 = l3 + 2, direct = l3 + 4;
	k->cell.link = l3;
	k->root = l3 + 3;
	((uint64_t *)cell_frame(&k->cell, l3))[0] = frame_gpa(l2).v | PTE_TABLE_SUPERVISOR;
	((uint64_t *)cell_frame(&k->cell, l2))[0] = frame_gpa(l1).v | PTE_TABLE_SUPERVISOR;
	uint64_t *entries = cell_frame(&k->cell, l1);
	entries[0] = frame_gpa(pages).v | PTE_P | PTE_A;
	for (unsigned i = 1; i < npages; i++)
		entries[i] = frame_gpa(pages + i).v | PTE_P | PTE_W | PTE_A | PTE_D | PTE_NX;

	uint64_t *root = cell_frame(&k->cell, k->root);
	root[MONITOR_L4] = frame_gpa(l3).v | PTE_TABLE_SUPERVISOR;
	root[MONITOR_DIRECT_L4] = frame_gpa(direct).v | PTE_TABLE_SUPERVISOR;
	for (uint64_t g = 0; g * GIB < k->cell.size; g++) {
		((uint64_t *)cell_frame(&k->cell, direct))[g] = frame_gpa(direct + 1 + (frame_t)g).v |
								PTE_TABLE_SUPERVISOR;
		uint64_t *l2_direct = cell_frame(&k->cell, direct + 1 + (frame_t)g);
		for (uint64_t i = 0; i < 512; i++)
			l2_direct[i] = (g * GIB + i * 2 * MIB) | PTE_P | PTE_W | PTE_A | PTE_D | PTE_LARGE | PTE_NX;
	}
}

/* Lays the monitor at the bottom of memory and moves the allocator past it. */
static int monitor_build(struct kvm_cell *k, struct cassin_error_text *err)
{
	unsigned ntss = (k->cell.workers * TSS_STRIDE + PAGE_SIZE - 1) / PAGE_SIZE;
	unsigned npages = 2 + ntss + k->cell.workers;
	uint64_t ntables = 5 + (k->cell.size + GIB - 1) / GIB;
	frame_t first = FRAME_NONE;
	int r = 0;
	for (uint64_t i = 0; i < npages + ntables; i++) {
		frame_t f;
		bool fresh;
		r = cell_frame_alloc(&k->cell, &f, &fresh);
		if (r)
			return cassin_error_set(err, r, "no memory for another cell: %s",
						r == -ENOMEM ? "the pool is exhausted" : strerror(-r));
		if (!first)
			first = f;
	}
	k->code = first;
	k->tss = first + 2;
	k->stacks = k->tss + ntss;
	k->tables = first + npages;
	memcpy(cell_frame(&k->cell, k->code), monitor_start, (size_t)(monitor_end - monitor_start));
	write_descriptors(k);
	write_tables(k, first, npages);
	return 0;
}

int kvm_cell_open(struct cell *c, struct cassin_error_text *err)
{
	struct kvm_cell *k = kvm_cell(c);
	k->dummy = MAP_FAILED;
	k->vm = ioctl(kvm_of(c)->fd, KVM_CREATE_VM, 0);
	if (k->vm < 0)
		return cassin_error_set(err, -errno, "/dev/kvm: cannot make a virtual machine: %s%s", strerror(errno),
					errno == EBUSY ? ": another hypervisor has the CPU's virtualisation" : "");
	c->memory = mmap(NULL, c->size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (c->memory == MAP_FAILED)
		return cassin_error_set(
			err, -errno,
			"cannot reserve %llu MiB of address space for a cell: %s: see RLIMIT_AS (ulimit -v) and "
			"vm.overcommit_memory",
			(unsigned long long)(c->size / MIB), strerror(errno));
	/* Density counts pages: no huge ones behind guests that touch a few; no copies in a child process. */
	madvise(c->memory, c->size, MADV_NOHUGEPAGE);
	madvise(c->memory, c->size, MADV_DONTFORK);
	madvise(c->memory, c->size, MADV_DONTDUMP); /* guests' secrets are not the core dump's */
	k->dummy = mmap(NULL, PAGE_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (k->dummy == MAP_FAILED)
		return cassin_error_set(err, -ENOMEM, "no memory for a cell");
	int r = slot_set(k, kvm_of(c)->slots - 1, c->size, PAGE_SIZE, k->dummy);
	if (r)
		return cassin_error_set(err, r, "cannot give a cell its memory: %s", strerror(-r));
	ioctl(k->vm, KVM_SET_NR_MMU_PAGES, SHADOWS_MOST);
	return monitor_build(k, err);
}

void kvm_cell_close(struct cell *c)
{
	struct kvm_cell *k = kvm_cell(c);
	if (k->vm >= 0)
		kvm_descriptor_close(k->vm);
	if (k->dummy != MAP_FAILED)
		munmap(k->dummy, PAGE_SIZE);
}

/* Taking a slot out and putting it back zaps all shadows of the VM. */
void kvm_cell_flush(struct cell *c)
{
	struct kvm_cell *k = kvm_cell(c);
	unsigned slot = kvm_of(c)->slots - 1;
	slot_set(k, slot, c->size, 0, k->dummy);
	slot_set(k, slot, c->size, PAGE_SIZE, k->dummy);
}

void kvm_cell_trim(struct cell *c)
{
	ioctl(kvm_cell(c)->vm, KVM_SET_NR_MMU_PAGES, SHADOWS_LEAST);
	ioctl(kvm_cell(c)->vm, KVM_SET_NR_MMU_PAGES, SHADOWS_MOST);
}

int kvm_cell_give_back(struct cell *c, frame_t first, uint32_t n)
{
	return madvise(cell_frame(c, first), n * (size_t)PAGE_SIZE, MADV_DONTNEED) ? -errno : 0;
}

int kvm_cell_probe(struct kvm *k, struct cassin_error_text *err)
{
	struct frame_pool pool = {.limit = 4096};
	struct cell *c;
	int r = cell_create(&c, &k->backend, &pool, 4 * MIB, 1, err);
	if (r)
		return r;
	/* Nothing has run here yet, so nothing is cached: the direct map may be opened to ring 3. */
	((uint64_t *)cell_frame(c, kvm_cell(c)->root))[MONITOR_DIRECT_L4] |= PTE_U;
	((uint64_t *)cell_frame(c, kvm_cell(c)->root + 1))[0] |= PTE_U;
	uint64_t *large = cell_frame(c, kvm_cell(c)->root + 2);
	large[0] = (large[0] | PTE_U) & ~PTE_NX;
	r = kvm_vcpu_probe(
		c, k, MONITOR_DIRECT_VA + frame_gpa(kvm_cell(c)->code).v + (uint64_t)(monitor_probe - monitor_start),
		err);
	cell_destroy(c);
	return r;
}
