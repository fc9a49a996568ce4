/* SPDX-License-Identifier: MIT */
/* Specs as editors and other programs write them: numbers in any form of JSON, byte order marks. */
#include <criterion/criterion.h>
#include <errno.h>
#include <string.h>

#include <cassin/spec.h>

static void refuses(const char *json, const char *message)
{
	struct cassin_guest_spec s;
	struct cassin_error_text why = {{0}};
	cassin_spec_init(&s);
	cr_expect_eq(cassin_spec_parse(&s, json, strlen(json), "s", &why), -EINVAL);
	cr_expect_str_eq(why.text, message);
}

/* JSON has one kind of number, and programs write whole ones in any way. */
Test(spec_text, whole_numbers_may_be_written_with_an_exponent)
{
	struct cassin_guest_spec s;
	struct cassin_error_text why = {{0}};
	const char text[] = "{\"name\": \"a\", \"memory\": 64e6, \"streams\": 8.0, \"restart_max\": 1e3}";
	cassin_spec_init(&s);
	cr_assert_eq(cassin_spec_parse(&s, text, strlen(text), "s", &why), 0, "%s", why.text);
	cr_expect_eq(s.memory, 64000000u);
	cr_expect_eq(s.streams, 8u);
	cr_expect_eq(s.restart_max, 1000u);
	cassin_spec_free(&s);
	refuses("{\"restart_max\": 1e300}", "s: restart_max: must be an integer, not a fraction");
	refuses("{\"memory\": -64e6}", "s: memory: must be from 64K to 64G, not -64000000 bytes");
	refuses("{\"weight\": 1e9}", "s: weight: must be a number from 1 to 10000, not 1000000000");
}

Test(spec_text, a_byte_order_mark_is_passed_over)
{
	struct cassin_guest_spec s;
	struct cassin_error_text why = {{0}};
	const char text[] = "\xef\xbb\xbf{\"name\": \"a\"}";
	cassin_spec_init(&s);
	cr_assert_eq(cassin_spec_parse(&s, text, strlen(text), "s", &why), 0, "%s", why.text);
	cr_expect_str_eq(s.name, "a");
	cassin_spec_free(&s);
	cr_expect_eq(cassin_spec_parse(&s, "\xff\xfe{\0}\0", 6, "s", &why), -EINVAL);
	cr_expect_str_eq(why.text, "s: is UTF-16 text: a spec is UTF-8");
}

Test(spec, every_isolation_and_restart_policy_is_found_by_its_word)
{
	for (enum cassin_guest_isolation i = CASSIN_ISOLATION_CELL; i <= CASSIN_ISOLATION_VM; i++) {
		enum cassin_guest_isolation found = CASSIN_ISOLATION_VM - i;
		cr_assert_eq(cassin_isolation_parse(cassin_isolation_name(i), &found), 0);
		cr_assert_eq(found, i);
	}
	for (enum cassin_guest_restart i = CASSIN_RESTART_NO; i <= CASSIN_RESTART_ALWAYS; i++) {
		enum cassin_guest_restart found = CASSIN_RESTART_ALWAYS - i;
		const char *word = cassin_restart_name(i);
		cr_assert_eq(cassin_restart_parse(word, strlen(word), &found), 0);
		cr_assert_eq(found, i);
		cr_assert_eq(cassin_restart_parse(word, strlen(word) - 1, &found), -EINVAL, "%s but for its end", word);
	}
	enum cassin_guest_isolation none;
	cr_assert_eq(cassin_isolation_parse("vmx", &none), -EINVAL);
	cr_assert_eq(cassin_isolation_parse("", &none), -EINVAL);
}

Test(spec, text_that_is_not_utf8_has_no_format)
{
	char *args[] = {(char[]){"\xff"}};
	struct cassin_guest_spec spec;
	cassin_spec_init(&spec);
	spec.args = args;
	spec.nargs = 1;
	cr_assert_null(cassin_spec_format(&spec));
}
