/* SPDX-License-Identifier: MIT */
/*
 * The framing of GDB's remote serial protocol (GDB manual, appendix E): packets from bytes, and bytes from replies. Pure.
 */
#ifndef RSP_H
#define RSP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define RSP_PACKET_MAX 16384u /* of a packet's content, both ways */

enum rsp_input {
	RSP_NOTHING,   /* more bytes are needed */
	RSP_PACKET,    /* r->packet and r->len, until the next byte */
	RSP_DAMAGED,   /* a packet whose checksum is wrong, or no number */
	RSP_ACK,       /* + */
	RSP_NAK,       /* - */
	RSP_INTERRUPT, /* Ctrl-C */
	RSP_TOO_LONG,  /* a packet that exceeds RSP_PACKET_MAX: nothing that follows can be trusted */
};

struct rsp {
	enum { RSP_BETWEEN, RSP_INSIDE, RSP_ESCAPED, RSP_SUM_HIGH, RSP_SUM_LOW, RSP_LOST } state;
	unsigned char sum, sum_received;
	bool damaged;
	size_t len;
	char packet[RSP_PACKET_MAX + 1]; /* escapes undone; zero-terminated, but it may hold zeros */
};

/* Takes a byte. What is between packets and means nothing is passed over. */
enum rsp_input rsp_feed(struct rsp *r, unsigned char byte);

struct rsp_reply {
	size_t len;
	bool full;                            /* something did not fit: the reply is of no use */
	char bytes[2 * RSP_PACKET_MAX + 128]; /* with its frame */
};

void rsp_begin(struct rsp_reply *r);
/* Text that needs no escapes. */
void rsp_put(struct rsp_reply *r, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Two digits for each byte; or the bytes themselves, escaped. */
void rsp_put_hex(struct rsp_reply *r, const void *bytes, size_t len);
void rsp_put_binary(struct rsp_reply *r, const void *bytes, size_t len);
/* Puts the frame around it; r->bytes and r->len are what is to be sent. */
void rsp_end(struct rsp_reply *r);

/* Takes a number in hexadecimal digits off *text and moves it on; false: there is none, or it exceeds 64 bits. */
bool rsp_number(const char **text, uint64_t *out);
/* Takes this character off. */
bool rsp_take(const char **text, char c);
/* Bytes from two digits each; false: not all of them are digits. */
bool rsp_bytes(const char *digits, size_t count, void *out);

#endif
