/* SPDX-License-Identifier: MIT */
/*
 * A guest that makes paging calls and touches memory, beside a model that says what each must give: a plain table of
 * mappings and one word for each page. Where the two differ it aborts.
 */
#ifndef PAGING_MODEL_H
#define PAGING_MODEL_H

#include <stdint.h>

struct paging_model;

/* The next byte of whatever chooses the steps. */
typedef uint8_t (*paging_choice_fn)(void *opaque);

struct paging_model *paging_model_new(paging_choice_fn choose, void *opaque);
void paging_model_step(struct paging_model *p);
/* Also checks that nothing of the guest's is left. */
void paging_model_free(struct paging_model *p);

#endif
