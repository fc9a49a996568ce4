/* SPDX-License-Identifier: MIT */
/* What a submission asks for: its entry of the ring (abi.h) without what is reserved there. */
#ifndef REQUEST_H
#define REQUEST_H

#include "base/types.h"

struct request {
	uint8_t op, flags;
	bool wrong; /* something that is reserved was not zero */
	int32_t handle;
	uint32_t len;
	uint64_t addr, offset, user_data;
};

/* Of an entry that was copied from the guest. */
static inline struct request request_of(const struct cassin_sqe *sqe)
{
	return (struct request){
		.op = sqe->op,
		.flags = sqe->flags,
		.wrong = sqe->rsv0 || sqe->op_flags || sqe->rsv1[0] || sqe->rsv1[1] || sqe->rsv1[2],
		.handle = sqe->handle,
		.len = sqe->len,
		.addr = sqe->addr,
		.offset = sqe->offset,
		.user_data = sqe->user_data,
	};
}

#endif
