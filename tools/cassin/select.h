/* SPDX-License-Identifier: MIT */
/* Guests as people name them: by name, glob or --all. */
#ifndef SELECT_H
#define SELECT_H

#include <jansson.h>

#include "../common/client.h"
#include "../common/command.h"

struct selection {
	char **names;
	size_t count, named; /* the first `named` were given by name, the others found by a pattern */
};

/* Ends the command with its usage unless guests are named or all are wanted; and where both are said, since what was meant is not known
 * and most commands cannot be taken back. */
void selection_check(const struct command *c, int named, bool all);
/* Whether it is a pattern, which may match none, and no name. */
bool selection_is_glob(const char *text);
/* 0; EXIT_FAILED when a glob matches nothing or the daemon fails: reported. Names are taken as they are. */
int selection_make(struct selection *s, struct client *c, char **patterns, int npatterns, bool all);
void selection_free(struct selection *s);

/* Fetches what the daemon says of each guest selected, in their order: appended to `all`, and shown by each() if that is not NULL,
 * with the number of those before it. Returns the exit code; a guest that cannot be had is reported, the others follow. */
int selection_fetch(const struct selection *s, struct client *c, json_t *all,
		    void (*each)(const json_t *guest, size_t before));

/* What kill, restart and rm do: parses the arguments and sends one request for each guest selected; prints the names
 * of those it worked for. Returns the exit code. */
int select_and_request(const struct command *c, int argc, char **argv, const char *method, const char *suffix);

#endif
