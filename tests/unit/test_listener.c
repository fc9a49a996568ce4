/* SPDX-License-Identifier: MIT */
/* A listener or socket that the worker cannot watch: what waits on it fails, nothing waits for ever. */
#include <criterion/criterion.h>
#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "device/interest.h"
#include "device/stream.h"
#include "device/stream_table.h"
#include "fake_guest.h"
#include "guest/descriptors.h"
#include "guest/ports.h"

#define PORT 80u
#define CQ_ENTRIES 8u
#define CQES 0x2000u

/* Linked with --wrap=interest_set. */
bool __wrap_interest_set(struct interest *p, struct guest *g, int fd, unsigned events);
static bool watches;
static unsigned asked, wanted;

bool __wrap_interest_set(struct interest *p, struct guest *g, int fd, unsigned events)
{
	(void)p, (void)g, (void)fd;
	asked++;
	wanted = events;
	return watches;
}

static struct cassin_guest_port spec_port = {.guest = PORT};
static struct port port = {.guest = PORT};
static struct guest_host host = {.descriptors_most = 16};

static int listening_socket(void)
{
	struct sockaddr_un any = {.sun_family = AF_UNIX}; /* a name of the kernel's choice */
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	cr_assert_eq(bind(fd, (struct sockaddr *)&any, sizeof any.sun_family), 0);
	cr_assert_eq(listen(fd, 4), 0);
	return fd;
}

static int client(void)
{
	struct sockaddr_un name;
	socklen_t len = sizeof name;
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	cr_assert_eq(getsockname(port.fd, (struct sockaddr *)&name, &len), 0);
	cr_assert_eq(connect(fd, (struct sockaddr *)&name, len), 0);
	return fd;
}

static struct fake_guest *guest_with_port(void)
{
	struct fake_guest *f = fake_guest_new();
	device_register(&streams_device);
	port.fd = listening_socket();
	f->guest.host = &host;
	f->guest.ports = &port;
	f->guest.spec.ports = &spec_port;
	f->guest.spec.nports = 1;
	f->guest.spec.streams = 8;
	cr_assert_eq(
		ring_setup(&f->guest, gva(FAKE_BASE), gva(FAKE_BASE + 0x1000), 8, gva(FAKE_BASE + CQES), CQ_ENTRIES),
		0);
	return f;
}

static void guest_over(struct fake_guest *f)
{
	for (uint32_t at = 0; streams_end(&f->guest, &at);)
		;
	cr_assert_eq(f->guest.nops, 0u);
	close(port.fd);
	fake_guest_free(f);
}

static int32_t open_listener(struct fake_guest *f)
{
	int32_t handle = op_start(&f->guest, &(struct request){.op = CASSIN_OP_LISTEN, .offset = PORT});
	cr_assert_geq(handle, 0);
	return handle;
}

static void start_accept(struct fake_guest *f, int32_t handle, uint64_t user_data)
{
	struct request request = {.op = CASSIN_OP_ACCEPT, .handle = handle, .user_data = user_data};
	cr_assert_eq(op_start(&f->guest, &request), OP_PENDING);
}

static uint32_t completions(struct fake_guest *f)
{
	return ((struct cassin_ring *)fake_at(f, FAKE_BASE))->cq_tail;
}

static void expect_completion(struct fake_guest *f, uint32_t i, uint64_t user_data, int32_t result)
{
	const struct cassin_cqe *cqe = (struct cassin_cqe *)fake_at(f, FAKE_BASE + CQES) + i;
	cr_assert_lt(i, completions(f), "no completion");
	cr_assert_eq(cqe->user_data, user_data);
	cr_assert_eq(cqe->result, result, "%d", cqe->result);
}

static void move(struct fake_guest *f)
{
	for (uint32_t at = 0; streams_device.leave(&f->guest, &at);)
		;
	for (uint32_t at = 0; streams_device.arrive(&f->guest, &at);)
		;
}

Test(listener, an_accept_that_cannot_be_watched_fails)
{
	struct fake_guest *f = guest_with_port();
	int32_t handle = open_listener(f);
	start_accept(f, handle, 1);
	cr_assert_eq(asked, 1u);
	cr_assert_eq(wanted, STREAM_READABLE);
	expect_completion(f, 0, 1, -ENOMEM);
	cr_assert_eq(f->guest.nops, 0u, "nothing waits");
	guest_over(f);
}

