/* SPDX-License-Identifier: MIT */
/*
 * The calls by purpose. Each is there for something that the engine, the tools, libuv or the C library does in that role; docs/
 * threat-model.md tells the same as a table. What is not here ends the process. A call that libraries only try is refused
 * with an error instead, and they go on without.
 */
#include "sandbox/calls.h"

#include <asm/prctl.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/kvm.h>
#include <sched.h>
#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <unistd.h>

#define T (1u << CASSIN_SANDBOX_TRACER)
#define W (1u << CASSIN_SANDBOX_WORKER | T)
#define H (1u << CASSIN_SANDBOX_WATCHER)
#define L (1u << CASSIN_SANDBOX_LOOP)
#define C (1u << CASSIN_SANDBOX_CONTROL)
#define O (1u << CASSIN_SANDBOX_LOADER)
#define D (1u << CASSIN_SANDBOX_DEBUGGER)
#define P (1u << CASSIN_SANDBOX_WRITER)
#define M (1u << CASSIN_SANDBOX_MAKER)
#define F (1u << CASSIN_SANDBOX_FOREGROUND)
#define S (1u << CASSIN_SANDBOX_SWAPPER)
#define ALL (W | H | L | C | O | D | P | M | F | S)
#define CALL(name) SCMP_SYS(name)

#define LOW32 UINT64_C(0xffffffff)
#define HOT 255 /* the highest priority: its rule is looked at first */

struct call {
	int number;
	unsigned roles;
};

