/* SPDX-License-Identifier: MIT */
/*
 * Descriptors of the process that guests cause to be open: ports and connections. Together they never take those that the operator
 * needs (host->descriptors_most), and no guest takes more than three quarters of what all of them may. Any thread.
 */
#ifndef DESCRIPTORS_H
#define DESCRIPTORS_H

struct guest;
struct guest_host;

/* Takes the right to n more. -EMFILE. */
int descriptors_take(struct guest *g, unsigned n);
void descriptors_give(struct guest *g, unsigned n);
/* How many guests may have open, of a process that may have `limit`. */
unsigned descriptors_for_guests(unsigned long limit);

#endif
