/* SPDX-License-Identifier: MIT */
#include "callers.h"

#include <pthread.h>
#include <semaphore.h>
#include <time.h>

#define PATIENCE_S 30

static struct caller {
	enum cassin_sandbox_role role;
	const char *name;
	const struct cassin_sandbox *sandbox;
	pthread_t thread;
	sem_t go, done;
	struct world *w;
	void (*run)(struct world *w, void *opaque); /* NULL: it ends */
	void *opaque;
} callers[] = {
	{.role = CASSIN_SANDBOX_LOOP, .name = "loop"},
	{.role = CASSIN_SANDBOX_CONTROL, .name = "control"},
	{.role = CASSIN_SANDBOX_LOADER, .name = "loader"},
	{.role = CASSIN_SANDBOX_DEBUGGER, .name = "debugger"},
};
#define CALLERS (sizeof callers / sizeof *callers)

static void *call(void *opaque)
{
	struct caller *c = opaque;
	struct cassin_error_text err = {0};
	if (cassin_sandbox_enter(c->sandbox, c->role, &err))
		fail("%s", err.text);
	sem_post(&c->done);
	for (;;) {
		while (sem_wait(&c->go)) {
		}
		if (!c->run)
			return NULL;
		c->run(c->w, c->opaque);
		sem_post(&c->done);
	}
}

static void await(struct caller *c, unsigned seconds)
{
	struct timespec until;
	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_sec += seconds;
	while (sem_timedwait(&c->done, &until)) {
		if (errno == ETIMEDOUT)
			fail("the %s's call has not returned after %u s", c->name, seconds);
	}
}

void callers_start(const struct cassin_sandbox *sandbox)
{
	for (size_t i = 0; i < CALLERS; i++) {
		struct caller *c = &callers[i];
		c->sandbox = sandbox;
		sem_init(&c->go, 0, 0);
		sem_init(&c->done, 0, 0);
		if (pthread_create(&c->thread, NULL, call, c))
			fail("no thread");
		await(c, PATIENCE_S);
	}
}

void call_as(struct world *w, enum cassin_sandbox_role role, void (*run)(struct world *w, void *opaque), void *opaque)
{
	struct caller *c = callers;
	while (c->role != role)
		c++;
	c->w = w;
	c->run = run;
	c->opaque = opaque;
	sem_post(&c->go);
	await(c, PATIENCE_S * w->slow);
}

void callers_end(void)
{
	for (size_t i = 0; i < CALLERS; i++) {
		callers[i].run = NULL;
		sem_post(&callers[i].go);
		pthread_join(callers[i].thread, NULL);
	}
}
