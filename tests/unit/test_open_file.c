/* SPDX-License-Identifier: MIT */
/* Files that are opened by path: only regular ones, and without waiting. */
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cassin/open_file.h>

#include "base/blob.h"
#include "base/swap.h"

int __real_openat64(int folder, const char *path, int flags, ...);
int __wrap_openat64(int folder, const char *path, int flags, ...);

static char folder[64], path[96], other[96];
static struct cassin_error_text err;
static bool swapped; /* `other` takes the place of `path` behind the next open */

int __wrap_openat64(int at, const char *name, int flags, ...)
{
	va_list args;
	va_start(args, flags);
	mode_t mode = flags & O_CREAT ? va_arg(args, mode_t) : 0;
	va_end(args);
	int fd = __real_openat64(at, name, flags, mode);
	if (swapped && rename(other, path))
		abort();
	swapped = false;
	return fd;
}

static void make_folder(void)
{
	strcpy(folder, "/tmp/test-open-XXXXXX");
	cr_assert_not_null(mkdtemp(folder));
	snprintf(path, sizeof path, "%s/it", folder);
	snprintf(other, sizeof other, "%s/other", folder);
}

static void remove_folder(void)
{
	unlink(other);
	if (unlink(path))
		rmdir(path);
	cr_assert_eq(rmdir(folder), 0);
}

TestSuite(open_file, .init = make_folder, .fini = remove_folder, .timeout = 60);

static void write_file(const char *at, const char *text)
{
	FILE *f = fopen(at, "w");
	cr_assert_not_null(f);
	fputs(text, f);
	fclose(f);
}

/* Everything that opens a file which somebody named refuses it, at once, and says what it is. */
static void refused(const char *at, const char *kind)
{
	char line[200];
	struct cassin_blob *b;
	struct swap s;
	struct cassin_guest_spec spec;
	snprintf(line, sizeof line, "%s: not a regular file, but %s", at, kind);
	cr_expect_eq(cassin_file_open(AT_FDCWD, at, O_RDONLY | O_NOFOLLOW, at, &err), -EISDIR);
	cr_expect_str_eq(err.text, line);
	cr_expect_eq(swap_open(&s, at, 1 << 20, &err), -EISDIR);
	swap_close(&s);
	cr_expect_str_eq(err.text, line);
	if (!strcmp(kind, "a symbolic link"))
		return;
	cr_expect_eq(blob_read(&b, at, 1 << 20, NULL, &err), -EISDIR);
	cr_expect_str_eq(err.text, line);
	if (!strcmp(kind, "a FIFO") || !strcmp(kind, "a device"))
		return;
	cassin_spec_init(&spec);
	cr_expect_eq(cassin_spec_load(&spec, at, &err), -EISDIR);
	cr_expect_str_eq(err.text, line);
	cassin_spec_free(&spec);
}

Test(open_file, a_fifo_is_refused_and_waited_for_by_nobody)
{
	cr_assert_eq(mkfifo(path, 0600), 0);
	refused(path, "a FIFO");
}

Test(open_file, a_device_is_refused)
{
	refused("/dev/null", "a device");
	refused("/dev/zero", "a device");
}

Test(open_file, a_folder_is_refused)
{
	cr_assert_eq(mkdir(path, 0700), 0);
	refused(path, "a folder");
}

Test(open_file, a_link_is_refused_where_none_is_followed)
{
	write_file(other, "text");
	cr_assert_eq(symlink("other", path), 0);
	refused(path, "a symbolic link");
	int fd = cassin_file_open(AT_FDCWD, path, O_RDONLY, path, &err);
	cr_assert_geq(fd, 0, "a link to a file is followed by who asks for no more");
	close(fd);
}

Test(open_file, a_link_to_a_fifo_is_refused_where_links_are_followed)
{
	struct cassin_blob *b;
	cr_assert_eq(mkfifo(other, 0600), 0);
	cr_assert_eq(symlink("other", path), 0);
	cr_expect_eq(blob_read(&b, path, 1 << 20, NULL, &err), -EISDIR);
	cr_expect(strstr(err.text, "a FIFO"), "%s", err.text);
}

Test(open_file, a_socket_is_refused)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	memcpy(address.sun_path, path, strlen(path) + 1);
	cr_assert_eq(bind(fd, (struct sockaddr *)&address, sizeof address), 0);
	refused(path, "a socket");
	close(fd);
}

Test(open_file, what_is_not_there_is_called_that)
{
	char line[160];
	snprintf(line, sizeof line, "%s: No such file or directory", path);
	cr_expect_eq(cassin_file_open(AT_FDCWD, path, O_RDONLY, path, &err), -ENOENT);
	cr_expect_str_eq(err.text, line);
}

/* What counts is what was opened: the path may name anything by then. */
Test(open_file, a_fifo_that_takes_the_files_place_is_never_opened)
{
	struct cassin_blob *b;
	write_file(path, "the file");
	cr_assert_eq(mkfifo(other, 0600), 0);
	swapped = true;
	cr_assert_eq(blob_read(&b, path, 1 << 20, NULL, &err), 0, "%s", err.text);
	cr_expect_eq(b->size, 8u);
	cr_expect_arr_eq(b->bytes, "the file", 8);
	blob_put(b);
	cr_expect_eq(blob_read(&b, path, 1 << 20, NULL, &err), -EISDIR);
}

Test(open_file, a_file_that_takes_a_fifos_place_does_not_help_it)
{
	cr_assert_eq(mkfifo(path, 0600), 0);
	write_file(other, "the file");
	swapped = true;
	cr_expect_eq(cassin_file_open(AT_FDCWD, path, O_RDONLY | O_NOFOLLOW, path, &err), -EISDIR);
	cr_expect(strstr(err.text, "a FIFO"), "%s", err.text);
}

static void *write_late(void *opaque)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC); /* waits for the reader */
	usleep(20000);
	if (fd < 0 || write(fd, opaque, strlen(opaque)) < 0)
		abort();
	close(fd);
	return NULL;
}

/* A person who names a FIFO on a command line means it. */
Test(open_file, a_spec_comes_through_a_fifo_that_is_written_to_late)
{
	static char text[] = "{\"name\": \"web\", \"image\": \"/web.elf\"}";
	struct cassin_guest_spec spec;
	pthread_t writer;
	cassin_spec_init(&spec);
	cr_assert_eq(mkfifo(path, 0600), 0);
	cr_assert_eq(pthread_create(&writer, NULL, write_late, text), 0);
	cr_assert_eq(cassin_spec_load(&spec, path, &err), 0, "%s", err.text);
	cr_expect_str_eq(spec.name, "web");
	pthread_join(writer, NULL);
	cassin_spec_free(&spec);
}

Test(open_file, what_is_opened_is_closed_in_programs_that_are_executed)
{
	write_file(path, "text");
	int fd = cassin_file_open(AT_FDCWD, path, O_RDONLY, path, &err);
	cr_assert_geq(fd, 0, "%s", err.text);
	cr_expect(fcntl(fd, F_GETFD) & FD_CLOEXEC);
	close(fd);
}
