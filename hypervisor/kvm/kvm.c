/* SPDX-License-Identifier: MIT */
#include "kvm/kvm.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/container.h"
#include "kvm/kvm_cell.h"
#include "kvm/kvm_vcpu.h"

#define CPUID_ENTRIES 256
#define XCR0_LEGACY 3u /* x87 and SSE */
#define XCR0_AVX 4u
#define XSAVE_LEGACY_SIZE 576u
#define XSAVE_AVX_SIZE 832u

/* What to do about a device that may not be opened: few hosts but those of distributions give it to a group. */
static const char *access_cure(void)
{
	struct stat s;
	if (stat("/dev/kvm", &s))
		return "see the rights of its folder";
	if ((s.st_mode & 0006) == 0006)
		return "everybody may by its mode, so the mount that it is on (nodev), or a security module, forbids "
		       "it";
	if ((s.st_mode & 0060) == 0060 && s.st_gid)
		return "add yourself to its group (sudo usermod -aG kvm $USER), then log in anew";
	return "no group may open it: sudo chgrp kvm /dev/kvm && sudo chmod 660 /dev/kvm, add yourself to the group "
	       "(sudo usermod -aG kvm $USER), then log in anew";
}

static int open_device(struct cassin_error_text *err)
{
	int fd = open("/dev/kvm", O_RDWR | O_CLOEXEC);
	if (fd >= 0)
		return fd;
	if (errno == EPERM)
		return cassin_error_set(
			err, -EACCES,
			"/dev/kvm: forbidden by the rules of a container: start it with --device /dev/kvm");
	if (errno == EACCES)
		return cassin_error_set(err, -EACCES, "/dev/kvm: permission denied: %s", access_cure());
	if (errno == ENOENT || errno == ENODEV || errno == ENXIO)
		return cassin_error_set(
			err, -ENOENT,
			"/dev/kvm: not there: turn virtualisation on in the firmware and load the module "
			"(sudo modprobe kvm_amd or kvm_intel)");
	return cassin_error_set(err, -errno, "/dev/kvm: %s", strerror(errno));
}

struct need {
	int cap, least;
	const char *name;
};

static int check_capabilities(const struct kvm *k, struct cassin_error_text *err)
{
	static const struct need needs[] = {
		{KVM_CAP_SYNC_REGS, KVM_SYNC_X86_REGS | KVM_SYNC_X86_SREGS, "KVM_CAP_SYNC_REGS"},
		{KVM_CAP_IMMEDIATE_EXIT, 1, "KVM_CAP_IMMEDIATE_EXIT"},
		{KVM_CAP_XSAVE, 1, "KVM_CAP_XSAVE"},
		{KVM_CAP_XCRS, 1, "KVM_CAP_XCRS"},
		{KVM_CAP_VCPU_EVENTS, 1, "KVM_CAP_VCPU_EVENTS"},
	};
	if (ioctl(k->fd, KVM_GET_API_VERSION, 0) != KVM_API_VERSION)
		return cassin_error_set(err, -ENOSYS, "/dev/kvm: API version is not %d", KVM_API_VERSION);
	for (size_t i = 0; i < sizeof needs / sizeof *needs; i++) {
		int has = ioctl(k->fd, KVM_CHECK_EXTENSION, needs[i].cap);
		if (has < 0 || (has & needs[i].least) != needs[i].least)
			return cassin_error_set(err, -ENOSYS,
						"/dev/kvm: lacks %s: Linux 4.17 or newer on x86-64 is needed",
						needs[i].name);
	}
	return 0;
}

static void mask_entry(struct kvm_cpuid_entry2 *e, uint64_t xcr0)
{
	switch (e->function) {
	case 1: /* no VMX, MONITOR, PCID, x2APIC, TSC deadline */
		e->ecx &= ~(1u << 5 | 1u << 3 | 1u << 17 | 1u << 21 | 1u << 24);
		break;
	case 7: /* no FSGSBASE, SGX, AVX-512, protection keys, shadow stacks, AMX */
		if (e->index) {
			e->eax = e->ebx = e->ecx = e->edx = 0;
			break;
		}
		e->eax = 0;
		e->ebx &= ~(1u << 0 | 1u << 2 | 0xdc230000u);
		e->ecx &= ~(1u << 1 | 1u << 3 | 1u << 4 | 1u << 6 | 1u << 7 | 1u << 11 | 1u << 12 | 1u << 14);
		e->edx &= ~(1u << 2 | 1u << 3 | 1u << 8 | 1u << 20 | 1u << 22 | 1u << 23 | 1u << 24 | 1u << 25);
		break;
	case 0xd:
		if (e->index == 0) {
			e->eax = (uint32_t)xcr0;
			e->ebx = e->ecx = xcr0 & XCR0_AVX ? XSAVE_AVX_SIZE : XSAVE_LEGACY_SIZE;
			e->edx = 0;
		} else if (e->index != 2 || !(xcr0 & XCR0_AVX)) {
			e->eax = e->ebx = e->ecx = e->edx = 0;
		}
		break;
	case 0x80000001: /* no SVM */
		e->ecx &= ~(1u << 2);
		break;
	default:
		break;
	}
}

