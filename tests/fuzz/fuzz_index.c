/* SPDX-License-Identifier: MIT */
/*
 * Sequences of LISTEN, CLOSE, new operations and CANCEL against the tables that they use, beside a model: plain lists that are searched
 * from the front.
 */
#include "fuzz.h"

#include "fuzz_input.h"
#include "base/index.h"
#include "base/numbers.h"

#define PLACES 300u
#define STEPS_MOST 2000u

struct model {
	struct index index;
	struct numbers numbers;
	struct indexed entry[PLACES];
	bool open[PLACES];
	unsigned order[PLACES], n; /* places that are open, the oldest first */
};

static struct indexed *oldest(struct model *m, uint64_t key)
{
	for (unsigned i = 0; i < m->n; i++) {
		if (m->entry[m->order[i]].key == key)
			return &m->entry[m->order[i]];
	}
	return NULL;
}

static uint32_t lowest(const struct model *m)
{
	uint32_t i = 0;
	while (i < PLACES && m->open[i])
		i++;
	return i;
}

/* Most keys are few, some are large and alike in their low bits. */
static uint64_t take_key(struct input *in)
{
	uint64_t key = take(in, 1) % 24;
	return take(in, 1) % 2 ? key : key << 40;
}

static void add(struct model *m, uint64_t key)
{
	uint32_t place = numbers_lowest(&m->numbers);
	MUST(place == lowest(m));
	if (place >= PLACES || numbers_grow(&m->numbers, place + 1))
		return;
	numbers_take(&m->numbers, place);
	index_add(&m->index, &m->entry[place], key);
	m->open[place] = true;
	m->order[m->n++] = place;
}

static void drop(struct model *m, unsigned place)
{
	unsigned at = 0;
	index_remove(&m->index, &m->entry[place]);
	numbers_give(&m->numbers, place);
	m->open[place] = false;
	while (m->order[at] != place)
		at++;
	for (m->n--; at < m->n; at++)
		m->order[at] = m->order[at + 1];
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input in = {data, size};
	static struct model m;
	m = (struct model){0};
	for (unsigned i = 0; i < STEPS_MOST && in.left; i++) {
		unsigned what = (unsigned)take(&in, 1) % 4;
		uint64_t key = take_key(&in);
		struct indexed *found = index_find(&m.index, key);
		MUST(found == oldest(&m, key));
		if (what < 2)
			add(&m, key);
		else if (what == 2 && found)
			drop(&m, (unsigned)(found - m.entry));
		else if (what == 3 && m.n)
			drop(&m, m.order[key % m.n]);
	}
	index_clear(&m.index);
	numbers_free(&m.numbers);
	return 0;
}
