/* SPDX-License-Identifier: MIT */
/* What the kernel does to a thread of each role. Every test's subject is a child process, for a filter is for ever. */
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cassin/sandbox.h>

#define SANITIZED (cassin_sandbox_mode_default() == CASSIN_SANDBOX_OFF)
#define CONFINED 100 /* the child could not even be confined */

static const char *const names[CASSIN_SANDBOX_ROLES] = {"worker",  "tracer",     "watcher",  "loop",
							"control", "loader",     "debugger", "writer",
							"maker",   "foreground", "swapper"};

struct subject {
	enum cassin_sandbox_mode mode;
	enum cassin_sandbox_role role;
	int (*act)(void); /* its result is the exit code */
};

static void *confined(void *opaque)
{
	const struct subject *s = opaque;
	struct cassin_error_text err;
	struct cassin_sandbox *sandbox;
	if (cassin_sandbox_create(&sandbox, s->mode, &err) || cassin_sandbox_enter(sandbox, s->role, &err))
		_exit(CONFINED);
	_exit(s->act());
}

/* The wait status of a child whose second thread is confined to the role, and then acts. */
static int status_of(enum cassin_sandbox_mode mode, enum cassin_sandbox_role role, int (*act)(void))
{
	struct subject s = {.mode = mode, .role = role, .act = act};
	int status = 0;
	pid_t pid = fork();
	if (pid == 0) {
		const struct rlimit none = {0};
		pthread_t thread;
		setrlimit(RLIMIT_CORE, &none);
		pthread_create(&thread, NULL, confined, &s);
		pthread_join(thread, NULL);
		_exit(CONFINED);
	}
	cr_assert(pid > 0 && waitpid(pid, &status, 0) == pid);
	return status;
}

static void dies(enum cassin_sandbox_role role, int (*act)(void), const char *what)
{
	int status = status_of(CASSIN_SANDBOX_ON, role, act);
	cr_assert(WIFSIGNALED(status) && WTERMSIG(status) == SIGSYS, "%s: %s: status %#x", names[role], what, status);
}

static void lives(enum cassin_sandbox_mode mode, enum cassin_sandbox_role role, int (*act)(void), const char *what)
{
	int status = status_of(mode, role, act);
	cr_assert(WIFEXITED(status) && WEXITSTATUS(status) == 0, "%s: %s: status %#x", names[role], what, status);
}

/* ---- Forbidden ---- */

static int executes(void)
{
	char path[] = "/nonexistent", *argv[] = {path, NULL}, *none[] = {NULL};
	return execve(path, argv, none) == -1 && errno == ENOENT ? 0 : 1;
}

static int traces(void)
{
	return syscall(SYS_ptrace, 0x7fff, 0, 0, 0) == -1 ? 0 : 1;
}

static int forks(void)
{
	pid_t pid = (pid_t)syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0);
	if (pid == 0)
		_exit(0);
	return pid > 0 ? 0 : 1;
}

static int unshares(void)
{
	return unshare(0);
}

static int kills(void)
{
	return kill(getppid(), 0);
}

static int signals_another_process(void)
{
	return syscall(SYS_tgkill, 1, 1, 0) == 0 || errno == EPERM || errno == ESRCH ? 0 : 1;
}

static int executable_memory(void)
{
	return mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) == MAP_FAILED;
}

static int makes_memory_executable(void)
{
	void *page = mmap(NULL, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	return mprotect(page, 4096, PROT_READ | PROT_EXEC);
}

static int another_family(void)
{
	int fd = socket(AF_NETLINK, SOCK_RAW, 0);
	return fd < 0;
}

static int types_into_a_terminal(void)
{
	char c = 'x';
	return ioctl(0, TIOCSTI, &c) == -1 ? 0 : 1;
}

static int loads_a_program(void)
{
	return syscall(SYS_bpf, 0xffff, NULL, 0) == -1 ? 0 : 1;
}

static const struct {
	const char *name;
	int (*act)(void);
} forbidden[] = {
	{"execve", executes},
	{"ptrace", traces},
	{"a new process", forks},
	{"unshare", unshares},
	{"kill", kills},
	{"a signal to another process", signals_another_process},
	{"mmap of code", executable_memory},
	{"mprotect to code", makes_memory_executable},
	{"socket of another family", another_family},
	{"TIOCSTI", types_into_a_terminal},
	{"bpf", loads_a_program},
};

Test(sandbox, a_forbidden_call_ends_the_process_in_every_role)
{
	if (SANITIZED)
		return;
	for (unsigned role = 0; role < CASSIN_SANDBOX_ROLES; role++)
		for (size_t i = 0; i < sizeof forbidden / sizeof *forbidden; i++)
			dies((enum cassin_sandbox_role)role, forbidden[i].act, forbidden[i].name);
}

Test(sandbox, with_log_a_forbidden_call_is_done)
{
	for (unsigned role = 0; role < CASSIN_SANDBOX_ROLES; role++) {
		lives(CASSIN_SANDBOX_LOG, (enum cassin_sandbox_role)role, executes, "execve");
		lives(CASSIN_SANDBOX_LOG, (enum cassin_sandbox_role)role, another_family, "socket of another family");
	}
}

Test(sandbox, off_confines_nothing)
{
	struct cassin_error_text err = {""};
	struct cassin_sandbox *s = (struct cassin_sandbox *)&err;
	cr_assert_eq(cassin_sandbox_create(&s, CASSIN_SANDBOX_OFF, &err), 0);
	cr_assert_null(s);
	cr_assert_eq(cassin_sandbox_enter(s, CASSIN_SANDBOX_WORKER, &err), 0);
	cr_assert_eq(prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0), 0);
}

