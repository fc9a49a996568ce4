/* SPDX-License-Identifier: MIT */
/* The swap file: what was written comes back, or an error does. */
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/swap.h"

static char folder[64], path[80];

static void make_folder(void)
{
	strcpy(folder, "/tmp/test-swap-XXXXXX");
	cr_assert(mkdtemp(folder));
	snprintf(path, sizeof path, "%s/swap", folder);
}

static void remove_folder(void)
{
	unlink(path);
	cr_assert_eq(rmdir(folder), 0);
}

TestSuite(swap, .init = make_folder, .fini = remove_folder);

static struct swap opened(uint64_t bytes)
{
	struct swap s;
	struct cassin_error_text err = {0};
	cr_assert_eq(swap_open(&s, path, bytes, &err), 0, "%s", err.text);
	return s;
}

static int store(struct swap *s, const void *bytes, size_t len, uint64_t *at)
{
	int r = swap_take(s, len, at);
	return r ? r : swap_put(s, *at, bytes, len);
}

Test(swap, gives_back_what_was_written)
{
	struct swap s = opened(1 << 20);
	uint64_t at[20];
	unsigned char bytes[3000], got[3000];
	for (unsigned i = 0; i < 20; i++) {
		memset(bytes, (int)i + 1, sizeof bytes);
		cr_assert_eq(store(&s, bytes, 100 + i * 140, &at[i]), 0);
		cr_assert(at[i] >= 512, "the mark stays");
	}
	for (unsigned i = 0; i < 20; i++) {
		memset(bytes, (int)i + 1, sizeof bytes);
		cr_assert_eq(swap_read(&s, at[i], got, 100 + i * 140), 0);
		cr_assert_eq(memcmp(bytes, got, 100 + i * 140), 0);
		swap_free(&s, at[i], 100 + i * 140);
	}
	cr_assert_eq(swap_used(&s), 0);
	swap_close(&s);
	cr_assert_neq(access(path, F_OK), 0);
}

Test(swap, is_full_and_has_room_again)
{
	struct swap s = opened(512 * 9);
	uint64_t at[8], more;
	for (int i = 0; i < 8; i++)
		cr_assert_eq(store(&s, "x", 1, &at[i]), 0);
	cr_assert_eq(store(&s, "x", 1, &more), -ENOSPC);
	swap_free(&s, at[3], 1);
	swap_free(&s, at[5], 1);
	cr_assert_eq(store(&s, path, 600, &more), -ENOSPC, "not in a row");
	swap_free(&s, at[4], 1);
	cr_assert_eq(store(&s, path, 70, &more), 0);
	cr_assert_eq(more, at[3]);
	cr_assert_eq(store(&s, (char[1024]){0}, 1024, &more), 0);
	cr_assert_eq(more, at[4]);
	swap_close(&s);
}

Test(swap, refuses_what_is_not_its_own)
{
	struct swap s;
	struct cassin_error_text err = {0};
	int fd = open(path, O_CREAT | O_WRONLY, 0600);
	cr_assert_eq(write(fd, "a letter", 8), 8);
	close(fd);
	cr_assert_eq(swap_open(&s, path, 1 << 20, &err), -EEXIST);
	cr_assert(strstr(err.text, "is no swap file"));
	swap_close(&s);
	struct stat st;
	cr_assert(!stat(path, &st) && st.st_size == 8);
	cr_assert_eq(swap_open(&s, folder, 1 << 20, &err) < 0, 1);
	swap_close(&s);
}

Test(swap, takes_over_what_was_left_but_not_what_is_in_use)
{
	struct swap first = opened(1 << 20), second;
	struct cassin_error_text err = {0};
	uint64_t at;
	cr_assert_eq(store(&first, "old", 3, &at), 0);
	cr_assert_eq(swap_open(&second, path, 1 << 20, &err), -EBUSY);
	swap_close(&second);
	cr_assert_eq(access(path, F_OK), 0);
	close(first.fd); /* as if its process had been killed */
	first.fd = -1;
	swap_close(&first);
	second = opened(1 << 20);
	cr_assert_eq(swap_used(&second), 0);
	swap_close(&second);
}
