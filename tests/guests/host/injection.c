/* SPDX-License-Identifier: MIT */
#include "injection.h"

#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <stddef.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#define LOOK_MS 20

static int listen_for(const struct injected *kind)
{
	uint32_t number = (uint32_t)kind->number, at = (uint32_t)offsetof(struct seccomp_data, nr);
	if (kind->argument)
		at = (uint32_t)(offsetof(struct seccomp_data, args) + sizeof(uint64_t) * (size_t)(kind->argument - 1));
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, (uint32_t)offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, number, 0, 3),
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, at),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, kind->argument ? kind->value : number, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_USER_NOTIF),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog program = {.len = sizeof code / sizeof *code, .filter = code};
	int fd = (int)syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_NEW_LISTENER, &program);
	return fd < 0 ? -errno : fd;
}

static bool fails(struct injection *in)
{
	unsigned first = atomic_load(&in->first), every = atomic_load(&in->every);
	unsigned number = atomic_fetch_add(&in->number, 1) + 1;
	atomic_fetch_add(&in->asked, 1);
	if (!first || number < first)
		return false;
	return number == first || (every && (number - first) % every == 0);
}

/* Who asked may have gone meanwhile, or was interrupted and asks again. */
static void answer_one(struct injection *in)
{
	struct seccomp_notif asked = {0};
	if (ioctl(in->listener, SECCOMP_IOCTL_NOTIF_RECV, &asked))
		return;
	struct seccomp_notif_resp answer = {.id = asked.id, .flags = SECCOMP_USER_NOTIF_FLAG_CONTINUE};
	if (fails(in)) {
		answer.flags = 0;
		answer.error = -in->kind->error;
		atomic_fetch_add(&in->failed, 1);
	}
	ioctl(in->listener, SECCOMP_IOCTL_NOTIF_SEND, &answer);
}

/* Without a lock: one that it waited for might be held by a thread that waits for its answer. */
static void *answer_all(void *opaque)
{
	struct injection *in = opaque;
	sem_wait(&in->listening);
	struct pollfd p = {.fd = in->listener, .events = POLLIN};
	while (!atomic_load(&in->over)) {
		if (poll(&p, 1, LOOK_MS) > 0 && p.revents & POLLIN)
			answer_one(in);
	}
	return NULL;
}

int injection_begin(struct injection *in, const struct injected *kind)
{
	*in = (struct injection){.kind = kind};
	sem_init(&in->listening, 0, 0);
	int r = -pthread_create(&in->answering, NULL, answer_all, in); /* before: it does not ask */
	if (r)
		return r;
	in->listener = listen_for(kind);
	atomic_store(&in->over, in->listener < 0);
	sem_post(&in->listening);
	return in->listener < 0 ? in->listener : 0;
}

void injection_set(struct injection *in, unsigned first, unsigned every)
{
	atomic_store(&in->first, 0);
	atomic_store(&in->number, 0);
	atomic_store(&in->every, every);
	atomic_store(&in->first, first);
}

void injection_end(struct injection *in)
{
	atomic_store(&in->over, true);
	pthread_join(in->answering, NULL);
	if (in->listener >= 0)
		close(in->listener);
	sem_destroy(&in->listening);
}
