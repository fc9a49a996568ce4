/* SPDX-License-Identifier: MIT */
/* A program of one's own over the engine: spawns a guest, waits for its end, prints its console. Usage: host IMAGE [ARGUMENT...] */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include <cassin/engine.h>

static void print_console(struct cassin_engine *engine, uint64_t id)
{
	char text[4096];
	uint64_t offset = 0, lost;
	long n;
	while ((n = cassin_engine_guest_log(engine, id, &offset, text, sizeof text, &lost)) > 0)
		fwrite(text, 1, (size_t)n, stdout);
}

static int run(struct cassin_engine *engine, const struct cassin_guest_spec *spec, struct cassin_error_text *why)
{
	struct cassin_guest_status status;
	uint64_t id;
	if (cassin_engine_guest_spawn(engine, spec, &id, why))
		return 1;
	/* A program with a loop of its own has `notify` in its options wake it instead. */
	do {
		const struct timespec moment = {.tv_nsec = 1000000};
		nanosleep(&moment, NULL);
		if (cassin_engine_guest_status(engine, id, &status))
			return 1;
	} while (status.state <= CASSIN_GUEST_RUNNING);
	print_console(engine, id);
	return status.exit_code;
}

int main(int argc, char **argv)
{
	struct cassin_engine_options options = {.workers = 1, .pool_bytes = 64u << 20};
	struct cassin_error_text why = {""};
	struct cassin_engine *engine;
	struct cassin_guest_spec spec;
	if (argc < 2) {
		fprintf(stderr, "usage: %s IMAGE [ARGUMENT...]\n", argv[0]);
		return 2;
	}
	cassin_spec_init(&spec);
	char name[] = "guest", domain[] = "default";
	spec.name = name;
	spec.domain = domain;
	spec.image = argv[1];
	spec.args = argv + 2;
	spec.nargs = (size_t)argc - 2;
	int code = 1;
	if (!cassin_engine_create(&engine, &options, &why)) {
		code = run(engine, &spec, &why);
		cassin_engine_destroy(engine);
	}
	if (*why.text)
		fprintf(stderr, "host: %s\n", why.text);
	return code;
}
