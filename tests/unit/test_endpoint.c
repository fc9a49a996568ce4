/* SPDX-License-Identifier: MIT */
/* Endpoints of the host: "tcp:ADDR:PORT" and "unix:PATH", parsed and made into addresses. */
#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/un.h>

#include <cassin/spec.h>

#include "spec/endpoint.h"

static struct cassin_error_text err;

/* ---- Sizes and names ---- */

Test(size, sizes_are_bytes_or_have_a_unit)
{
	uint64_t bytes = 0;
	cr_assert_eq(cassin_size_parse("4096", &bytes), 0);
	cr_assert_eq(bytes, 4096);
	cr_assert_eq(cassin_size_parse("64K", &bytes), 0);
	cr_assert_eq(bytes, 65536);
	cr_assert_eq(cassin_size_parse("16M", &bytes), 0);
	cr_assert_eq(bytes, 16777216);
	cr_assert_eq(cassin_size_parse("1G", &bytes), 0);
	cr_assert_eq(bytes, 1073741824);
	cr_assert_eq(cassin_size_parse("0", &bytes), 0);
	cr_assert_eq(bytes, 0);
	cr_assert_eq(cassin_size_parse("18446744073709551615", &bytes), 0);
	cr_assert_eq(bytes, UINT64_MAX);
}

Test(size, other_text_is_refused_and_leaves_the_result_alone)
{
	static const char *const bad[] = {"", "K", "-1", "+1", " 1", "1 ", "1KB", "1k", "0x10", "1.5M", "16MM", "M16"};
	uint64_t bytes = 7;
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
		cr_expect_eq(cassin_size_parse(bad[i], &bytes), -EINVAL, "%s", bad[i]);
	cr_expect_eq(cassin_size_parse("18446744073709551616", &bytes), -ERANGE);
	cr_expect_eq(cassin_size_parse("18014398509481984K", &bytes), -ERANGE);
	cr_expect_eq(cassin_size_parse("999999999999999999999999G", &bytes), -ERANGE);
	cr_expect_eq(bytes, 7);
}

Test(name, names_begin_with_a_letter_or_a_digit)
{
	cr_assert(cassin_name_valid("a"));
	cr_assert(cassin_name_valid("0"));
	cr_assert(cassin_name_valid("Web-1.a_b"));
	cr_assert(cassin_name_valid("123456789012345678901234567890123456789012345678901234567890123"));
	cr_assert_not(cassin_name_valid("1234567890123456789012345678901234567890123456789012345678901234"));
	cr_assert_not(cassin_name_valid(NULL));
	cr_assert_not(cassin_name_valid(""));
	cr_assert_not(cassin_name_valid(".a"));
	cr_assert_not(cassin_name_valid("_a"));
	cr_assert_not(cassin_name_valid("a/b"));
	cr_assert_not(cassin_name_valid("a\n"));
	cr_assert_not(cassin_name_valid("caf\xc3\xa9"));
}

/* ---- Endpoints and ports ---- */

Test(endpoint, addresses_are_numeric_and_ports_are_not_zero)
{
	static const char *const good[] = {
		"tcp:127.0.0.1:8080", "tcp:0.0.0.0:1", "tcp:[::1]:65535", "tcp:[::]:80",
		"unix:/run/x.sock",   "unix:x",        "unix:/a:b",       "tcp:[::ffff:1.2.3.4]:80",
	};
	static const char *const bad[] = {
		"",
		"tcp",
		"tcp:",
		"tcp::80",
		"tcp:80",
		"tcp:127.0.0.1",
		"tcp:127.0.0.1:",
		"tcp:127.0.0.1:0",
		"tcp:127.0.0.1:65536",
		"tcp:127.0.0.1:-1",
		"tcp:127.0.0.1:+1",
		"tcp:127.0.0.1: 1",
		"tcp:127.0.0.1:1 ",
		"tcp:127.0.0.1:99999999999",
		"tcp:256.0.0.1:80",
		"tcp:1.2.3:80",
		"tcp:localhost:80",
		"tcp:::1:80",
		"tcp:[]:80",
		"tcp:[::1]80",
		"tcp:[::1:80",
		"tcp:[127.0.0.1]:80",
		"tcp:[[::1]]:80",
		"udp:127.0.0.1:80",
		"unix:",
		"TCP:127.0.0.1:80",
		" tcp:127.0.0.1:80",
	};
	for (size_t i = 0; i < sizeof good / sizeof *good; i++)
		cr_expect(cassin_endpoint_valid(good[i]), "%s", good[i]);
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
		cr_expect_not(cassin_endpoint_valid(bad[i]), "%s", bad[i]);
	cr_expect_not(cassin_endpoint_valid(NULL));
}

Test(endpoint, socket_addresses_are_ready_for_bind)
{
	struct sockaddr_storage address;
	socklen_t len = 0;
	cr_assert_eq(endpoint_sockaddr("tcp:127.0.0.1:8080", &address, &len), 0);
	const struct sockaddr_in *v4 = (const struct sockaddr_in *)&address;
	cr_assert_eq(len, sizeof *v4);
	cr_assert_eq(v4->sin_family, AF_INET);
	cr_assert_eq(ntohs(v4->sin_port), 8080);
	cr_assert_eq(ntohl(v4->sin_addr.s_addr), INADDR_LOOPBACK);
	cr_assert_eq(endpoint_sockaddr("tcp:[::1]:443", &address, &len), 0);
	const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)&address;
	cr_assert_eq(len, sizeof *v6);
	cr_assert_eq(v6->sin6_family, AF_INET6);
	cr_assert_eq(ntohs(v6->sin6_port), 443);
	cr_assert_arr_eq(&v6->sin6_addr, &in6addr_loopback, sizeof in6addr_loopback);
	cr_assert_eq(endpoint_sockaddr("unix:/run/x", &address, &len), 0);
	const struct sockaddr_un *un = (const struct sockaddr_un *)&address;
	cr_assert_eq(len, offsetof(struct sockaddr_un, sun_path) + 7);
	cr_assert_eq(un->sun_family, AF_UNIX);
	cr_assert_str_eq(un->sun_path, "/run/x");
}

