/* SPDX-License-Identifier: MIT */
/* The store of the kv example, on the host, over guest-lib's heap and a clock of its own. */
#include <criterion/criterion.h>
#include <stdio.h>

#include "guest_names.h"

#include "../../examples/kv_store.c"

#define HEAP_SIZE (4u << 20)
#define MS UINT64_C(1000000)

static _Alignas(16) char memory[HEAP_SIZE];
static struct cassin_boot boot = {.heap_size = HEAP_SIZE, .seed = {1, 2, 3, 4, 5, 6, 7, 8}};
const struct cassin_boot *cassin_boot = &boot;
static uint64_t clock_now = 1000 * MS;

uint64_t cassin_now(void)
{
	return clock_now;
}

static struct slice text(const char *s)
{
	return (struct slice){s, (uint32_t)strlen(s)};
}

static struct slice numbered(char *to, size_t size, int i)
{
	snprintf(to, size, "key-%d", i);
	return text(to);
}

static void start(size_t heap)
{
	boot.heap_size = heap;
	cassin_heap_reset(memory, heap);
	cr_assert_eq(store_init(), 0);
}

Test(kv_store, a_key_has_the_value_it_was_last_given)
{
	start(HEAP_SIZE);
	cr_assert_null(store_get(text("a")));
	cr_assert_eq(store_set(text("a"), text("one"), CASSIN_FOREVER), 0);
	cr_assert_eq(store_set(text("a"), text("a longer value than before, so that it moves"), CASSIN_FOREVER), 0);
	struct slice v = entry_value(store_get(text("a")));
	cr_assert_eq(v.len, 44);
	cr_assert_eq(memcmp(v.at, "a longer", 8), 0);
	cr_assert(store_delete(text("a")));
	cr_assert(!store_delete(text("a")));
	cr_assert_eq(store_count(), 0);
}

Test(kv_store, the_table_grows_and_every_key_is_still_found_and_walked_once)
{
	char key[32];
	int walked = 0;
	start(HEAP_SIZE);
	for (int i = 0; i < 10000; i++) {
		struct slice k = numbered(key, sizeof key, i);
		cr_assert_eq(store_set(k, k, CASSIN_FOREVER), 0);
	}
	for (int i = 0; i < 10000; i++) {
		struct slice k = numbered(key, sizeof key, i);
		const struct entry *e = store_get(k);
		cr_assert(e && e->value_len == k.len && memcmp(entry_value(e).at, k.at, k.len) == 0);
	}
	for (const struct entry *e = store_next(NULL); e; e = store_next(e))
		walked++;
	cr_assert_eq(walked, 10000);
	store_clear();
	cr_assert_null(store_next(NULL));
}

Test(kv_store, a_key_is_gone_at_its_time_and_the_tick_frees_it)
{
	char key[32];
	start(HEAP_SIZE);
	cr_assert_eq(store_tick(clock_now), CASSIN_FOREVER);
	for (int i = 0; i < 9000; i++)
		store_set(numbered(key, sizeof key, i), text("v"), clock_now + (i % 2 ? 10 : 1000) * MS);
	cr_assert_eq(store_tick(clock_now), clock_now + 10 * MS);
	clock_now += 10 * MS;
	cr_assert_null(store_get(text("key-1")));
	cr_assert_not_null(store_get(text("key-2")));
	uint64_t at = clock_now, last = clock_now + 990 * MS;
	for (int i = 0; i < 100 && at < last; i++) /* a slice of the table at a time */
		at = store_tick(clock_now);
	cr_assert_eq(at, last);
	cr_assert_eq(store_count(), 4500);
	cr_assert_eq(store_expiring(), 4500);
	store_expire(store_get(text("key-2")), CASSIN_FOREVER);
	clock_now = last;
	while (store_expiring())
		store_tick(clock_now);
	cr_assert_eq(store_count(), 1);
}

Test(kv_store, a_full_store_refuses_and_keeps_what_it_has)
{
	static char big[60000];
	char key[32];
	int kept = 0;
	start(1u << 20);
	while (store_set(numbered(key, sizeof key, kept), (struct slice){big, sizeof big}, CASSIN_FOREVER) == 0)
		kept++;
	cr_assert(kept > 10 && kept < 18);
	cr_assert_eq(store_count(), (uint64_t)kept);
	cr_assert_eq(entry_value(store_get(text("key-3"))).len, sizeof big);
	cr_assert_eq(store_set(text("key-3"), text("small"), CASSIN_FOREVER), 0);
	cr_assert_eq(store_set(text("key-x"), text("fits now"), CASSIN_FOREVER), 0);
}

Test(kv_store, patterns_match_as_in_a_shell)
{
	static const struct {
		const char *pattern, *text;
		bool match;
	} cases[] = {
		{"*", "", true},
		{"", "", true},
		{"", "a", false},
		{"a*c", "abbc", true},
		{"a*c", "abcd", false},
		{"*a*b*", "xxaxxbxx", true},
		{"?", "", false},
		{"h?llo", "hallo", true},
		{"h[ae]llo", "hello", true},
		{"h[^e]llo", "hello", false},
		{"[a-c]x", "bx", true},
		{"[c-a]x", "bx", true},
		{"\\*", "*", true},
		{"\\*", "a", false},
		{"[", "[", false},
		{"a\\", "a\\", true},
		{"[\\]]", "]", true},
		{"***a", "bca", true},
	};
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
		cr_assert_eq(glob_match(text(cases[i].pattern), text(cases[i].text)), cases[i].match, "%s on %s",
			     cases[i].pattern, cases[i].text);
}
