/* SPDX-License-Identifier: MIT */
/* Files are read as they were at one moment, and images are loaded without anybody else waiting. */
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "elf_builder.h"
#include "image/cache.h"

/* ---- The file system ---- */

ssize_t __real_read(int fd, void *to, size_t n);
ssize_t __wrap_read(int fd, void *to, size_t n);
int __real_openat64(int folder, const char *path, int flags, ...);
int __wrap_openat64(int folder, const char *path, int flags, ...);

static const char *written; /* a file that somebody else writes to while it is read; NULL: none */
static unsigned writes;     /* how often yet */
static atomic_uint opened;  /* files with "hanging" in their names, */
static sem_t server;        /* whose server answers when it is posted */

ssize_t __wrap_read(int fd, void *to, size_t n)
{
	ssize_t got = __real_read(fd, to, n < 100 ? n : 100);
	if (written && writes && got > 0) {
		int other = __real_openat64(AT_FDCWD, written, O_WRONLY);
		if (other < 0 || pwrite(other, "x", 1, 0) != 1)
			abort();
		close(other);
		writes--;
	}
	return got;
}

int __wrap_openat64(int at, const char *path, int flags, ...)
{
	if (strstr(path, "hanging")) {
		atomic_fetch_add(&opened, 1);
		sem_wait(&server);
	}
	return __real_openat64(at, path, flags);
}

static char folder[] = "/tmp/cassin-cache-XXXXXX";
static struct cassin_error_text err;
static struct image_cache cache;

static void setup(void)
{
	cr_assert_not_null(mkdtemp(folder));
	sem_init(&server, 0, 0);
	image_cache_init(&cache, NULL);
}

static void teardown(void)
{
	char command[64];
	image_cache_destroy(&cache);
	snprintf(command, sizeof command, "rm -r %s", folder);
	cr_assert_eq(system(command), 0);
}

TestSuite(image_cache, .init = setup, .fini = teardown);

static const char *path_of(const char *name)
{
	static char path[2][96];
	static unsigned turn;
	char *to = path[turn++ % 2];
	snprintf(to, sizeof *path, "%s/%s", folder, name);
	return to;
}

/* A guest whose entry tells it from others, padded. */
static const char *write_image(const char *name, unsigned entry, size_t padding)
{
	static struct elf e;
	const char *path = path_of(name);
	elf_init(&e);
	e.header.e_entry = ELF_BASE + entry;
	elf_finish(&e);
	FILE *f = fopen(path, "w");
	cr_assert_not_null(f);
	cr_assert_eq(fwrite(e.bytes, 1, e.size, f), e.size);
	cr_assert_eq(fclose(f), 0);
	cr_assert_eq(truncate(path, (off_t)(e.size + padding)), 0);
	return path;
}

static struct image *get(const char *path)
{
	struct image *image = NULL;
	cr_assert_eq(image_cache_get(&cache, path, &image, &err), 0, "%s", err.text);
	return image;
}

/* ---- One moment ---- */

Test(image_cache, a_file_that_is_written_while_it_is_read_is_read_again)
{
	struct cassin_blob *b = NULL;
	struct file_id id, now;
	written = write_image("a.elf", 0x10, 0);
	writes = 1;
	cr_assert_eq(blob_read(&b, written, 1 << 20, &id, &err), 0, "%s", err.text);
	cr_expect_eq(writes, 0u);
	cr_expect_eq(b->bytes[0], 'x', "what was read is what is there after the write");
	cr_assert_eq(file_identify(written, &now, &err), 0);
	cr_expect(file_same(&id, &now));
	blob_put(b);
}

Test(image_cache, a_file_that_is_written_for_ever_is_refused)
{
	struct cassin_blob *b = NULL;
	struct image *image = NULL;
	char why[160];
	written = write_image("a.elf", 0x10, 0);
	writes = UINT32_MAX;
	snprintf(why, sizeof why, "%s: is being written to: it changed each time that it was read", written);
	cr_expect_eq(blob_read(&b, written, 1 << 20, NULL, &err), -EBUSY);
	cr_expect_str_eq(err.text, why);
	cr_expect_null(b);
	cr_expect_eq(image_cache_get(&cache, written, &image, &err), -EBUSY);
	cr_expect_str_eq(err.text, why);
	cr_expect_eq(image_cache_bytes(&cache), 0u);
}

