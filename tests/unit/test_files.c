/* SPDX-License-Identifier: MIT */
/* Files of specs, and the store that keeps the same content once. */
#include "image/files.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

void *__real_hidden_alloc(size_t size, bool zero);
void *__wrap_hidden_alloc(size_t size, bool zero);

static struct blob_store store;
static unsigned copies; /* made while nobody held the store's lock */
static struct frame_pool pool;
static struct account account;
static struct cassin_error_text err;

void *__wrap_hidden_alloc(size_t size, bool zero)
{
	if (!pthread_mutex_trylock(&store.lock)) {
		copies++;
		pthread_mutex_unlock(&store.lock);
	}
	return __real_hidden_alloc(size, zero);
}

static void setup(void)
{
	pool = (struct frame_pool){.limit = 100};
	account = (struct account){.pool = NULL};
	account_init(&account, &pool, UINT64_MAX);
	blob_store_init(&store, &account);
}

static void teardown(void)
{
	blob_store_destroy(&store); /* which asserts that it is empty */
	cr_expect_eq(account_bytes(&account, ACCOUNT_FILES), 0u);
	cr_expect_eq(atomic_load(&pool.used), 0u);
}

TestSuite(files, .init = setup, .fini = teardown);

static struct cassin_blob *blob_of(const char *text)
{
	struct cassin_blob *b = blob_new(strlen(text));
	memcpy(b->bytes, text, b->size);
	return b;
}

static struct cassin_guest_spec spec_of(const char *json)
{
	struct cassin_guest_spec s;
	cassin_spec_init(&s);
	cr_assert_eq(cassin_spec_parse(&s, json, strlen(json), "s", &err), 0, "%s", err.text);
	return s;
}

Test(files, the_same_content_is_kept_once)
{
	struct cassin_blob *a = blob_intern(&store, blob_of("one")), *b = blob_intern(&store, blob_of("one"));
	struct cassin_blob *c = blob_intern(&store, blob_of("two")), *d = blob_intern(&store, blob_of("one!"));
	cr_assert_eq(a, b);
	cr_assert_neq(a, c);
	cr_assert_neq(a, d);
	blob_put(a);
	struct cassin_blob *e = blob_intern(&store, blob_of("one"));
	cr_assert_eq(e, b);
	blob_put(b);
	blob_put(e);
	blob_put(c);
	blob_put(d);
}

static long resident_kib(void)
{
	long pages = 0;
	FILE *f = fopen("/proc/self/statm", "r");
	cr_assert_not_null(f);
	cr_assert_eq(fscanf(f, "%*s %ld", &pages), 1);
	fclose(f);
	return pages * (sysconf(_SC_PAGESIZE) / 1024);
}

static void *hold_large_ones(void *opaque)
{
	for (int i = 0; i < 4; i++) {
		struct cassin_blob *b = blob_new((size_t)20 << 20);
		memset(b->bytes, i + 1, b->size);
		blob_put(b);
	}
	return opaque;
}

/* In heaps of threads the C library keeps what it has learnt to be a common size, and no trimming gives that back. */
Test(files, what_large_ones_took_goes_back_to_the_host)
{
	pthread_t threads[4];
	long before = resident_kib();
	for (int i = 0; i < 4; i++) {
		cr_assert_eq(pthread_create(&threads[i], NULL, hold_large_ones, NULL), 0);
		pthread_join(threads[i], NULL);
	}
	cr_expect_lt(resident_kib() - before, 8 << 10);
}

Test(files, what_others_hold_is_copied_to_the_store)
{
	struct cassin_blob *mine = blob_of("text");
	unsigned before = copies;
	struct cassin_blob *kept = blob_intern(&store, blob_get(mine));
	cr_expect_eq(copies, before + 1, "nothing is copied under the lock");
	cr_assert_neq(kept, mine);
	cr_assert_null(mine->store);
	cr_assert_eq(kept->size, 4);
	cr_assert_eq(memcmp(kept->bytes, "text", 4), 0);
	struct cassin_blob *outside = blob_get_free(kept);
	cr_assert_neq(outside, kept);
	cr_assert_null(outside->store);
	struct cassin_blob *same = blob_get_free(mine);
	cr_assert_eq(same, mine);
	blob_put(mine);
	blob_put(same);
	blob_put(outside);
	blob_put(kept);
}

