/* SPDX-License-Identifier: MIT */
#include "kvm/kvm_vcpu.h"

#include <asm/prctl.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <x86intrin.h>

#include "base/vectors.h"
#include "kvm/descriptors.h"

#define CR0_PROTECTED UINT64_C(0x80010033) /* PG WP NE ET MP PE; no AM, so that AC means nothing */
#define CR4_GUEST UINT64_C(0x40620)        /* OSXSAVE OSXMMEXCPT OSFXSR PAE */
#define EFER_GUEST UINT64_C(0xd00)         /* NXE LMA LME; no SCE: syscall is an invalid opcode */
#define RFLAGS_SET UINT64_C(0x3002)        /* IOPL 3; see DESIGN: needed besides the I/O bitmap */
#define COMMIT_RUNS 4u                     /* of the monitor before its worker looks for other work */
#define ENTRIES_MOST 3u
#define RERUNS_MOST 10000u /* of a vCPU that is interrupted with an event half delivered */

static struct kvm_segment segment(unsigned index, unsigned type, unsigned dpl, bool code)
{
	return (struct kvm_segment){
		.limit = 0xffffffff,
		.selector = (uint16_t)(index * 8 | dpl),
		.present = 1,
		.type = (uint8_t)type,
		.dpl = (uint8_t)dpl,
		.s = 1,
		.l = code,
		.db = !code,
		.g = 1,
	};
}

static void build_user(struct kvm_vcpu *v)
{
	struct kvm_cell *c = kvm_cell(v->vcpu.cell);
	struct kvm_sregs *s = &v->user;
	s->cr0 = CR0_PROTECTED;
	s->cr4 = CR4_GUEST;
	s->efer = EFER_GUEST;
	s->cr2 = s->cr8 = 0;
	s->cs = segment(GDT_USER_CODE, 11, 3, true);
	s->ss = s->ds = s->es = s->fs = s->gs = segment(GDT_USER_DATA, 3, 3, false);
	s->gdt.base = monitor_page_va(c, c->code + 1);
	s->gdt.limit = (uint16_t)((GDT_TSS + 2 * c->cell.workers) * 8 - 1);
	s->idt.base = s->gdt.base + MONITOR_IDT;
	s->idt.limit = MONITOR_VECTORS * 16 - 1;
	s->tr = (struct kvm_segment){
		.base = monitor_tss_va(c, v->vcpu.worker),
		.limit = TSS_LIMIT,
		.selector = (uint16_t)((GDT_TSS + 2 * v->vcpu.worker) * 8),
		.present = 1,
		.type = 11,
	};
	s->ldt = (struct kvm_segment){.type = 2, .unusable = 1};
	memset(s->interrupt_bitmap, 0, sizeof s->interrupt_bitmap);
}

static int set_tsc_offset(struct kvm_vcpu *v)
{
	uint64_t zero = 0;
	struct kvm_device_attr a = {.group = KVM_VCPU_TSC_CTRL, .attr = KVM_VCPU_TSC_OFFSET, .addr = (uintptr_t)&zero};
	if (ioctl(v->fd, KVM_HAS_DEVICE_ATTR, &a))
		return 0; /* the probe then tells whether the TSC reads true all the same */
	return ioctl(v->fd, KVM_SET_DEVICE_ATTR, &a) ? -errno : 0;
}

/* Before a virtual machine runs for the first time, Linux gives it a thread (since 6.13, in this process's name and control group).
 * Where there may be no more of these, KVM_RUN says EAGAIN for ever: so it is asked here, and leaves at once. */
static int enter_once(struct kvm_vcpu *v)
{
	int r = -EAGAIN;
	v->run->immediate_exit = 1;
	for (unsigned tries = 0; tries < ENTRIES_MOST && r == -EAGAIN; tries++)
		r = ioctl(v->fd, KVM_RUN, 0) ? -errno : 0;
	v->run->immediate_exit = 0;
	return r == -EINTR ? 0 : r;
}