Test(listener, accepts_that_wait_fail_where_their_guest_arrives_and_cannot_be_watched)
{
	struct fake_guest *f = guest_with_port();
	watches = true;
	int32_t handle = open_listener(f);
	start_accept(f, handle, 1);
	start_accept(f, handle, 2);
	cr_assert_eq(completions(f), 0u, "both wait");
	watches = false;
	move(f);
	expect_completion(f, 0, 1, -ENOMEM);
	expect_completion(f, 1, 2, -ENOMEM);
	guest_over(f);
}

Test(listener, it_accepts_again_once_it_can_be_watched)
{
	struct fake_guest *f = guest_with_port();
	int32_t handle = open_listener(f);
	start_accept(f, handle, 1);
	expect_completion(f, 0, 1, -ENOMEM);
	watches = true;
	start_accept(f, handle, 2);
	cr_assert_eq(completions(f), 1u, "the second waits");
	int fd = client();
	stream_event(listener_find(&f->guest, PORT), STREAM_READABLE);
	expect_completion(f, 1, 2, handle + 1);
	close(fd);
	guest_over(f);
}

Test(listener, an_accept_without_a_descriptor_fails_if_its_listener_cannot_be_watched)
{
	struct fake_guest *f = guest_with_port();
	host.descriptors_most = 0;
	int fd = client();
	start_accept(f, open_listener(f), 1);
	cr_assert_eq(wanted, 0u);
	expect_completion(f, 0, 1, -ENOMEM);
	cr_assert_eq(atomic_load(&host.descriptors), 0u);
	close(fd);
	guest_over(f);
}

/* ---- Sockets ---- */

#define DATA 0x4000u
#define MANY 0x8000u /* more than the socket takes */

static int32_t open_socket(struct fake_guest *f, int *peer)
{
	int pair[2], small = 1;
	cr_assert_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, pair), 0);
	cr_assert_eq(setsockopt(pair[0], SOL_SOCKET, SO_SNDBUF, &small, sizeof small), 0);
	cr_assert_eq(descriptors_take(&f->guest, 1), 0);
	*peer = pair[1];
	int32_t handle = socket_open(&f->guest, pair[0]);
	cr_assert_geq(handle, 0);
	return handle;
}

static int32_t transfer(struct fake_guest *f, int32_t handle, uint8_t op, uint32_t len)
{
	struct request request = {.op = op, .handle = handle, .user_data = op, .addr = FAKE_BASE + DATA, .len = len};
	return op_start(&f->guest, &request);
}

Test(listener, a_recv_on_a_socket_that_cannot_be_watched_fails)
{
	struct fake_guest *f = guest_with_port();
	int peer;
	int32_t handle = open_socket(f, &peer);
	cr_assert_eq(transfer(f, handle, CASSIN_OP_RECV, 16), OP_PENDING);
	cr_assert_eq(wanted, STREAM_READABLE);
	expect_completion(f, 0, CASSIN_OP_RECV, -ENOMEM);
	close(peer);
	guest_over(f);
}

Test(listener, a_close_behind_a_send_closes_a_socket_that_can_no_longer_be_watched)
{
	struct fake_guest *f = guest_with_port();
	int peer;
	char byte[MANY];
	int32_t handle = open_socket(f, &peer);
	watches = true;
	cr_assert_eq(transfer(f, handle, CASSIN_OP_SEND, MANY), OP_PENDING);
	cr_assert_eq(transfer(f, handle, CASSIN_OP_CLOSE, 0), OP_PENDING);
	watches = false;
	move(f);
	expect_completion(f, 0, CASSIN_OP_SEND, -ENOMEM);
	expect_completion(f, 1, CASSIN_OP_CLOSE, 0);
	while (read(peer, byte, sizeof byte) > 0)
		;
	cr_assert_eq(read(peer, byte, sizeof byte), 0, "the peer has the end");
	cr_assert_eq(atomic_load(&host.descriptors), 0u);
	close(peer);
	guest_over(f);
}
