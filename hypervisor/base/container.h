/* SPDX-License-Identifier: MIT */
/* From a member to the structure that it lies in. */
#ifndef CONTAINER_H
#define CONTAINER_H

#include <stddef.h>

#define CONTAINER_OF(pointer, type, member)                                                                            \
	__extension__({                                                                                                \
		const __typeof__(((type *)0)->member) *member_ = (pointer); /* of the right type, or no program */     \
		(type *)((char *)member_ - offsetof(type, member));                                                    \
	})

#endif
