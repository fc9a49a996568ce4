/* SPDX-License-Identifier: MIT */
/* The density lab's pure parts: histogram, medians of runs, how guests are divided, commands with words to fill in. */
#include <criterion/criterion.h>
#include <stdlib.h>

#include "../../tools/density/histogram.h"
#include "../../tools/density/metrics.h"
#include "../../tools/common/placeholders.h"
#include "../../tools/density/scenario.h"

static struct histogram h, other;

Test(histogram, an_empty_one_has_no_values)
{
	cr_assert_eq(histogram_at(&h, 0.5), 0);
	cr_assert_eq(histogram_at(&h, 1), 0);
}

static int compare(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
	return (x > y) - (x < y);
}

Test(histogram, percentiles_are_those_of_the_sorted_values_to_three_digits)
{
	enum { N = 20000 };
	static const double parts[] = {0.001, 0.1, 0.5, 0.9, 0.99, 0.999, 1};
	uint64_t *values = calloc(N, sizeof *values), x = 88172645463325252u;
	for (unsigned i = 0; i < N; i++) {
		x ^= x << 13;
		x ^= x >> 7;
		x ^= x << 17;
		values[i] = (x >> 20) >> (x % 40); /* of all magnitudes up to 2^44 */
		values[i] &= (1ull << 42) - 1;
		histogram_add(&h, values[i]);
	}
	qsort(values, N, sizeof *values, compare);
	for (unsigned i = 0; i < sizeof parts / sizeof *parts; i++) {
		size_t rank = (size_t)(parts[i] * N);
		uint64_t want = values[rank ? rank - 1 : 0], got = histogram_at(&h, parts[i]);
		uint64_t far = want > got ? want - got : got - want;
		cr_assert(far <= want / 1000, "%g: %lu, not %lu", parts[i], (unsigned long)got, (unsigned long)want);
	}
	cr_assert_eq(histogram_at(&h, 1), values[N - 1]);
	free(values);
}

Test(histogram, the_smallest_and_the_largest_values_have_a_place)
{
	histogram_add(&h, 0);
	cr_assert_eq(histogram_at(&h, 1), 0);
	histogram_add(&h, UINT64_MAX);
	cr_assert_eq(h.count, 2);
	cr_assert_eq(h.largest, UINT64_MAX);
	cr_assert_geq(histogram_at(&h, 1), (uint64_t)1 << 41);
}

Test(histogram, neighbouring_values_never_fall_back)
{
	uint64_t last = 0;
	for (uint64_t v = 1; v < (uint64_t)1 << 41; v += v / 700 + 1) {
		struct histogram *one = calloc(1, sizeof *one);
		histogram_add(one, v);
		one->largest = UINT64_MAX; /* the bucket's own value, not the largest */
		uint64_t at = histogram_at(one, 0.5);
		cr_assert(at >= last, "%lu after %lu", (unsigned long)at, (unsigned long)last);
		last = at;
		free(one);
	}
}

Test(histogram, what_is_encoded_and_decoded_is_the_same)
{
	for (uint64_t v = 1; v < (uint64_t)1 << 40; v *= 3)
		histogram_add(&h, v);
	json_t *pairs = histogram_encode(&h);
	histogram_decode(&other, pairs);
	cr_assert_eq(other.count, h.count);
	cr_assert_arr_eq(other.buckets, h.buckets, sizeof h.buckets);
	json_decref(pairs);
}

Test(histogram, buckets_that_cannot_be_are_skipped)
{
	json_t *pairs = json_loads("[[-1, 5], [99999999, 5], [3, 0], [3, -2], [3], 7, [3, 2], [\"a\", 1]]", 0, NULL);
	histogram_decode(&h, pairs);
	cr_assert_eq(h.buckets[3], 2);
	cr_assert_eq(h.count, 2 + h.buckets[0]);
	json_decref(pairs);
}

Test(histogram, two_together_count_as_one)
{
	for (unsigned i = 1; i <= 100; i++)
		histogram_add(i % 2 ? &h : &other, i);
	histogram_merge(&h, &other);
	cr_assert_eq(h.count, 100);
	cr_assert_eq(histogram_at(&h, 0.5), 50);
	cr_assert_eq(histogram_at(&h, 0.99), 99);
}

