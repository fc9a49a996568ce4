/* SPDX-License-Identifier: MIT */
/*
 * What a C library keeps for each thread. It defines these functions, all of them; where none is linked threads have
 * nothing of the kind. main's thread has none either: the library sees to that one itself.
 */
#ifndef CASSIN_KERNEL_LOCAL_H
#define CASSIN_KERNEL_LOCAL_H

#include <stddef.h>

#define CASSIN_LOCAL_ALIGN 64u

/* Bytes for each thread, the same each time. They lie above its stack; more than 1 KiB is added to the stack's size. */
size_t cassin_local_size(void);
/* The calling thread begins: its bytes are zero, and aligned to CASSIN_LOCAL_ALIGN. */
void cassin_local_begin(void *at);
/* The calling thread ends. Within the kernel: no other thread runs meanwhile, unless it blocks. */
void cassin_local_end(void *at);
/* The thread with these bytes (NULL: main's) runs from now on. Within the kernel: calls nothing of it. */
void cassin_local_switched(void *at);

/* What guest-lib calls before main(), instead of it, and after it; the last also the kernel when the last thread ends. That
 * one does not return. */
void cassin_main_begin(void);
int cassin_main_call(int argc, char **argv);
void cassin_main_end(int code);

/* For cassin_main_call(): calls main() on a stack of `size` bytes with a guard page, or where it is if there is no memory. Once. */
int cassin_main_on_stack(size_t size, int (*main_fn)(int argc, char **argv), int argc, char **argv);

#endif
