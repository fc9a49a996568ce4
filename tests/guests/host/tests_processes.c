/* SPDX-License-Identifier: MIT */
/* User programs under guest-kernel. */
#include "runner.h"

const struct test tests_processes[] = {
	PASS("processes", "arguments"),
	PASS("processes", "crash"),
	PASS("processes", "loops"),
	PASS("processes", "crowd"),
	PASS("processes", "registers"),
	PASS("processes", "kills"),
	PASS("processes", "exits"),
	PASS("processes", "archives"),
	PASS("processes", "images"),
	PASS("processes", "memory"),
	PASS("processes", "wild-pointers"),
	PASS("processes", "direct-calls"),
	PASS("processes", "bomb"),
	PASS("processes", "control-words"),
	PASS("processes", "wrong-arguments"),
	PASS("processes", "family"),
	PASS("processes", "preempted"),
	PASS("processes", "equal-turns"),
	{0},
};