static const struct call allowed[] = {
	/* Memory of the C library; mmap and mprotect are below. */
	{CALL(munmap), ALL},
	{CALL(madvise), ALL},
	{CALL(mremap), ALL},
	{CALL(brk), ALL},

	/* Threads: locks, signals, their end. restart_syscall is what the kernel makes of a sleep that a stop interrupted. */
	{CALL(futex), ALL},
	{CALL(sched_yield), ALL},
	{CALL(sched_getaffinity), ALL},
	{CALL(getcpu), ALL},
	{CALL(membarrier), ALL},
	{CALL(rseq), ALL},
	{CALL(set_robust_list), ALL},
	{CALL(gettid), ALL},
	{CALL(getpid), ALL},
	{CALL(rt_sigprocmask), ALL},
	{CALL(rt_sigreturn), ALL},
	{CALL(rt_sigaction), ALL},
	{CALL(sigaltstack), ALL},
	{CALL(restart_syscall), ALL},
	{CALL(exit), ALL},
	{CALL(exit_group), ALL},

	/* Clocks, where the vDSO has none for this clock source, and sleeping. */
	{CALL(clock_gettime), ALL},
	{CALL(clock_getres), ALL},
	{CALL(gettimeofday), ALL},
	{CALL(time), ALL},
	{CALL(clock_nanosleep), ALL},
	{CALL(nanosleep), ALL},
	{CALL(timer_settime), W},
	{CALL(timer_delete), W},
	{CALL(timerfd_settime), W | H},

	/* Small questions of the C library. */
	{CALL(getrandom), ALL},
	{CALL(sysinfo), ALL},
	{CALL(getuid), ALL},
	{CALL(geteuid), ALL},
	{CALL(getgid), ALL},
	{CALL(getegid), ALL},
	{CALL(prlimit64), L | C | O | M | F},
	{CALL(getrusage), L | C | O | F},
	{CALL(uname), L | O | F},

	/* Descriptors that are open. */
	{CALL(read), ALL},
	{CALL(readv), ALL},
	{CALL(write), ALL},
	{CALL(writev), ALL},
	{CALL(close), ALL},
	{CALL(fstat), ALL},
	{CALL(lseek), ALL},
	{CALL(dup), W | L | C | O | F},
	{CALL(dup3), W | L | C | O | F},
	{CALL(pread64), S | C | O | F},
	{CALL(pwrite64), S | C | O | F},
	{CALL(fallocate), W | C | O | F},
	{CALL(ftruncate), W | C | L | O | F},

	/* Waiting. */
	{CALL(epoll_wait), W | H | L},
	{CALL(epoll_pwait), W | H | L},
	{CALL(epoll_pwait2), W | H | L},
	{CALL(epoll_ctl), W | H | L},
	{CALL(epoll_create1), L},
	{CALL(poll), W | L | C | O | D | P | F},
	{CALL(ppoll), W | L | C | O | D | P | F},
	{CALL(eventfd2), L | C | O | F},
	{CALL(signalfd4), F},

	/* Sockets: socket() is below. */
	{CALL(accept4), W | L | D | F},
	{CALL(accept), W | L | D | F},
	{CALL(bind), C | O | F},
	{CALL(listen), W | C | O | F},
	{CALL(connect), W | C | O | F},
	{CALL(getsockname), W | L | C | O | F},
	{CALL(getpeername), W | L | C | O | F},
	{CALL(getsockopt), W | L | C | O | D | F},
	{CALL(setsockopt), W | L | C | O | D | F},
	{CALL(recvfrom), W | L | C | O | D | F},
	{CALL(recvmsg), W | L | C | O | D | F},
	{CALL(sendto), W | L | C | O | D | F},
	{CALL(sendmsg), W | L | C | O | D | F},
	{CALL(shutdown), W | L | C | O | D | F},

	/* Names of files: sockets of ports come and go with their guest, kept specs go with theirs, the daemon's own at its end. */
	{CALL(newfstatat), ALL},
	{CALL(stat), L | C | O | F},
	{CALL(lstat), L | C | O | F},
	{CALL(statx), L | C | O | F},
	{CALL(unlink), L | C | O | F},
	{CALL(unlinkat), L | C | O | F},

	/* Files: images, files of specs, specs themselves, and specs that are kept. */
	{CALL(openat), O | F},
	{CALL(open), O | F},
	{CALL(getdents64), O | F},
	{CALL(access), O | F},
	{CALL(faccessat), O | F},
	{CALL(faccessat2), O | F},
	{CALL(readlink), O | F},
	{CALL(readlinkat), O | F},
	{CALL(getcwd), O | F},
	{CALL(fadvise64), O | F},
	{CALL(fsync), C | O | F},
	{CALL(fdatasync), C | O | F},
	{CALL(rename), O | F},
	{CALL(renameat), O | F},
	{CALL(renameat2), O | F},
	{CALL(flock), O | F},

	/* The terminal's owner; a new stub asks who its parent is. */
	{CALL(getppid), F | M},
	{CALL(getpgrp), F},
	{CALL(getpgid), F},
	{CALL(getsid), F},
	{CALL(umask), F},

	/* Process cells: a worker waits for its stubs. The maker makes them, and what it makes begins with the calls of its role:
	 * the filter that a stub then puts over these is in process/page.c. A new cell is a memory file. */
	{CALL(memfd_create), O | F},
	{CALL(wait4), T | M},
	{CALL(sched_setaffinity), T},
	{CALL(setsid), M},
	{CALL(dup2), M},
	{CALL(close_range), M},
	{CALL(execveat), M},
	{CALL(pause), M},
	{CALL(prctl), M},
	{CALL(setrlimit), M},

	/* A thread for a debugger, which then takes a filter of its own, as a stub does. */
	{CALL(seccomp), L | M | F},
};

/* Tried by libraries, which do without: an open() of the C library's allocator (/proc/sys/vm/overcommit_memory), names for
 * mappings, clone3 in place of clone, io_uring in libuv. */
static const struct refused {
	int number;
	unsigned roles;
	uint32_t error;
} refused[] = {
	{CALL(openat), ALL & ~(O | F), EACCES},
	{CALL(open), ALL & ~(O | F), EACCES},
	{CALL(access), ALL & ~(O | F), EACCES},
	{CALL(readlink), ALL & ~(O | F), EACCES},
	{CALL(clone3), ALL, ENOSYS},
	{CALL(io_uring_setup), ALL, ENOSYS},
};

