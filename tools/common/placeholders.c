/* SPDX-License-Identifier: MIT */
#include "placeholders.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct placeholder *word_at(const char *at, const struct placeholder *words, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (!strncmp(at, words[i].word, strlen(words[i].word)))
			return &words[i];
	return NULL;
}

char *placeholders_fill(const char *command, const struct placeholder *words, size_t n)
{
	char *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);
	while (out && *command) {
		const struct placeholder *found = word_at(command, words, n);
		if (found)
			fputs(found->value, out);
		else
			fputc(*command, out);
		command += found ? strlen(found->word) : 1;
	}
	if (out && fclose(out)) {
		free(text);
		return NULL;
	}
	return text;
}