/* ---- Per role ---- */

static int opens(void)
{
	int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
	return fd >= 0 ? 0 : errno == EACCES ? 2 : 1;
}

static int connects(void)
{
	return socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0) < 0;
}

static int renames(void)
{
	return rename("/nonexistent/a", "/nonexistent/b") == -1 ? 0 : 1;
}

static int makes_a_vm(void)
{
	return ioctl(-1, 0xae01ul, 0) == -1 && errno == EBADF ? 0 : 1; /* KVM_CREATE_VM */
}

static int runs_a_vcpu(void)
{
	return ioctl(-1, 0xae80ul, 0) == -1 && errno == EBADF ? 0 : 1; /* KVM_RUN */
}

/* The upper half of a request is not looked at by the kernel, and so must not be by the filter. */
static int hides_a_request(void)
{
	return (int)syscall(SYS_ioctl, -1, UINT64_C(0x100005412), 0) == -1 ? 0 : 1; /* TIOCSTI */
}

static void *nothing(void *opaque)
{
	return opaque;
}

static int makes_a_thread(void)
{
	pthread_t thread;
	return pthread_create(&thread, NULL, nothing, NULL) || pthread_join(thread, NULL);
}

Test(sandbox, only_who_loads_opens_files)
{
	if (SANITIZED)
		return;
	for (unsigned role = 0; role < CASSIN_SANDBOX_ROLES; role++) {
		bool loads = role == CASSIN_SANDBOX_LOADER || role == CASSIN_SANDBOX_FOREGROUND;
		int status = status_of(CASSIN_SANDBOX_ON, (enum cassin_sandbox_role)role, opens);
		cr_assert(WIFEXITED(status) && WEXITSTATUS(status) == (loads ? 0 : 2), "%s: status %#x", names[role],
			  status);
		if (loads)
			lives(CASSIN_SANDBOX_ON, (enum cassin_sandbox_role)role, renames, "rename");
		else
			dies((enum cassin_sandbox_role)role, renames, "rename");
	}
}

static int unlinks(void)
{
	return unlink("/nonexistent/file") && errno == ENOENT ? 0 : 1;
}

static int binds(void)
{
	struct sockaddr_un there = {.sun_family = AF_UNIX, .sun_path = "/nonexistent/socket"};
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);
	return bind(fd, (struct sockaddr *)&there, sizeof there) && errno == ENOENT ? 0 : 1;
}

/* Nobody's files may hold up the others of a worker: threads of the role of control see to ports at paths. */
Test(sandbox, workers_bind_and_remove_nothing_at_a_path)
{
	static const enum cassin_sandbox_role workers[] = {CASSIN_SANDBOX_WORKER, CASSIN_SANDBOX_TRACER};
	if (SANITIZED)
		return;
	for (size_t i = 0; i < 2; i++) {
		dies(workers[i], unlinks, "unlink");
		dies(workers[i], binds, "bind");
	}
	lives(CASSIN_SANDBOX_ON, CASSIN_SANDBOX_CONTROL, unlinks, "unlink");
	lives(CASSIN_SANDBOX_ON, CASSIN_SANDBOX_CONTROL, binds, "bind");
}

static int reads_at_a_place(void)
{
	char byte;
	return pread(-1, &byte, 1, 512) == -1 && errno == EBADF ? 0 : 1;
}

static int writes_at_a_place(void)
{
	return pwrite(-1, "", 1, 512) == -1 && errno == EBADF ? 0 : 1;
}