static int vcpu_setup(struct kvm_vcpu *v)
{
	const struct kvm *k = kvm_of(v->vcpu.cell);
	if (ioctl(v->fd, KVM_SET_CPUID2, k->cpuid) || ioctl(v->fd, KVM_GET_SREGS, &v->user))
		return -errno;
	build_user(v);
	v->user.cr3 = frame_gpa(kvm_cell(v->vcpu.cell)->root).v;
	if (ioctl(v->fd, KVM_SET_SREGS, &v->user))
		return -errno;
	v->cr3 = v->user.cr3;
	struct kvm_xcrs xcrs = {.nr_xcrs = 1, .xcrs = {{.xcr = 0, .value = k->xcr0}}};
	if (ioctl(v->fd, KVM_SET_XCRS, &xcrs) || ioctl(v->fd, KVM_SET_XSAVE, k->backend.extended.initial))
		return -errno;
	v->run->kvm_valid_regs = KVM_SYNC_X86_REGS;
	int r = set_tsc_offset(v);
	return r ? r : enter_once(v);
}

int kvm_vcpu_create(struct cell *c, unsigned worker, struct vcpu **out)
{
	struct kvm_vcpu *v = calloc(1, sizeof *v);
	if (!v)
		return -ENOMEM;
	v->vcpu.cell = c;
	v->vcpu.worker = worker;
	v->run = MAP_FAILED;
	v->fd = ioctl(kvm_cell(c)->vm, KVM_CREATE_VCPU, worker);
	int r = v->fd < 0 ? -errno : 0;
	if (!r) {
		v->run = mmap(NULL, kvm_of(c)->run_size, PROT_READ | PROT_WRITE, MAP_SHARED, v->fd, 0);
		r = v->run == MAP_FAILED ? -errno : vcpu_setup(v);
	}
	if (r) {
		kvm_vcpu_destroy(&v->vcpu);
		return r;
	}
	*out = &v->vcpu;
	return 0;
}

void kvm_vcpu_destroy(struct vcpu *vcpu)
{
	struct kvm_vcpu *v = kvm_vcpu(vcpu);
	if (v->run != MAP_FAILED)
		munmap(v->run, kvm_of(vcpu->cell)->run_size);
	if (v->fd >= 0)
		kvm_descriptor_close(v->fd);
	free(v);
}

static unsigned char *worker_page(const struct kvm_vcpu *v)
{
	return cell_frame(v->vcpu.cell, kvm_cell(v->vcpu.cell)->stacks + v->vcpu.worker);
}

/* Completes an `out` that KVM still owes us, if `rip` would make it believe that its own RIP was left alone. */
static void finish_out(struct kvm_vcpu *v, uint64_t rip)
{
	if (!v->out_rip || v->out_rip != rip)
		return;
	v->run->immediate_exit = 1;
	ioctl(v->fd, KVM_RUN, 0);
	v->run->immediate_exit = 0;
	v->out_rip = 0;
}

static int run_once(struct kvm_vcpu *v)
{
	int r = ioctl(v->fd, KVM_RUN, 0) ? -errno : 0;
	v->run->kvm_dirty_regs = 0;
	return r;
}

/* Runs the commit routine over the first n entries of the list in the worker's page, under the monitor's own root: what
 * runs next loads another CR3, and KVM then drops what it knew. */
static int run_commit(struct kvm_vcpu *v, uint64_t n)
{
	struct kvm_sync_regs *s = &v->run->s.regs;
	uint64_t list = monitor_stack_va(kvm_cell(v->vcpu.cell), v->vcpu.worker) - PAGE_SIZE;
	uint64_t rip = MONITOR_VA + (uint64_t)(monitor_commit - monitor_start);
	finish_out(v, rip);
	s->regs = (struct kvm_regs){.rip = rip, .rdi = list, .rsi = n, .rsp = list + PAGE_SIZE, .rflags = 2};
	s->sregs = v->user;
	s->sregs.cr3 = v->cr3 = frame_gpa(kvm_cell(v->vcpu.cell)->root).v;
	s->sregs.cs = segment(GDT_KERNEL_CODE, 11, 0, true);
	s->sregs.ss = segment(GDT_KERNEL_DATA, 3, 0, false);
	v->run->kvm_dirty_regs = KVM_SYNC_X86_REGS | KVM_SYNC_X86_SREGS;
	v->user_loaded = false;
	int r;
	do
		r = run_once(v);
	while (r == -EINTR || r == -EAGAIN);
	if (r)
		return r;
	if (v->run->exit_reason != KVM_EXIT_IO || v->run->io.port != MONITOR_PORT_COMMIT)
		return -EIO;
	v->out_rip = kvm_of(v->vcpu.cell)->rip_at_out ? v->run->s.regs.regs.rip : 0;
	return 0;
}