/* Requests of ioctl, the most frequent first. KVM's: of vCPUs, of VMs, and the one of /dev/kvm that makes a VM. */
static const struct request {
	unsigned long request;
	unsigned roles;
} requests[] = {
	{KVM_RUN, W | O | F},
	{KVM_SET_XSAVE, W | O | F},
	{KVM_GET_XSAVE, W | O | F},
	{KVM_GET_XSAVE2, W | O | F},
	{KVM_SET_SREGS, W | O | F},
	{KVM_GET_SREGS, W | O | F},
	{KVM_SET_REGS, W | O | F},
	{KVM_GET_REGS, W | O | F},
	{KVM_GET_VCPU_EVENTS, W | O | F},
	{KVM_SET_VCPU_EVENTS, W | O | F},
	{KVM_SET_MP_STATE, W | O | F},
	{KVM_SET_CPUID2, W | O | F},
	{KVM_SET_XCRS, W | O | F},
	{KVM_HAS_DEVICE_ATTR, W | O | F},
	{KVM_SET_DEVICE_ATTR, W | O | F},
	{KVM_CREATE_VCPU, W | O | F},
	{KVM_SET_USER_MEMORY_REGION, W | H | L | C | O | F},
	{KVM_SET_NR_MMU_PAGES, W | H | L | C | O | F},
	{KVM_CREATE_VM, O | F},
	{KVM_CHECK_EXTENSION, O | F},
	{FIONBIO, W | L | C | O | D | F},
	{TCGETS, O | F},
	{TCSETS, F},
	{TCSETSW, F},
	{TIOCGPGRP, F},
	{TIOCGWINSZ, F},
};

static int allow_if(scmp_filter_ctx filter, int number, unsigned argument, uint64_t mask, uint64_t value)
{
	struct scmp_arg_cmp is = SCMP_CMP64(argument, SCMP_CMP_MASKED_EQ, mask, value);
	return seccomp_rule_add_array(filter, SCMP_ACT_ALLOW, number, 1, &is);
}

static int add_requests(scmp_filter_ctx filter, unsigned role)
{
	int r = 0;
	for (size_t i = 0; !r && i < sizeof requests / sizeof *requests; i++)
		if (requests[i].roles & role)
			r = allow_if(filter, CALL(ioctl), 1, LOW32, requests[i].request & LOW32);
	return r;
}

/* Memory that can be executed is there from the start, and none is added. */
static int add_memory(scmp_filter_ctx filter)
{
	int r = allow_if(filter, CALL(mmap), 2, PROT_EXEC, 0);
	return r ? r : allow_if(filter, CALL(mprotect), 2, PROT_EXEC, 0);
}

/* A stub's memory, which may be code: of its only descriptor, shared, where it is told (process/layout.h). */
static int add_stub_memory(scmp_filter_ctx filter)
{
	const struct scmp_arg_cmp is[] = {
		SCMP_CMP64(3, SCMP_CMP_MASKED_EQ, LOW32 & ~(uint64_t)MAP_POPULATE, MAP_SHARED | MAP_FIXED),
		SCMP_CMP64(4, SCMP_CMP_MASKED_EQ, LOW32, 3),
	};
	return seccomp_rule_add_array(filter, SCMP_ACT_ALLOW, CALL(mmap), 2, is);
}

/* What traces a stub, and nothing that reads or writes another process's memory. */
static int add_tracing(scmp_filter_ctx filter)
{
	static const long requests_of[] = {PTRACE_SYSEMU,    PTRACE_GETREGS,     PTRACE_SETREGS,   PTRACE_CONT,
					   PTRACE_INTERRUPT, PTRACE_GETSIGINFO,  PTRACE_GETREGSET, PTRACE_SETREGSET,
					   PTRACE_SEIZE,     PTRACE_PEEKSIGINFO, PTRACE_SETSIGMASK};
	int r = 0;
	for (size_t i = 0; !r && i < sizeof requests_of / sizeof *requests_of; i++)
		r = allow_if(filter, CALL(ptrace), 0, UINT64_MAX, (uint64_t)requests_of[i]);
	return r;
}

/* A process that this one waits for until it is another program; who traces this one does not trace it. */
static int add_process(scmp_filter_ctx filter)
{
	return allow_if(filter, CALL(clone), 0, UINT64_MAX,
			CLONE_VM | CLONE_UNTRACED | CLONE_PARENT_SETTID | CLONE_CHILD_CLEARTID | SIGCHLD);
}

/* A thread, never a process, and never in other namespaces. */
static int add_clone(scmp_filter_ctx filter)
{
	uint64_t spaces = CLONE_NEWNS | CLONE_NEWCGROUP | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWUSER | CLONE_NEWPID |
			  CLONE_NEWNET | CLONE_PTRACE | CLONE_UNTRACED;
	uint64_t thread = CLONE_THREAD | CLONE_VM | CLONE_SIGHAND;
	return allow_if(filter, CALL(clone), 0, spaces | thread, thread);
}

