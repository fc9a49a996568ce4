/* SPDX-License-Identifier: MIT */
/* Mutexes, condition variables, semaphores, events, queues of guest-kernel; and what nobody can wait for. */
#include "check.h"
#include "kernel_check.h"

static struct cassin_mutex mutex, other;

/* ---- Mutexes ---- */

static int locks_and_says(void *arg)
{
	CHECK_IS(cassin_mutex_lock(&mutex, CASSIN_FOREVER), 0);
	say(*(const char *)arg);
	cassin_thread_yield();
	say(*(const char *)arg);
	CHECK_IS(cassin_mutex_unlock(&mutex), 0);
	return 0;
}

/* One at a time; the higher priority first, equals in the order of their coming. */
static void mutex_order(int argc, char **argv)
{
	struct cassin_thread_options high = {.priority = 20};
	(void)argc;
	(void)argv;
	CHECK_IS(cassin_mutex_lock(&mutex, CASSIN_FOREVER), 0);
	struct cassin_thread *t[] = {start(NULL, locks_and_says, "a"), start(NULL, locks_and_says, "b"), NULL};
	cassin_thread_yield();
	t[2] = start(&high, locks_and_says, "h");
	cassin_thread_yield();
	said("");
	CHECK_IS(cassin_mutex_unlock(&mutex), 0);
	for (unsigned i = 0; i < 3; i++)
		CHECK_IS(ended(t[i]), 0);
	said("hhaabb");
}

static int unlocks_wrongly(void *arg)
{
	(void)arg;
	CHECK_IS(cassin_mutex_unlock(&mutex), -CASSIN_EPERM);
	CHECK_IS(cassin_mutex_lock(&mutex, CASSIN_NOW), -CASSIN_ETIMEDOUT);
	uint64_t when = cassin_after(3 * MS);
	CHECK_IS(cassin_mutex_lock(&mutex, when), -CASSIN_ETIMEDOUT);
	CHECK(cassin_now() + MS / 5 >= when);
	return 0;
}

static void mutex_errors(int argc, char **argv)
{
	(void)argc;
	(void)argv;
	CHECK_IS(cassin_mutex_unlock(&mutex), -CASSIN_EPERM);
	CHECK_IS(cassin_mutex_lock(&mutex, CASSIN_NOW), 0);
	CHECK_IS(cassin_mutex_lock(&mutex, CASSIN_FOREVER), -CASSIN_EDEADLK);
	CHECK_IS(ended(start(NULL, unlocks_wrongly, NULL)), 0);
	CHECK_IS(cassin_mutex_unlock(&mutex), 0);
}

static struct cassin_sem arrived;
static struct cassin_event go;

static int low_holds(void *arg)
{
	(void)arg;
	CHECK_IS(cassin_mutex_lock(&mutex, CASSIN_FOREVER), 0);
	CHECK_IS(cassin_sem_post(&arrived), 0);
	CHECK_IS(cassin_event_wait(&go, CASSIN_FOREVER), 0);
	for (unsigned i = 0; i < 3; i++) {
		say('l');
		cassin_thread_yield();
	}
	CHECK_IS(cassin_mutex_unlock(&mutex), 0);
	cassin_thread_yield();
	say('z');
	return 0;
}

static int middle_holds_other(void *arg)
{
	(void)arg;
	CHECK_IS(cassin_mutex_lock(&other, CASSIN_FOREVER), 0);
	CHECK_IS(cassin_sem_post(&arrived), 0);
	CHECK_IS(cassin_mutex_lock(&mutex, CASSIN_FOREVER), 0);
	say('m');
	CHECK_IS(cassin_mutex_unlock(&mutex), 0);
	CHECK_IS(cassin_mutex_unlock(&other), 0);
	return 0;
}

static int high_wants_other(void *arg)
{
	(void)arg;
	CHECK_IS(cassin_sem_post(&arrived), 0);
	CHECK_IS(cassin_mutex_lock(&other, CASSIN_FOREVER), 0);
	say('h');
	CHECK_IS(cassin_mutex_unlock(&other), 0);
	return 0;
}

static int spins(void *arg)
{
	(void)arg;
	for (unsigned i = 0; i < 2; i++) {
		say('s');
		cassin_thread_yield();
	}
	return 0;
}

static struct cassin_thread *start_and_await(unsigned priority, int (*run)(void *))
{
	struct cassin_thread_options o = {.priority = priority};
	struct cassin_thread *t = start(&o, run, NULL);
	CHECK_IS(cassin_sem_wait(&arrived, CASSIN_FOREVER), 0);
	return t;
}