/* Has the monitor store what is queued, a list at a time. -EAGAIN: some of it is left. */
static int commit_some(struct kvm_vcpu *v, struct tables *t, uint64_t *commits)
{
	struct monitor_store *list = (struct monitor_store *)(void *)worker_page(v);
	if (t->flush) {
		cell_flush(v->vcpu.cell); /* the frames in quarantine may stay there */
		t->flush = false;
		tables_committed(t);
	}
	for (unsigned runs = 0; runs < COMMIT_RUNS; runs++) {
		uint32_t n = t->ncommits - t->committed;
		n = n < COMMITS_RUN ? n : COMMITS_RUN;
		for (uint32_t i = 0; i < n; i++) {
			const struct commit *c = &t->commits[t->committed + i];
			list[i] = (struct monitor_store){MONITOR_DIRECT_VA + c->entry, c->value};
		}
		t->committed += n;
		++*commits;
		int r = run_commit(v, n);
		if (r)
			return r;
		if (t->committed == t->ncommits) {
			tables_committed(t);
			return 0;
		}
	}
	return -EAGAIN;
}

static int load_extended(struct kvm_vcpu *v, struct cpu_state *cpu)
{
	if (v->vcpu.unsaved && v->vcpu.unsaved != cpu) {
		int r = kvm_vcpu_save_extended(v);
		if (r)
			return r;
	}
	v->vcpu.unsaved = NULL;
	if (v->vcpu.incarnation != cpu->incarnation) {
		v->vcpu.incarnation = 0;
		int r = kvm_vcpu_load_extended(v, cpu);
		if (r)
			return r;
		v->vcpu.incarnation = cpu->incarnation;
		v->user_loaded = false;
	}
	return 0;
}

int kvm_vcpu_load(struct vcpu *vcpu, struct cpu_state *cpu, struct tables *t, unsigned space, uint64_t *commits)
{
	struct kvm_vcpu *v = kvm_vcpu(vcpu);
	frame_t root = tables_root(t, space);
	int r = load_extended(v, cpu);
	if (!r && (t->ncommits || t->flush || (v->vcpu.generation != t->generation && v->cr3 == frame_gpa(root).v)))
		r = commit_some(v, t, commits);
	if (!r)
		v->vcpu.generation = t->generation;
	return r;
}

/* Where ring 3 runs natively its data selectors can be this thread's (kvm_pvm): what is loaded into them stays there, for
 * whoever runs next. */
static void scrub_selectors(void)
{
	uint16_t ds, es, fs, gs;
	__asm__ volatile("mov %%ds, %0\nmov %%es, %1\nmov %%fs, %2\nmov %%gs, %3"
			 : "=r"(ds), "=r"(es), "=r"(fs), "=r"(gs));
	if (!(ds | es | fs | gs))
		return;
	__asm__ volatile("mov %0, %%ds\nmov %0, %%es" : : "r"(0));
	unsigned long base; /* the kernel sets a base and the null selector in one */
	if (fs && !syscall(SYS_arch_prctl, ARCH_GET_FS, &base))
		syscall(SYS_arch_prctl, ARCH_SET_FS, base);
	if (gs && !syscall(SYS_arch_prctl, ARCH_GET_GS, &base))
		syscall(SYS_arch_prctl, ARCH_SET_GS, base);
}

_Static_assert(sizeof(struct cpu_registers) == sizeof(struct kvm_regs) &&
		       offsetof(struct cpu_registers, rsp) == offsetof(struct kvm_regs, rsp) &&
		       offsetof(struct cpu_registers, rbp) == offsetof(struct kvm_regs, rbp) &&
		       offsetof(struct cpu_registers, r8) == offsetof(struct kvm_regs, r8) &&
		       offsetof(struct cpu_registers, rflags) == offsetof(struct kvm_regs, rflags),
	       "registers are copied to and from KVM's as they lie");

static void take_registers(struct kvm_vcpu *v, struct cpu_state *cpu)
{
	memcpy(&cpu->regs, &v->run->s.regs.regs, sizeof cpu->regs);
}

