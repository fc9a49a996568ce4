/* SPDX-License-Identifier: MIT */
/* Specs: every key, what is refused and how that is said, and formatting. */
#include <criterion/criterion.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cassin/spec.h>

#define NAME_RULE "must be letters, digits, '.', '_' and '-', at most 63, the first a letter or a digit, not "

static struct cassin_error_text err;
static struct cassin_guest_spec spec;

static void parse(const char *json)
{
	cassin_spec_init(&spec);
	int result = cassin_spec_parse(&spec, json, strlen(json), "s", &err);
	cr_assert_eq(result, 0, "%s: %s", json, err.text);
}

static void is_empty(const struct cassin_guest_spec *s)
{
	cr_assert_null(s->name);
	cr_assert_null(s->image);
	cr_assert_null(s->domain);
	cr_assert_null(s->args);
	cr_assert_null(s->ports);
	cr_assert_null(s->connects);
	cr_assert_eq(s->nargs + s->nports + s->nconnects + s->nfiles, 0);
	cr_assert_eq(s->memory, CASSIN_MEMORY_DEFAULT);
}

static void refuses_text(const char *json, size_t len, const char *message)
{
	cassin_spec_init(&spec);
	spec.image = strdup("/held");
	cr_expect_eq(cassin_spec_parse(&spec, json, len, "s", &err), -EINVAL, "%s is not refused", json);
	cr_expect_str_eq(err.text, message);
	is_empty(&spec);
}

static void refuses(const char *json, const char *message)
{
	refuses_text(json, strlen(json), message);
}

/* ---- Parsing ---- */

static const char full[] =
	"{\"name\": \"web-1\", \"image\": \"/g/http.elf\", \"domain\": \"shop\", \"memory\": \"2M\","
	" \"args\": [\"-v\", \"\\u00e9\"], \"streams\": 7, \"isolation\": \"vm\", \"restart\": \"on-failure\","
	" \"restart_max\": 5, \"ports\": [{\"host\": \"tcp:127.0.0.1:8080\", \"guest\": 80},"
	" {\"guest\": 81, \"host\": \"unix:/run/x.sock\"}],"
	" \"connect\": [{\"name\": \"db\", \"target\": \"tcp:[::1]:5432\"}]}";

static void is_full(const struct cassin_guest_spec *s)
{
	cr_assert_str_eq(s->name, "web-1");
	cr_assert_str_eq(s->image, "/g/http.elf");
	cr_assert_str_eq(s->domain, "shop");
	cr_assert_eq(s->memory, 2 << 20);
	cr_assert_eq(s->nargs, 2);
	cr_assert_str_eq(s->args[0], "-v");
	cr_assert_str_eq(s->args[1], "\xc3\xa9");
	cr_assert_eq(s->streams, 7);
	cr_assert_eq(s->isolation, CASSIN_ISOLATION_VM);
	cr_assert_eq(s->restart, CASSIN_RESTART_ON_FAILURE);
	cr_assert_eq(s->restart_max, 5);
	cr_assert_eq(s->nports, 2);
	cr_assert_str_eq(s->ports[0].host, "tcp:127.0.0.1:8080");
	cr_assert_eq(s->ports[0].guest, 80);
	cr_assert_str_eq(s->ports[1].host, "unix:/run/x.sock");
	cr_assert_eq(s->ports[1].guest, 81);
	cr_assert_eq(s->nconnects, 1);
	cr_assert_str_eq(s->connects[0].name, "db");
	cr_assert_str_eq(s->connects[0].target, "tcp:[::1]:5432");
}

Test(spec, every_key_is_taken)
{
	parse(full);
	is_full(&spec);
	cr_assert_eq(cassin_spec_check(&spec, "s", NULL), 0);
	cassin_spec_free(&spec);
}

Test(spec, absent_keys_keep_the_defaults)
{
	parse("{}");
	is_empty(&spec);
	cr_assert_eq(spec.memory, 16 << 20);
	cr_assert_eq(spec.streams, 1024);
	cr_assert_eq(spec.isolation, CASSIN_ISOLATION_CELL);
	cr_assert_eq(spec.restart, CASSIN_RESTART_NO);
	cr_assert_eq(spec.restart_max, 0);
}

