/* SPDX-License-Identifier: MIT */
/* A guest's page tables, as a stub's mappings are made from them. They are the hypervisor's own, and trusted. */
#ifndef PROCESS_TABLES_H
#define PROCESS_TABLES_H

#include "cell/cell.h"
#include "cell/cpu_state.h"
#include "process/layout.h"

/* Steps that are being put together: neighbours whose frames are neighbours, too, become one. */
struct steps {
	struct map_step *list; /* in our page */
	unsigned n;
	bool full;       /* something did not fit, or was not looked at */
	unsigned tables; /* looked at by steps_space() */
	bool anew;       /* they begin with unmapping everything */
};

/* The entry of a page in the space of this root; 0: none, or not present. */
uint64_t tables_entry(const struct cell *c, frame_t root, uint64_t va);
/* Adds the step that makes a page what its entry says: mapped, or not. False: no room. */
bool steps_page(struct steps *s, uint64_t va, uint64_t entry);
/* Adds one that unmaps everything. */
void steps_unmap_all(struct steps *s);
/* Ends the list. */
void steps_end(struct steps *s);
/* Adds the pages that are present, from `va` on up to the end of its table or the first that is not: at most `most`. */
void steps_run(struct steps *s, const struct cell *c, frame_t root, uint64_t va, unsigned most);
/* About how many mappings all of a space would be. False: that is more than so many page tables. */
bool tables_runs(const struct cell *c, frame_t root, unsigned tables, unsigned *out);
#define STEPS_TABLES_MOST 128u /* that one call looks at: some tens of microseconds */
/* Adds the pages of a space that are present, in the order of their addresses, as far as they fit and the tables looked at are no
 * more than that. What is left out is mapped when it is touched. */
void steps_space(struct steps *s, const struct cell *c, frame_t root);

#endif
