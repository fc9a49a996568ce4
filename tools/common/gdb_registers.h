/* SPDX-License-Identifier: MIT */
/* A guest's registers as GDB numbers and lays them out: what target.xml says is what `g` and `p` give. Pure. */
#ifndef GDB_REGISTERS_H
#define GDB_REGISTERS_H

#include <cassin/debug.h>

#define GDB_REGISTERS 59u
#define GDB_REGISTER_MAX 16u /* bytes */
enum { GDB_RBP = 6, GDB_RSP = 7, GDB_RIP = 16 };

/* The value of a register, little-endian; its size. */
size_t gdb_register_get(const struct cassin_debug_registers *r, unsigned number, unsigned char *out);
/* The size of a register alone. */
size_t gdb_register_size(unsigned number);
/* Sets it; what cannot be set stays as it is. */
void gdb_register_set(struct cassin_debug_registers *r, unsigned number, const unsigned char *value);

/* The description of them all, malloc'd; NULL: no memory. */
char *gdb_target_xml(void);

#endif
