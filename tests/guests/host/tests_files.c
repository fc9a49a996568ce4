/* SPDX-License-Identifier: MIT */
/* The files of a spec. */
#include <unistd.h>

#include "runner.h"

#define NUMBERS_SIZE ((1u << 20) + 1)

static char *made; /* a file of the host */

static void unmake(void)
{
	unlink(made);
}

static void make_file(const void *bytes, size_t size)
{
	if (!made) {
		made = strdup("/tmp/cassin-file-XXXXXX");
		int fd = made ? mkstemp(made) : -1;
		EXPECT(fd >= 0);
		close(fd);
		atexit(unmake);
	}
	FILE *out = fopen(made, "we");
	EXPECT(out && fwrite(bytes, 1, size, out) == size && fclose(out) == 0);
}

static void add_file(struct cassin_guest_spec *s, const char *name)
{
	struct cassin_error_text err = {{0}};
	char text[128];
	snprintf(text, sizeof text, "%s=%s", name, made);
	if (cassin_spec_add_file(s, text, &err))
		fail("%s", err.text);
}

/* A text in the spec, and a file of the host. */
static struct cassin_guest_spec with_both(struct world *w, const char *name, const struct test *t)
{
	static const char json[] = "{\"files\": [{\"name\": \"greeting\", \"text\": \"hello, guest\"}]}";
	static unsigned char numbers[NUMBERS_SIZE];
	struct cassin_error_text err = {{0}};
	struct cassin_guest_spec s = spec_of(w, name, t->image, t->args);
	for (size_t i = 0; i < sizeof numbers; i++)
		numbers[i] = (unsigned char)(i * 7 + (i >> 12));
	make_file(numbers, sizeof numbers);
	if (cassin_spec_parse(&s, json, sizeof json - 1, "test", &err))
		fail("%s", err.text);
	add_file(&s, "lib/numbers");
	return s;
}

static void passes_with_files(struct world *w, const struct test *t)
{
	struct cassin_guest_spec s = with_both(w, "g", t);
	uint64_t id = spawn_spec(w, &s);
	expect_exit(w, id, 0, 0);
	struct cassin_guest_spec copy;
	EXPECT_IS(cassin_engine_guest_spec(w->e, id, &copy), 0);
	EXPECT_IS(copy.nfiles, 2);
	expect_balance(w);
	cassin_spec_free(&copy); /* it outlives the guest */
}

static struct cassin_guest_spec with_text(struct world *w, const char *name, const struct test *t, const char *text)
{
	struct cassin_guest_spec s = spec_of(w, name, t->image, t->args);
	make_file(text, strlen(text));
	add_file(&s, "words");
	return s;
}

static void restarts_with_the_same(struct world *w, const struct test *t)
{
	struct cassin_guest_spec s = with_text(w, "g", t, "first");
	uint64_t id = spawn_spec(w, &s);
	expect_exit(w, id, 0, 0);
	make_file("second", 6);
	EXPECT_IS(cassin_engine_guest_restart(w->e, id, NULL), 0);
	expect_exit(w, id, 0, 0);
	expect_says("the console", console_of(w, id), "first.\nfirst.");
	EXPECT_IS(cassin_engine_guest_remove(w->e, id), 0);
	struct cassin_guest_spec anew = spec_of(w, "g", t->image, t->args);
	add_file(&anew, "words");
	id = spawn_spec(w, &anew);
	expect_exit(w, id, 0, 0);
	expect_says("the console", console_of(w, id), "second.");
}

static uint64_t clone_of(struct world *w, const char *name, const char *template, const char *text)
{
	struct cassin_guest_spec s;
	cassin_spec_init(&s);
	s.name = strdup(name);
	s.from_template = strdup(template);
	if (text) {
		make_file(text, strlen(text));
		add_file(&s, "words");
	}
	return spawn_spec(w, &s);
}

static void clones_have_the_template_s_or_their_own(struct world *w, const struct test *t)
{
	struct cassin_error_text err = {{0}};
	struct cassin_guest_spec s = with_text(w, "mould", t, "common");
	EXPECT_IS(cassin_engine_template_create(w->e, &s, 50 * 1000 * MS, NULL, &err), 0);
	cassin_spec_free(&s);
	uint64_t own = clone_of(w, "own", "mould", "mine"), same = clone_of(w, "same", "mould", NULL);
	expect_exit(w, own, 0, 0);
	expect_exit(w, same, 0, 0);
	expect_says("the console", console_of(w, own), "mine.");
	expect_says("the console", console_of(w, same), "common.");
	EXPECT_IS(cassin_engine_template_remove(w->e, "mould"), 0);
	expect_balance(w);
}

/* What cannot be read is the operator's error, and nothing is left of the guest. */
static void refused_by_the_host(struct world *w, const struct test *t)
{
	static const struct {
		const char *path;
		int code;
		const char *says;
	} bad[] = {
		{"words=/nowhere/at/all", -ENOENT, "g: file words: /nowhere/at/all: No such file"},
		{"words=/dev/zero", -EISDIR, "g: file words: /dev/zero: not a regular file"},
		{"words=/", -EISDIR, "not a regular file"},
	};
	struct cassin_error_text err = {{0}};
	uint64_t id;
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		struct cassin_guest_spec s = spec_of(w, "g", t->image, t->args);
		EXPECT_IS(cassin_spec_add_file(&s, bad[i].path, &err), 0);
		EXPECT_IS(cassin_engine_guest_spawn(w->e, &s, &id, &err), bad[i].code);
		expect_says("the error", err.text, bad[i].says);
		cassin_spec_free(&s);
	}
	struct cassin_guest_spec s = with_text(w, "g", t, "");
	EXPECT_IS(truncate(made, (16 << 20) + 1), 0);
	EXPECT_IS(cassin_engine_guest_spawn(w->e, &s, &id, &err), -EFBIG);
	expect_says("the error", err.text, "larger than 16 MiB");
	EXPECT_IS(truncate(made, 9 << 20), 0);
	add_file(&s, "again"); /* each is allowed; both are not */
	EXPECT_IS(cassin_engine_guest_spawn(w->e, &s, &id, &err), -EFBIG);
	expect_says("the error", err.text, "g: file again: with the files before it larger than 16 MiB");
	cassin_spec_free(&s);
	struct cassin_guest_spec good = with_text(w, "g", t, "well");
	expect_exit(w, spawn_spec(w, &good), 0, 0);
}

static void opened_by_the_library(struct world *w, const struct test *t)
{
	struct cassin_guest_spec s = with_both(w, "g", t);
	expect_exit(w, spawn_spec(w, &s), 0, 0);
}

#define FILES(what)                                                                                                    \
	{                                                                                                              \
		.name = "files." what, .run = passes_with_files, .image = "files", .args = what                        \
	}

const struct test tests_files[] = {
	FILES("names"),
	FILES("reads"),
	FILES("refused"),
	PASS("files", "none"),
	{.name = "files.restart", .run = restarts_with_the_same, .image = "files", .args = "shows"},
	{.name = "files.clones", .run = clones_have_the_template_s_or_their_own, .image = "files", .args = "shows"},
	{.name = "files.host", .run = refused_by_the_host, .image = "files", .args = "shows"},
	{.name = "files.libc", .run = opened_by_the_library, .image = "libc_calls", .args = "named-files"},
	{0},
};
