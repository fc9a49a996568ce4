/* SPDX-License-Identifier: MIT */
/* A new project: a folder made of another, its mould, with the project's name filled in. */
#ifndef PROJECT_H
#define PROJECT_H

#include <stdbool.h>

/* Makes the folder `name` in the working folder. In the names of files NAME stands for the name, in their lines @NAME@.
 * False, reported on stderr: nothing was made, and what was there is as it was. */
bool project_make(const char *mould, const char *name);

#endif