Test(spec, absent_keys_keep_what_was_there_and_present_ones_replace_it)
{
	parse(full);
	const char *more = "{\"name\": \"b\", \"args\": [\"x\"], \"ports\": [], \"memory\": 65536}";
	cr_assert_eq(cassin_spec_parse(&spec, more, strlen(more), "s", &err), 0);
	cr_assert_str_eq(spec.name, "b");
	cr_assert_str_eq(spec.image, "/g/http.elf");
	cr_assert_eq(spec.nargs, 1);
	cr_assert_str_eq(spec.args[0], "x");
	cr_assert_eq(spec.nports, 0);
	cr_assert_eq(spec.nconnects, 1);
	cr_assert_eq(spec.memory, 65536);
	cassin_spec_free(&spec);
}

Test(spec, a_formatted_spec_parses_to_itself)
{
	parse(full);
	char *text = cassin_spec_format(&spec);
	cassin_spec_free(&spec);
	parse(text);
	is_full(&spec);
	char *again = cassin_spec_format(&spec);
	cr_assert_str_eq(text, again);
	cassin_spec_free(&spec);
	parse("{}");
	char *defaults = cassin_spec_format(&spec);
	parse(defaults);
	is_empty(&spec);
	free(defaults);
	free(again);
	free(text);
}

Test(spec, a_copy_is_deep_and_names_the_default_domain)
{
	struct cassin_guest_spec copy;
	parse(full);
	cr_assert_eq(cassin_spec_copy(&copy, &spec), 0);
	cassin_spec_free(&spec);
	is_full(&copy);
	cassin_spec_free(&copy);
	parse("{\"name\": \"a\", \"image\": \"b\"}");
	cr_assert_eq(cassin_spec_copy(&copy, &spec), 0);
	cr_assert_str_eq(copy.domain, "default");
	cr_assert_null(copy.args);
	cr_assert_null(copy.ports);
	cassin_spec_free(&spec);
	cassin_spec_free(&copy);
}

/* ---- Refusals ---- */

Test(spec, broken_json_is_refused_with_its_line)
{
	refuses("", "s:1: '[' or '{' expected near end of file");
	refuses("{\n\"name\": \"a\",\n}", "s:3: string or '}' expected near '}'");
	refuses("{\"name\": \"a\"", "s:1: '}' expected near end of file");
	refuses("{} x", "s:1: end of file expected near 'x'");
	refuses("{\n\"name\": \"a\",\n\"name\": \"b\"}", "s:3: duplicate object key near '\"name\"'");
	refuses("{\"ports\": [{\"guest\": 1, \"guest\": 2}]}", "s:1: duplicate object key near '\"guest\"'");
	refuses("{\"name\": \"\xff\"}", "s:1: unable to decode byte 0xff near '\"'");
	refuses("{\"memory\": 99999999999999999999}", "s:1: too big integer near '99999999999999999999'");
	refuses_text(NULL, 0, "s:1: '[' or '{' expected near end of file");
}

Test(spec, what_is_no_object_is_refused)
{
	refuses("[]", "s: must be an object, not an array");
	refuses("7", "s:1: '[' or '{' expected near '7'");
}

Test(spec, zero_characters_are_refused)
{
	refuses("{\"name\": \"a\\u0000b\"}", "s: name: holds a zero character");
	refuses("{\"image\": \"/a\\u0000\"}", "s: image: holds a zero character");
	refuses("{\"domain\": \"\\u0000\"}", "s: domain: holds a zero character");
	refuses("{\"memory\": \"1M\\u0000\"}", "s: memory: holds a zero character");
	refuses("{\"args\": [\"a\", \"b\\u0000\"]}", "s: args[1]: holds a zero character");
	refuses("{\"isolation\": \"vm\\u0000\"}", "s: isolation: holds a zero character");
	refuses("{\"ports\": [{\"host\": \"unix:/a\\u0000b\", \"guest\": 1}]}",
		"s: ports[0].host: holds a zero character");
	refuses("{\"na\\u0000me\": 1}", "s:1: NUL byte in object key not supported near '\"na\\u0000me\"'");
	refuses_text("{\"name\": \"a\0b\"}", 15, "s:1: control character 0x0 near '\"a'");
	refuses_text("{}\0", 3, "s:1: end of file expected near end of file");
}

