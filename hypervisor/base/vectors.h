/* SPDX-License-Identifier: MIT */
/* The exceptions of x86-64, by vector. */
#ifndef VECTORS_H
#define VECTORS_H

#define VECTOR_DIVIDE 0u
#define VECTOR_DEBUG 1u /* single step */
#define VECTOR_BREAKPOINT 3u
#define VECTOR_OVERFLOW 4u
#define VECTOR_BOUND 5u
#define VECTOR_OPCODE 6u
#define VECTOR_NO_DEVICE 7u
#define VECTOR_DOUBLE_FAULT 8u
#define VECTOR_TSS 10u
#define VECTOR_NOT_PRESENT 11u
#define VECTOR_STACK 12u
#define VECTOR_PROTECTION 13u
#define VECTOR_PAGE 14u
#define VECTOR_X87 16u
#define VECTOR_ALIGNMENT 17u
#define VECTOR_SIMD 19u

#endif