static void give_registers(struct kvm_vcpu *v, const struct cpu_state *cpu, frame_t root)
{
	struct kvm_sync_regs *s = &v->run->s.regs;
	uint64_t cr3 = frame_gpa(root).v;
	finish_out(v, cpu->regs.rip);
	memcpy(&s->regs, &cpu->regs, sizeof s->regs);
	s->regs.rflags = (cpu->regs.rflags & RFLAGS_KEPT) | RFLAGS_SET | cpu->step_flag;
	v->run->kvm_dirty_regs = KVM_SYNC_X86_REGS;
	if (v->user_loaded && v->cr3 == cr3 && v->fs_base == cpu->fs_base)
		return;
	scrub_selectors();
	s->sregs = v->user;
	s->sregs.cr3 = v->cr3 = cr3;
	s->sregs.fs.base = v->fs_base = cpu->fs_base;
	v->run->kvm_dirty_regs |= KVM_SYNC_X86_SREGS;
	v->user_loaded = true;
}

/* Whether an event waits on the vCPU, or ring 0 was interrupted: then only this guest may go on. */
static bool half_delivered(struct kvm_vcpu *v)
{
	if (v->run->s.regs.regs.rip >= MONITOR_VA)
		return true;
	struct kvm_vcpu_events ev;
	if (ioctl(v->fd, KVM_GET_VCPU_EVENTS, &ev))
		return true;
	return ev.exception.injected || ev.exception.pending || ev.nmi.injected || ev.nmi.pending ||
	       ev.interrupt.injected;
}

static void broken(struct vcpu_exception *x, const char *what, int64_t number)
{
	snprintf(x->why, sizeof x->why, "%s %lld", what, (long long)number);
}

static enum vcpu_exit take_exception(struct kvm_vcpu *v, struct cpu_state *cpu, struct vcpu_exception *x)
{
	const struct kvm_regs *r = &v->run->s.regs.regs;
	uint64_t top = monitor_stack_va(kvm_cell(v->vcpu.cell), v->vcpu.worker);
	v->user_loaded = false;
	if (r->rip < MONITOR_VA || r->rip >= MONITOR_VA + PAGE_SIZE || r->rsp < top - COMMIT_STACK ||
	    r->rsp > top - sizeof(struct monitor_exception)) {
		broken(x, "stopped by KVM, exit reason", KVM_EXIT_IO);
		return VCPU_BROKEN;
	}
	struct monitor_exception e;
	memcpy(&e, worker_page(v) + (r->rsp - (top - PAGE_SIZE)), sizeof e);
	take_registers(v, cpu);
	cpu->regs.rip = e.rip;
	cpu->regs.rflags = e.rflags;
	cpu->regs.rsp = e.rsp;
	*x = (struct vcpu_exception){.vector = e.vector, .error = e.error};
	if (e.vector == VECTOR_PAGE) {
		struct kvm_sregs s;
		if (ioctl(v->fd, KVM_GET_SREGS, &s)) {
			broken(x, "stopped by KVM, exit reason", KVM_EXIT_IO);
			return VCPU_BROKEN;
		}
		x->address = s.cr2;
	}
	return VCPU_EXCEPTION;
}

static enum vcpu_exit take_io(struct kvm_vcpu *v, struct cpu_state *cpu, struct vcpu_exception *x)
{
	const struct kvm_run *run = v->run;
	uint64_t rip = run->s.regs.regs.rip;
	v->out_rip = kvm_of(v->vcpu.cell)->rip_at_out ? rip : 0;
	if (run->io.port == MONITOR_PORT_EXCEPTION && rip >= MONITOR_VA)
		return take_exception(v, cpu, x);
	take_registers(v, cpu);
	if (kvm_of(v->vcpu.cell)->rip_at_out)
		cpu->regs.rip += OUT_SIZE;
	bool out = run->io.port == CASSIN_PORT && run->io.direction == KVM_EXIT_IO_OUT && run->io.size == 1 &&
		   run->io.count == 1;
	return out ? VCPU_OUT : VCPU_BAD_IO;
}

/* Kicks find the vCPU from here on. Who kicks stores first and then looks for it; here it is the other way round. */
static void announce(struct kvm_vcpu *v, struct kick *k)
{
	atomic_store(&k->running, &v->vcpu);
	if (k->kicked || atomic_load(&k->posted))
		v->run->immediate_exit = 1; /* never 0 from here on: a kick may have come in between, and said 1 */
}

static void withdraw(struct kvm_vcpu *v, struct kick *k)
{
	atomic_store_explicit(&k->running, NULL, memory_order_relaxed); /* who still sees it kicks in vain */
	atomic_signal_fence(memory_order_seq_cst);
	v->run->immediate_exit = 0;
}