Test(spec, a_nesting_bomb_is_refused)
{
	enum { DEPTH = 500000 };
	char *bomb = malloc(DEPTH);
	cr_assert_not_null(bomb);
	memset(bomb, '[', DEPTH);
	memcpy(bomb, "{\"args\":", 8);
	refuses_text(bomb, DEPTH, "s:1: maximum parsing depth reached near '['");
	free(bomb);
}

Test(spec, unknown_keys_are_refused_at_every_level)
{
	refuses("{\"memroy\": 1}", "s: \"memroy\": unknown key");
	refuses("{\"Name\": \"a\"}", "s: \"Name\": unknown key");
	refuses("{\"\": 1}", "s: \"\": unknown key");
	refuses("{\"ports\": [{\"host\": \"tcp:1.2.3.4:5\", \"guest\": 1, \"prot\": 1}]}",
		"s: ports[0]: \"prot\": unknown key");
	refuses("{\"connect\": [{\"name\": \"a\", \"host\": \"b\"}]}", "s: connect[0]: \"host\": unknown key");
	refuses("{\"a\\nb\\u001b[31m\": 1}", "s: \"a?b?[31m\": unknown key");
}

Test(spec, wrong_types_are_refused)
{
	refuses("{\"name\": 1}", "s: name: must be a string, not an integer");
	refuses("{\"image\": null}", "s: image: must be a string, not null");
	refuses("{\"domain\": true}", "s: domain: must be a string, not a boolean");
	refuses("{\"memory\": []}", "s: memory: must be a number of bytes or a size such as \"16M\", not an array");
	refuses("{\"memory\": 65536.5}",
		"s: memory: must be a number of bytes or a size such as \"16M\", not a fraction");
	refuses("{\"args\": \"a\"}", "s: args: must be an array, not a string");
	refuses("{\"args\": [\"a\", {}]}", "s: args[1]: must be a string, not an object");
	refuses("{\"ports\": {}}", "s: ports: must be an array, not an object");
	refuses("{\"ports\": [8080]}", "s: ports[0]: must be an object, not an integer");
	refuses("{\"ports\": [{\"host\": 80}]}", "s: ports[0].host: must be a string, not an integer");
	refuses("{\"ports\": [{\"guest\": \"80\"}]}", "s: ports[0].guest: must be an integer, not a string");
	refuses("{\"connect\": 1.5}", "s: connect: must be an array, not a fraction");
	refuses("{\"connect\": [\"db\"]}", "s: connect[0]: must be an object, not a string");
	refuses("{\"connect\": [{\"name\": false}]}", "s: connect[0].name: must be a string, not a boolean");
	refuses("{\"connect\": [{\"target\": []}]}", "s: connect[0].target: must be a string, not an array");
	refuses("{\"streams\": \"1\"}", "s: streams: must be an integer, not a string");
	refuses("{\"isolation\": 1}", "s: isolation: must be a string, not an integer");
	refuses("{\"restart\": false}", "s: restart: must be a string, not a boolean");
	refuses("{\"restart_max\": 1.5}", "s: restart_max: must be an integer, not a fraction");
}

Test(spec, members_must_be_there)
{
	refuses("{\"ports\": [{\"host\": \"tcp:127.0.0.1:80\"}]}", "s: ports[0].guest: is missing");
	refuses("{\"ports\": [{\"guest\": 80}]}", "s: ports[0].host: is missing");
	refuses("{\"ports\": [{}]}", "s: ports[0].host: is missing");
	refuses("{\"connect\": [{\"name\": \"a\"}]}", "s: connect[0].target: is missing");
	refuses("{\"connect\": [{\"target\": \"unix:/a\"}]}", "s: connect[0].name: is missing");
}

Test(spec, bad_names_are_refused)
{
	refuses("{\"name\": \"\"}", "s: name: " NAME_RULE "\"\"");
	refuses("{\"name\": \"-a\"}", "s: name: " NAME_RULE "\"-a\"");
	refuses("{\"name\": \"../a\"}", "s: name: " NAME_RULE "\"../a\"");
	refuses("{\"domain\": \"a b\"}", "s: domain: " NAME_RULE "\"a b\"");
	refuses("{\"name\": \"\\u00e9\"}", "s: name: " NAME_RULE "\"\xc3\xa9\"");
	refuses("{\"connect\": [{\"name\": \"a:1\", \"target\": \"unix:/a\"}]}",
		"s: connect[0].name: " NAME_RULE "\"a:1\"");
	refuses("{\"connect\": [{\"name\": \"1234567890123456789012345678901234567890123456789012345678901234\"}]}",
		"s: connect[0].name: has 64 bytes, at most 63");
}

