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
#define THREADS 12u
#define OF_A_GROUP 3u

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
	const struct paths_how how = {.threads = THREADS, .of_a_group = OF_A_GROUP};
	sem_init(&gate, 0, 0);
	cr_assert_eq(paths_start(&paths, &how), 0);
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
	struct path_line lines[THREADS + 8] = {{0}};
	for (unsigned i = 0; i < THREADS + 8; i++)
		post(&lines[i], &gate, 0);
	await(&begun, THREADS);
	usleep(50000);
	cr_expect_eq(atomic_load(&begun), THREADS, "the others wait");
	for (unsigned i = 0; i < THREADS + 8; i++)
		sem_post(&gate);
	cr_assert(paths_stop(paths, LONG), "all of it is done first");
	cr_expect_eq(atomic_load(&over), THREADS + 8);
}

/* A domain whose file system hangs: the lines of others go on, and its own beyond its part wait. */
Test(paths, lines_of_one_name_have_a_part_of_the_threads)
{
	struct path_line hanging[THREADS] = {{0}}, other = {.name = "other"}, nobodys = {0};
	for (unsigned i = 0; i < THREADS; i++) {
		hanging[i].name = "hanging";
		post(&hanging[i], &gate, 0);
		post(&hanging[i], &gate, 0);
	}
	await(&begun, OF_A_GROUP);
	post(&other, NULL, 1);
	post(&nobodys, NULL, 2);
	paths_await(paths, &other, LONG);
	paths_await(paths, &nobodys, LONG);
	cr_expect_eq(norder, 2);
	usleep(50000);
	cr_expect_eq(atomic_load(&begun), OF_A_GROUP + 2, "the others of that name wait");
	for (unsigned i = 0; i < 2 * THREADS; i++)
		sem_post(&gate);
	cr_assert(paths_stop(paths, LONG), "all of it is done first");
	cr_expect_eq(atomic_load(&over), 2 * THREADS + 2);
}

/* Names take turns, however many lines one has. */
Test(paths, a_name_with_many_lines_is_not_served_before_others)
{
	struct path_line many[20] = {{0}}, one = {.name = "one"}, blocks[THREADS] = {{0}};
	for (unsigned i = 0; i < THREADS; i++)
		post(&blocks[i], &gate, 0);
	await(&begun, THREADS);
	for (unsigned i = 0; i < 20; i++) {
		many[i].name = "many";
		post(&many[i], &gate, 1);
	}
	post(&one, NULL, 2);
	sem_post(&gate); /* one thread is free: for one of the many, which hangs, */
	await(&begun, THREADS + 1);
	sem_post(&gate); /* and another for who came last */
	paths_await(paths, &one, LONG);
	cr_expect_leq(atomic_load(&begun), THREADS + 3);
	for (unsigned i = 0; i < THREADS + 20; i++)
		sem_post(&gate);
	cr_assert(paths_stop(paths, LONG));
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
