/* SPDX-License-Identifier: MIT */
/* Parked memory on its way to the swap file and back, while the thread that does it is as slow as the test likes. */
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "elf_builder.h"
#include "fake_cell.h"
#include "cell/cell.h"
#include "memory/park.h"
#include "memory/swap_job.h"

#define QUOTA 1024u
#define PAGES 200u /* more than are parked in one piece */
#define ROUNDS 4000u

static char folder[] = "/tmp/cassin-swap-job-XXXXXX", path[sizeof folder + 8];
static struct swap swap;
static struct fake_cell *cell;
static struct cell_image *image;
static struct memory m;
static struct memory_layout at;
static struct account account;
static struct path_job *first;
static unsigned waiting, told;
static uint64_t round_of[PAGES], seed = 1;

/* ---- A thread for the file: jobs wait until the test has them done ---- */

static void post(struct memory_io *io, struct path_job *j)
{
	struct path_job **link = &first;
	(void)io;
	while (*link)
		link = &(*link)->next;
	j->next = NULL;
	*link = j;
	waiting++;
}

static void over(struct memory_io *io, bool wanted)
{
	(void)io;
	told += wanted;
}

static struct memory_io io = {.swap = &swap, .post = post, .over = over};

static bool do_a_job(void)
{
	struct path_job *j = first;
	if (!j)
		return false;
	first = j->next;
	waiting--;
	j->run(j);
	j->done(j);
	return true;
}

/* ---- The memory ---- */

static void make_memory(void)
{
	cr_assert_eq(memory_init(&m, &cell->cell, image, QUOTA, &account), 0);
	at = *memory_layout(&m);
	memset(round_of, 0, sizeof round_of);
}

static void begin(void)
{
	struct cassin_error_text err;
	cr_assert_not_null(mkdtemp(folder));
	strcat(strcpy(path, folder), "/swap");
	cr_assert_eq(swap_open(&swap, path, 8 << 20, &err), 0);
	cell = fake_cell_new(QUOTA * 8);
	struct image *good = fake_image();
	image = cell_image_get(&cell->cell, good, NULL);
	image_put(good);
	account_init(&account, &cell->pool, UINT64_MAX);
	make_memory();
}

static void end(void)
{
	memory_destroy(&m);
	while (do_a_job()) {
	}
	cr_assert_eq(atomic_load(&io.jobs), 0u);
	cr_assert_eq(swap_used(&swap), 0u, "room in the file");
	cr_assert_eq(account_bytes(&account, ACCOUNT_PARKED), 0u);
	cell_image_put(&cell->cell, image);
	cr_assert_eq(fake_cell_used(cell), 0u);
	fake_cell_free(cell);
	swap_close(&swap);
	rmdir(folder);
}

TestSuite(swap_job, .init = begin, .fini = end);

static unsigned choose(unsigned n)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return (unsigned)(seed % n);
}

static gva_t word_at(uint64_t page)
{
	return gva(at.heap + page * PAGE_SIZE + page * 8);
}

static uint64_t word_of(uint64_t page)
{
	return round_of[page] ? page * 1000003 + round_of[page] : 0;
}

static void write_pages(unsigned n, uint64_t round)
{
	for (unsigned p = 0; p < n; p++) {
		round_of[p] = round;
		uint64_t word = word_of(p);
		cr_assert_eq(memory_copyout(&m, word_at(p), &word, sizeof word), 0);
	}
}

static void expect_pages(void)
{
	for (unsigned p = 0; p < PAGES; p++) {
		uint64_t word;
		cr_assert_eq(memory_copyin(&m, &word, word_at(p), sizeof word), 0);
		cr_assert_eq(word, word_of(p));
	}
}

static void park(void)
{
	m.tables.ncommits = m.tables.committed = 0; /* the monitor has run */
	m.tables.flush = false;
	cr_assert_eq(memory_park(&m, &io), 0);
	cr_assert(m.parked.active);
}

static int wake(void)
{
	int r = memory_unpark_begin(&m);
	for (r = r ? r : 1; r == 1;)
		r = memory_unpark_go_on(&m);
	return r;
}

static void swap_it_out(void)
{
	park();
	cr_assert(do_a_job());
	memory_swap_look(&m);
	cr_assert_not_null(m.parked.io);
	cr_assert(do_a_job(), "the bytes are cleared");
}

/* ---- ---- */

Test(swap_job, it_is_parked_before_the_file_has_anything)
{
	write_pages(PAGES, 1);
	park();
	cr_assert_eq(m.used, 0u, "frames are given back");
	cr_assert_eq(waiting, 1u);
	cr_assert_not_null(m.parked.bytes);
	cr_assert_eq(account_bytes(&account, ACCOUNT_PARKED), parked_size(&m.parked));
	cr_assert(do_a_job());
	cr_assert_eq(told, 1u);
	memory_swap_look(&m);
	cr_assert_null(m.parked.bytes);
	cr_assert(memory_sleeps(&m), "few pages, too, are not read at once");
	cr_assert_eq(account_bytes(&account, ACCOUNT_PARKED), parked_size(&m.parked), "until they are cleared");
	cr_assert(do_a_job());
	cr_assert_eq(account_bytes(&account, ACCOUNT_PARKED), 0u);
	cr_assert_eq(told, 1u);
}