Test(spec, zero_and_absurd_memory_is_refused)
{
	refuses("{\"memory\": 0}", "s: memory: must be from 64K to 64G, not 0 bytes");
	refuses("{\"memory\": -1}", "s: memory: must be from 64K to 64G, not -1 bytes");
	refuses("{\"memory\": \"60K\"}", "s: memory: must be from 64K to 64G, not 61440 bytes");
	refuses("{\"memory\": \"65G\"}", "s: memory: must be from 64K to 64G, not 69793218560 bytes");
	refuses("{\"memory\": 9223372036854775807}",
		"s: memory: must be from 64K to 64G, not 9223372036854775807 bytes");
	refuses("{\"memory\": \"99999999999G\"}", "s: memory: must be from 64K to 64G, not \"99999999999G\"");
	refuses("{\"memory\": 65537}", "s: memory: must be a multiple of 4096 bytes, not 65537");
	refuses("{\"memory\": \"16 M\"}",
		"s: memory: must be a number of bytes or a size such as \"16M\", not \"16 M\"");
	refuses("{\"memory\": \"\"}", "s: memory: must be a number of bytes or a size such as \"16M\", not \"\"");
}

Test(spec, numbers_and_words_out_of_range_are_refused)
{
	refuses("{\"streams\": 0}", "s: streams: must be a number from 1 to 16384, not 0");
	refuses("{\"streams\": 16385}", "s: streams: must be a number from 1 to 16384, not 16385");
	refuses("{\"restart_max\": -1}", "s: restart_max: must be a number from 0 to 4294967295, not -1");
	refuses("{\"restart_max\": 4294967296}",
		"s: restart_max: must be a number from 0 to 4294967295, not 4294967296");
	refuses("{\"isolation\": \"VM\"}", "s: isolation: must be \"cell\" or \"vm\", not \"VM\"");
	refuses("{\"restart\": \"\"}", "s: restart: must be \"no\", \"on-failure\" or \"always\", not \"\"");
	refuses("{\"image\": \"\"}", "s: image: is empty");
}

Test(spec, bad_ports_are_refused)
{
	refuses("{\"ports\": [{\"host\": \"8080\", \"guest\": 80}]}",
		"s: ports[0].host: must be \"tcp:ADDR:PORT\" or \"unix:PATH\", not \"8080\"");
	refuses("{\"ports\": [{\"host\": \"tcp:localhost:80\", \"guest\": 80}]}",
		"s: ports[0].host: must be \"tcp:ADDR:PORT\" or \"unix:PATH\", not \"tcp:localhost:80\"");
	refuses("{\"ports\": [{\"host\": \"tcp:1.2.3.4:5\", \"guest\": 0}]}",
		"s: ports[0].guest: must be a number from 1 to 65535, not 0");
	refuses("{\"ports\": [{\"host\": \"tcp:1.2.3.4:5\", \"guest\": 65536}]}",
		"s: ports[0].guest: must be a number from 1 to 65535, not 65536");
	refuses("{\"ports\": [{\"host\": \"tcp:1.2.3.4:5\", \"guest\": 1}, {\"host\": \"tcp:1.2.3.4:6\", \"guest\": "
		"1}]}",
		"s: ports[1].guest: 1 is the guest's end of ports[0] already");
	refuses("{\"ports\": [{\"host\": \"tcp:1.2.3.4:5\", \"guest\": 1}, {\"host\": \"tcp:1.2.3.4:5\", \"guest\": "
		"2}]}",
		"s: ports[1].host: \"tcp:1.2.3.4:5\" is the host end of ports[0] already");
	refuses("{\"ports\": [{\"host\": \"tcp:[::1]:5\", \"guest\": 1}, {\"host\": \"tcp:[0::1]:05\", \"guest\": 2}]}",
		"s: ports[1].host: \"tcp:[0::1]:05\" is the host end of ports[0] already");
}