/* Nor may the swap file: threads of a role of its own read and write it, and do nothing else. */
Test(sandbox, workers_do_not_touch_the_swap_file)
{
	static const enum cassin_sandbox_role workers[] = {CASSIN_SANDBOX_WORKER, CASSIN_SANDBOX_TRACER};
	if (SANITIZED)
		return;
	for (size_t i = 0; i < 2; i++) {
		dies(workers[i], reads_at_a_place, "pread");
		dies(workers[i], writes_at_a_place, "pwrite");
	}
	lives(CASSIN_SANDBOX_ON, CASSIN_SANDBOX_SWAPPER, reads_at_a_place, "pread");
	lives(CASSIN_SANDBOX_ON, CASSIN_SANDBOX_SWAPPER, writes_at_a_place, "pwrite");
	dies(CASSIN_SANDBOX_SWAPPER, connects, "socket");
	dies(CASSIN_SANDBOX_SWAPPER, unlinks, "unlink");
}

Test(sandbox, roles_that_serve_clients_open_no_connection_and_touch_no_kvm)
{
	static const enum cassin_sandbox_role serve[] = {CASSIN_SANDBOX_LOOP, CASSIN_SANDBOX_DEBUGGER,
							 CASSIN_SANDBOX_WATCHER, CASSIN_SANDBOX_WRITER};
	if (SANITIZED)
		return;
	for (size_t i = 0; i < sizeof serve / sizeof *serve; i++) {
		dies(serve[i], connects, "socket");
		dies(serve[i], makes_a_vm, "KVM_CREATE_VM");
		dies(serve[i], runs_a_vcpu, "KVM_RUN");
	}
	lives(CASSIN_SANDBOX_ON, CASSIN_SANDBOX_WORKER, connects, "socket");
	lives(CASSIN_SANDBOX_ON, CASSIN_SANDBOX_WORKER, runs_a_vcpu, "KVM_RUN");
	dies(CASSIN_SANDBOX_WORKER, makes_a_vm, "KVM_CREATE_VM");
	dies(CASSIN_SANDBOX_WORKER, hides_a_request, "TIOCSTI with an upper half");
	lives(CASSIN_SANDBOX_ON, CASSIN_SANDBOX_LOADER, makes_a_vm, "KVM_CREATE_VM");
}

Test(sandbox, only_roles_that_serve_callers_or_files_make_threads)
{
	const unsigned make = 1u << CASSIN_SANDBOX_LOOP | 1u << CASSIN_SANDBOX_CONTROL | 1u << CASSIN_SANDBOX_LOADER |
			      1u << CASSIN_SANDBOX_FOREGROUND | 1u << CASSIN_SANDBOX_SWAPPER;
	if (SANITIZED)
		return;
	for (unsigned role = 0; role < CASSIN_SANDBOX_ROLES; role++) {
		if (make & 1u << role)
			lives(CASSIN_SANDBOX_ON, (enum cassin_sandbox_role)role, makes_a_thread, "pthread_create");
		else
			dies((enum cassin_sandbox_role)role, makes_a_thread, "pthread_create");
	}
}

static int seizes_another(void)
{
	return ptrace(PTRACE_SEIZE, getppid(), 0, 0) == -1 ? 0 : 1;
}

Test(sandbox, only_workers_of_process_cells_trace)
{
	if (SANITIZED)
		return;
	for (unsigned role = 0; role < CASSIN_SANDBOX_ROLES; role++) {
		if (role != CASSIN_SANDBOX_TRACER)
			dies((enum cassin_sandbox_role)role, seizes_another, "PTRACE_SEIZE");
	}
}

static int continues_another(void)
{
	return kill(getppid(), SIGCONT);
}

static int stops_another(void)
{
	return kill(getppid(), SIGSTOP);
}

Test(sandbox, only_the_maker_continues_a_process_and_none_stops_one)
{
	if (SANITIZED)
		return;
	for (unsigned role = 0; role < CASSIN_SANDBOX_ROLES; role++) {
		if (role == CASSIN_SANDBOX_MAKER)
			lives(CASSIN_SANDBOX_ON, CASSIN_SANDBOX_MAKER, continues_another, "SIGCONT");
		else
			dies((enum cassin_sandbox_role)role, continues_another, "SIGCONT");
		dies((enum cassin_sandbox_role)role, stops_another, "SIGSTOP");
	}
}

/* ---- Debuggers, whose threads are made when the maker is confined already ---- */

static struct cassin_sandbox *shared;

