/* SPDX-License-Identifier: MIT */
/* Reads the two bytes in front of a guest's RIP, by way of a view that is kept of the last place. */
#include "run/door.h"

#include "cell/vcpu.h"
#include "guest/guest.h"

static bool is_door(const unsigned char *bytes)
{
	return bytes[0] == 0xe6 && bytes[1] == CASSIN_PORT;
}

/* A guest calls from few places: of the last one the view is kept, which saves the walk through its tables. The view may be
 * stale, as frames change; so it is only believed if it agrees. */
bool came_by_door(struct guest *g)
{
	struct memory *m = &g->memory;
	struct door *d = &g->door;
	unsigned char opcode[OUT_SIZE];
	uint64_t va = g->cpu.regs.rip - OUT_SIZE;
	if (g->user.space)
		return !memory_copyin_from(m, g->user.space, opcode, gva(va), OUT_SIZE) && is_door(opcode);
	if (d->bytes && d->va == va && d->generation == m->tables.generation && is_door(d->bytes))
		return true;
	struct iovec view;
	if (memory_copyin(m, opcode, gva(va), OUT_SIZE) || !is_door(opcode))
		return false;
	if (memory_span_for(m, gva(va), OUT_SIZE, CASSIN_READ, &view, 1) == 1 && view.iov_len == OUT_SIZE)
		*d = (struct door){va, m->tables.generation, view.iov_base};
	return true;
}
