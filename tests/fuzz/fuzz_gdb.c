/* SPDX-License-Identifier: MIT */
/* Any bytes as what a debugger's client sends: the framing and every packet, over a guest that takes everything. Input that
 * begins with $ is a client's own; any other is the content of packets, separated by new lines. */
#include "fuzz.h"

#include <errno.h>

#include "gdb_packets.h"

static struct cassin_debug_registers registers;
static bool stopped;

int cassin_engine_debug_registers(struct cassin_debugger *d, struct cassin_debug_registers *out)
{
	(void)d;
	*out = registers;
	return stopped ? 0 : -EBUSY;
}

int cassin_engine_debug_set_registers(struct cassin_debugger *d, const struct cassin_debug_registers *r)
{
	(void)d;
	registers = *r;
	return 0;
}

long cassin_engine_debug_read(struct cassin_debugger *d, uint64_t va, void *to, size_t len)
{
	(void)d;
	MUST(len <= CASSIN_DEBUG_IO_MAX);
	memset(to, (int)va, len);
	return va % 7 ? (long)len : -EFAULT;
}

int cassin_engine_debug_write(struct cassin_debugger *d, uint64_t va, const void *from, size_t len)
{
	unsigned sum = 0;
	(void)d;
	(void)va;
	MUST(len <= CASSIN_DEBUG_IO_MAX);
	for (size_t i = 0; i < len; i++)
		sum += ((const unsigned char *)from)[i];
	return sum == 1 ? -EFAULT : 0;
}

int cassin_engine_debug_breakpoint(struct cassin_debugger *d, uint64_t va, bool set)
{
	(void)d;
	return va && set ? 0 : -ENOENT;
}

int cassin_engine_debug_resume(struct cassin_debugger *d, bool step)
{
	(void)d;
	stopped = step;
	return 0;
}

uint64_t cassin_engine_debug_offset(const struct cassin_debugger *d)
{
	(void)d;
	return 0x400000;
}

int cassin_engine_guest_kill(struct cassin_engine *e, uint64_t id)
{
	(void)e;
	(void)id;
	return 0;
}

int cassin_engine_guest_status(struct cassin_engine *e, uint64_t id, struct cassin_guest_status *out)
{
	(void)e;
	(void)id;
	memset(out->name, 'n', CASSIN_NAME_MAX);
	out->name[CASSIN_NAME_MAX] = 0;
	return 0;
}

static struct rsp in, back;
static struct rsp_reply out;

/* A reply is a packet that the other side understands. */
static void on_packet(struct gdb_client *c)
{
	enum rsp_input last = RSP_NOTHING;
	rsp_begin(&out);
	if (!gdb_packet(c, &in, &out))
		return;
	MUST(!out.full);
	rsp_end(&out);
	MUST(out.len <= sizeof out.bytes);
	for (size_t i = 0; i < out.len; i++) {
		MUST(last == RSP_NOTHING);
		last = rsp_feed(&back, (unsigned char)out.bytes[i]);
	}
	MUST(last == RSP_PACKET);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct gdb_target t = {.guest = 1};
	struct gdb_client c = {.target = &t, .xml = (char *)"<target/>", .stop = {.kind = DEBUG_STOPPED, .signal = 5}};
	memset(&in, 0, sizeof in);
	memset(&back, 0, sizeof back);
	stopped = true;
	if (size && data[0] == '$') {
		for (size_t i = 0; i < size; i++) {
			if (rsp_feed(&in, data[i]) == RSP_PACKET)
				on_packet(&c);
			MUST(in.len <= RSP_PACKET_MAX);
		}
		return 0;
	}
	for (size_t at = 0; at < size;) {
		const uint8_t *end = memchr(data + at, '\n', size - at);
		size_t len = end ? (size_t)(end - data) - at : size - at;
		in.len = len < RSP_PACKET_MAX ? len : RSP_PACKET_MAX;
		memcpy(in.packet, data + at, in.len);
		in.packet[in.len] = 0;
		on_packet(&c);
		at += len + 1;
	}
	return 0;
}