static struct cassin_blob *filled(unsigned char with, size_t size)
{
	struct cassin_blob *b = blob_new(size);
	memset(b->bytes, with, size);
	return b;
}

Test(files, each_content_is_on_the_account_once)
{
	const uint64_t each = 40000 + sizeof(struct cassin_blob);
	struct cassin_blob *a = blob_intern(&store, filled('a', 40000)), *mine = filled('b', 40000);
	struct cassin_blob *again = blob_intern(&store, filled('a', 40000));
	cr_expect_eq(account_bytes(&account, ACCOUNT_FILES), each);
	struct cassin_blob *b = blob_intern(&store, blob_get(mine)); /* a copy, as somebody else has it, too */
	cr_expect_eq(account_bytes(&account, ACCOUNT_FILES), 2 * each);
	cr_expect_eq(atomic_load(&pool.used), (2 * each + 4095) / 4096);
	blob_put(a);
	cr_expect_eq(account_bytes(&account, ACCOUNT_FILES), 2 * each);
	blob_put(again);
	cr_expect_eq(account_bytes(&account, ACCOUNT_FILES), each);
	blob_put(b);
	blob_put(mine);
}

Test(files, a_full_pool_refuses_new_content_and_gives_what_is_there)
{
	struct cassin_blob *a = blob_intern(&store, filled('a', 300000)), *mine = filled('b', 300000);
	cr_assert_not_null(a);
	cr_expect_null(blob_intern(&store, filled('b', 300000)));
	cr_expect_null(blob_intern(&store, blob_get(mine)));
	cr_expect_eq(blob_intern(&store, filled('a', 300000)), a);
	blob_put(a);
	cr_expect_eq(account_bytes(&account, ACCOUNT_FILES), 300000 + sizeof *a, "what was refused left nothing");
	blob_put(a);
	struct cassin_blob *b = blob_intern(&store, mine);
	cr_expect_eq(b, mine, "there is room again");
	blob_put(b);
}

Test(files, a_list_takes_what_its_names_and_paths_do)
{
	struct cassin_guest_spec none = spec_of("{}"),
				 s = spec_of("{\"files\": [{\"name\": \"a\", \"path\": \"/p\"}]}");
	cr_expect_eq(files_list_bytes(&none), 0u);
	cr_expect_eq(files_list_bytes(&s), sizeof(struct files) + sizeof(struct file) + sizeof *s.files + 3);
	cassin_spec_free(&none);
	cassin_spec_free(&s);
}

static void *come_and_go(void *arg)
{
	char text[16];
	(void)arg;
	for (int i = 0; i < 20000; i++) {
		snprintf(text, sizeof text, "%d", i % 7);
		struct cassin_blob *b = blob_intern(&store, blob_of(text));
		cr_assert(b->bytes[0] == (unsigned char)('0' + i % 7));
		blob_put(b);
	}
	return NULL;
}

Test(files, threads_may_take_and_give_back_the_same)
{
	pthread_t threads[4];
	for (int i = 0; i < 4; i++)
		cr_assert_eq(pthread_create(&threads[i], NULL, come_and_go, NULL), 0);
	for (int i = 0; i < 4; i++)
		pthread_join(threads[i], NULL);
}

