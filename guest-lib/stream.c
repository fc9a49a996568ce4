/* SPDX-License-Identifier: MIT */
#include "stream_private.h"

#define DEFAULT_CONNECTIONS 256u
#define DEFAULT_INPUT 65536u
#define DEFAULT_IDLE_NS UINT64_C(60000000000)
#define LOOK_BUSY 64u /* rounds of the loop */
#define SERVICE_SQ 32u
#define LOW_ROOM                                                                                                       \
	2560u /* below the rings, for a connection: so that it shares their first pages, and not the ones behind */
#define ACCEPT_RETRY_NS 50000000u
#define FLUSH_RETRY_NS 10000000u

struct service_state cassin_service_state;
#define state cassin_service_state

uint32_t cassin_connections(void)
{
	return state.count;
}

static void close_handle(int32_t handle)
{
	struct cassin_sqe *sqe = cassin_sqe(CASSIN_OP_CLOSE, TAG_NONE);
	if (sqe) {
		sqe->handle = handle;
		sqe->flags = CASSIN_SQE_SKIP_SUCCESS;
	}
}

static void link_to(struct cassin_conn *c, struct cassin_conn **list)
{
	c->next = *list;
	c->link = list;
	if (c->next)
		c->next->link = &c->next;
	*list = c;
}

static void unlink_from(struct cassin_conn *c)
{
	*c->link = c->next;
	if (c->next)
		c->next->link = c->link;
}

static void age_remove(struct cassin_conn *c)
{
	*(c->older ? &c->older->newer : &state.oldest) = c->newer;
	*(c->newer ? &c->newer->older : &state.newest) = c->older;
}

static void age_add(struct cassin_conn *c)
{
	c->active = state.looks;
	c->newer = NULL;
	c->older = state.newest;
	*(c->older ? &c->older->newer : &state.oldest) = c;
	state.newest = c;
}

void conn_active(struct cassin_conn *c)
{
	if (c->dead || c->active == state.looks)
		return;
	age_remove(c);
	age_add(c);
}

void conn_end(struct cassin_conn *c)
{
	c->dead = true;
	age_remove(c);
	if (state.service->close)
		state.service->close(c);
	unlink_from(c);
	link_to(c, &state.dead);
	state.count--;
	state.accept_at = 0;
}

void conn_free(struct cassin_conn *c)
{
	unlink_from(c);
	cassin_free(c->in_buffer);
	cassin_free(c->out);
	cassin_free(c->flight);
	cassin_free(c);
}

static void arrived(int32_t handle)
{
	struct cassin_conn *c = cassin_zalloc(1, sizeof *c);
	if (!c) {
		close_handle(handle);
		return;
	}
	c->handle = handle;
	if (state.service->open && !state.service->open(c)) {
		close_handle(handle);
		cassin_free(c);
		return;
	}
	link_to(c, &state.all);
	age_add(c);
	if (state.look && !state.look_at)
		state.look_at = cassin_now() + state.look;
	state.count++;
	conn_dirty(c);
}

static void stop(int error)
{
	state.stopping = true;
	state.error = error;
	close_handle(state.listener);
	for (struct cassin_conn *c = state.all; c; c = c->next) {
		c->closing = true;
		conn_dirty(c);
	}
}

static void accepted(int32_t result)
{
	state.accepting = false;
	if (result >= 0) {
		arrived(result);
		return;
	}
	switch (-result) {
	case CASSIN_ECANCELED:
		stop(0);
		break;
	case CASSIN_EBADF:
	case CASSIN_EINVAL:
		stop(result);
		break;
	default: /* out of handles or memory, or the peer is gone already */
		state.accept_at = cassin_now() + ACCEPT_RETRY_NS;
	}
}

static void completed(const struct cassin_cqe *cqe)
{
	struct cassin_conn *c = (struct cassin_conn *)(cqe->user_data & ~(uint64_t)TAG_BITS);
	switch (cqe->user_data & TAG_BITS) {
	case TAG_ACCEPT:
		accepted(cqe->result);
		break;
	case TAG_RECV:
		conn_received(c, cqe->result);
		break;
	case TAG_SEND:
		conn_sent(c, cqe->result);
		break;
	default:
		break;
	}
}

