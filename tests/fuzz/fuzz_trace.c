/* SPDX-License-Identifier: MIT */
/* Records of a trace, whose numbers and texts are a guest's: JSON that can be read again, and a line that a terminal may be shown. */
#include "fuzz.h"

#include <stdio.h>

#include "fuzz_input.h"
#include "trace_json.h"
#include "trace_view.h"

static void check_line(const json_t *event)
{
	char *line = NULL;
	size_t len = 0;
	struct trace_text t = {.out = open_memstream(&line, &len)};
	MUST(t.out);
	trace_text_print(&t, event);
	trace_text_end(&t);
	fclose(t.out);
	MUST(len && line[len - 1] == '\n');
	for (size_t i = 0; i < len - 1; i++)
		MUST(line[i] >= ' ' && line[i] < 0x7f);
	free(line);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input in = {data, size};
	struct cassin_trace_record r = {.kind = (enum cassin_trace_kind)(take(&in, 1) % (CASSIN_TRACE_END + 1))};
	r.number = r.kind == CASSIN_TRACE_END ? take(&in, 1) % (CASSIN_TRACE_KILLED + 1) : take(&in, 1);
	if (r.kind != CASSIN_TRACE_END && r.number == 0xff)
		r.number = take(&in, 8);
	r.result = (int64_t)take(&in, 8);
	for (unsigned i = 0; i < 6; i++)
		r.args[i] = take(&in, 1 + i % 2 * 7);
	r.handle = (int32_t)take(&in, 4);
	r.flags = (uint8_t)take(&in, 1);
	r.addr = take(&in, 8);
	r.len = take(&in, 8);
	r.offset = take(&in, 8);
	r.user_data = take(&in, 8);
	r.took_ns = take(&in, 8);
	r.text_len = (uint8_t)(in.left < sizeof r.text ? in.left : sizeof r.text);
	memcpy(r.text, in.at, r.text_len);
	json_t *event = trace_json(&r), *again;
	MUST(event);
	char *text = json_dumps(event, JSON_COMPACT);
	MUST(text && (again = json_loads(text, 0, NULL)) && json_equal(event, again));
	check_line(again);
	json_decref(again);
	json_decref(event);
	free(text);
	return 0;
}
