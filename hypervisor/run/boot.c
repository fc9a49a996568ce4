/* SPDX-License-Identifier: MIT */
/* What a guest finds at its entry: memory and the boot record. */
#include "run/boot.h"

#include <errno.h>
#include <string.h>
#include <sys/random.h>

#include "cell/cell.h"
#include "guest/guest.h"
#include "guest/template.h"
#include "image/image.h"
#include "run/life.h"

/* Builds the boot record, its strings and argv in `page`, the highest of the stack. Returns the record's address. */
static uint64_t write_boot(struct guest *g, unsigned char *page)
{
	const struct memory_layout *layout = memory_layout(&g->memory);
	const uint64_t base = layout->stack_high - PAGE_SIZE;
	size_t at = PAGE_SIZE;
	uint64_t argv[CASSIN_ARGS_MAX + 2] = {0};
	const char *strings[CASSIN_ARGS_MAX + 2];
	size_t n = 0;
	strings[n++] = g->image->name;
	for (size_t i = 0; i < g->spec.nargs; i++)
		strings[n++] = g->spec.args[i];
	strings[n] = g->spec.name;
	for (size_t i = 0; i <= n; i++) {
		size_t len = i < n ? strlen(strings[i]) + 1
				   : CASSIN_NAME_MAX + 1; /* a clone's name goes to the same place */
		at -= len;
		memcpy(page + at, strings[i], strlen(strings[i]) + 1);
		argv[i] = base + at;
	}
	struct cassin_boot boot = {
		.abi_major = CASSIN_ABI_MAJOR,
		.abi_minor = CASSIN_ABI_MINOR,
		.size = sizeof boot,
		.argc = (uint32_t)n,
		.name = argv[n],
		.clock_page = layout->clock_page,
		.info_page = layout->info_page,
		.heap = layout->heap,
		.heap_size = layout->heap_size,
		.heap_page = layout->heap_page,
		.stack_low = layout->stack_low,
		.stack_high = layout->stack_high,
		.pages = g->memory.pages,
	};
	g->boot_name = argv[n];
	argv[n] = 0;
	at = (at - (n + 1) * sizeof *argv) & ~(size_t)15;
	memcpy(page + at, argv, (n + 1) * sizeof *argv);
	boot.argv = base + at;
	at = (at - sizeof boot) & ~(size_t)15;
	if (getrandom(boot.seed, sizeof boot.seed, 0) != (ssize_t)sizeof boot.seed)
		memset(boot.seed, 0, sizeof boot.seed);
	memcpy(page + at, &boot, sizeof boot);
	return base + at;
}

int begin_memory(struct guest *g)
{
	struct cell_image *ci = cell_image_get(g->cell, g->image, g->template ? g->template->frozen : NULL);
	if (!ci)
		return -ENOMEM;
	int r = memory_init_begin(&g->memory, g->cell, ci, g->spec.memory / PAGE_SIZE, &g->account);
	if (r)
		cell_image_put(g->cell, ci);
	return r;
}

int begin_memory_go_on(struct guest *g)
{
	struct cell_image *ci = g->memory.image;
	int r = memory_init_go_on(&g->memory, &g->beginning.at);
	if (r < 0)
		cell_image_put(g->cell, ci);
	if (r || g->template)
		return r;
	unsigned char page[PAGE_SIZE] = {0};
	g->boot = write_boot(g, page);
	r = memory_copyout(&g->memory, gva(memory_layout(&g->memory)->stack_high - PAGE_SIZE), page, sizeof page);
	if (r)
		guest_abandon(g);
	return r;
}
