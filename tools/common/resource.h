/* SPDX-License-Identifier: MIT */
/* Programs, guests and data that belong to this program: beside it, or where it is installed. */
#ifndef RESOURCE_H
#define RESOURCE_H

/* Paths that are found are absolute and malloc'd; NULL: there is none. */

/* "cassind", "cassin-load". */
char *resource_program(const char *name);
/* A guest's image. `folder`, if not NULL, is looked in first. */
char *resource_guest(const char *name, const char *folder);
/* A scenario by its name, or by the path of its file. */
char *resource_scenario(const char *name);
/* The folder of shipped scenarios. */
char *resource_scenarios(void);
/* The folder of what `cassin new` makes a project of: "service", "kernel". */
char *resource_mould(const char *kind);
/* A file of the conformance suite: "index", "checks", or an image. */
char *resource_conformance(const char *name);
/* A program of the baselines; `command` begins with its name. The command with its path, ready for a shell. */
char *resource_baseline(const char *command);

#endif
