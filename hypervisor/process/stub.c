/* SPDX-License-Identifier: MIT */
/* The tracing of a stub: ptrace(2) and waitpid(2), and nothing else of the hypervisor. */
#include "process/stub.h"

#include <elf.h>
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/uio.h>
#include <sys/wait.h>

#include "process/page.h"
#include "process/refusal.h"

#ifndef PTRACE_SYSEMU
#define PTRACE_SYSEMU 31
#endif
#define PEEKED 16
#define PEEKED_MOST 1024u                /* the kernel counts them from the first one each time */
#define STOPPED_BY_CALL (SIGTRAP | 0x80) /* PTRACE_O_TRACESYSGOOD */

int stub_wait(struct stub *s, struct stub_stop *stop)
{
	int status;
	while (waitpid(s->pid, &status, __WALL) < 0) {
		if (errno != EINTR)
			return -errno;
	}
	*stop = (struct stub_stop){0};
	if (!WIFSTOPPED(status)) {
		s->dead = true;
		stop->died_of = WIFSIGNALED(status) ? WTERMSIG(status) : 0x100 | WEXITSTATUS(status);
		return 0;
	}
	stop->signal = WSTOPSIG(status);
	stop->event = status >> 16;
	if (stop->signal == STOPPED_BY_CALL) {
		stop->call = true;
		stop->signal = SIGTRAP;
	}
	return 0;
}

int stub_run(struct stub *s, struct stub_stop *stop)
{
	if (ptrace(PTRACE_SYSEMU, s->pid, 0, 0))
		return -errno;
	return stub_wait(s, stop);
}

void stub_interrupt(const struct stub *s)
{
	ptrace(PTRACE_INTERRUPT, s->pid, 0, 0);
}

bool stub_cause(const struct stub *s, siginfo_t *info)
{
	return !ptrace(PTRACE_GETSIGINFO, s->pid, 0, info) && info->si_code > 0;
}

/* Its own code's faults; all other signals stay blocked. */
static const int of_guests[] = {SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGTRAP, SIGSYS};
#define OF_GUESTS (sizeof of_guests / sizeof *of_guests)

static bool is_of_guests(int signal)
{
	unsigned i = 0;
	while (i < OF_GUESTS && of_guests[i] != signal)
		i++;
	return i < OF_GUESTS;
}

bool stub_failed(const struct stub *s)
{
	siginfo_t waiting[PEEKED];
	struct __ptrace_peeksiginfo_args next = {.nr = PEEKED};
	long n;
	do { /* those that are blocked stay for ever, and anybody of the stub's user can send some, or have the kernel do so */
		n = ptrace(PTRACE_PEEKSIGINFO, s->pid, &next, waiting);
		for (long i = 0; i < n; i++) {
			if (waiting[i].si_code > 0 && is_of_guests(waiting[i].si_signo))
				return true;
		}
		next.off += n > 0 ? (uint64_t)n : 0;
	} while (n > 0 && next.off < PEEKED_MOST); /* fewer than asked for come where the tracer has a signal itself */
	return false;
}

int stub_get(const struct stub *s, struct user_regs_struct *r)
{
	return ptrace(PTRACE_GETREGS, s->pid, 0, r) ? -errno : 0;
}

int stub_set(const struct stub *s, const struct user_regs_struct *r)
{
	return ptrace(PTRACE_SETREGS, s->pid, 0, r) ? -errno : 0;
}

int stub_get_extended(const struct stub *s, void *image, size_t *size)
{
	struct iovec v = {.iov_base = image, .iov_len = *size};
	if (ptrace(PTRACE_GETREGSET, s->pid, NT_X86_XSTATE, &v))
		return -errno;
	*size = v.iov_len;
	return 0;
}

int stub_set_extended(const struct stub *s, void *image, size_t size)
{
	struct iovec v = {.iov_base = image, .iov_len = size};
	return ptrace(PTRACE_SETREGSET, s->pid, NT_X86_XSTATE, &v) ? -errno : 0;
}

