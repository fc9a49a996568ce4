/* SPDX-License-Identifier: MIT */
/* What a lab that was killed could not take away: its control group and its folder in /tmp. */
#ifndef DENSITY_LEFTOVERS_H
#define DENSITY_LEFTOVERS_H

/* Both are named LEFTOVERS_NAME and the lab's process number. */
#define LEFTOVERS_NAME "cassin-density-"

/* Removes those of processes that are no more. */
void leftovers_sweep(void);
/* Removes a control group; waits a little for its last process, which may only just have gone. */
void leftovers_group(const char *path);
/* Removes the folder of a daemon of ours. */
void leftovers_folder(const char *folder);

#endif
