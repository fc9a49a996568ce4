/* SPDX-License-Identifier: MIT */
/* Guests by id and by name. */
#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "guest/guest.h"
#include "engine/registry.h"

#define MANY 1500u

static struct guest *guest_named(uint64_t id, const char *name)
{
	struct guest *g = calloc(1, sizeof *g);
	cr_assert_not_null(g);
	g->id = id;
	g->spec.name = strdup(name);
	return g;
}

static void forget(struct guest *g)
{
	free(g->spec.name);
	free(g);
}

Test(registry, a_guest_is_found_by_id_and_by_name)
{
	struct registry r;
	cr_assert_eq(registry_init(&r), 0);
	struct guest *a = guest_named(1, "a"), *b = guest_named(2, "b");
	cr_assert_eq(registry_add(&r, a), 0);
	cr_assert_eq(registry_add(&r, b), 0);
	cr_assert_eq(registry_id(&r, 1), a);
	cr_assert_eq(registry_id(&r, 2), b);
	cr_assert_eq(registry_name(&r, "a"), a);
	cr_assert_eq(registry_name(&r, "b"), b);
	cr_assert_null(registry_id(&r, 3));
	cr_assert_null(registry_id(&r, 0));
	cr_assert_null(registry_name(&r, "c"));
	cr_assert_null(registry_name(&r, ""));
	registry_destroy(&r);
	forget(a);
	forget(b);
}

Test(registry, a_name_that_is_taken_is_refused)
{
	struct registry r;
	cr_assert_eq(registry_init(&r), 0);
	struct guest *a = guest_named(1, "same"), *b = guest_named(2, "same");
	cr_assert_eq(registry_add(&r, a), 0);
	cr_assert_eq(registry_add(&r, b), -EEXIST);
	cr_assert_eq(r.count, 1u);
	cr_assert_eq(registry_name(&r, "same"), a);
	cr_assert_null(registry_id(&r, 2));
	registry_destroy(&r);
	forget(a);
	forget(b);
}

Test(registry, a_name_is_free_again_after_removal)
{
	struct registry r;
	cr_assert_eq(registry_init(&r), 0);
	struct guest *a = guest_named(1, "same"), *b = guest_named(2, "same");
	cr_assert_eq(registry_add(&r, a), 0);
	registry_remove(&r, a);
	cr_assert_null(registry_name(&r, "same"));
	cr_assert_null(registry_id(&r, 1));
	cr_assert_eq(registry_add(&r, b), 0);
	cr_assert_eq(registry_name(&r, "same"), b);
	registry_destroy(&r);
	forget(a);
	forget(b);
}

Test(registry, the_list_keeps_the_order_of_spawn_whatever_is_removed)
{
	struct registry r;
	struct guest *g[5];
	const char *names[] = {"e", "d", "c", "b", "a"};
	cr_assert_eq(registry_init(&r), 0);
	for (unsigned i = 0; i < 5; i++)
		cr_assert_eq(registry_add(&r, g[i] = guest_named(10 - i, names[i])), 0);
	registry_remove(&r, g[0]);
	registry_remove(&r, g[2]);
	registry_remove(&r, g[4]);
	cr_assert_eq(r.first, g[1]);
	cr_assert_eq(r.first->links.list_next, g[3]);
	cr_assert_eq(r.last, g[3]);
	cr_assert_null(r.last->links.list_next);
	cr_assert_eq(r.last->links.list_prev, g[1]);
	registry_remove(&r, g[1]);
	registry_remove(&r, g[3]);
	cr_assert_null(r.first);
	cr_assert_null(r.last);
	cr_assert_eq(r.count, 0u);
	registry_destroy(&r);
	for (unsigned i = 0; i < 5; i++)
		forget(g[i]);
}

static void check_all(const struct registry *r, struct guest **g, bool (*in)(unsigned i))
{
	char name[32];
	for (unsigned i = 0; i < MANY; i++) {
		snprintf(name, sizeof name, "guest-%u", i);
		cr_assert_eq(registry_id(r, i + 1), in(i) ? g[i] : NULL);
		cr_assert_eq(registry_name(r, name), in(i) ? g[i] : NULL);
	}
}

static bool every(unsigned i)
{
	(void)i;
	return true;
}

static bool odd(unsigned i)
{
	return i % 2;
}

Test(registry, many_guests_come_and_go)
{
	static struct guest *g[MANY];
	struct registry r;
	char name[32];
	cr_assert_eq(registry_init(&r), 0);
	for (unsigned i = 0; i < MANY; i++) {
		snprintf(name, sizeof name, "guest-%u", i);
		cr_assert_eq(registry_add(&r, g[i] = guest_named(i + 1, name)), 0);
	}
	check_all(&r, g, every);
	for (unsigned i = 0; i < MANY; i += 2)
		registry_remove(&r, g[i]);
	check_all(&r, g, odd);
	unsigned listed = 0;
	for (struct guest *i = r.first; i; i = i->links.list_next)
		listed++;
	cr_assert_eq(listed, MANY / 2);
	cr_assert_eq(r.count, MANY / 2);
	registry_destroy(&r);
	for (unsigned i = 0; i < MANY; i++)
		forget(g[i]);
}
