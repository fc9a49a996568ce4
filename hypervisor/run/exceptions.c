/* SPDX-License-Identifier: MIT */
#include "run/exceptions.h"

#include "base/vectors.h"
#include "cell/pagetable.h"

const char *vector_name(uint64_t vector)
{
	static const char *const names[EXCEPTION_VECTORS] = {
		[VECTOR_DIVIDE] = "divide error",
		[VECTOR_DEBUG] = "single step",
		[VECTOR_BREAKPOINT] = "breakpoint",
		[VECTOR_OVERFLOW] = "overflow",
		[VECTOR_BOUND] = "bound range exceeded",
		[VECTOR_OPCODE] = "invalid opcode",
		[VECTOR_NO_DEVICE] = "device not available",
		[VECTOR_DOUBLE_FAULT] = "double fault",
		[VECTOR_TSS] = "invalid TSS",
		[VECTOR_NOT_PRESENT] = "segment not present",
		[VECTOR_STACK] = "stack segment fault",
		[VECTOR_PROTECTION] =
			("general protection fault (a privileged instruction, a forbidden port, or a non-canonical "
			 "address)"),
		[VECTOR_X87] = "x87 floating-point error",
		[VECTOR_ALIGNMENT] = "alignment check",
		[VECTOR_SIMD] = "SIMD floating-point error",
	};
	return vector < EXCEPTION_VECTORS && names[vector] ? names[vector] : "unexpected exception";
}