/* The low one holds what the middle one waits for, who holds what the high one waits for: it runs before the one in
 * between, and no longer than it holds it. */
static void mutex_inheritance(int argc, char **argv)
{
	struct cassin_thread_options between = {.priority = 10};
	struct cassin_thread *t[4];
	(void)argc;
	(void)argv;
	t[0] = start_and_await(3, low_holds);
	t[1] = start_and_await(5, middle_holds_other);
	t[2] = start_and_await(20, high_wants_other);
	t[3] = start(&between, spins, NULL);
	cassin_event_set(&go);
	for (unsigned i = 0; i < 4; i++)
		CHECK_IS(ended(t[i]), 0);
	said("lllmhssz");
}

static int high_gives_up(void *arg)
{
	(void)arg;
	CHECK_IS(cassin_sem_post(&arrived), 0);
	CHECK_IS(cassin_mutex_lock(&mutex, cassin_after(2 * MS)), -CASSIN_ETIMEDOUT);
	say('h');
	return 0;
}

static void mutex_disinheritance(int argc, char **argv)
{
	struct cassin_thread_options between = {.priority = 10};
	(void)argc;
	(void)argv;
	struct cassin_thread *low = start_and_await(3, low_holds), *high = start_and_await(20, high_gives_up);
	CHECK_IS(ended(high), 0);
	struct cassin_thread *spinner = start(&between, spins, NULL);
	cassin_event_set(&go);
	CHECK_IS(ended(low), 0);
	CHECK_IS(ended(spinner), 0);
	said("hsslllz");
}

static int ends_with_it(void *arg)
{
	(void)arg;
	return cassin_mutex_lock(&mutex, CASSIN_FOREVER);
}

static void mutex_kept(int argc, char **argv)
{
	(void)argc;
	(void)argv;
	ended(start(NULL, ends_with_it, NULL));
}

/* ---- Condition variables ---- */

static struct cassin_cond cond;
static unsigned level;

static int waits_for_level(void *arg)
{
	unsigned want = (unsigned)(uint64_t)arg;
	CHECK_IS(cassin_mutex_lock(&mutex, CASSIN_FOREVER), 0);
	while (level < want)
		CHECK_IS(cassin_cond_wait(&cond, &mutex, CASSIN_FOREVER), 0);
	say((char)('0' + want));
	CHECK_IS(cassin_mutex_unlock(&mutex), 0);
	return 0;
}

static void condition(int argc, char **argv)
{
	struct cassin_thread *t[3];
	(void)argc;
	(void)argv;
	CHECK_IS(cassin_cond_wait(&cond, &mutex, CASSIN_FOREVER), -CASSIN_EPERM);
	for (uint64_t i = 0; i < 3; i++)
		t[i] = start(NULL, waits_for_level, (void *)(3 - i));
	cassin_thread_yield();
	for (unsigned i = 0; i < 3; i++) {
		CHECK_IS(cassin_mutex_lock(&mutex, CASSIN_FOREVER), 0);
		level++;
		cassin_cond_broadcast(&cond);
		CHECK_IS(cassin_mutex_unlock(&mutex), 0);
		cassin_sleep(MS);
	}
	said("123");
	for (unsigned i = 0; i < 3; i++)
		CHECK_IS(ended(t[i]), 0);
	CHECK_IS(cassin_mutex_lock(&mutex, CASSIN_FOREVER), 0);
	CHECK_IS(cassin_cond_wait(&cond, &mutex, cassin_after(2 * MS)), -CASSIN_ETIMEDOUT);
	CHECK_IS(cassin_cond_wait(&cond, &mutex, CASSIN_NOW), -CASSIN_ETIMEDOUT);
	CHECK_IS(cassin_mutex_unlock(&mutex), 0); /* it has it again */
}

static int waits_for_signal(void *arg)
{
	CHECK_IS(cassin_mutex_lock(&mutex, CASSIN_FOREVER), 0);
	CHECK_IS(cassin_cond_wait(&cond, &mutex, CASSIN_FOREVER), 0);
	say(*(const char *)arg);
	CHECK_IS(cassin_mutex_unlock(&mutex), 0);
	return 0;
}

static void signals(int argc, char **argv)
{
	(void)argc;
	(void)argv;
	cassin_cond_signal(&cond); /* to nobody: forgotten */
	struct cassin_thread *a = start(NULL, waits_for_signal, "a"), *b = start(NULL, waits_for_signal, "b");
	cassin_thread_yield();
	cassin_cond_signal(&cond);
	cassin_sleep(MS);
	said("a");
	cassin_cond_signal(&cond);
	CHECK_IS(ended(a) + ended(b), 0);
	said("ab");
}