Test(files, texts_of_a_spec_become_the_store_s)
{
	const char *json =
		"{\"files\": [{\"name\": \"a\", \"text\": \"same\"}, {\"name\": \"b\", \"text\": \"same\"},"
		" {\"name\": \"c\", \"text\": \"\"}]}";
	struct cassin_guest_spec one = spec_of(json), two = spec_of(json), copy;
	struct files *f, *g;
	cr_assert_eq(files_read(&f, &one, &store, &err), 0);
	cr_assert_eq(files_read(&g, &two, &store, &err), 0);
	cr_assert_eq(f->n, 3);
	cr_assert_str_eq(f->file[1].name, "b");
	cr_assert_eq(f->file[0].content, f->file[1].content);
	cr_assert_eq(f->file[0].content, g->file[1].content);
	cr_assert_eq(one.files[0].text, f->file[0].content);
	cr_assert_eq(f->file[2].content->size, 0);
	cr_assert_eq(cassin_spec_copy(&copy, &one), 0);
	cassin_spec_free(&one);
	cassin_spec_free(&two);
	files_put(f);
	files_put(g);
	cr_assert_eq(memcmp(copy.files[0].text->bytes, "same", 4), 0, "a copy outlives the store's");
	cassin_spec_free(&copy);
}

Test(files, a_spec_without_any_has_none)
{
	struct cassin_guest_spec s = spec_of("{}");
	struct files *f;
	cr_assert_eq(files_read(&f, &s, &store, &err), 0);
	cr_assert_null(f);
	files_put(files_get(f));
}

Test(files, an_error_names_guest_file_and_path)
{
	struct cassin_guest_spec s = spec_of(
		"{\"name\": \"g\", \"files\": [{\"name\": \"a\", \"text\": \"x\"},"
		" {\"name\": \"b\", \"path\": \"/nowhere/b\"}]}");
	struct files *f;
	cr_assert_eq(files_read(&f, &s, &store, &err), -ENOENT);
	cr_assert_str_eq(err.text, "g: file b: /nowhere/b: No such file or directory");
	cassin_spec_free(&s);
}

/* ---- Specs ---- */

Test(files, a_formatted_spec_parses_to_itself)
{
	struct cassin_guest_spec s = spec_of(
		"{\"files\": [{\"name\": \"etc/motd\", \"text\": \"h\\u00e9\\n\"}, {\"path\": \"/b\", \"name\": "
		"\"b\"}]}");
	char *text = cassin_spec_format(&s);
	struct cassin_guest_spec again = spec_of(text);
	cr_assert_eq(again.nfiles, 2);
	cr_assert_str_eq(again.files[0].name, "etc/motd");
	cr_assert_eq(again.files[0].text->size, 4);
	cr_assert_eq(memcmp(again.files[0].text->bytes, "h\xc3\xa9\n", 4), 0);
	cr_assert_null(again.files[0].path);
	cr_assert_str_eq(again.files[1].path, "/b");
	cr_assert_null(again.files[1].text);
	free(text);
	cassin_spec_free(&s);
	cassin_spec_free(&again);
}

/* All that a spec's list of files was is gone when it is given again. */
Test(files, a_later_list_replaces_an_earlier)
{
	const char *later = "{\"files\": [{\"name\": \"c\", \"text\": \"\"}]}";
	struct cassin_guest_spec s = spec_of(
		"{\"files\": [{\"name\": \"a\", \"text\": \"x\"}, {\"name\": \"b\", \"path\": \"/b\"}]}");
	cr_assert_eq(cassin_spec_parse(&s, later, strlen(later), "s", &err), 0);
	cr_assert_eq(s.nfiles, 1);
	cr_assert_str_eq(s.files[0].name, "c");
	cassin_spec_free(&s);
}

Test(files, names_have_parts)
{
	static const char *const good[] = {"a", "a/b", "a.lua", "lib/x_1/y-2.txt", "0/1"};
	static const char *const bad[] = {"",       "/",    "/a", "a/",  "a//b",     ".",   "..",
					  "a/../b", "a/.b", "_a", "a b", "\xc3\xa9", "a\nb"};
	char long_name[CASSIN_NAME_MAX + 2];
	memset(long_name, 'a', sizeof long_name);
	long_name[CASSIN_NAME_MAX + 1] = '\0';
	cr_expect(!cassin_file_name_valid(long_name));
	cr_expect(cassin_file_name_valid(long_name + 1));
	cr_expect(!cassin_file_name_valid(NULL));
	for (size_t i = 0; i < sizeof good / sizeof *good; i++)
		cr_expect(cassin_file_name_valid(good[i]), "%s", good[i]);
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
		cr_expect(!cassin_file_name_valid(bad[i]), "%s", bad[i]);
}

