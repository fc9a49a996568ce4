/* SPDX-License-Identifier: MIT */
/* Any text as a spec. What is accepted must come back the same from its own text. */
#include "fuzz.h"

#include <cassin/spec.h>

static void check_round_trip(const struct cassin_guest_spec *s)
{
	struct cassin_error_text err = {{0}};
	struct cassin_guest_spec again;
	char *text = cassin_spec_format(s), *same;
	MUST(text);
	cassin_spec_init(&again);
	MUST(cassin_spec_parse(&again, text, strlen(text), "again", &err) == 0);
	same = cassin_spec_format(&again);
	MUST(same && strcmp(text, same) == 0);
	free(same);
	free(text);
	cassin_spec_free(&again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct cassin_error_text err = {{0}};
	struct cassin_guest_spec spec, copy;
	cassin_spec_init(&spec);
	int r = cassin_spec_parse(&spec, (const char *)data, size, "fuzz", &err);
	MUST(r <= 0 && (r != 0) == (err.text[0] != 0));
	if (!r && cassin_spec_check(&spec, "fuzz", &err) == 0) {
		check_round_trip(&spec);
		MUST(cassin_spec_copy(&copy, &spec) == 0);
		MUST(cassin_spec_check(&copy, "copy", &err) == 0);
		cassin_spec_free(&copy);
	}
	cassin_spec_free(&spec);
	return 0;
}
