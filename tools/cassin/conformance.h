/* SPDX-License-Identifier: MIT */
/*
 * The conformance suite: every sentence of docs/abi.md, and the checks that hold a hypervisor to it. A check is a guest with
 * arguments, which ends with a code that is known. tests/conformance/index says which check belongs to which sentence; `more` and,
 * made by the build, `checks` say what they are: name, image, code, arguments, with tabs between.
 */
#ifndef CONFORMANCE_H
#define CONFORMANCE_H

#include <stdbool.h>
#include <stddef.h>

enum verdict { CHECK_NOT_RUN, CHECK_PASSED, CHECK_FAILED };

struct check {
	char *name, *image, *args; /* args: words */
	int code;
	bool wanted; /* a sentence names it, and so does the user */
	enum verdict verdict;
	char *why; /* of a failure: one line */
};

struct sentence {
	const char *chapter;
	char *text;          /* how it begins */
	struct check **held; /* nheld of them hold a hypervisor to it */
	size_t nheld;
	bool elsewhere; /* tests of this repository that need more than one guest hold it */
};

struct conformance {
	struct check *checks;
	size_t nchecks;
	struct sentence *sentences; /* in the order of docs/abi.md */
	size_t nsentences;
	char **chapters;
	size_t nchapters;
};

/* Reads these files. False: reported on stderr. Lives until the program ends. */
bool conformance_read(struct conformance *c);
/* Runs a check by a shell: `command` with {image} and {args} in it. Gives it its verdict. */
void conformance_run(struct check *check, const char *command);
/* What runs a guest if the user names nothing else: this program. NULL: no memory. */
char *conformance_default_command(void);

#endif
