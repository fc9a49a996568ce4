/* SPDX-License-Identifier: MIT */
/*
 * A guest that asks for as much work as it can in few calls: what it costs is to be its own. Its argument says of which kind; it
 * goes on until it is killed.
 */
#include <cassin/guest.h>

#define SQ 1024u
#define CQ 4096u
#define MIB (1u << 20)
#define LISTENERS 4000 /* unless argv[2] says otherwise */
#define SENDS 3000u

static struct cassin_ring ring __attribute__((aligned(64)));
static struct cassin_sqe submissions[SQ];
static struct cassin_cqe completions[CQ];
static unsigned char *buffer;

static struct cassin_sqe *put(uint8_t op, uint64_t user_data)
{
	struct cassin_sqe *sqe = &submissions[ring.sq_tail++ % SQ];
	*sqe = (struct cassin_sqe){.op = op, .user_data = user_data, .addr = (uint64_t)buffer};
	return sqe;
}

/* Submits all that was put; what has completed counts as read. */
static void submit(uint32_t least)
{
	int64_t r;
	do {
		r = cassin_enter(SQ, least, CASSIN_FOREVER);
		if (r == -CASSIN_EBUSY) /* all room for completions is taken by what is under way */
			r = cassin_enter(0, 1, CASSIN_FOREVER);
		ring.cq_head = ring.cq_tail;
	} while (r >= 0 && ring.sq_head != ring.sq_tail);
	if (r < 0) {
		cassin_print("enter: %ld\n", r);
		cassin_exit(1);
	}
}

static void many(uint8_t op, unsigned n, uint32_t len, uint64_t offset, int32_t handle)
{
	for (unsigned i = 0; i < n; i++) {
		struct cassin_sqe *sqe = put(op, i);
		sqe->len = len;
		sqe->offset = offset;
		sqe->handle = handle;
		if (ring.sq_tail - ring.sq_head == SQ)
			submit(0);
	}
	submit(0);
}

static bool is(const char *a, const char *b)
{
	return __builtin_strcmp(a, b) == 0;
}

static int32_t connect_sink(void)
{
	struct cassin_sqe *sqe = put(CASSIN_OP_CONNECT, 0);
	sqe->addr = (uint64_t) "sink";
	sqe->len = 4;
	int64_t r = cassin_enter(1, 1, CASSIN_FOREVER);
	int32_t handle = r == 1 ? completions[ring.cq_head % CQ].result : -1;
	ring.cq_head = ring.cq_tail;
	return handle;
}

static void sends(void)
{
	int32_t handle = connect_sink();
	if (handle < 0)
		cassin_exit(2);
	cassin_call0(CASSIN_CALL_READY);
	many(CASSIN_OP_SEND, SENDS, MIB, 0, handle);
	for (;;) { /* one more for each that is done */
		uint32_t before = ring.cq_tail;
		cassin_enter(0, 1, CASSIN_FOREVER);
		uint32_t done = ring.cq_tail - before;
		ring.cq_head = ring.cq_tail;
		many(CASSIN_OP_SEND, done, MIB, 0, handle);
	}
}

int main(int argc, char **argv)
{
	const char *kind = argc > 1 ? argv[1] : "";
	int64_t listeners = argc > 2 ? cassin_parse(argv[2], strlen(argv[2])) : LISTENERS;
	buffer = (unsigned char *)((cassin_boot->heap + MIB - 1) & ~(uint64_t)(MIB - 1));
	if (cassin_call(CASSIN_CALL_RING_SETUP, (uint64_t)&ring, (uint64_t)submissions, SQ, (uint64_t)completions, CQ))
		return 1;
	if (is(kind, "sends"))
		sends();
	if (is(kind, "listen")) {
		for (int64_t i = 1; i <= listeners; i++)
			many(CASSIN_OP_LISTEN, 1, 0, (uint64_t)i, 0);
	} else if (is(kind, "cancel")) {
		many(CASSIN_OP_TIMEOUT, SENDS, 0, CASSIN_FOREVER, 0);
	}
	cassin_call0(CASSIN_CALL_READY);
	for (;;) {
		if (is(kind, "random"))
			many(CASSIN_OP_RANDOM, SQ, MIB, 0, 0);
		else if (is(kind, "console"))
			many(CASSIN_OP_CONSOLE_WRITE, SQ, MIB, 0, 0);
		else if (is(kind, "listen"))
			many(CASSIN_OP_LISTEN, SQ, 0, (uint64_t)listeners, 0);
		else if (is(kind, "spin"))
			__asm__ volatile("pause");
		else if (is(kind, "cancel"))
			many(CASSIN_OP_CANCEL, SQ, 0, UINT64_MAX, 0);
		else
			return 3;
	}
}