/* ---- Semaphores, events, once ---- */

static struct cassin_sem sem = {.count = 2};

static int passes_twice(void *arg)
{
	CHECK_IS(cassin_sem_wait(&sem, CASSIN_FOREVER), 0);
	say(*(const char *)arg);
	CHECK_IS(cassin_sem_wait(&sem, CASSIN_FOREVER), 0);
	say(*(const char *)arg);
	return 0;
}

static void semaphore(int argc, char **argv)
{
	(void)argc;
	(void)argv;
	CHECK_IS(cassin_sem_wait(&sem, CASSIN_NOW), 0);
	CHECK_IS(cassin_sem_wait(&sem, CASSIN_NOW), 0);
	CHECK_IS(cassin_sem_wait(&sem, CASSIN_NOW), -CASSIN_ETIMEDOUT);
	CHECK_IS(cassin_sem_wait(&sem, cassin_after(MS)), -CASSIN_ETIMEDOUT);
	struct cassin_thread *a = start(NULL, passes_twice, "a"), *b = start(NULL, passes_twice, "b");
	cassin_thread_yield();
	for (unsigned i = 0; i < 4; i++)
		CHECK_IS(cassin_sem_post(&sem), 0);
	CHECK_IS(sem.count, 2); /* the others were handed over */
	CHECK_IS(ended(a) + ended(b), 0);
	said("aabb");
	sem.count = UINT32_MAX;
	CHECK_IS(cassin_sem_post(&sem), -CASSIN_EOVERFLOW);
}

static void sets(struct cassin_timer *t)
{
	(void)t;
	cassin_event_set(&go);
}

static void event(int argc, char **argv)
{
	struct cassin_timer timer = {.fire = sets};
	(void)argc;
	(void)argv;
	CHECK_IS(cassin_event_wait(&go, CASSIN_NOW), -CASSIN_ETIMEDOUT);
	cassin_timer_start(&timer, cassin_after(2 * MS));
	CHECK_IS(cassin_event_wait(&go, CASSIN_FOREVER), 0);
	CHECK_IS(cassin_event_wait(&go, CASSIN_NOW), 0);
	cassin_event_clear(&go);
	CHECK_IS(cassin_event_wait(&go, cassin_after(MS)), -CASSIN_ETIMEDOUT);
}

static struct cassin_once once;

static void happens_once(void)
{
	CHECK_IS(cassin_once(&once, happens_once), -CASSIN_EDEADLK);
	cassin_sleep(2 * MS);
	say('1');
}

static int does_once(void *arg)
{
	CHECK_IS(cassin_once(&once, happens_once), 0);
	say(*(const char *)arg);
	return 0;
}

static void only_once(int argc, char **argv)
{
	(void)argc;
	(void)argv;
	struct cassin_thread *a = start(NULL, does_once, "a"), *b = start(NULL, does_once, "a");
	CHECK_IS(ended(a) + ended(b), 0);
	said("1aa");
	does_once("a");
}

/* ---- Queues ---- */

static struct cassin_queue queue;

static int receives(void *arg)
{
	uint32_t n = 0;
	int r;
	(void)arg;
	while (!(r = cassin_queue_receive(&queue, &n, CASSIN_FOREVER)))
		say((char)('0' + n));
	CHECK_IS(r, -CASSIN_EPIPE);
	return 0;
}

static int sends(void *arg)
{
	uint32_t n = (uint32_t)(uint64_t)arg;
	for (uint32_t i = 0; i < 3; i++, n++)
		CHECK_IS(cassin_queue_send(&queue, &n, CASSIN_FOREVER), 0);
	return 0;
}

static void message_queue(int argc, char **argv)
{
	uint32_t n = 9;
	(void)argc;
	(void)argv;
	CHECK_IS(cassin_queue_init(&queue, 0, 4), -CASSIN_EINVAL);
	CHECK_IS(cassin_queue_init(&queue, 4, 0), -CASSIN_EINVAL);
	CHECK_IS(cassin_queue_init(&queue, sizeof n, 2), 0);
	CHECK_IS(cassin_queue_receive(&queue, &n, CASSIN_NOW), -CASSIN_ETIMEDOUT);
	CHECK_IS(cassin_queue_receive(&queue, &n, cassin_after(MS)), -CASSIN_ETIMEDOUT);
	/* Two get in, the third waits; so do those of the other sender. */
	struct cassin_thread *a = start(NULL, sends, (void *)1), *b = start(NULL, sends, (void *)5);
	cassin_thread_yield();
	CHECK_IS(cassin_queue_send(&queue, &n, CASSIN_NOW), -CASSIN_ETIMEDOUT);
	CHECK_IS(cassin_queue_send(&queue, &n, cassin_after(MS)), -CASSIN_ETIMEDOUT);
	struct cassin_thread *c = start(NULL, receives, NULL);
	CHECK_IS(ended(a) + ended(b), 0);
	cassin_sleep(MS);
	said("123567");
	cassin_queue_send(&queue, &n, CASSIN_NOW);
	cassin_queue_close(&queue);
	CHECK_IS(cassin_queue_send(&queue, &n, CASSIN_FOREVER), -CASSIN_EPIPE);
	CHECK_IS(ended(c), 0);
	said("1235679");
	cassin_queue_free(&queue);
}