static void *debugs(void *act)
{
	struct cassin_error_text err;
	if (cassin_sandbox_enter(shared, CASSIN_SANDBOX_DEBUGGER, &err))
		_exit(CONFINED);
	_exit((*(int (**)(void))act)());
}

static int makes_a_debugger_that(int (*act)(void))
{
	struct cassin_error_text err;
	pthread_t thread;
	if (cassin_sandbox_create(&shared, CASSIN_SANDBOX_ON, &err) ||
	    cassin_sandbox_enter(shared, CASSIN_SANDBOX_LOOP, &err))
		return CONFINED;
	pthread_create(&thread, NULL, debugs, &act);
	pthread_join(thread, NULL);
	return CONFINED;
}

static int status_of_debugger_that(int (*act)(void))
{
	int status = 0;
	pid_t pid = fork();
	if (pid == 0)
		_exit(makes_a_debugger_that(act));
	cr_assert(pid > 0 && waitpid(pid, &status, 0) == pid);
	return status;
}

static int sends(void)
{
	return sendto(-1, "", 0, MSG_NOSIGNAL, NULL, 0) == -1 && errno == EBADF ? 0 : 1;
}

Test(sandbox, a_debugger_of_the_loop_is_confined_further)
{
	if (SANITIZED)
		return;
	int status = status_of_debugger_that(sends);
	cr_assert(WIFEXITED(status) && WEXITSTATUS(status) == 0, "status %#x", status);
	status = status_of_debugger_that(makes_a_thread);
	cr_assert(WIFSIGNALED(status) && WTERMSIG(status) == SIGSYS, "status %#x", status);
}

/* ---- Privileges ---- */

static int gave_up(void)
{
	struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct sets[_LINUX_CAPABILITY_U32S_3];
	if (prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) != 1 || syscall(SYS_capget, &header, sets))
		return 1;
	uint32_t bind = 1u << CAP_NET_BIND_SERVICE;
	bool least = !(sets[0].effective & ~bind) && !(sets[0].permitted & ~bind) && !sets[0].inheritable &&
		     !sets[1].effective && !sets[1].permitted && !sets[1].inheritable;
	return geteuid() == 0 && sets[0].effective != bind ? 2 : !least;
}

static int all_given_up(void)
{
	struct cassin_error_text err;
	struct cassin_sandbox *s;
	return cassin_sandbox_create(&s, CASSIN_SANDBOX_LOG, &err) ? CONFINED : gave_up();
}

Test(sandbox, capabilities_are_given_up_but_that_of_low_ports)
{
	int status = 0;
	pid_t pid = fork();
	if (pid == 0)
		_exit(all_given_up());
	cr_assert(pid > 0 && waitpid(pid, &status, 0) == pid);
	cr_assert(WIFEXITED(status) && WEXITSTATUS(status) == 0, "status %#x", status);
}

/* ---- A kernel that refuses ---- */

/* From now on seccomp() fails with EPERM, as in some containers. */
static int forbid_filters(void)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_seccomp, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog program = {.len = 4, .filter = code};
	return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) || prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program);
}

static int is_told(void)
{
	struct cassin_error_text err = {""};
	struct cassin_sandbox *s;
	if (forbid_filters())
		return CONFINED;
	int r = cassin_sandbox_create(&s, CASSIN_SANDBOX_LOG, &err);
	return r == -EPERM && !s && strstr(err.text, "kernel refuses") && strstr(err.text, "--sandbox off") ? 0 : 1;
}

Test(sandbox, a_kernel_that_refuses_is_told_with_what_to_do)
{
	int status = 0;
	pid_t pid = fork();
	if (pid == 0)
		_exit(is_told());
	cr_assert(pid > 0 && waitpid(pid, &status, 0) == pid);
	cr_assert(WIFEXITED(status) && WEXITSTATUS(status) == 0, "status %#x", status);
}

Test(sandbox, modes_are_words)
{
	enum cassin_sandbox_mode mode = CASSIN_SANDBOX_OFF;
	cr_assert_eq(cassin_sandbox_mode_parse("on", &mode), 0);
	cr_assert_eq(mode, CASSIN_SANDBOX_ON);
	cr_assert_eq(cassin_sandbox_mode_parse("log", &mode), 0);
	cr_assert_eq(mode, CASSIN_SANDBOX_LOG);
	cr_assert_eq(cassin_sandbox_mode_parse("off", &mode), 0);
	cr_assert_eq(mode, CASSIN_SANDBOX_OFF);
	cr_assert_eq(cassin_sandbox_mode_parse("On", &mode), -EINVAL);
	cr_assert_eq(cassin_sandbox_mode_parse("", &mode), -EINVAL);
}
