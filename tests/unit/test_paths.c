/* SPDX-License-Identifier: MIT */
/* Threads for paths: what hangs holds up its own line. */
#include <criterion/criterion.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "base/container.h"
#include "worker/paths.h"

#define SECOND UINT64_C(1000000000)
#define LONG (60 * SECOND)

struct work {
	struct path_job job;
	sem_t *gate; /* it hangs until this is posted; NULL: it does not */
	int number;
};

static struct paths *paths;
static sem_t gate;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static int order[8], norder;
static atomic_uint begun, over;

static void run(struct path_job *j)
{
	struct work *w = CONTAINER_OF(j, struct work, job);
	atomic_fetch_add(&begun, 1);
	if (w->gate)
		sem_wait(w->gate);
	pthread_mutex_lock(&lock);
	if (norder < 8)
		order[norder++] = w->number;
	pthread_mutex_unlock(&lock);
}

static void done(struct path_job *j)
{
	free(CONTAINER_OF(j, struct work, job));
	atomic_fetch_add(&over, 1);
}

static void post(struct path_line *l, sem_t *waits_for, int number)
{
	struct work *w = calloc(1, sizeof *w);
	cr_assert(w);
	*w = (struct work){{.run = run, .done = done}, waits_for, number};
	paths_post(paths, l, &w->job);
}

static void await(atomic_uint *what, unsigned n)
{
	for (int i = 0; i < 6000 && atomic_load(what) < n; i++)
		usleep(10000);
	cr_assert_eq(atomic_load(what), n);
}

static void start(void)
{
	sem_init(&gate, 0, 0);
	cr_assert_eq(paths_start(&paths, NULL), 0);
}

TestSuite(paths, .init = start, .timeout = 120);

Test(paths, jobs_of_a_line_are_done_in_turn)
{
	struct path_line l = {0};
	post(&l, &gate, 1);
	post(&l, NULL, 2);
	post(&l, NULL, 3);
	await(&begun, 1);
	usleep(50000);
	cr_expect_eq(atomic_load(&begun), 1, "the second waits for the first");
	sem_post(&gate);
	paths_await(paths, &l, LONG);
	cr_assert_eq(norder, 3);
	for (int i = 0; i < 3; i++)
		cr_expect_eq(order[i], i + 1);
	cr_assert(paths_stop(paths, LONG));
}

Test(paths, a_line_that_hangs_holds_up_no_other)
{
	struct path_line hanging = {0}, others[3] = {{0}};
	for (int i = 0; i < 4; i++)
		post(&hanging, &gate, 0);
	await(&begun, 1);
	for (int i = 0; i < 3; i++)
		post(&others[i], NULL, i + 1);
	for (int i = 0; i < 3; i++)
		paths_await(paths, &others[i], LONG);
	cr_expect_eq(norder, 3);
	paths_await(paths, &hanging, SECOND / 100);
	cr_expect(hanging.first, "nobody waits for ever");
	for (int i = 0; i < 4; i++)
		sem_post(&gate);
	cr_assert(paths_stop(paths, LONG));
	cr_expect_eq(atomic_load(&over), 7);
}

static uint64_t thread_ns(void)
{
	struct timespec t;
	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return (uint64_t)t.tv_sec * SECOND + (uint64_t)t.tv_nsec;
}

static void burn(struct path_job *j)
{
	for (uint64_t until = thread_ns() + SECOND / 50; thread_ns() < until;) {
	}
	run(j);
}

Test(paths, a_line_has_the_time_that_its_jobs_took_but_not_that_of_waiting)
{
	struct path_line burns = {0}, waits = {0};
	struct work *w = calloc(1, sizeof *w);
	cr_assert(w);
	*w = (struct work){{.run = burn, .done = done}, NULL, 1};
	paths_post(paths, &burns, &w->job);
	post(&waits, &gate, 2);
	paths_await(paths, &burns, LONG);
	sem_post(&gate);
	paths_await(paths, &waits, LONG);
	cr_expect_geq(atomic_load(&burns.spent), SECOND / 50);
	cr_expect_lt(atomic_load(&waits.spent), SECOND / 50);
	cr_assert(paths_stop(paths, LONG));
}

Test(paths, threads_have_a_bound)
{
	struct path_line lines[PATHS_THREADS_MOST + 8] = {{0}};
	for (unsigned i = 0; i < PATHS_THREADS_MOST + 8; i++)
		post(&lines[i], &gate, 0);
	await(&begun, PATHS_THREADS_MOST);
	usleep(50000);
	cr_expect_eq(atomic_load(&begun), PATHS_THREADS_MOST, "the others wait");
	for (unsigned i = 0; i < PATHS_THREADS_MOST + 8; i++)
		sem_post(&gate);
	cr_assert(paths_stop(paths, LONG), "all of it is done first");
	cr_expect_eq(atomic_load(&over), PATHS_THREADS_MOST + 8);
}

Test(paths, the_end_does_not_wait_for_what_hangs)
{
	static struct path_line hanging;
	post(&hanging, &gate, 0);
	await(&begun, 1);
	cr_assert_not(paths_stop(paths, SECOND / 50));
	sem_post(&gate);
	await(&over, 1);
}
