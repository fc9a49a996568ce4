/* SPDX-License-Identifier: MIT */
#include "base/ration.h"

uint64_t ration_take(struct ration *r, uint64_t now)
{
	r->even = (r->even > now ? r->even : now) + r->every;
	uint64_t ahead = r->even - now;
	return ahead > RATION_BURST * r->every ? r->even - RATION_BURST * r->every : 0;
}
