/* SPDX-License-Identifier: MIT */
/* What a traced guest does, put down on its owner's thread: g->trace, NULL for nearly all guests. All functions but the two of
 * the reader need it. */
#ifndef TRACE_RECORDS_H
#define TRACE_RECORDS_H

#include <pthread.h>

#include <cassin/trace.h>

struct request;
struct cassin_user_frame;
struct guest;

struct cassin_trace {
	struct guest
		*guest; /* a reference of who reads it; NULL: it waits for a reader. The owner's, and the reader's */
	pthread_mutex_t lock;
	struct cassin_trace_record *records; /* a ring of CASSIN_TRACE_RECORDS_MAX */
	uint32_t first, count;
	uint64_t lost;

	/* The owner's. */
	bool in_call;
	uint64_t number, called_ns;
};

#define TRACE_MEMORY                                                                                                   \
	(sizeof(struct cassin_trace) +                                                                                 \
	 CASSIN_TRACE_RECORDS_MAX * sizeof(struct cassin_trace_record)) /* of the host, for one */

struct cassin_trace *trace_new(void);
void trace_free(struct cassin_trace *t);
size_t trace_take(struct cassin_trace *t, struct cassin_trace_record *out, size_t most, uint64_t *lost);

/* The guest's registers hold a call; or the wait in one. */
void trace_call(struct guest *g, uint64_t number);
/* The call that is under way, if there is one, is over, and its result in rax. */
void trace_return(struct guest *g);
/* Likewise a user_run's, of which the frame was written. */
void trace_user_return(struct guest *g, const struct cassin_user_frame *frame);
/* An upcall goes to the guest, which was at rip; the frame is at `frame`. */
void trace_upcall(struct guest *g, uint64_t events, uint64_t rip, uint64_t frame);
/* The call that is under way does not return. */
void trace_gone(struct guest *g);
void trace_submit(struct guest *g, const struct request *request);
void trace_complete(struct guest *g, const struct request *request, int32_t result, uint64_t began);
void trace_end(struct guest *g, enum cassin_trace_end how, int code);

#endif
