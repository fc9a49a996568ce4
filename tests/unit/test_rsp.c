/* SPDX-License-Identifier: MIT */
/* The framing of GDB's remote protocol. */
#include <criterion/criterion.h>
#include <string.h>

#include "rsp.h"

static struct rsp in;
static struct rsp_reply out;

static void fresh(void)
{
	memset(&in, 0, sizeof in);
}

/* Feeds a text; what its last byte gave. */
static enum rsp_input feed(const char *text, size_t len)
{
	enum rsp_input last = RSP_NOTHING;
	for (size_t i = 0; i < len; i++)
		last = rsp_feed(&in, (unsigned char)text[i]);
	return last;
}

static enum rsp_input feed_text(const char *text)
{
	return feed(text, strlen(text));
}

TestSuite(rsp, .init = fresh);

Test(rsp, a_packet_is_what_stands_between_dollar_and_checksum)
{
	cr_assert_eq(feed_text("$qC#b4"), RSP_PACKET);
	cr_assert_eq(in.len, 2);
	cr_assert_str_eq(in.packet, "qC");
	cr_assert_eq(feed_text("$#00"), RSP_PACKET);
	cr_assert_eq(in.len, 0);
}

Test(rsp, signs_between_packets_have_their_meaning_and_others_none)
{
	cr_assert_eq(feed_text("+"), RSP_ACK);
	cr_assert_eq(feed_text("-"), RSP_NAK);
	cr_assert_eq(feed_text("\x03"), RSP_INTERRUPT);
	cr_assert_eq(feed_text("x#}"), RSP_NOTHING);
	cr_assert_eq(feed_text("$g#67"), RSP_PACKET);
}

Test(rsp, inside_a_packet_they_are_content)
{
	cr_assert_eq(feed_text("$+-\x03#5b"), RSP_PACKET);
	cr_assert_str_eq(in.packet, "+-\x03");
}

Test(rsp, a_wrong_checksum_is_damage_and_the_next_packet_is_read)
{
	cr_assert_eq(feed_text("$g#68"), RSP_DAMAGED);
	cr_assert_eq(feed_text("$g#6x"), RSP_DAMAGED);
	cr_assert_eq(feed_text("$g#x7"), RSP_DAMAGED);
	cr_assert_eq(feed_text("$g#67"), RSP_PACKET);
}

Test(rsp, capital_digits_are_digits)
{
	cr_assert_eq(feed_text("$k#6B"), RSP_PACKET);
	cr_assert_eq(feed_text("$m#6D"), RSP_PACKET);
}

Test(rsp, escapes_are_undone_but_count_in_the_checksum)
{
	static const char text[] = "$X}\x03}\x04}]#33";
	cr_assert_eq(feed(text, sizeof text - 1), RSP_PACKET);
	cr_assert_eq(in.len, 4);
	cr_assert_eq(memcmp(in.packet, "X#$}", 4), 0);
}

Test(rsp, a_packet_may_hold_zeros)
{
	static const char text[] = "$X\0\0#58";
	cr_assert_eq(feed(text, sizeof text - 1), RSP_PACKET);
	cr_assert_eq(in.len, 3);
}

Test(rsp, a_new_packet_replaces_one_that_was_not_ended)
{
	cr_assert_eq(feed_text("$m40$qC#b4"), RSP_PACKET);
	cr_assert_str_eq(in.packet, "qC");
}

Test(rsp, the_longest_packet_is_taken_and_a_longer_one_ends_all)
{
	rsp_feed(&in, '$');
	for (size_t i = 0; i < RSP_PACKET_MAX; i++)
		cr_assert_eq(rsp_feed(&in, 0x80), RSP_NOTHING);
	cr_assert_eq(feed_text("#00"), RSP_PACKET);
	cr_assert_eq(in.len, RSP_PACKET_MAX);
	rsp_feed(&in, '$');
	for (size_t i = 0; i < RSP_PACKET_MAX; i++)
		rsp_feed(&in, 'a');
	cr_assert_eq(rsp_feed(&in, 'a'), RSP_TOO_LONG);
	cr_assert_eq(feed_text("#00$g#67"), RSP_TOO_LONG);
}

static void expect_reply(const char *text)
{
	rsp_end(&out);
	cr_assert_not(out.full);
	cr_assert_eq(out.len, strlen(text));
	cr_assert_eq(memcmp(out.bytes, text, out.len), 0, "%.*s", (int)out.len, out.bytes);
}

Test(rsp, a_reply_has_its_frame)
{
	rsp_begin(&out);
	expect_reply("$#00");
	rsp_begin(&out);
	rsp_put(&out, "E%02x", 14);
	expect_reply("$E0e#da");
	rsp_begin(&out);
	rsp_put_hex(&out, "\x00\xff\x1a", 3);
	expect_reply("$00ff1a#be");
}

Test(rsp, what_a_reply_escapes_a_packet_restores)
{
	unsigned char all[256];
	for (int i = 0; i < 256; i++)
		all[i] = (unsigned char)i;
	rsp_begin(&out);
	rsp_put_binary(&out, all, sizeof all);
	rsp_end(&out);
	cr_assert_not(out.full);
	cr_assert_eq(feed(out.bytes, out.len), RSP_PACKET);
	cr_assert_eq(in.len, sizeof all);
	cr_assert_eq(memcmp(in.packet, all, sizeof all), 0);
}

Test(rsp, a_reply_that_does_not_fit_says_so)
{
	static char much[RSP_PACKET_MAX];
	rsp_begin(&out);
	rsp_put_hex(&out, much, sizeof much);
	cr_assert_not(out.full);
	rsp_put_hex(&out, much, sizeof much);
	cr_assert(out.full);
	rsp_put(&out, "x");
	cr_assert(out.full);
	rsp_begin(&out);
	rsp_put(&out, "%600d", 1);
	cr_assert(out.full);
}

Test(rsp, numbers_are_hexadecimal_and_no_longer_than_64_bits)
{
	const char *text = "1aF,";
	uint64_t n;
	cr_assert(rsp_number(&text, &n));
	cr_assert_eq(n, 0x1af);
	cr_assert(rsp_take(&text, ','));
	cr_assert_not(rsp_number(&text, &n));
	text = "ffffffffffffffff";
	cr_assert(rsp_number(&text, &n));
	cr_assert_eq(n, UINT64_MAX);
	text = "10000000000000000";
	cr_assert_not(rsp_number(&text, &n));
	text = "-1";
	cr_assert_not(rsp_number(&text, &n));
}

Test(rsp, bytes_need_two_digits_each)
{
	unsigned char bytes[2];
	cr_assert(rsp_bytes("0aFf", 2, bytes));
	cr_assert_eq(bytes[0], 0x0a);
	cr_assert_eq(bytes[1], 0xff);
	cr_assert_not(rsp_bytes("0a0", 2, bytes));
	cr_assert_not(rsp_bytes("0aX0", 2, bytes));
	cr_assert_not(rsp_bytes("", 1, bytes));
	cr_assert(rsp_bytes("", 0, bytes));
}
