/* SPDX-License-Identifier: MIT */
/* Page-table entries, the words of Intel SDM volume 3, chapter 4, and AMD APM volume 2, chapter 5; and what else of the CPU the
 * hypervisor's rooms have in common. */
#ifndef PAGETABLE_H
#define PAGETABLE_H

#include "cell/cell.h"

#define PTE_P UINT64_C(0x1)
#define PTE_W UINT64_C(0x2)
#define PTE_U UINT64_C(0x4)
#define PTE_A UINT64_C(0x20)
#define PTE_D UINT64_C(0x40)
#define PTE_LARGE UINT64_C(0x80)
#define PTE_NX (UINT64_C(1) << 63)
#define PTE_FRAME UINT64_C(0x000ffffffffff000)
#define PTE_TABLE (PTE_P | PTE_W | PTE_U | PTE_A)
#define PTE_TABLE_SUPERVISOR (PTE_P | PTE_W | PTE_A)

/* Software bits. A present entry may be PTE_COW: read-only now, writable by right. A not-present entry says PTE_MAPPED
 * (page number where the frame would be, PTE_W and PTE_NX as rights) or PTE_HOLE (unmapped by the guest, though an
 * initial region lies there). All zero: look in the initial regions. */
#define PTE_COW UINT64_C(0x200)
#define PTE_MAPPED UINT64_C(0x400)
#define PTE_HOLE UINT64_C(0x800)

/* Page-fault error code. */
#define PF_PRESENT UINT64_C(0x1)
#define PF_WRITE UINT64_C(0x2)
#define PF_USER UINT64_C(0x4)
#define PF_RESERVED UINT64_C(0x8)
#define PF_FETCH UINT64_C(0x10)
#define PF_PKEY UINT64_C(0x20) /* refused by a protection key, which only the guest itself can have set */

#define MONITOR_L4 1 /* the entry of every root that is the backend's; guests' addresses lie below */

/* Selectors that guests have, as a debugger shows them: of user data before user code, as sysret would have it. */
#define GDT_USER_DATA 4
#define GDT_USER_CODE 5

#define EXCEPTION_VECTORS 32

#endif
