/* SPDX-License-Identifier: MIT */
#include "guest/device.h"

#include <assert.h>
#include <errno.h>

#include "guest/guest.h"

#define DEVICES_MAX 16u

static const struct device *devices[DEVICES_MAX];
static unsigned ndevices;
static op_start_fn starts[OPERATIONS_MAX];

void device_register(const struct device *d)
{
	for (unsigned i = 0; i < ndevices; i++) {
		if (devices[i] == d)
			return;
	}
	assert(ndevices < DEVICES_MAX);
	devices[ndevices++] = d;
	for (unsigned i = 0; i < d->noperations; i++) {
		unsigned number = d->operations[i].number;
		assert(number < OPERATIONS_MAX && !starts[number]);
		starts[number] = d->operations[i].start;
	}
}

/* A piece of one device's, if it has that to do. */
static bool walk_on(struct guest *g, struct device_walk *walk, bool (*piece)(struct guest *g, uint32_t *at))
{
	if (piece && piece(g, &walk->at))
		return true;
	walk->device++;
	walk->at = 0;
	return walk->device < ndevices;
}

bool devices_end(struct guest *g, struct device_walk *walk)
{
	return walk->device < ndevices && walk_on(g, walk, devices[walk->device]->end);
}

bool devices_leave(struct guest *g, struct device_walk *walk)
{
	return walk->device < ndevices && walk_on(g, walk, devices[walk->device]->leave);
}

bool devices_arrive(struct guest *g, struct device_walk *walk)
{
	return walk->device < ndevices && walk_on(g, walk, devices[walk->device]->arrive);
}

void devices_stop(struct guest *g)
{
	for (unsigned i = 0; i < ndevices; i++) {
		if (devices[i]->stop)
			devices[i]->stop(g);
	}
}

void devices_first_wait(struct guest *g)
{
	if (g->has_waited)
		return;
	g->has_waited = true;
	for (unsigned i = 0; i < ndevices; i++) {
		if (devices[i]->first_wait)
			devices[i]->first_wait(g);
	}
}

void devices_port_listens(struct guest *g, uint16_t port)
{
	for (unsigned i = 0; i < ndevices; i++) {
		if (devices[i]->port_listens)
			devices[i]->port_listens(g, port);
	}
}

int32_t device_start(struct guest *g, const struct request *request)
{
	return request->op < OPERATIONS_MAX && starts[request->op] ? starts[request->op](g, request) : -EINVAL;
}
