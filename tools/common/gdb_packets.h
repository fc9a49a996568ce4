/* SPDX-License-Identifier: MIT */
/* What the packets of a debugger's client mean. gdb_session.c is the transport. */
#ifndef GDB_PACKETS_H
#define GDB_PACKETS_H

#include "gdb_session.h"
#include "rsp.h"

struct gdb_client {
	struct gdb_target *target;
	struct cassin_debug_event stop; /* the last; where the guest is while it does not run */
	bool running;                   /* it was resumed, and the client waits for the stop */
	bool ended;                     /* so is `stop`: the guest is gone */
	bool swbreak;                   /* the client knows the word */
	bool quiet;                     /* no acknowledgements */
	bool leaves;                    /* the session is to end once the reply is out */
	char *xml;
};

/* Answers a packet; false: there is nothing to send, now. */
bool gdb_packet(struct gdb_client *c, const struct rsp *in, struct rsp_reply *out);
/* The reply that tells c->stop. */
void gdb_stop_reply(struct gdb_client *c, struct rsp_reply *out);

#endif