/* Somebody takes care that size and time of modification stay. */
Test(image_cache, a_file_of_the_same_size_and_time_is_another)
{
	const char *path = write_image("a.elf", 0x10, 0);
	struct stat st;
	cr_assert_eq(stat(path, &st), 0);
	struct image *old = get(path);
	path = write_image("a.elf", 0x20, 0);
	struct timespec times[2] = {st.st_atim, st.st_mtim};
	cr_assert_eq(utimensat(AT_FDCWD, path, times, 0), 0);
	struct image *image = get(path);
	cr_expect_eq(old->entry, ELF_BASE + 0x10);
	cr_expect_eq(image->entry, ELF_BASE + 0x20);
	image_put(old);
	image_put(image);
}

/* ---- Sharing ---- */

Test(image_cache, a_file_is_loaded_once)
{
	const char *path = write_image("a.elf", 0x10, 0);
	struct image *a = get(path), *b = get(path);
	cr_expect_eq(a, b);
	cr_expect_eq(image_cache_bytes(&cache), image_bytes(a));
	cr_expect_gt(image_bytes(a), a->size);
	image_put(a);
	image_put(b);
	struct image *again = get(path);
	cr_expect_eq(again, a, "it is kept for the next guest");
	image_put(again);
}

Test(image_cache, what_no_guest_uses_is_bounded)
{
	const size_t large = IMAGES_IDLE_BYTES_MAX / 4;
	char name[16];
	for (unsigned i = 0; i < 6; i++) {
		snprintf(name, sizeof name, "%u.elf", i);
		image_put(get(write_image(name, 0x10, large)));
	}
	image_cache_trim(&cache);
	cr_expect_leq(image_cache_bytes(&cache), IMAGES_IDLE_BYTES_MAX);
	cr_expect_gt(image_cache_bytes(&cache), 0u);
	for (unsigned i = 0; i < IMAGES_IDLE_MAX + 8; i++) {
		snprintf(name, sizeof name, "%u.elf", i);
		image_put(get(write_image(name, 0x10, 0)));
	}
	image_cache_trim(&cache);
	cr_expect_leq(image_cache_bytes(&cache), IMAGES_IDLE_MAX * (uint64_t)(ELF_FILE_SIZE + 4096));
}

Test(image_cache, what_guests_use_is_counted_until_they_leave_it)
{
	struct image *old = get(write_image("a.elf", 0x10, 1 << 20));
	struct image *image = get(write_image("a.elf", 0x20, 0));
	image_cache_trim(&cache);
	cr_expect_eq(image_cache_bytes(&cache), image_bytes(old) + image_bytes(image));
	image_put(old);
	image_cache_trim(&cache);
	cr_expect_eq(image_cache_bytes(&cache), image_bytes(image), "nobody can ask for the old one again");
	image_put(image);
}

/* ---- Hanging ---- */

static void *get_hanging(void *path)
{
	struct image *image = NULL;
	return image_cache_get(&cache, path, &image, NULL) ? NULL : image;
}

/* If one waited for the other, this test would not end. */
Test(image_cache, a_file_system_that_hangs_holds_up_nobody_else, .timeout = 60)
{
	char path[96];
	pthread_t stuck[2];
	void *a, *b;
	strcpy(path, write_image("hanging.elf", 0x10, 0));
	for (int i = 0; i < 2; i++)
		cr_assert_eq(pthread_create(&stuck[i], NULL, get_hanging, path), 0);
	while (atomic_load(&opened) < 2)
		usleep(1000);
	struct image *other = get(write_image("other.elf", 0x10, 0));
	cr_expect_eq(image_cache_bytes(&cache), image_bytes(other));
	image_cache_trim(&cache);
	for (int i = 0; i < 2; i++)
		sem_post(&server);
	pthread_join(stuck[0], &a);
	pthread_join(stuck[1], &b);
	cr_expect_not_null(a);
	cr_expect_eq(a, b, "both get the same");
	cr_expect_eq(image_cache_bytes(&cache), 2 * image_bytes(other) + strlen("hanging") - strlen("other"));
	image_put(a);
	image_put(b);
	image_put(other);
}
