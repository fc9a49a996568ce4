/* SPDX-License-Identifier: MIT */
/*
 * Devices: what offers operations to guests. The core names none of them: each says what it offers, and what is to be done for it
 * when a guest comes, goes or moves. They are registered before the first worker starts, and stay.
 */
#ifndef DEVICE_H
#define DEVICE_H

#include "guest/op.h"

struct guest;

#define OPERATIONS_MAX 32u /* numbers of operations are below this */

struct device_operation {
	unsigned number; /* CASSIN_OP_* */
	op_start_fn start;
};

/* The functions run on the thread of the guest's owner; NULL: nothing is to be done. */
struct device {
	const struct device_operation *operations;
	unsigned noperations;
	/* The incarnation has ended, its pending operations are dropped: nothing of it is left. As the next two, it does a bounded piece:
	 * *at, zero at first, is the device's own, to say where to go on. True: there is more. */
	bool (*end)(struct guest *g, uint32_t *at);
	/* The guest leaves its worker's loop, and has arrived at another's. */
	bool (*leave)(struct guest *g, uint32_t *at);
	bool (*arrive)(struct guest *g, uint32_t *at);
	/* The guest was asked to stop. */
	void (*stop)(struct guest *g);
	/* An incarnation waits for the first time: it has set itself up. */
	void (*first_wait)(struct guest *g);
	/* A port of the host listens again, for whoever listens on this port of the guest. */
	void (*port_listens)(struct guest *g, uint16_t port);
};

/* Registers *d, which lives on; once more is nothing. No two devices offer one operation. */
void device_register(const struct device *d);

/* Where it is with all devices, one after the other; zeros: at the start. */
struct device_walk {
	unsigned device;
	uint32_t at;
};
/* The same for all devices: of the first three a piece. True: there is more. An incarnation waits for the
 * first time once. */
bool devices_end(struct guest *g, struct device_walk *walk);
bool devices_leave(struct guest *g, struct device_walk *walk);
bool devices_arrive(struct guest *g, struct device_walk *walk);
void devices_stop(struct guest *g);
void devices_first_wait(struct guest *g);
void devices_port_listens(struct guest *g, uint16_t port);

/* Starts an operation by its number. -EINVAL: no device offers it. */
int32_t device_start(struct guest *g, const struct request *request);

#endif
