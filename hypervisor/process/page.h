/* SPDX-License-Identifier: MIT */
/* The page of ours in every stub of a worker: the code that maps, the filter that lets it, and the list of what to map. */
#ifndef PROCESS_PAGE_H
#define PROCESS_PAGE_H

#include "process/layout.h"

/* Writes code and filter to a page of the cell's memory. */
void stub_page_build(void *page);

static inline struct map_step *stub_page_list(void *page)
{
	return (struct map_step *)(void *)((unsigned char *)page + PAGE_LIST);
}

#endif