static void closed_queue(int argc, char **argv)
{
	uint32_t n = 4;
	(void)argc;
	(void)argv;
	CHECK_IS(cassin_queue_init(&queue, sizeof n, 1), 0);
	struct cassin_thread *t = start(NULL, receives, NULL);
	cassin_thread_yield();
	cassin_queue_close(&queue); /* wakes it */
	CHECK_IS(ended(t), 0);
	CHECK_IS(cassin_queue_receive(&queue, &n, CASSIN_FOREVER), -CASSIN_EPIPE);
}

/* ---- What can never go on ---- */

static int waits_for_the_other(void *arg)
{
	(void)arg;
	CHECK_IS(cassin_mutex_lock(&other, CASSIN_FOREVER), 0);
	cassin_thread_yield();
	return cassin_mutex_lock(&mutex, CASSIN_FOREVER);
}

static void deadlock(int argc, char **argv)
{
	struct cassin_thread_options o = {.name = "second"};
	(void)argc;
	(void)argv;
	CHECK_IS(cassin_mutex_lock(&mutex, CASSIN_FOREVER), 0);
	start(&o, waits_for_the_other, NULL);
	cassin_thread_yield();
	cassin_mutex_lock(&other, CASSIN_FOREVER);
}

static void lonely_deadlock(int argc, char **argv)
{
	(void)argc;
	(void)argv;
	cassin_sem_wait(&arrived, CASSIN_FOREVER);
}

static int panics(void *arg)
{
	cassin_panic("the answer is %d", *(const int *)arg);
}

static void panic(int argc, char **argv)
{
	struct cassin_thread_options o = {.name = "worrier"};
	int answer = 42;
	(void)argc;
	(void)argv;
	ended(start(&o, panics, &answer));
}

static void sets_a_code(void *arg)
{
	say(*(const char *)arg);
}

static int stops(void *arg)
{
	(void)arg;
	CHECK(!cassin_stopping());
	cassin_stop(5);
	cassin_stop(6);
	return 0;
}

/* Hooks run in reverse order; the first code counts. */
static void stop(int argc, char **argv)
{
	struct cassin_stop_hook a = {sets_a_code, "a", NULL}, b = {sets_a_code, "b", NULL};
	(void)argc;
	(void)argv;
	cassin_stop_hook(&a);
	cassin_stop_hook(&b);
	CHECK_IS(cassin_stop_wait(CASSIN_NOW), -CASSIN_ETIMEDOUT);
	start(NULL, stops, NULL);
	int code = cassin_stop_run();
	CHECK(cassin_stopping());
	said("ba");
	cassin_exit(code);
}

static int logs(void *arg)
{
	(void)arg;
	cassin_log(CASSIN_LOG_INFO, "number %d", 7);
	cassin_log(CASSIN_LOG_DEBUG, "hidden");
	cassin_log_show(CASSIN_LOG_DEBUG);
	cassin_log(CASSIN_LOG_DEBUG, "shown");
	cassin_log(CASSIN_LOG_ERROR, "%0600d", 1);
	return 0;
}

static void log(int argc, char **argv)
{
	struct cassin_thread_options o = {.name = "clerk"};
	(void)argc;
	(void)argv;
	CHECK_IS(ended(start(&o, logs, NULL)), 0);
	cassin_print("behind\n");
}

static const struct property all[] = {
	{"mutex", mutex_order},
	{"mutex-errors", mutex_errors},
	{"mutex-inheritance", mutex_inheritance},
	{"mutex-disinheritance", mutex_disinheritance},
	{"mutex-kept", mutex_kept},
	{"condition", condition},
	{"signal", signals},
	{"semaphore", semaphore},
	{"event", event},
	{"once", only_once},
	{"queue", message_queue},
	{"closed-queue", closed_queue},
	{"deadlock", deadlock},
	{"lonely-deadlock", lonely_deadlock},
	{"panic", panic},
	{"stop", stop},
	{"log", log},
};
PROPERTIES(all)
