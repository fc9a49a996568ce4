/* SPDX-License-Identifier: MIT */
#include "guest/port_path.h"

#include <cassin/own_file.h>

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/container.h"
#include "guest/guest.h"
#include "guest/ports.h"

enum path_state {
	PATH_NONE,  /* nothing of ours is there */
	PATH_BOUND, /* a socket listens there, which the owner has not taken yet */
	PATH_TAKEN, /* and which it has */
	PATH_LEFT,  /* its file is there, but nobody listens */
};

struct port_path {
	struct guest *guest;
	struct cassin_own_file file; /* of whoever works at the path */
	pthread_mutex_t lock;        /* of what follows; never held over work at the path */
	enum path_state state;
	int fd;     /* PATH_BOUND */
	int result; /* of the last try to bind: 0, or -errno and */
	struct cassin_error_text why;
	bool wanted;  /* it is to listen */
	bool working; /* the job is posted, or runs */
	bool told;    /* a call to the owner is under way */
	struct path_job job;
	struct guest_call call;
	char path[]; /* with its end */
};

size_t port_path_bytes(const char *path)
{
	return sizeof(struct port_path) + strlen(path) + 1;
}

static int bind_there(struct port_path *p, int *fd, struct cassin_error_text *why)
{
	*fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (*fd < 0)
		return cassin_error_set(why, -errno, "%s", strerror(errno));
	int r = cassin_own_socket_bind(&p->file, *fd, p->path, why);
	if (!r && listen(*fd, PORT_BACKLOG))
		r = cassin_error_set(why, -errno, "%s", strerror(errno));
	if (!r)
		return 0;
	cassin_own_file_remove(&p->file, p->path);
	close(*fd);
	return r;
}

int port_path_open(struct port_path **out, const char *path, int *fd, struct cassin_error_text *err)
{
	size_t size = strlen(path) + 1;
	struct port_path *p = calloc(1, sizeof *p + size);
	if (!p)
		return cassin_error_set(err, -ENOMEM, "no memory");
	memcpy(p->path, path, size);
	int r = bind_there(p, fd, err);
	if (r) {
		free(p);
		return r;
	}
	pthread_mutex_init(&p->lock, NULL);
	p->state = PATH_TAKEN;
	p->wanted = true;
	*out = p;
	return 0;
}

void port_path_belongs(struct port_path *p, struct guest *g)
{
	p->guest = g;
}

/* ---- On a thread for paths ---- */

static bool to_be_bound(const struct port_path *p)
{
	return p->state == PATH_NONE && p->wanted && !p->result;
}

static bool to_be_removed(const struct port_path *p)
{
	return p->state == PATH_LEFT || (p->state == PATH_BOUND && !p->wanted);
}

/* The next two with the lock, which they give up while they work at the path. */
static void bind_it(struct port_path *p)
{
	int fd;
	struct cassin_error_text why;
	pthread_mutex_unlock(&p->lock);
	int r = bind_there(p, &fd, &why);
	pthread_mutex_lock(&p->lock);
	p->result = r;
	if (r) {
		p->why = why;
	} else {
		p->fd = fd;
		p->state = PATH_BOUND;
	}
}

static void remove_it(struct port_path *p)
{
	int fd = p->state == PATH_BOUND ? p->fd : -1;
	p->state = PATH_LEFT; /* the owner cannot take it any more */
	pthread_mutex_unlock(&p->lock);
	if (fd >= 0)
		close(fd);
	cassin_own_file_remove(&p->file, p->path);
	pthread_mutex_lock(&p->lock);
	p->state = PATH_NONE;
}

static void on_settled(struct guest *g, struct guest_call *c)
{
	struct port_path *p = CONTAINER_OF(c, struct port_path, call);
	pthread_mutex_lock(&p->lock);
	p->told = false;
	pthread_mutex_unlock(&p->lock);
	guest_port_settled(g, p);
}

static void work(struct path_job *j)
{
	struct port_path *p = CONTAINER_OF(j, struct port_path, job);
	pthread_mutex_lock(&p->lock);
	while (to_be_removed(p) || to_be_bound(p)) {
		if (to_be_removed(p))
			remove_it(p);
		else
			bind_it(p);
	}
	bool tell = p->wanted && !p->told;
	p->told |= tell;
	pthread_mutex_unlock(&p->lock);
	if (tell)
		guest_post(p->guest, &p->call, on_settled);
}

static void have_done(struct port_path *p);

/* The job is in no line any more. What was asked since it ended is done by the next. */
static void worked(struct path_job *j)
{
	struct port_path *p = CONTAINER_OF(j, struct port_path, job);
	pthread_mutex_lock(&p->lock);
	p->working = false;
	if (to_be_removed(p) || to_be_bound(p))
		have_done(p);
	pthread_mutex_unlock(&p->lock);
	guest_put(p->guest);
}

/* With the lock. */
static void have_done(struct port_path *p)
{
	if (p->working)
		return;
	p->working = true;
	p->job.run = work;
	p->job.done = worked;
	atomic_fetch_add(&p->guest->refs, 1);
	paths_post(p->guest->host->paths, p->guest->paths, &p->job);
}

/* ---- The owner ---- */

int port_path_listen(struct port_path *p, bool asks, int *fd, struct cassin_error_text *err)
{
	int r = 0;
	pthread_mutex_lock(&p->lock);
	if (asks) {
		p->result = 0;
		p->wanted = true;
	}
	if (!p->wanted) {
		r = -ECANCELED;
	} else if (p->state == PATH_BOUND) {
		*fd = p->fd;
		p->state = PATH_TAKEN;
	} else if (p->state != PATH_TAKEN && p->result) {
		*err = p->why;
		r = p->result;
	} else if (p->state != PATH_TAKEN) {
		have_done(p);
		r = -EINPROGRESS;
	}
	pthread_mutex_unlock(&p->lock);
	return r;
}

void port_path_refuse(struct port_path *p)
{
	pthread_mutex_lock(&p->lock);
	p->wanted = false;
	if (p->state == PATH_TAKEN)
		p->state = PATH_LEFT;
	if (p->state != PATH_NONE)
		have_done(p);
	pthread_mutex_unlock(&p->lock);
}

void port_path_free(struct port_path *p)
{
	if (!p)
		return;
	if (p->state == PATH_BOUND)
		close(p->fd);
	if (p->state != PATH_NONE)
		cassin_own_file_remove(&p->file, p->path);
	pthread_mutex_destroy(&p->lock);
	free(p);
}
