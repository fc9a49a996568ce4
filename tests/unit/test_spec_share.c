/* SPDX-License-Identifier: MIT */
/* A spec's keys for its share of the CPU, and for templates. */
#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cassin/spec.h>

static struct cassin_error_text err;
static struct cassin_guest_spec spec;

static void parse(const char *json)
{
	cassin_spec_init(&spec);
	int result = cassin_spec_parse(&spec, json, strlen(json), "s", &err);
	cr_assert_eq(result, 0, "%s: %s", json, err.text);
}

static void refuses(const char *json, const char *message)
{
	cassin_spec_init(&spec);
	cr_expect_eq(cassin_spec_parse(&spec, json, strlen(json), "s", &err), -EINVAL, "%s is not refused", json);
	cr_expect_str_eq(err.text, message);
}

/* ---- Weight ---- */

Test(weight, is_100_unless_told)
{
	parse("{}");
	cr_assert_eq(spec.weight, 100);
	parse("{\"weight\": 1}");
	cr_assert_eq(spec.weight, 1);
	parse("{\"weight\": 10000}");
	cr_assert_eq(spec.weight, 10000);
}

Test(weight, is_from_1_to_10000)
{
	refuses("{\"weight\": 0}", "s: weight: must be a number from 1 to 10000, not 0");
	refuses("{\"weight\": 10001}", "s: weight: must be a number from 1 to 10000, not 10001");
	refuses("{\"weight\": \"5\"}", "s: weight: must be an integer, not a string");
	refuses("{\"weight\": 1.5}", "s: weight: must be an integer, not a fraction");
	parse("{\"name\": \"a\", \"image\": \"b\"}");
	spec.weight = 0;
	cr_assert_eq(cassin_spec_check(&spec, "s", &err), -EINVAL);
	cr_assert_str_eq(err.text, "s: weight: must be a number from 1 to 10000, not 0");
	cassin_spec_free(&spec);
}

/* ---- The cap ---- */

static void cap_is(const char *text, uint64_t quota, uint64_t period)
{
	char json[128];
	snprintf(json, sizeof json, "{\"cpu_max\": \"%s\"}", text);
	parse(json);
	cr_expect_eq(spec.cpu_quota_us, quota, "%s", text);
	cr_expect_eq(spec.cpu_period_us, period, "%s", text);
}

Test(cpu_max, is_spelt_as_cgroups_spell_it)
{
	parse("{}");
	cr_assert_eq(spec.cpu_quota_us, 0);
	cr_assert_eq(spec.cpu_period_us, 100000);
	cap_is("max", 0, 100000);
	cap_is("max 50000", 0, 50000);
	cap_is("50000 100000", 50000, 100000);
	cap_is("50000", 50000, 100000);
	cap_is("1000 1000", 1000, 1000);
	cap_is("64000000 1000000", 64000000, 1000000);
}

#define SHAPE "s: cpu_max: must be microseconds, \"QUOTA PERIOD\" or \"max PERIOD\", not "

Test(cpu_max, of_another_shape_is_refused)
{
	refuses("{\"cpu_max\": \"\"}", SHAPE "\"\"");
	refuses("{\"cpu_max\": \"maximum\"}", SHAPE "\"maximum\"");
	refuses("{\"cpu_max\": \"max \"}", SHAPE "\"max \"");
	refuses("{\"cpu_max\": \"5000 max\"}", SHAPE "\"5000 max\"");
	refuses("{\"cpu_max\": \"5000  10000\"}", SHAPE "\"5000  10000\"");
	refuses("{\"cpu_max\": \"5000 10000 1\"}", SHAPE "\"5000 10000 1\"");
	refuses("{\"cpu_max\": \"-5000\"}", SHAPE "\"-5000\"");
	refuses("{\"cpu_max\": \"0\"}", SHAPE "\"0\"");
	refuses("{\"cpu_max\": \"18446744073709551616\"}", SHAPE "\"18446744073709551616\"");
	refuses("{\"cpu_max\": 50000}", "s: cpu_max: must be a string, not an integer");
}