static double part(const json_t *summary, size_t step, const char *metric, const char *which)
{
	const json_t *metrics_of = json_object_get(json_array_get(summary, step), "metrics");
	return json_number_value(json_object_get(json_object_get(metrics_of, metric), which));
}

Test(metrics, a_summary_has_the_median_and_the_spread_of_each_step)
{
	json_t *runs = json_loads(
		"[{\"steps\": [{\"guests\": 10, \"metrics\": {\"errors\": 5}},"
		"             {\"guests\": 20, \"metrics\": {\"errors\": 1}}]},"
		" {\"steps\": [{\"guests\": 10, \"metrics\": {\"errors\": 1}}]},"
		" {\"steps\": [{\"guests\": 10, \"metrics\": {\"errors\": 2, \"other\": 1}}]}]",
		0, NULL);
	json_t *summary = metrics_summary(runs);
	cr_assert_eq(json_array_size(summary), 2);
	cr_assert_eq(json_integer_value(json_object_get(json_array_get(summary, 0), "runs")), 3);
	cr_assert_eq(part(summary, 0, "errors", "median"), 2);
	cr_assert_eq(part(summary, 0, "errors", "min"), 1);
	cr_assert_eq(part(summary, 0, "errors", "max"), 5);
	cr_assert_eq(part(summary, 1, "errors", "median"), 1);
	json_decref(summary);
	json_decref(runs);
}

Test(metrics, no_number_is_no_figure)
{
	json_t *into = json_object();
	metric_set(into, "errors", 0.0 / 0.0);
	metric_set(into, "errors", 1.0 / 0.0);
	cr_assert_eq(json_object_size(into), 0);
	json_decref(into);
}

Test(metrics, numbers_are_written_as_a_person_reads_them)
{
	static const struct {
		double value;
		const char *text;
	} cases[] = {{0, "0"},        {7, "7"},        {0.5, "0.50"},          {0.0123, "0.0123"}, {12.34, "12.3"},
		     {999.6, "1000"}, {1000, "1,000"}, {1234567, "1,234,567"}, {-45678, "-45,678"}};
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		char text[32];
		cr_assert_str_eq(metric_text(cases[i].value, text), cases[i].text);
	}
}

Test(scenario, shares_divide_all_guests_of_a_step)
{
	struct scenario s = {.group_count = 4,
			     .groups = {{.share = 0.6}, {.share = 0.2}, {.share = 0.2}, {.count = 2}}};
	for (unsigned guests = 1; guests < 300; guests++) {
		unsigned sum = 0;
		for (size_t i = 0; i < 3; i++)
			sum += scenario_group_size(&s, i, guests);
		cr_assert_eq(sum, guests);
		cr_assert_eq(scenario_group_size(&s, 3, guests), 2);
	}
	cr_assert_eq(scenario_group_size(&s, 0, 100), 60);
}

Test(scenario, a_ramp_is_rising_numbers)
{
	static const char *const bad[] = {"",   ",", "1,",  ",1",   "5,5",    "9,3", "0",
					  "-1", "x", "1;2", "1,2x", "200001", "1 ,2"};
	struct scenario s = {.step_count = 0};
	cr_assert_eq(scenario_set_ramp(&s, "1,20,300"), 0);
	cr_assert_eq(s.step_count, 3);
	cr_assert_eq(s.steps[2], 300);
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
		cr_assert_neq(scenario_set_ramp(&s, bad[i]), 0, "%s", bad[i]);
}

Test(placeholders, words_are_replaced_wherever_they_are)
{
	const struct placeholder words[] = {{"{i}", "7"}, {"{port}", ""}, {"{image}", "{i}"}};
	static const char *const cases[][2] = {
		{"", ""},
		{"no words", "no words"},
		{"{i}", "7"},
		{"a {i}{i} {port}b", "a 77 b"},
		{"{image}", "{i}"}, /* what is filled in is not looked at again */
		{"{i {I} {other} i} {", "{i {I} {other} i} {"},
	};
	for (size_t k = 0; k < sizeof cases / sizeof *cases; k++) {
		char *text = placeholders_fill(cases[k][0], words, sizeof words / sizeof *words);
		cr_assert_not_null(text);
		cr_expect_str_eq(text, cases[k][1]);
		free(text);
	}
}