/* Runs our own code in it, without stops at its system calls, up to the `hlt` at its end. */
static int run_ours(struct stub *s, const struct user_regs_struct *from, struct user_regs_struct *after)
{
	struct stub_stop stop = {0};
	siginfo_t info;
	int r = stub_set(s, from);
	while (!r) {
		r = ptrace(PTRACE_CONT, s->pid, 0, 0) ? -errno : stub_wait(s, &stop);
		if (!r && s->dead)
			r = -ESRCH;
		if (r || stop.event || !stub_cause(s, &info))
			continue; /* something came from outside, or a kick */
		if (stop.signal == SIGSEGV && info.si_code == SI_KERNEL)
			break;
		if (stop.signal == SIGSYS) /* the filter */
			r = -EPERM;
		else if (stop.signal == SIGSEGV || stop.signal == SIGBUS) /* memory that is not there */
			r = -EFAULT;
	}
	return r ? r : stub_get(s, after);
}

unsigned stub_steps(struct stub *s, unsigned char *page, unsigned n, int *error)
{
	struct map_step *list = stub_page_list(page);
	const uint64_t at = PAGE_VA + PAGE_LIST;
	struct user_regs_struct r = {.rip = PAGE_VA,
				     .rbx = at,
				     .cs = STUB_CS,
				     .ss = STUB_SS,
				     .eflags = STUB_FLAGS,
				     .orig_rax = ~0ull,
				     .rsp = PAGE_VA + (uint64_t)(stub_flags - stub_code)};
	*error = run_ours(s, &r, &r);
	unsigned done = *error ? 0 : (unsigned)((r.rbx - at) / sizeof *list);
	memset(list, 0, (n + 1) * sizeof *list); /* nobody's business but this guest's */
	if (!*error && done < n)
		*error = (int64_t)r.rax < 0 ? (int)(int64_t)r.rax : -EIO;
	return done < n ? done : n;
}

/* Those of its own code's faults come to the tracer; all others stay blocked, as the stub was made. */
static int set_mask(const struct stub *s)
{
	uint64_t blocked = ~UINT64_C(0); /* as the kernel has it: bit n - 1 is signal n's */
	for (unsigned i = 0; i < OF_GUESTS; i++)
		blocked &= ~(UINT64_C(1) << (of_guests[i] - 1));
	return ptrace(PTRACE_SETSIGMASK, s->pid, sizeof blocked, &blocked) ? -errno : 0;
}

/* It has ended before it was a stub: by itself, with the errno of what failed there (process/maker.c), or from outside. */
static int unborn(struct stub *s, int died_of, const char **what)
{
	s->dead = true;
	if (!(died_of & 0x100))
		return -ESRCH;
	*what = NEEDS_PROGRAM;
	return -(died_of & 0xff);
}

static int seize(struct stub *s, const char **what)
{
	struct stub_stop stop;
	int status;
	*what = NEEDS_PTRACE;
	if (ptrace(PTRACE_SEIZE, s->pid, 0, PTRACE_O_EXITKILL | PTRACE_O_TRACESYSGOOD)) {
		int r = -errno;
		bool ended = waitpid(s->pid, &status, __WALL | WNOHANG) == s->pid;
		return ended ? unborn(s, WIFEXITED(status) ? 0x100 | WEXITSTATUS(status) : 0, what) : r;
	}
	if (ptrace(PTRACE_INTERRUPT, s->pid, 0, 0) && errno != ESRCH /* it is ending */)
		return -errno;
	int r = stub_wait(s, &stop);
	return r ? r : s->dead ? unborn(s, stop.died_of, what) : set_mask(s);
}

int stub_confine_process(struct stub *s, frame_t page, const char **what)
{
	struct user_regs_struct r;
	int e = seize(s, what);
	if (!e)
		e = stub_get(s, &r);
	if (e)
		return e;
	r.rip = STUB_VA + (uint64_t)(stub_confine - stub_program);
	r.r12 = frame_gpa(page).v;
	r.orig_rax = ~0ull;
	e = run_ours(s, &r, &r);
	*what = r.rip < PAGE_VA ? "mmap" : "seccomp or munmap";
	if (!e && (r.rip < PAGE_VA || r.rax))
		e = (int)(int64_t)r.rax < 0 ? (int)(int64_t)r.rax : -EIO;
	return e;
}