Test(spec, bad_connects_are_refused)
{
	refuses("{\"connect\": [{\"name\": \"a\", \"target\": \"unix:\"}]}",
		"s: connect[0].target: must be \"tcp:ADDR:PORT\" or \"unix:PATH\", not \"unix:\"");
	refuses("{\"connect\": [{\"name\": \"a\", \"target\": \"unix:/a\"}, {\"name\": \"a\", \"target\": "
		"\"unix:/b\"}]}",
		"s: connect[1].name: \"a\" is the name of connect[0] already");
}

/* {"KEY": [ELEMENT, ELEMENT, ...]} */
static char *list_json(const char *key, const char *element, size_t n)
{
	char *text;
	size_t len;
	FILE *out = open_memstream(&text, &len);
	fprintf(out, "{\"%s\": [", key);
	for (size_t i = 0; i < n; i++)
		fprintf(out, "%s%s", i ? ", " : "", element);
	fputs("]}", out);
	fclose(out);
	return text;
}

static void refuses_list(const char *key, const char *element, size_t n, const char *message)
{
	char *text = list_json(key, element, n);
	refuses(text, message);
	free(text);
}

Test(spec, lists_that_are_too_long_are_refused)
{
	char long_argument[1026];
	refuses_list("args", "\"\"", 65, "s: args: 65 of them, at most 64");
	refuses_list("ports", "0", 65, "s: ports: 65 of them, at most 64");
	refuses_list("connect", "0", 17, "s: connect: 17 of them, at most 16");
	refuses_list("args", "0", 100000, "s: args: 100000 of them, at most 64");
	memset(long_argument, 'a', sizeof long_argument);
	long_argument[0] = long_argument[1024] = '"'; /* 1023 and a zero, twice, and the name's two */
	long_argument[1025] = '\0';
	refuses_list("args", long_argument, 2,
		     "s: args: 2050 bytes with the guest's name and the zeros that end each, at most 2048");
}

Test(spec, the_longest_lists_are_taken)
{
	char argument[64];
	memset(argument, 'a', sizeof argument);
	argument[0] = argument[31] = '"'; /* 30 and a zero, 64 times: 1984, and a name of 63: 2048 */
	argument[32] = '\0';
	char *text = list_json("args", argument, 64);
	parse(text);
	free(text);
	cr_assert_eq(spec.nargs, 64);
	spec.image = strdup("/i");
	spec.name = strdup("123456789012345678901234567890123456789012345678901234567890123");
	cr_assert_eq(cassin_spec_check(&spec, "s", &err), 0, "%s", err.text);
	spec.args[0] = realloc(spec.args[0], 40);
	strcat(spec.args[0], "b");
	cr_assert_eq(cassin_spec_check(&spec, "s", &err), -EINVAL);
	cr_assert_str_eq(err.text,
			 "s: args: 2049 bytes with the guest's name and the zeros that end each, at most 2048");
	cassin_spec_free(&spec);
}

/* ---- Whole specs ---- */

Test(spec, a_whole_spec_needs_a_name_and_an_image)
{
	parse("{\"image\": \"a\"}");
	cr_assert_eq(cassin_spec_check(&spec, "x", &err), -EINVAL);
	cr_assert_str_eq(err.text, "x: name: is missing");
	cassin_spec_free(&spec);
	parse("{\"name\": \"a\"}");
	cr_assert_eq(cassin_spec_check(&spec, "x", &err), -EINVAL);
	cr_assert_str_eq(err.text, "x: image: is missing");
	cassin_spec_free(&spec);
}

