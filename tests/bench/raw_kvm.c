/* SPDX-License-Identifier: MIT */
#include "raw_kvm.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/kvm.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>

#include <cassin/abi.h>

#include "common.h"

/* Guest-physical pages, mapped at the same virtual addresses. */
enum page { PAGE_NONE, PAGE_DESCRIPTORS, PAGE_L4, PAGE_L3, PAGE_L2, PAGE_L1, PAGE_CODE, PAGES };

#define AT(page) ((uint64_t)(page)*CASSIN_PAGE_SIZE)
#define TSS AT(PAGE_DESCRIPTORS) + 0x100
#define TSS_BITMAP 104
#define TSS_SIZE (TSS_BITMAP + CASSIN_PORT / 8 + 2)
#define CPUID_ENTRIES 256

static struct {
	int vcpu;
	struct kvm_run *run;
} raw;

static int checked(int result, const char *what)
{
	if (result < 0)
		bench_die("raw loop: %s: %s", what, strerror(errno));
	return result;
}

static void write_memory(unsigned char *memory)
{
	static const unsigned char code[] = {0xe6, CASSIN_PORT, 0xeb, 0xfc}; /* 1: out %al, $0xca; jmp 1b */
	static const uint16_t bitmap = TSS_BITMAP;
	memcpy(memory + AT(PAGE_CODE), code, sizeof code);

	unsigned char *tss = memory + TSS;
	memcpy(tss + 102, &bitmap, sizeof bitmap);
	memset(tss + TSS_BITMAP, 0xff, TSS_SIZE - TSS_BITMAP);
	tss[TSS_BITMAP + CASSIN_PORT / 8] &= (unsigned char)~(1u << CASSIN_PORT % 8);

	/* AMD64 manual volume 2, 5.3: present 1, writable 2, user 4, accessed 0x20, dirty 0x40. */
	for (enum page p = PAGE_L4; p < PAGE_L1; p++)
		*(uint64_t *)(void *)(memory + AT(p)) = AT(p + 1) | 0x27;
	uint64_t *l1 = (uint64_t *)(void *)(memory + AT(PAGE_L1));
	l1[PAGE_DESCRIPTORS] = AT(PAGE_DESCRIPTORS) | 0x63;
	l1[PAGE_CODE] = AT(PAGE_CODE) | 0x25;
}

static void set_registers(void)
{
	struct kvm_sregs s;
	checked(ioctl(raw.vcpu, KVM_GET_SREGS, &s), "KVM_GET_SREGS");
	s.cr3 = AT(PAGE_L4);
	s.cr4 = 0x620;      /* OSXMMEXCPT OSFXSR PAE */
	s.cr0 = 0x80010033; /* PG WP NE ET MP PE */
	s.efer = 0xd00;     /* NXE LMA LME */
	struct kvm_segment data = {
		.limit = 0xffffffff, .selector = 0x1b, .present = 1, .type = 3, .dpl = 3, .s = 1, .db = 1, .g = 1};
	s.ss = s.ds = s.es = s.fs = s.gs = data;
	s.cs = data;
	s.cs.selector = 0x23;
	s.cs.type = 11;
	s.cs.l = 1;
	s.cs.db = 0;
	s.tr = (struct kvm_segment){.base = TSS, .limit = TSS_SIZE - 1, .selector = 0x28, .present = 1, .type = 11};
	s.idt.limit = 0;
	checked(ioctl(raw.vcpu, KVM_SET_SREGS, &s), "KVM_SET_SREGS");
	struct kvm_regs r = {.rip = AT(PAGE_CODE), .rflags = 0x3002}; /* IOPL 3 */
	checked(ioctl(raw.vcpu, KVM_SET_REGS, &r), "KVM_SET_REGS");
}

void raw_open(void)
{
	int kvm = checked(open("/dev/kvm", O_RDWR | O_CLOEXEC), "/dev/kvm");
	int vm = checked(ioctl(kvm, KVM_CREATE_VM, 0), "KVM_CREATE_VM");
	unsigned char *memory = mmap(NULL, AT(PAGES), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (memory == MAP_FAILED)
		bench_die("no memory");
	write_memory(memory);
	struct kvm_userspace_memory_region slot = {.memory_size = AT(PAGES), .userspace_addr = (uintptr_t)memory};
	checked(ioctl(vm, KVM_SET_USER_MEMORY_REGION, &slot), "KVM_SET_USER_MEMORY_REGION");
	raw.vcpu = checked(ioctl(vm, KVM_CREATE_VCPU, 0), "KVM_CREATE_VCPU");
	size_t size = (size_t)checked(ioctl(kvm, KVM_GET_VCPU_MMAP_SIZE, 0), "KVM_GET_VCPU_MMAP_SIZE");
	raw.run = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, raw.vcpu, 0);
	struct kvm_cpuid2 *cpuid = calloc(1, sizeof *cpuid + CPUID_ENTRIES * sizeof *cpuid->entries);
	if (raw.run == MAP_FAILED || !cpuid)
		bench_die("no memory");
	cpuid->nent = CPUID_ENTRIES;
	checked(ioctl(kvm, KVM_GET_SUPPORTED_CPUID, cpuid), "KVM_GET_SUPPORTED_CPUID");
	checked(ioctl(raw.vcpu, KVM_SET_CPUID2, cpuid), "KVM_SET_CPUID2");
	free(cpuid);
	set_registers();
}

uint64_t raw_loop(unsigned n)
{
	uint64_t start = bench_ns();
	while (n--) {
		if (ioctl(raw.vcpu, KVM_RUN, 0) || raw.run->exit_reason != KVM_EXIT_IO ||
		    raw.run->io.port != CASSIN_PORT)
			bench_die("raw loop: KVM_RUN: exit reason %u", raw.run->exit_reason);
	}
	return bench_ns() - start;
}