static int read_cpuid(struct kvm *k)
{
	k->cpuid = calloc(1, sizeof *k->cpuid + CPUID_ENTRIES * sizeof(struct kvm_cpuid_entry2));
	if (!k->cpuid)
		return -ENOMEM;
	k->cpuid->nent = CPUID_ENTRIES;
	if (ioctl(k->fd, KVM_GET_SUPPORTED_CPUID, k->cpuid))
		return -errno;
	k->xcr0 = XCR0_LEGACY;
	for (uint32_t i = 0; i < k->cpuid->nent; i++) {
		const struct kvm_cpuid_entry2 *e = &k->cpuid->entries[i];
		if (e->function == 0xd && e->index == 0)
			k->xcr0 |= e->eax & XCR0_AVX;
	}
	for (uint32_t i = 0; i < k->cpuid->nent; i++)
		mask_entry(&k->cpuid->entries[i], k->xcr0);
	return 0;
}

static int make_initial_xsave(struct kvm *k)
{
	int wanted = ioctl(k->fd, KVM_CHECK_EXTENSION, KVM_CAP_XSAVE2);
	size_t size = wanted > (int)sizeof(struct kvm_xsave) ? (size_t)wanted : sizeof(struct kvm_xsave);
	k->xsave2 = size > sizeof(struct kvm_xsave);
	return extended_make(&k->backend.extended, size, XSTATE_LEGACY);
}

static void close_device(struct backend *b)
{
	struct kvm *k = CONTAINER_OF(b, struct kvm, backend);
	if (k->fd >= 0)
		close(k->fd);
	free(k->cpuid);
	free(k->backend.extended.initial);
	free(k);
}

static const struct backend_ops ops = {
	.name = "kvm",
	.close = close_device,
	.cell_size = sizeof(struct kvm_cell),
	.cell_open = kvm_cell_open,
	.cell_close = kvm_cell_close,
	.cell_grow = kvm_cell_grow,
	.cell_flush = kvm_cell_flush,
	.cell_trim = kvm_cell_trim,
	.cell_give_back = kvm_cell_give_back,
	.vcpu_create = kvm_vcpu_create,
	.vcpu_destroy = kvm_vcpu_destroy,
	.load = kvm_vcpu_load,
	.run = kvm_vcpu_run,
	.stop = kvm_vcpu_stop,
	.save = kvm_vcpu_save,
	.forget = kvm_vcpu_forget,
	.leave = kvm_vcpu_leave,
	.keep = kvm_vcpu_keep,
	.drop_keys = kvm_vcpu_drop_keys,
	.reset = kvm_vcpu_reset,
	.recover = kvm_vcpu_recover,
};

static int read_out(struct kvm *k, struct cassin_error_text *err)
{
	int r = read_cpuid(k);
	if (!r)
		r = make_initial_xsave(k);
	if (r)
		return cassin_error_set(err, r, "/dev/kvm: cannot be read out: %s", strerror(-r));
	k->run_size = (size_t)ioctl(k->fd, KVM_GET_VCPU_MMAP_SIZE, 0);
	int slots = ioctl(k->fd, KVM_CHECK_EXTENSION, KVM_CAP_NR_MEMSLOTS);
	k->slots = slots > 0 ? (unsigned)slots : 32;
	return 0;
}

enum { DEVICE, PERMISSION, CAPABILITIES, MACHINE };
const char *const kvm_steps[] = {[DEVICE] = "/dev/kvm",
				 [PERMISSION] = "permission",
				 [CAPABILITIES] = "capabilities",
				 [MACHINE] = "virtual machine",
				 NULL};

int kvm_open(struct backend **out, unsigned *done, struct cassin_error_text *err)
{
	*done = DEVICE;
	struct kvm *k = calloc(1, sizeof *k);
	if (!k)
		return cassin_error_set(err, -ENOMEM, "no memory");
	k->backend.ops = &ops;
	k->fd = open_device(err);
	int r = k->fd < 0 ? k->fd : 0;
	*done = !r ? CAPABILITIES : r == -EACCES ? PERMISSION : DEVICE;
	if (!r)
		r = check_capabilities(k, err);
	if (!r)
		r = read_out(k, err);
	if (!r) {
		*done = MACHINE;
		r = kvm_cell_probe(k, err);
	}
	if (r) {
		close_device(&k->backend);
		return r;
	}
	*done = MACHINE + 1;
	*out = &k->backend;
	return 0;
}

void kvm_descriptor_close(int fd)
{
	close(fd);
}