static void accept_next(void)
{
	if (state.accepting || state.stopping || state.count >= state.most ||
	    (state.accept_at && cassin_now() < state.accept_at))
		return;
	struct cassin_sqe *sqe = cassin_sqe(CASSIN_OP_ACCEPT, TAG_ACCEPT);
	if (!sqe)
		return;
	sqe->handle = state.listener;
	state.accepting = true;
	state.accept_at = 0;
}

/* Submits what the connections on the list need; those that cannot go on now stay on it. */
static void flush(void)
{
	struct cassin_conn *list = state.dirty;
	state.dirty = NULL;
	state.dirty_end = &state.dirty;
	while (list) {
		struct cassin_conn *c = list;
		list = c->dirty_next;
		c->dirty = false;
		if (!conn_flush(c))
			conn_dirty(c);
	}
}

/*
 * Closes the connections that were silent for two rounds. The clock may cost an exit, so it is read when there was nothing else to
 * do, and else now and then.
 */
static void look_at_idle(bool quiet)
{
	static uint32_t busy;
	if (!state.look_at || (!quiet && ++busy % LOOK_BUSY) || cassin_now() < state.look_at)
		return;
	state.looks++;
	for (struct cassin_conn *c = state.oldest; c && state.looks - c->active > 2; c = c->newer) {
		c->idle = c->closing = true;
		conn_dirty(c);
	}
	state.look_at = state.oldest ? cassin_now() + state.look : 0;
}

/* When to wake although nothing completes; `at` is when the service wants to. */
static uint64_t deadline(uint64_t at)
{
	if (state.look_at && state.look_at < at)
		at = state.look_at;
	if (state.accept_at && !state.stopping && state.accept_at < at)
		at = state.accept_at;
	if (state.dirty) {
		uint64_t retry = cassin_now() + FLUSH_RETRY_NS;
		at = retry < at ? retry : at;
	}
	return at;
}

static void free_dead(void)
{
	for (struct cassin_conn *c = state.dead, *next; c; c = next) {
		next = c->next;
		if (state.handed_in && !c->receiving && !c->sending)
			conn_free(c);
	}
}

/* False: nothing has come. */
static bool drain(void)
{
	struct cassin_cqe cqe;
	bool any = false;
	state.handed_in = cassin_ring_left() == 0;
	free_dead(); /* first: a new connection then gets their memory, not more of it */
	while (cassin_next(&cqe)) {
		completed(&cqe);
		any = true;
	}
	free_dead();
	return any;
}

static int serve(void)
{
	int r = 0;
	for (;;) {
		uint64_t at = state.service->tick ? state.service->tick(cassin_now()) : CASSIN_FOREVER;
		flush();
		accept_next(); /* after the closes, which make room */
		if (r || (state.stopping && !state.all))
			break;
		r = cassin_wait(1, deadline(at));
		look_at_idle(!drain());
	}
	if (!r)
		r = cassin_wait(0, CASSIN_NOW);
	drain();
	while (!r && state.dead) {
		r = cassin_wait(1, CASSIN_FOREVER);
		drain();
	}
	return r ? r : state.error;
}

static uint32_t completions_for(uint32_t connections)
{
	uint32_t n = 16;
	while (n < 2 * connections && n < CASSIN_CQ_MAX)
		n *= 2;
	return n;
}

int cassin_serve(const struct cassin_service *s)
{
	uint32_t most = s->connections ? s->connections : DEFAULT_CONNECTIONS;
	if (most > CASSIN_CQ_MAX / 2)
		most = CASSIN_CQ_MAX / 2;
	uint32_t completions = completions_for(most);
	void *low = cassin_alloc(LOW_ROOM);
	int r = cassin_ring_init(SERVICE_SQ, completions);
	cassin_free(low);
	if (r)
		return r;
	struct cassin_sqe listen = {.op = CASSIN_OP_LISTEN, .offset = s->port};
	r = cassin_do(&listen);
	if (r < 0)
		return r;
	state = (struct service_state){
		.service = s,
		.listener = r,
		.most = most,
		.input_max = s->input_max ? s->input_max : DEFAULT_INPUT,
		.windows = {.most = completions / 4},
		.look = s->idle == CASSIN_FOREVER ? 0 : (s->idle ? s->idle : DEFAULT_IDLE_NS) / 2,
	};
	state.dirty_end = &state.dirty;
	cassin_ready_at_wait();
	return serve();
}
