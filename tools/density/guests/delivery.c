/* SPDX-License-Identifier: MIT */
/*
 * delivery batched|immediate [PORT]
 *
 * Echoes on PORT (7), 64 bytes at most in one piece. What has happened is delivered by `enter`: batched, all that has
 * come by then is dealt with before the next one; or immediate, one event for each `enter`.
 */
#include <cassin/guest.h>

#define CONNECTIONS_MAX 512u
#define ACCEPTS 256u /* at a time: a crowd of connections that come at once must not wait, as not all may */
#define SUBMISSIONS 1024u
#define COMPLETIONS 2048u
#define PIECE 64u

enum { TAG_SILENT, TAG_ACCEPT }; /* else: the connection that receives */

static struct connection {
	int32_t handle;
	char bytes[PIECE];
	struct connection *next; /* free ones */
} connections[CONNECTIONS_MAX], *unused;

static int32_t listener;

static struct cassin_sqe *submit(uint8_t op, uint64_t tag, int32_t handle)
{
	struct cassin_sqe *sqe = cassin_sqe(op, tag);
	if (!sqe) {
		cassin_print("delivery: the ring is full\n");
		cassin_exit(1);
	}
	sqe->handle = handle;
	return sqe;
}

static void receive(struct connection *c)
{
	struct cassin_sqe *sqe = submit(CASSIN_OP_RECV, (uint64_t)c, c->handle);
	sqe->addr = (uint64_t)c->bytes;
	sqe->len = PIECE;
}

static void close_handle(int32_t handle)
{
	submit(CASSIN_OP_CLOSE, TAG_SILENT, handle)->flags = CASSIN_SQE_SKIP_SUCCESS;
}

static void accepted(int32_t handle)
{
	struct connection *c = unused;
	if (handle == -CASSIN_ECANCELED) /* asked to stop */
		cassin_exit(0);
	submit(CASSIN_OP_ACCEPT, TAG_ACCEPT, listener);
	if (handle < 0)
		return;
	if (!c) {
		close_handle(handle);
		return;
	}
	unused = c->next;
	c->handle = handle;
	receive(c);
}

static void received(struct connection *c, int32_t n)
{
	if (n <= 0) {
		close_handle(c->handle);
		c->next = unused;
		unused = c;
		return;
	}
	/* Nobody waits for its completion, so its bytes are taken at once. */
	struct cassin_sqe *sqe = submit(CASSIN_OP_SEND, TAG_SILENT, c->handle);
	sqe->flags = CASSIN_SQE_SKIP_SUCCESS;
	sqe->addr = (uint64_t)c->bytes;
	sqe->len = (uint32_t)n;
	receive(c);
}

static void event(const struct cassin_cqe *cqe)
{
	if (cqe->user_data == TAG_ACCEPT)
		accepted(cqe->result);
	else if (cqe->user_data != TAG_SILENT)
		received((struct connection *)cqe->user_data, cqe->result);
}

int main(int argc, char **argv)
{
	long long port = argc > 2 ? cassin_parse(argv[2], strlen(argv[2])) : 7;
	bool immediate = argc > 1 && strcmp(argv[1], "immediate") == 0;
	if (argc < 2 || argc > 3 || (!immediate && strcmp(argv[1], "batched") != 0) || port < 1 || port > UINT16_MAX) {
		cassin_print("usage: delivery batched|immediate [PORT]\n");
		return 2;
	}
	listener = cassin_do(&(struct cassin_sqe){.op = CASSIN_OP_LISTEN, .offset = (uint64_t)port});
	if (listener < 0 || cassin_ring_init(SUBMISSIONS, COMPLETIONS))
		return 1;
	for (uint32_t i = 0; i < CONNECTIONS_MAX; i++) {
		connections[i].next = unused;
		unused = &connections[i];
	}
	for (uint32_t i = 0; i < ACCEPTS; i++)
		submit(CASSIN_OP_ACCEPT, TAG_ACCEPT, listener);
	if (cassin_wait(0, CASSIN_NOW))
		return 1;
	cassin_ready();
	for (;;) {
		struct cassin_cqe cqe;
		if (cassin_wait(1, CASSIN_FOREVER))
			return 1;
		while (cassin_next(&cqe)) {
			event(&cqe);
			if (immediate)
				break;
		}
	}
}
