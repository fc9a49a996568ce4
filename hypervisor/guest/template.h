/* SPDX-License-Identifier: MIT */
/*
 * Templates: a guest that has booted, frozen. Clones begin where it stopped, share its pages copy-on-write, and get a name,
 * ports, randomness and a clock of their own. A template never changes; it is shared by reference count.
 */
#ifndef TEMPLATE_H
#define TEMPLATE_H

#include <stdatomic.h>

#include "base/account.h"
#include "cell/cpu_state.h"
#include "guest/ring.h"
#include "guest/upcall.h"
#include "image/frozen.h"

struct cassin_engine;
struct files;
struct guest;

struct frozen_listener {
	int32_t number;
	uint16_t port;
};

struct template
{
	struct template *next; /* the engine's list; under its lock */
	atomic_uint refs;
	char *name, *domain, *path;
	struct image *image;   /* a reference */
	struct files *files;   /* likewise; NULL: none */
	uint64_t memory;       /* bytes */
	struct frozen *frozen; /* a reference */
	struct cpu_registers regs;
	uint64_t fs_base, boot, boot_name;
	struct ring ring;
	struct upcall_wanted upcall;
	uint64_t pending, wait_for; /* events */
	bool blocked;               /* in enter, rather than behind its ready call */
	uint32_t wait_count;
	uint64_t wake_at; /* UINT64_MAX: never */
	size_t nlisteners, nops;
	struct frozen_listener *listeners;
	struct request *ops; /* operations that were waiting, the oldest first; to be started again */
	atomic_uint clones;
	uint64_t created_ns;
	struct account account; /* of host memory: its pages */
};

struct template *template_get(struct template *t);
void template_put(struct template *t); /* NULL is fine */

#endif
