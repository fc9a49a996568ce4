/* SPDX-License-Identifier: MIT */
/* What a signal of a stub says of its guest, in the words of the CPU: a vector, an error code, an address. */
#ifndef PROCESS_FAULT_H
#define PROCESS_FAULT_H

#include <signal.h>

#include "base/types.h"
#include "cell/cpu_state.h"

/* An instruction's effect, as far as a fault leaves it open. */
enum access { ACCESS_READ, ACCESS_WRITE };

/* What the instruction that these bytes begin with does at an address that it cannot have; ACCESS_READ where that cannot be known.
 * *r: its registers. */
enum access instruction_access(const unsigned char *bytes, size_t n, const struct cpu_registers *r, uint64_t address);
/* Whether an instruction is among these bytes up to its end. */
bool instruction_whole(const unsigned char *bytes, size_t n);
/* Whether it is an `in` or `out` of any form that names this port; dx is the register's value. */
bool instruction_port(const unsigned char *bytes, size_t n, uint16_t dx, uint8_t port);

/* The vector of a floating-point exception, by the words of its state. */
unsigned fpe_vector(int code, uint16_t fsw, uint16_t fcw);

#endif