Test(endpoint, a_unix_path_fills_sun_path_and_no_more)
{
	char text[128] = "unix:";
	memset(text + 5, 'p', 107);
	cr_assert(cassin_endpoint_valid(text));
	text[5 + 107] = 'p';
	cr_assert_not(cassin_endpoint_valid(text));
}

static void port_is(const char *text, const char *host, unsigned guest)
{
	struct cassin_guest_port port;
	cr_assert_eq(cassin_port_parse(text, &port, &err), 0, "%s: %s", text, err.text);
	cr_assert_str_eq(port.host, host);
	cr_assert_eq(port.guest, guest);
}

static void port_is_not(const char *text, const char *message)
{
	struct cassin_guest_port port = {.guest = 7};
	cr_expect_eq(cassin_port_parse(text, &port, &err), -EINVAL, "%s", text);
	cr_expect_str_eq(err.text, message);
	cr_expect_eq(port.guest, 7);
	cr_expect_eq(cassin_port_parse(text, &port, NULL), -EINVAL);
}

Test(port, ports_have_a_host_end_and_a_guests_end)
{
	port_is("8080:80", "tcp:127.0.0.1:8080", 80);
	port_is("0.0.0.0:8080:80", "tcp:0.0.0.0:8080", 80);
	port_is("[::1]:8080:65535", "tcp:[::1]:8080", 65535);
	port_is("unix:/run/x.sock:80", "unix:/run/x.sock", 80);
	port_is("unix:x:80", "unix:x", 80);
}

Test(port, other_text_is_refused)
{
	char longest[300] = "unix:/";
	port_is_not("", "-p : must be [ADDR:]PORT:GUEST or unix:PATH:GUEST");
	port_is_not("8080", "-p 8080: must be [ADDR:]PORT:GUEST or unix:PATH:GUEST");
	port_is_not("8080:", "-p 8080:: the guest's port must be from 1 to 65535, not \"\"");
	port_is_not("8080:0", "-p 8080:0: the guest's port must be from 1 to 65535, not \"0\"");
	port_is_not("8080:65536", "-p 8080:65536: the guest's port must be from 1 to 65535, not \"65536\"");
	port_is_not("unix:/x", "-p unix:/x: the guest's port must be from 1 to 65535, not \"/x\"");
	port_is_not(":80", "-p :80: the host's port must be from 1 to 65535");
	port_is_not("0:80", "-p 0:80: the host's port must be from 1 to 65535");
	port_is_not("70000:80", "-p 70000:80: the host's port must be from 1 to 65535");
	port_is_not("localhost:80:80",
		    "-p localhost:80:80: the host's end must be ADDR:PORT, ADDR numeric, PORT from 1 to 65535");
	port_is_not("::1:80:80", "-p ::1:80:80: the host's end must be ADDR:PORT, ADDR numeric, PORT from 1 to 65535");
	port_is_not("unix::80", "-p unix::80: the path must have from 1 to 107 bytes");
	memset(longest + 6, 'p', 200);
	strcpy(longest + 206, ":80");
	struct cassin_guest_port port;
	cr_assert_eq(cassin_port_parse(longest, &port, &err), -EINVAL);
	cr_assert_str_eq(strchr(err.text, '.'), "...: too long");
}

/* ---- Errors ---- */

Test(error, the_code_comes_back_and_no_text_is_needed)
{
	cr_assert_eq(cassin_error_set(NULL, -EIO, "x"), -EIO);
	cr_assert_eq(cassin_error_set(&err, -ENOENT, "%s: %d", "a", 7), -ENOENT);
	cr_assert_str_eq(err.text, "a: 7");
	cassin_error_set(&err, 0, "b: %s", err.text);
	cr_assert_str_eq(err.text, "b: a: 7");
}

Test(error, long_text_is_cut_between_characters)
{
	char text[1000];
	memset(text, 'a', sizeof text);
	text[sizeof text - 1] = '\0';
	cassin_error_set(&err, 0, "%s", text);
	cr_assert_eq(strlen(err.text), sizeof err.text - 1);
	cr_assert_str_eq(err.text + strlen(err.text) - 4, "a...");
	memcpy(text + sizeof err.text - 5, "\xc3\xa9", 2); /* the dots would begin in its middle */
	cassin_error_set(&err, 0, "%s", text);
	cr_assert_str_eq(err.text + strlen(err.text) - 4, "a...");
	cr_assert_eq(strlen(err.text), sizeof err.text - 2);
	text[sizeof err.text - 1] = '\0';
	cassin_error_set(&err, 0, "%s", text);
	cr_assert_str_eq(err.text, text, "what fits is left whole");
}

Test(error, the_text_is_one_line_of_utf8)
{
	cassin_error_set(&err, 0, "a\nb\tc\x7f");
	cr_assert_str_eq(err.text, "a?b?c?");
	cassin_error_set(&err, 0, "\xc3\xa9 \xe2\x82\xac \xf0\x9f\x98\x80");
	cr_assert_str_eq(err.text, "\xc3\xa9 \xe2\x82\xac \xf0\x9f\x98\x80");
	cassin_error_set(&err, 0, "\xff \xc3 \xc0\xaf \xed\xa0\x80 \xf4\x90\x80\x80 \xe2\x82");
	cr_assert_str_eq(err.text, "? ? ?? ??? ???? ??");
}