Test(files, an_option_adds_or_replaces)
{
	struct cassin_guest_spec s = spec_of(
		"{\"name\": \"g\", \"image\": \"/i\", \"files\": [{\"name\": \"a\", \"text\": \"x\"}]}");
	cr_assert_eq(cassin_spec_add_file(&s, "dir/b.txt", &err), 0);
	cr_assert_eq(cassin_spec_add_file(&s, "a=/x=y", &err), 0);
	cr_assert_eq(s.nfiles, 2);
	cr_assert_str_eq(s.files[0].name, "a");
	cr_assert_str_eq(s.files[0].path, "/x=y");
	cr_assert_null(s.files[0].text);
	cr_assert_str_eq(s.files[1].name, "b.txt");
	cr_assert_str_eq(s.files[1].path, "dir/b.txt");
	cr_assert_eq(cassin_spec_check(&s, "s", &err), 0, "%s", err.text);
	cr_assert_eq(cassin_spec_add_file(&s, ".hidden", &err), -EINVAL);
	cr_assert_str_eq(err.text, "\".hidden\" is no name for a guest's file: say NAME=PATH");
	cr_assert_eq(cassin_spec_add_file(&s, "a=", &err), -EINVAL);
	cr_assert_str_eq(err.text, "a=: names no file of the host");
	cr_assert_eq(cassin_spec_add_file(&s, "", &err), -EINVAL);
	cr_assert_eq(s.nfiles, 2);
	cassin_spec_free(&s);
}

Test(files, relative_paths_are_told_by_their_place)
{
	char place[CASSIN_SPEC_PLACE_MAX];
	struct cassin_guest_spec s = spec_of(
		"{\"image\": \"/i\", \"files\": [{\"name\": \"a\", \"text\": \"x\"}, {\"name\": \"b\", \"path\": "
		"\"b\"}]}");
	cr_assert(cassin_spec_relative(&s, place));
	cr_assert_str_eq(place, "files[1].path");
	cassin_spec_free(&s);
	s = spec_of("{\"image\": \"i\"}");
	cr_assert(cassin_spec_relative(&s, place));
	cr_assert_str_eq(place, "image");
	cassin_spec_free(&s);
	s = spec_of(
		"{\"template\": \"t\", \"files\": [{\"name\": \"a\", \"text\": \"x\"}, {\"name\": \"b\", \"path\": "
		"\"/b\"}]}");
	cr_assert(!cassin_spec_relative(&s, place));
	cassin_spec_free(&s);
}

Test(files, a_spec_s_folder_goes_before_its_paths)
{
	char path[] = "/tmp/cassin-spec-XXXXXX", want[64];
	static const char json[] =
		"{\"image\": \"i\", \"files\": [{\"name\": \"a\", \"path\": \"x/a\"}, {\"name\": \"b\", \"path\": "
		"\"/b\"},"
		" {\"name\": \"c\", \"text\": \"c\"}]}";
	struct cassin_guest_spec s;
	int fd = mkstemp(path);
	cr_assert(fd >= 0 && write(fd, json, sizeof json - 1) == sizeof json - 1);
	close(fd);
	cassin_spec_init(&s);
	cr_assert_eq(cassin_spec_load(&s, path, &err), 0, "%s", err.text);
	unlink(path);
	cr_assert_str_eq(s.image, "/tmp/i");
	snprintf(want, sizeof want, "/tmp/x/a");
	cr_assert_str_eq(s.files[0].path, want);
	cr_assert_str_eq(s.files[1].path, "/b");
	cr_assert_null(s.files[2].path);
	cassin_spec_free(&s);
}
