/* SPDX-License-Identifier: MIT */
/* A cell of which stubs map what their guests' tables show: as struct backend_ops has it. */
#ifndef PROCESS_CELL_H
#define PROCESS_CELL_H

#include "cell/cell.h"

int process_cell_open(struct cell *c, struct cassin_error_text *err);
void process_cell_close(struct cell *c);
int process_cell_grow(struct cell *c, uint64_t *at, uint64_t *size);
void process_cell_trim(struct cell *c);
int process_cell_give_back(struct cell *c, frame_t first, uint32_t n);

#endif