Test(swap_job, waking_waits_for_the_file_and_nothing_else)
{
	write_pages(PAGES, 1);
	swap_it_out();
	cr_assert_eq(wake(), -EINPROGRESS);
	cr_assert_eq(memory_unpark_go_on(&m), -EINPROGRESS, "and asks once");
	cr_assert_eq(waiting, 1u);
	cr_assert_eq(account_bytes(&account, ACCOUNT_PARKED), parked_size(&m.parked), "where it is read to");
	cr_assert(memory_sleeps(&m));
	uint64_t word;
	cr_assert_neq(memory_copyin(&m, &word, word_at(0), sizeof word), 0, "nobody waits");
	cr_assert(do_a_job());
	cr_assert_eq(wake(), 0);
	cr_assert_eq(account_bytes(&account, ACCOUNT_PARKED), 0u);
	expect_pages();
}

Test(swap_job, who_is_woken_while_it_is_written_does_not_wait)
{
	write_pages(PAGES, 1);
	park();
	cr_assert_eq(wake(), 0);
	cr_assert_gt(swap_used(&swap), 0u, "what may still be written to is nobody else's");
	expect_pages();
	write_pages(PAGES, 2);
	park();
	cr_assert_eq(waiting, 1u, "nothing is written behind what hangs");
	cr_assert(do_a_job());
	cr_assert_eq(swap_used(&swap), 0u);
	cr_assert_eq(told, 0u);
	cr_assert_eq(wake(), 0);
	expect_pages();
}

Test(swap_job, who_is_woken_before_it_is_told_has_the_bytes_still)
{
	write_pages(PAGES, 1);
	park();
	cr_assert(do_a_job());
	cr_assert_eq(wake(), 0);
	cr_assert_eq(swap_used(&swap), 0u);
	memory_swap_look(&m);
	expect_pages();
}

Test(swap_job, what_the_file_does_not_take_stays_in_memory)
{
	int fd = swap.fd;
	write_pages(PAGES, 1);
	park();
	swap.fd = open(path, O_RDONLY | O_CLOEXEC);
	cr_assert(do_a_job());
	memory_swap_look(&m);
	cr_assert_null(m.parked.io);
	cr_assert_eq(swap_used(&swap), 0u);
	close(swap.fd);
	swap.fd = fd;
	cr_assert_eq(wake(), 0);
	expect_pages();
}

Test(swap_job, what_the_file_does_not_give_back_stays_parked)
{
	int fd = swap.fd;
	write_pages(PAGES, 1);
	swap_it_out();
	swap.fd = -1;
	cr_assert_eq(wake(), -EINPROGRESS);
	cr_assert(do_a_job());
	cr_assert_eq(wake(), -EIO);
	swap.fd = fd;
	cr_assert(m.parked.active);
	cr_assert_eq(account_bytes(&account, ACCOUNT_PARKED), 0u);
	cr_assert_eq(m.used, 0u);
}

Test(swap_job, a_full_pool_has_no_room_to_read_to)
{
	write_pages(PAGES, 1);
	swap_it_out();
	uint64_t limit = cell->pool.limit;
	cell->pool.limit = atomic_load(&cell->pool.used);
	cr_assert_eq(wake(), -ENOMEM);
	cr_assert(memory_starved(&m), "so it waits for some");
	cr_assert_eq(waiting, 0u);
	cell->pool.limit = limit;
	cr_assert_eq(wake(), -EINPROGRESS);
	cr_assert(do_a_job());
	cr_assert_eq(wake(), 0);
	expect_pages();
}

Test(swap_job, the_end_does_not_wait_for_what_hangs)
{
	write_pages(PAGES, 1);
	park();
	memory_destroy(&m);
	cr_assert_gt(account_bytes(&account, ACCOUNT_PARKED), 0u, "bytes in flight are still its");
	make_memory();
	write_pages(PAGES, 1);
	cr_assert(do_a_job());
	cr_assert_eq(swap_used(&swap), 0u);
	swap_it_out();
	cr_assert_eq(wake(), -EINPROGRESS);
	memory_destroy(&m);
	cr_assert_gt(account_bytes(&account, ACCOUNT_PARKED), 0u);
	make_memory();
	cr_assert(do_a_job());
	cr_assert_eq(told, 1u, "who has ended is told nothing");
}

/* ---- Anything, in any order ---- */

static void park_some(void)
{
	m.tables.ncommits = m.tables.committed = 0;
	m.tables.flush = false;
	if (memory_park_begin(&m, &io))
		return;
	for (unsigned n = choose(30); m.parking && n; n--)
		cr_assert_geq(memory_park_go_on(&m), 0);
}

static void wake_some(void)
{
	cr_assert_eq(memory_unpark_begin(&m), 0);
	for (unsigned n = choose(20); m.waking && n; n--) {
		int r = memory_unpark_go_on(&m);
		cr_assert(r >= 0 || r == -EINPROGRESS);
	}
	if (!choose(3))
		memory_unpark_give_up(&m);
}

static void use(uint64_t round)
{
	int r = memory_unpark(&m);
	cr_assert(!r || (r == -EINPROGRESS && m.parked.io));
	if (r)
		return;
	expect_pages();
	write_pages(choose(PAGES), round);
}

Test(swap_job, no_order_of_events_loses_anything, .timeout = 120)
{
	unsigned used = 0;
	for (unsigned i = 1; i <= ROUNDS; i++) {
		switch (choose(6)) {
		case 0:
			park_some();
			break;
		case 1:
		case 2:
			do_a_job();
			break;
		case 3:
			wake_some();
			break;
		case 4:
			memory_swap_look(&m);
			break;
		case 5:
			used += !memory_sleeps(&m);
			use(i);
			break;
		}
		if (choose(50) == 0) {
			memory_destroy(&m);
			make_memory();
		}
	}
	cr_assert_gt(used, ROUNDS / 100);
}
