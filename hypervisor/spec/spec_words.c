/* SPDX-License-Identifier: MIT */
/* The words of specs for what is one of a few values. */
#include "spec/spec_words.h"

#include <errno.h>
#include <string.h>

#include <cassin/spec.h>

const char *const isolation_words[] = {[CASSIN_ISOLATION_CELL] = "cell", [CASSIN_ISOLATION_VM] = "vm", NULL};
const char *const restart_words[] = {[CASSIN_RESTART_NO] = "no",
				     [CASSIN_RESTART_ON_FAILURE] = "on-failure",
				     [CASSIN_RESTART_ALWAYS] = "always",
				     NULL};

int word_find(const char *const *words, const char *text, size_t len)
{
	for (int i = 0; words[i]; i++)
		if (strlen(words[i]) == len && !memcmp(words[i], text, len))
			return i;
	return -EINVAL;
}

const char *cassin_isolation_name(enum cassin_guest_isolation isolation)
{
	return isolation_words[isolation];
}

const char *cassin_restart_name(enum cassin_guest_restart restart)
{
	return restart_words[restart];
}

int cassin_isolation_parse(const char *text, enum cassin_guest_isolation *out)
{
	int found = word_find(isolation_words, text, strlen(text));
	if (found < 0)
		return found;
	*out = (enum cassin_guest_isolation)found;
	return 0;
}

int cassin_restart_parse(const char *text, size_t len, enum cassin_guest_restart *out)
{
	int found = word_find(restart_words, text, len);
	if (found < 0)
		return found;
	*out = (enum cassin_guest_restart)found;
	return 0;
}
