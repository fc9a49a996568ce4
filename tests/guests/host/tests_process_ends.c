/* SPDX-License-Identifier: MIT */
/* Process cells from outside: the hypervisor killed, of which no process is left, and the hypervisor late. */
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <signal.h>
#include <stddef.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "stubs.h"

/* ---- The hypervisor killed ---- */

static _Noreturn void be_killed(struct world *w, int ready)
{
	uint64_t ids[20];
	create_engine(w, 2);
	spawn_some(w, ids, 10, "hog", "spin");
	spawn_some(w, ids + 10, 10, "life", "wait");
	for (unsigned i = 0; i < 20; i++)
		await_text(w, ids[i], i < 10 ? "spinning" : "waiting");
	if (write(ready, "", 1) == 1)
		pause();
	_exit(1);
}

static void orphaned(struct world *w, const struct test *t)
{
	static pid_t theirs[STUBS_MOST];
	int ready[2];
	char byte;
	(void)t;
	engine_end(w);
	EXPECT_IS(pipe(ready), 0);
	pid_t parent = getpid(), child = fork();
	if (!child) {
		end_with(parent);
		be_killed(w, ready[1]);
	}
	close(ready[1]);
	EXPECT_IS(read(ready[0], &byte, 1), 1);
	unsigned n = await_stubs_of(w, child, theirs, 15), left = n; /* some of those that spin may be on their way */
	EXPECT_IS(kill(child, SIGKILL), 0);
	EXPECT_IS(waitpid(child, NULL, 0), child);
	for (int wait = 0; wait < 500 && left; wait++) {
		left = 0;
		for (unsigned i = 0; i < n; i++)
			left += !kill(theirs[i], 0);
		sleep_ms(10);
	}
	EXPECT_IS(left, 0);
}

/* From here on, who asks for a signal at its parent's death waits until whoever has the descriptor says so. */
static int hold_at_death_signal(void)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, (uint32_t)offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_prctl, 0, 3),
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, (uint32_t)offsetof(struct seccomp_data, args)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, PR_SET_PDEATHSIG, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_USER_NOTIF),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog program = {.len = sizeof code / sizeof *code, .filter = code};
	prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
	return (int)syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_NEW_LISTENER, &program);
}

/* Killed while a process that it has just made has not asked yet for a signal at its parent's death. */
static void orphaned_at_birth(struct world *w, const struct test *t)
{
	struct seccomp_notif asked = {0};
	struct cassin_error_text err;
	int status, *listener = mmap(NULL, sizeof *listener, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	(void)t;
	engine_end(w);
	EXPECT_IS(prctl(PR_SET_CHILD_SUBREAPER, 1), 0); /* an orphan becomes ours */
	pid_t parent = getpid(), child = (pid_t)syscall(SYS_clone, CLONE_FILES | SIGCHLD, 0, 0, 0, 0);
	if (!child) {
		struct cassin_engine_options options = {
			.workers = 1, .pool_bytes = POOL_DEFAULT, .backend = CASSIN_BACKEND_PROCESS};
		end_with(parent);
		*(volatile int *)listener = hold_at_death_signal();
		engine_make(w, options, &err);
		_exit(1);
	}
	while (!*(volatile int *)listener)
		sleep_ms(1);
	EXPECT(*listener > 0);
	EXPECT_IS(ioctl(*listener, SECCOMP_IOCTL_NOTIF_RECV, &asked), 0);
	EXPECT_IS(kill(child, SIGKILL), 0);
	EXPECT_IS(waitpid(child, &status, 0), child);
	struct seccomp_notif_resp answer = {.id = asked.id, .flags = SECCOMP_USER_NOTIF_FLAG_CONTINUE};
	EXPECT_IS(ioctl(*listener, SECCOMP_IOCTL_NOTIF_SEND, &answer), 0);
	pid_t ended = 0;
	for (int wait = 0; wait < 300 && !ended; wait++) {
		ended = waitpid((pid_t)asked.pid, &status, WNOHANG);
		sleep_ms(10);
	}
	if (!ended)
		kill((pid_t)asked.pid, SIGKILL);
	EXPECT_IS(ended, (pid_t)asked.pid);
}

/* ---- The hypervisor late ---- */

/* Its threads stand still for a second at a time, wherever they are: what guests do meanwhile is found behind it, and is right. */
static void late(struct world *w, const struct test *t)
{
	uint64_t ids[6];
	(void)t;
	ids[0] = spawn(w, "registers", "hog", "registers 60");
	ids[1] = spawn(w, "vectors", "vectors", "keep 60 99");
	ids[2] = spawn(w, "spaces", "user-spaces", "live 30");
	ids[3] = spawn(w, "faults", "user-faults", "faults");
	ids[4] = spawn(w, "upcalls", "upcall", "keep 30");
	ids[5] = spawn(w, "copies", "memory", "copy-on-write 200");
	pid_t late_one = getpid(), child = fork();
	if (!child) {
		end_with(late_one);
		for (unsigned i = 0; i < 3; i++) {
			kill(late_one, SIGSTOP);
			sleep_ms(1000);
			kill(late_one, SIGCONT);
			sleep_ms(30);
		}
		_exit(0);
	}
	for (unsigned i = 0; i < 6; i++)
		expect_exit(w, ids[i], 0, 60);
	int status = 0;
	EXPECT_IS(waitpid(child, &status, 0), child);
	EXPECT_IS(status, 0);
	EXPECT_IS(stats_of(w).crashes, 0);
}

const struct test tests_process_ends[] = {
	ON_PROCESS("orphaned", orphaned, .seconds = 30),
	ON_PROCESS("orphaned-at-birth", orphaned_at_birth, .seconds = 30),
	ON_PROCESS("late", late, .seconds = 60),
	{0},
};