Test(spec, values_that_no_json_gave_are_checked_too)
{
	char bad[] = "\xff";
	char *args[] = {bad};
	struct cassin_guest_port port = {.host = "", .guest = 1};
	char path[PATH_MAX + 1];
	memset(path, 'p', PATH_MAX);
	path[PATH_MAX] = '\0';
	cassin_spec_init(&spec);
	spec.name = (char[]){"a"};
	spec.image = path;
	cr_assert_eq(cassin_spec_check(&spec, "x", &err), -EINVAL);
	cr_assert_str_eq(err.text, "x: image: the path has 4096 bytes, at most 4095");
	spec.image = bad;
	cr_assert_eq(cassin_spec_check(&spec, "x", &err), -EINVAL);
	cr_assert_str_eq(err.text, "x: image: is not UTF-8");
	spec.image = spec.name;
	spec.args = args;
	spec.nargs = 1;
	cr_assert_eq(cassin_spec_check(&spec, "x", &err), -EINVAL);
	cr_assert_str_eq(err.text, "x: args[0]: is not UTF-8");
	spec.nargs = 0;
	spec.ports = &port;
	spec.nports = 1;
	memset(port.host, 'a', sizeof port.host);
	cr_assert_eq(cassin_spec_check(&spec, "x", &err), -EINVAL, "a host without its zero");
	spec.nports = 0;
	spec.isolation = (enum cassin_guest_isolation)7;
	cr_assert_eq(cassin_spec_check(&spec, "x", &err), -EINVAL);
	cr_assert_str_eq(err.text, "x: isolation: no kind 7");
	spec.isolation = CASSIN_ISOLATION_CELL;
	spec.restart = (enum cassin_guest_restart)7;
	cr_assert_eq(cassin_spec_check(&spec, "x", &err), -EINVAL);
	cr_assert_str_eq(err.text, "x: restart: no policy 7");
}

/* ---- Files ---- */

static char folder[] = "/tmp/cassin-spec-XXXXXX";

static void make_folder(void)
{
	cr_assert_not_null(mkdtemp(folder));
	cr_assert_eq(chdir(folder), 0);
}

static void remove_folder(void)
{
	unlink("s.json");
	rmdir(folder);
}

static void write_spec(const char *json, size_t len)
{
	FILE *out = fopen("s.json", "w");
	cr_assert_eq(fwrite(json, 1, len, out), len);
	fclose(out);
}

static void loads_image(const char *path, const char *json, const char *image)
{
	write_spec(json, strlen(json));
	cassin_spec_init(&spec);
	spec.image = strdup("held.elf");
	cr_assert_eq(cassin_spec_load(&spec, path, &err), 0, "%s", err.text);
	cr_assert_str_eq(spec.image, image);
	cassin_spec_free(&spec);
}

TestSuite(spec_file, .init = make_folder, .fini = remove_folder);

Test(spec_file, the_image_is_relative_to_the_file)
{
	char path[64], image[64];
	snprintf(path, sizeof path, "%s/s.json", folder);
	snprintf(image, sizeof image, "%s/sub/a.elf", folder);
	loads_image(path, "{\"image\": \"sub/a.elf\"}", image);
	loads_image("./s.json", "{\"image\": \"a.elf\"}", "./a.elf");
	loads_image("s.json", "{\"image\": \"a.elf\"}", "a.elf");
	loads_image(path, "{\"image\": \"/abs/a.elf\"}", "/abs/a.elf");
	loads_image(path, "{}", "held.elf");
}

Test(spec_file, an_empty_image_stays_an_error)
{
	write_spec("{\"image\": \"\"}", 13);
	cassin_spec_init(&spec);
	cr_assert_eq(cassin_spec_load(&spec, "./s.json", &err), -EINVAL);
	cr_assert_str_eq(err.text, "./s.json: image: is empty");
	is_empty(&spec);
}

Test(spec_file, what_cannot_be_read_is_told)
{
	char *big = calloc(1, (1 << 20) + 1);
	cassin_spec_init(&spec);
	spec.name = strdup("held");
	cr_assert_eq(cassin_spec_load(&spec, "none.json", &err), -ENOENT);
	cr_assert_str_eq(err.text, "none.json: No such file or directory");
	is_empty(&spec);
	cr_assert_eq(cassin_spec_load(&spec, "/", &err), -EISDIR);
	cr_assert_str_eq(err.text, "/: not a regular file, but a folder");
	write_spec(big, (1 << 20) + 1);
	cr_assert_eq(cassin_spec_load(&spec, "s.json", &err), -EINVAL);
	cr_assert_str_eq(err.text, "s.json: is longer than 1 MiB");
	write_spec("{\n!", 3);
	cr_assert_eq(cassin_spec_load(&spec, "s.json", &err), -EINVAL);
	cr_assert_str_eq(err.text, "s.json:2: string or '}' expected near '!'");
	free(big);
}