enum vcpu_exit kvm_vcpu_run(struct vcpu *vcpu, struct cpu_state *cpu, const struct tables *t, unsigned space,
			    struct kick *k, struct vcpu_exception *x)
{
	struct kvm_vcpu *v = kvm_vcpu(vcpu);
	give_registers(v, cpu, tables_root(t, space));
	for (unsigned reruns = 0;; reruns++) {
		announce(v, k);
		if (reruns)
			v->run->immediate_exit =
				0; /* the event's delivery ends with an exit; who kicks waits for that */
		int r = run_once(v);
		withdraw(v, k);
		if (!r)
			break;
		if ((r != -EINTR && r != -EAGAIN) || reruns == RERUNS_MOST) {
			broken(x, "stopped by KVM, error", -r);
			return VCPU_BROKEN;
		}
		if (!half_delivered(v)) {
			take_registers(v, cpu);
			return VCPU_INTERRUPTED;
		}
	}
	if (v->run->exit_reason == KVM_EXIT_IO)
		return take_io(v, cpu, x);
	if (v->run->s.regs.regs.rip < MONITOR_VA)
		take_registers(v, cpu);
	broken(x, "stopped by KVM, exit reason", v->run->exit_reason);
	return VCPU_BROKEN;
}

void kvm_vcpu_stop(struct vcpu *v)
{
	kvm_vcpu(v)->run->immediate_exit = 1;
}

void kvm_vcpu_reset(struct vcpu *vcpu, struct cpu_state *cpu)
{
	struct kvm_vcpu *v = kvm_vcpu(vcpu);
	(void)cpu;
	struct kvm_mp_state runnable = {.mp_state = KVM_MP_STATE_RUNNABLE};
	struct kvm_vcpu_events none = {0};
	v->run->immediate_exit = 1;
	ioctl(v->fd, KVM_RUN, 0);
	v->run->immediate_exit = 0;
	ioctl(v->fd, KVM_SET_MP_STATE, &runnable);
	ioctl(v->fd, KVM_SET_VCPU_EVENTS, &none);
	v->user.cr3 = frame_gpa(kvm_cell(v->vcpu.cell)->root).v;
	ioctl(v->fd, KVM_SET_SREGS, &v->user);
	v->cr3 = v->user.cr3;
	v->vcpu.generation = v->vcpu.incarnation = v->out_rip = 0;
	v->vcpu.unsaved = NULL;
	v->user_loaded = false;
}

int kvm_vcpu_recover(struct vcpu *v, struct cpu_state *cpu)
{
	v->unsaved = cpu;
	int r = kvm_vcpu_save_extended(kvm_vcpu(v));
	kvm_vcpu_reset(v, cpu);
	return r;
}

int kvm_vcpu_probe(struct cell *c, struct kvm *k, uint64_t probe, struct cassin_error_text *err)
{
	struct vcpu *vcpu;
	int r = vcpu_get(c, 0, &vcpu);
	struct kvm_vcpu *v = kvm_vcpu(vcpu);
	if (r)
		return cassin_error_set(err, r, "/dev/kvm: cannot make a vCPU: %s%s", strerror(-r), vcpu_limit(r));
	struct kvm_regs regs = {.rip = probe, .rflags = RFLAGS_SET};
	uint64_t before = __rdtsc();
	v->run->s.regs.regs = regs;
	v->run->kvm_dirty_regs = KVM_SYNC_X86_REGS;
	do
		r = run_once(v);
	while (r == -EINTR || r == -EAGAIN);
	uint64_t after = __rdtsc();
	if (r || v->run->exit_reason != KVM_EXIT_IO || v->run->io.port != CASSIN_PORT)
		return cassin_error_set(err, -ENOSYS,
					"/dev/kvm: `out` from ring 3 does not exit as it should (exit reason %u, %s)",
					v->run->exit_reason, r ? strerror(-r) : "no error");
	uint64_t rip = v->run->s.regs.regs.rip, tsc = v->run->s.regs.regs.rax;
	const unsigned char *at = (const unsigned char *)monitor_probe + (rip - probe);
	k->rip_at_out = rip >= probe && rip < probe + 32 && at[0] == 0xe6;
	k->backend.tsc_direct = tsc >= before && tsc <= after;
	kvm_vcpu_probe_keys(v, k);
	return 0;
}