Test(cpu_max, out_of_range_is_refused)
{
	refuses("{\"cpu_max\": \"max 999\"}", "s: cpu_max: the period must be from 1000 to 1000000 us, not 999");
	refuses("{\"cpu_max\": \"max 1000001\"}",
		"s: cpu_max: the period must be from 1000 to 1000000 us, not 1000001");
	refuses("{\"cpu_max\": \"999\"}",
		"s: cpu_max: the quota must be from 1000 us to 64 periods (6400000 us), not 999");
	refuses("{\"cpu_max\": \"64001 1000\"}",
		"s: cpu_max: the quota must be from 1000 us to 64 periods (64000 us), not 64001");
	refuses("{\"cpu_max\": \"18446744073709551615 1000\"}",
		"s: cpu_max: the quota must be from 1000 us to 64 periods (64000 us), not 18446744073709551615");
}

/* ---- Templates ---- */

Test(template, takes_the_place_of_an_image)
{
	parse("{\"name\": \"a\", \"template\": \"t\"}");
	cr_assert_str_eq(spec.from_template, "t");
	cr_assert_null(spec.image);
	cr_assert_eq(cassin_spec_check(&spec, "s", &err), 0, "%s", err.text);
	cassin_spec_free(&spec);
	cr_assert_null(spec.from_template);
	parse("{\"name\": \"a\"}");
	cr_assert_eq(cassin_spec_check(&spec, "s", &err), -EINVAL);
	cr_assert_str_eq(err.text, "s: image: is missing");
	cassin_spec_free(&spec);
}

Test(template, gives_image_arguments_and_memory)
{
	refuses("{\"template\": \"t\", \"image\": \"/a\"}",
		"s: image: a clone has its template's, so it must be absent");
	refuses("{\"args\": [\"x\"], \"template\": \"t\"}",
		"s: args: a clone has its template's, so they must be absent");
	refuses("{\"memory\": \"16M\", \"template\": \"t\"}",
		"s: memory: a clone has its template's, so it must be absent");
	parse("{\"template\": \"t\", \"args\": [], \"streams\": 3}");
	cassin_spec_free(&spec);
}

Test(template, over_a_held_image_is_refused)
{
	cassin_spec_init(&spec);
	spec.image = strdup("/held");
	const char *json = "{\"template\": \"t\"}";
	cr_assert_eq(cassin_spec_parse(&spec, json, strlen(json), "s", &err), -EINVAL);
	cr_assert_null(spec.image);
	cr_assert_null(spec.from_template);
}

Test(template, has_a_name_as_guests_have)
{
	refuses("{\"template\": \"\"}",
		"s: template: must be letters, digits, '.', '_' and '-', at most 63, the first "
		"a letter or a digit, not \"\"");
	refuses("{\"template\": 1}", "s: template: must be a string, not an integer");
}

/* ---- Copies and text ---- */

static void is_clone(const struct cassin_guest_spec *s)
{
	cr_assert_str_eq(s->from_template, "t");
	cr_assert_null(s->image);
	cr_assert_eq(s->weight, 7);
	cr_assert_eq(s->cpu_quota_us, 2000);
	cr_assert_eq(s->cpu_period_us, 3000);
}

Test(share, keys_survive_copies_and_text)
{
	struct cassin_guest_spec copy;
	parse("{\"name\": \"a\", \"template\": \"t\", \"weight\": 7, \"cpu_max\": \"2000 3000\"}");
	is_clone(&spec);
	cr_assert_eq(cassin_spec_copy(&copy, &spec), 0);
	cassin_spec_free(&spec);
	is_clone(&copy);
	char *text = cassin_spec_format(&copy);
	cr_assert_null(strstr(text, "\"memory\""));
	parse(text);
	is_clone(&spec);
	cassin_spec_free(&copy);
	cassin_spec_free(&spec);
	free(text);
	parse("{\"cpu_max\": \"max 2000\"}");
	text = cassin_spec_format(&spec);
	cr_assert_not_null(strstr(text, "\"cpu_max\": \"max 2000\""));
	free(text);
}
