/* SPDX-License-Identifier: MIT */
/* Files of our own: nobody else's is taken for one. */
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cassin/own_file.h>

static char folder[64];
static char path[96];

static void make_folder(void)
{
	snprintf(folder, sizeof folder, "/tmp/own-file-XXXXXX");
	cr_assert_not_null(mkdtemp(folder));
	snprintf(path, sizeof path, "%s/it", folder);
}

static void remove_folder(void)
{
	unlink(path);
	rmdir(folder);
}

TestSuite(own_file, .init = make_folder, .fini = remove_folder);

static bool exists(void)
{
	struct stat st;
	return !lstat(path, &st);
}

static void write_file(const char *text)
{
	FILE *f = fopen(path, "w");
	cr_assert_not_null(f);
	fputs(text, f);
	fclose(f);
}

static int stream_socket(void)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	cr_assert_geq(fd, 0);
	return fd;
}

/* Tries to bind there, which must fail with this error and these words, and leave what is there. */
static void refused(int code, const char *words)
{
	struct cassin_own_file o;
	struct cassin_error_text err = {""};
	struct stat before, after;
	int fd = stream_socket();
	cr_assert_eq(lstat(path, &before), 0);
	cr_assert_eq(cassin_own_socket_bind(&o, fd, path, &err), code, "%s", err.text);
	cr_assert(strstr(err.text, words), "%s", err.text);
	cr_assert_eq(o.inode, 0u);
	cr_assert_eq(lstat(path, &after), 0, "%s was removed", words);
	cr_assert_eq(before.st_ino, after.st_ino);
	close(fd);
}

Test(own_file, a_plain_file_is_not_replaced_by_a_socket)
{
	write_file("precious");
	refused(-EEXIST, "a file");
}

Test(own_file, a_symbolic_link_is_not_replaced)
{
	cr_assert_eq(symlink("nowhere", path), 0);
	refused(-EEXIST, "a symbolic link");
}

Test(own_file, a_fifo_is_not_replaced)
{
	cr_assert_eq(mkfifo(path, 0600), 0);
	refused(-EEXIST, "a FIFO");
}

Test(own_file, a_folder_is_not_replaced)
{
	cr_assert_eq(mkdir(path, 0700), 0);
	refused(-EEXIST, "a folder");
	rmdir(path);
}

/* Told apart from whatever else may not be there, a guest say. */
Test(own_file, a_path_whose_folder_is_not_there_is_called_that)
{
	static const char *const paths[] = {"/nonexistent/a/b.sock", "/nonexistent.sock/", "nonexistent/b.sock"};
	static const char *const folders[] = {"the folder /nonexistent/a is", "the folder /nonexistent.sock is",
					      "the folder nonexistent is"};
	for (size_t i = 0; i < 3; i++) {
		struct cassin_own_file o;
		struct cassin_error_text err = {""};
		int fd = stream_socket();
		cr_expect_eq(cassin_own_socket_bind(&o, fd, paths[i], &err), -ENOTDIR, "%s", err.text);
		cr_expect(strstr(err.text, folders[i]), "%s", err.text);
		close(fd);
	}
}

Test(own_file, a_socket_that_a_process_has_is_not_replaced)
{
	static const int types[] = {SOCK_STREAM, SOCK_DGRAM, SOCK_SEQPACKET};
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	strcpy(address.sun_path, path);
	for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
		int fd = socket(AF_UNIX, types[i], 0);
		cr_assert_eq(bind(fd, (struct sockaddr *)&address, sizeof address), 0);
		refused(-EADDRINUSE, "in use"); /* before it listens, too */
		if (types[i] != SOCK_DGRAM)
			cr_assert_eq(listen(fd, 1), 0);
		refused(-EADDRINUSE, "in use");
		close(fd);
		unlink(path);
	}
}

Test(own_file, a_dead_socket_is_replaced_and_the_new_one_removed_at_the_end)
{
	struct cassin_own_file first, second;
	int dead = stream_socket(), live = stream_socket();
	cr_assert_eq(cassin_own_socket_bind(&first, dead, path, NULL), 0);
	close(dead);
	cr_assert(exists());
	cr_assert_eq(cassin_own_socket_bind(&second, live, path, NULL), 0);
	cr_assert_neq(second.inode, 0u);
	cr_assert_eq(cassin_own_file_remove(&second, path), 0);
	cr_assert_not(exists());
	cr_assert_eq(second.inode, 0u);
	close(live);
}

Test(own_file, what_came_to_the_place_meanwhile_stays)
{
	struct cassin_own_file o;
	char aside[128];
	int fd = stream_socket();
	cr_assert_eq(cassin_own_socket_bind(&o, fd, path, NULL), 0);
	snprintf(aside, sizeof aside, "%s.aside", path); /* the inode lives on, so that its number is not given again */
	cr_assert_eq(rename(path, aside), 0);
	write_file("precious");
	cr_assert_eq(cassin_own_file_remove(&o, path), -ESTALE);
	cr_assert(exists());
	cr_assert_eq(cassin_own_file_remove(&o, aside), -ESTALE, "it is forgotten");
	unlink(aside);
	close(fd);
}

Test(own_file, nothing_is_removed_for_none)
{
	struct cassin_own_file none = {0};
	write_file("precious");
	cr_assert_eq(cassin_own_file_remove(&none, path), -ESTALE);
	cr_assert(exists());
	unlink(path);
	cr_assert_eq(cassin_own_file_remove(&none, path), -ENOENT);
}
