/* SPDX-License-Identifier: MIT */
#include "device/dial.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/container.h"
#include "guest/descriptors.h"
#include "guest/guest.h"
#include "worker/paths.h"

#define DIALS_MOST 64u /* of a guest that are under way, wanted or not */

enum { DIAL_ASKS, DIAL_OVER, DIAL_UNWANTED };

struct dial {
	struct guest *guest;
	void (*over)(void *opaque, int fd, int error);
	void *opaque;
	bool unwanted; /* the owner's */
	atomic_int state;
	int fd, error;
	struct sockaddr_un address;
	struct path_job job;
	struct guest_call call;
};

static void drop(struct dial *d)
{
	close(d->fd);
	descriptors_give(d->guest, 1);
	free(d);
}

static void on_over(struct guest *g, struct guest_call *c)
{
	struct dial *d = CONTAINER_OF(c, struct dial, call);
	atomic_fetch_sub(&g->dials, 1);
	if (d->unwanted) {
		drop(d);
		return;
	}
	void (*over)(void *opaque, int fd, int error) = d->over;
	void *opaque = d->opaque;
	int fd = d->fd, error = d->error;
	if (error) {
		fd = -1;
		drop(d);
	} else {
		free(d);
	}
	over(opaque, fd, error);
}

/* ---- On a thread for paths ---- */

static void run(struct path_job *j)
{
	struct dial *d = CONTAINER_OF(j, struct dial, job);
	if (atomic_load(&d->state) == DIAL_ASKS)
		d->error = connect(d->fd, (const struct sockaddr *)&d->address, sizeof d->address) ? errno : 0;
}

/* Who ended meanwhile is told nothing: its worker may be gone. */
static void done(struct path_job *j)
{
	struct dial *d = CONTAINER_OF(j, struct dial, job);
	struct guest *g = d->guest;
	if (atomic_exchange(&d->state, DIAL_OVER) == DIAL_ASKS) {
		guest_post(g, &d->call, on_over);
	} else {
		atomic_fetch_sub(&g->dials, 1);
		drop(d);
	}
	guest_put(g);
}

/* ---- The owner ---- */

int dial_start(struct dial **out, struct guest *g, const struct sockaddr_un *address,
	       void (*over)(void *opaque, int fd, int error), void *opaque)
{
	struct dial *d = atomic_load(&g->dials) < DIALS_MOST ? calloc(1, sizeof *d) : NULL;
	int fd = d ? socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0) : -1;
	if (fd < 0) {
		free(d);
		return -EMFILE;
	}
	d->guest = g;
	d->over = over;
	d->opaque = opaque;
	d->fd = fd;
	d->address = *address;
	d->job.run = run;
	d->job.done = done;
	atomic_fetch_add(&g->dials, 1);
	atomic_fetch_add(&g->refs, 1);
	paths_post(g->host->paths, g->paths, &d->job);
	*out = d;
	return 0;
}

void dial_give_up(struct dial *d)
{
	d->unwanted = true;
	atomic_exchange(&d->state, DIAL_UNWANTED);
}
