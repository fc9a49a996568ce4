/* SPDX-License-Identifier: MIT */
/* What comes from guests and their images is shown as one line of printable ASCII, and cut. */
#include <criterion/criterion.h>
#include <string.h>

#include <cassin/spec.h>
#include <cassin/text.h>

static void escape(const char *bytes, size_t len, const char *want)
{
	char out[CASSIN_TEXT_ESCAPED];
	cr_expect_eq(cassin_text_escape(out, bytes, len), strlen(want));
	cr_expect_str_eq(out, want);
}

Test(text, printable_ascii_is_itself)
{
	escape("", 0, "");
	escape("main~ <T>(x)", 12, "main~ <T>(x)");
}

Test(text, what_ends_a_line_or_a_string_is_escaped)
{
	escape("a\nb\rc\td\"e\\f", 11, "a\\nb\\rc\\td\\\"e\\\\f");
}

Test(text, controls_and_bytes_that_are_no_ascii_are_numbers)
{
	escape("\0\033[2J\177\302\233\377", 9, "\\x00\\x1b[2J\\x7f\\xc2\\x9b\\xff");
}

Test(text, a_long_one_is_cut)
{
	char many[4096], out[CASSIN_TEXT_ESCAPED], want[CASSIN_TEXT_SHOWN + sizeof "..."];
	memset(many, 'A', sizeof many);
	memset(want, 'A', CASSIN_TEXT_SHOWN);
	want[CASSIN_TEXT_SHOWN] = '\0';
	escape(many, CASSIN_TEXT_SHOWN, want);
	strcpy(want + CASSIN_TEXT_SHOWN, "...");
	escape(many, CASSIN_TEXT_SHOWN + 1, want);
	escape(many, sizeof many, want);
	memset(many, 1, sizeof many);
	cr_expect_eq(cassin_text_escape(out, many, sizeof many), CASSIN_TEXT_ESCAPED - 1,
		     "the worst case fills the room exactly");
	cr_expect_str_eq(out + CASSIN_TEXT_ESCAPED - 8, "\\x01...");
}

/* A terminal in UTF-8 mode takes U+009B for the beginning of a command, as it does ESC [. */
Test(text, an_error_holds_no_control_of_either_kind)
{
	struct cassin_error_text err;
	cassin_error_set(&err, -1, "a\033b\302\233c\302\240d\303\251");
	cr_expect_str_eq(err.text, "a?b??c\302\240d\303\251");
}
