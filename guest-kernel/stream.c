/* SPDX-License-Identifier: MIT */
#include "kernel_private.h"

#define SILENT_MOST 65536u /* longest piece that is copied and sent without waiting */
#define SHARE 4u           /* of the room for completions, what silent sends may hold */

/* What silent sends came to, by handle; made when the first has failed. A handle's number is used again only after its
 * close, which completes after its sends. */
static struct {
	int32_t *results;
	uint32_t handles;
} failed;

void kernel_send_failed(int32_t handle, int32_t result)
{
	uint32_t at = (uint32_t)handle;
	if (at >= failed.handles) {
		int32_t *grown = cassin_realloc(failed.results, (at + UINT64_C(1)) * sizeof *grown);
		if (!grown)
			cassin_panic("no memory to remember that a send failed");
		memset(grown + failed.handles, 0, (at + UINT64_C(1) - failed.handles) * sizeof *grown);
		failed.results = grown;
		failed.handles = at + 1;
	}
	failed.results[at] = result;
}

static int32_t failure_of(int32_t handle)
{
	return (uint32_t)handle < failed.handles ? failed.results[handle] : 0;
}

int32_t cassin_listen(uint16_t port)
{
	struct cassin_sqe sqe = {.op = CASSIN_OP_LISTEN, .offset = port};
	return cassin_do_until(&sqe, CASSIN_FOREVER);
}

static int opened(struct cassin_stream *s, int32_t result)
{
	*s = (struct cassin_stream){.handle = result < 0 ? -1 : result};
	if (failure_of(s->handle))
		failed.results[s->handle] = 0;
	return result < 0 ? result : 0;
}

int cassin_stream_accept(struct cassin_stream *s, int32_t listener, uint64_t deadline)
{
	struct cassin_sqe sqe = {.op = CASSIN_OP_ACCEPT, .handle = listener};
	int r = opened(s, cassin_do_until(&sqe, deadline));
	if (r == -CASSIN_ECANCELED)
		cassin_stop(0);
	return r;
}

int cassin_stream_connect(struct cassin_stream *s, const char *name, uint64_t deadline)
{
	struct cassin_sqe sqe = {.op = CASSIN_OP_CONNECT, .addr = (uint64_t)name, .len = (uint32_t)strlen(name)};
	return opened(s, cassin_do_until(&sqe, deadline));
}

int32_t cassin_stream_receive(struct cassin_stream *s, void *to, uint32_t len, uint64_t deadline)
{
	struct cassin_sqe sqe = {.op = CASSIN_OP_RECV, .handle = s->handle, .addr = (uint64_t)to, .len = len};
	return cassin_do_until(&sqe, deadline);
}

/* Copies a piece and leaves it to the next exit. False: send it the other way. */
static bool send_silently(struct cassin_stream *s, const void *bytes, uint32_t len)
{
	kernel.windows.most = cassin_ring_completions() / SHARE;
	if (len > SILENT_MOST || !cassin_window_open(&s->window, &kernel.windows))
		return false;
	struct parcel *parcel = cassin_alloc(sizeof *parcel + len);
	if (!parcel)
		return false;
	memcpy(parcel->bytes, bytes, len);
	struct cassin_sqe sqe = {
		.op = CASSIN_OP_SEND,
		.flags = CASSIN_SQE_SKIP_SUCCESS,
		.handle = s->handle,
		.addr = (uint64_t)parcel->bytes,
		.len = len,
	};
	if (!kernel_submit_silent(&sqe, parcel)) {
		cassin_free(parcel);
		return false;
	}
	cassin_window_sent(&s->window, &kernel.windows, len);
	return true;
}

/* Sends a piece from the caller's memory. */
static int send_and_wait(struct cassin_stream *s, const void *bytes, uint32_t len, uint64_t deadline)
{
	struct cassin_sqe sqe = {.op = CASSIN_OP_SEND, .handle = s->handle, .addr = (uint64_t)bytes, .len = len};
	int32_t r = cassin_do_until(&sqe, deadline);
	if (r >= 0)
		cassin_window_confirmed(&s->window, &kernel.windows);
	return r < 0 ? r : 0;
}

int cassin_stream_send(struct cassin_stream *s, const void *bytes, size_t len, uint64_t deadline)
{
	const char *at = bytes;
	if (s->handle < 0)
		return -CASSIN_EBADF;
	int r = failure_of(s->handle);
	kernel_lock();
	if (r || !len || len > SILENT_MOST || !send_silently(s, at, (uint32_t)len)) {
		while (len && !r) {
			uint32_t n = len < CASSIN_IO_MAX ? (uint32_t)len : CASSIN_IO_MAX;
			r = send_and_wait(s, at, n, deadline);
			at += n;
			len -= n;
		}
	}
	kernel_unlock();
	return r;
}

/* Submits an operation on a handle that nobody waits for, even where the hypervisor takes none at once. */
static void tell(uint8_t op, int32_t handle)
{
	struct cassin_sqe sqe = {.op = op, .flags = CASSIN_SQE_SKIP_SUCCESS, .handle = handle};
	if (!kernel_submit_silent(&sqe, NULL)) {
		sqe.flags = 0;
		cassin_do_until(&sqe, CASSIN_FOREVER);
	}
}

void cassin_stream_shutdown(struct cassin_stream *s)
{
	kernel_lock();
	if (s->handle >= 0)
		tell(CASSIN_OP_SHUTDOWN, s->handle);
	kernel_unlock();
}

void cassin_stream_close(struct cassin_stream *s)
{
	int32_t handle = s->handle;
	kernel_lock();
	s->handle = -1;
	if (handle >= 0) {
		tell(CASSIN_OP_CLOSE, handle);
		cassin_window_confirmed(&s->window, &kernel.windows);
	}
	kernel_unlock();
}

void cassin_listener_close(int32_t listener)
{
	kernel_lock();
	tell(CASSIN_OP_CLOSE, listener);
	kernel_unlock();
}