static int add_sockets(scmp_filter_ctx filter)
{
	static const int families[] = {AF_UNIX, AF_INET, AF_INET6};
	int r = 0;
	for (size_t i = 0; !r && i < sizeof families / sizeof *families; i++)
		r = allow_if(filter, CALL(socket), 0, LOW32, (uint64_t)families[i]);
	return r;
}

static int add_descriptor_flags(scmp_filter_ctx filter)
{
	static const int commands[] = {F_GETFL, F_SETFL, F_GETFD, F_SETFD, F_DUPFD_CLOEXEC};
	int r = 0;
	for (size_t i = 0; !r && i < sizeof commands / sizeof *commands; i++)
		r = allow_if(filter, CALL(fcntl), 1, LOW32, (uint64_t)commands[i]);
	return r;
}

/* Its own name for a thread that is made later; the C library's names for mappings are refused, which it takes as an old kernel's
 * answer. */
static int add_names(scmp_filter_ctx filter, unsigned role)
{
	struct scmp_arg_cmp other = SCMP_CMP64(0, SCMP_CMP_NE, PR_SET_NAME, 0);
	if (!(role & (L | F)))
		return seccomp_rule_add_array(filter, SCMP_ACT_ERRNO(EINVAL), CALL(prctl), 0, NULL);
	int r = allow_if(filter, CALL(prctl), 0, UINT64_MAX, PR_SET_NAME);
	return r ? r : seccomp_rule_add_array(filter, SCMP_ACT_ERRNO(EINVAL), CALL(prctl), 1, &other);
}

/* The bases of fs and gs, which go where ring 3 runs natively and data selectors are loaded. */
static int add_bases(scmp_filter_ctx filter)
{
	static const int codes[] = {ARCH_GET_FS, ARCH_SET_FS, ARCH_GET_GS, ARCH_SET_GS};
	int r = 0;
	for (size_t i = 0; !r && i < sizeof codes / sizeof *codes; i++)
		r = allow_if(filter, CALL(arch_prctl), 0, LOW32, (uint64_t)codes[i]);
	return r;
}

/* Those whose arguments matter. Signals go to threads of this process alone. */
static int add_conditional(scmp_filter_ctx filter, unsigned role)
{
	int r = add_requests(filter, role);
	if (!r)
		r = add_memory(filter);
	if (!r && role & M)
		r = add_stub_memory(filter);
	if (!r && role & M)
		r = add_process(filter);
	if (!r)
		r = add_descriptor_flags(filter);
	if (!r && role & M)
		r = allow_if(filter, CALL(kill), 1, LOW32, SIGKILL);
	if (!r && role & M) /* to one that was stopped before it could be traced */
		r = allow_if(filter, CALL(kill), 1, LOW32, SIGCONT);
	if (!r && role & T)
		r = add_tracing(filter);
	if (!r)
		r = allow_if(filter, CALL(tgkill), 0, LOW32, (uint64_t)getpid());
	if (!r && !(role & M))
		r = add_names(filter, role);
	if (!r && role & (W | C | O | F))
		r = add_sockets(filter);
	if (!r && role & (L | C | O | F | S))
		r = add_clone(filter);
	if (!r && role & W)
		r = add_bases(filter);
	return r;
}

int calls_add(scmp_filter_ctx filter, enum cassin_sandbox_role role)
{
	unsigned bit = 1u << role;
	int r = add_conditional(filter, bit);
	for (size_t i = 0; !r && i < sizeof allowed / sizeof *allowed; i++)
		if (allowed[i].roles & bit)
			r = seccomp_rule_add_array(filter, SCMP_ACT_ALLOW, allowed[i].number, 0, NULL);
	for (size_t i = 0; !r && i < sizeof refused / sizeof *refused; i++)
		if (refused[i].roles & bit)
			r = seccomp_rule_add_array(filter, SCMP_ACT_ERRNO(refused[i].error), refused[i].number, 0,
						   NULL);
	return r ? r : seccomp_syscall_priority(filter, CALL(ioctl), HOT);
}
