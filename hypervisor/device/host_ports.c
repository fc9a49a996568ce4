/* SPDX-License-Identifier: MIT */
#include "device/host_ports.h"

#include "device/stream.h"
#include "guest/guest.h"
#include "guest/ports.h"

bool port_hopeful(struct guest *g, uint16_t port)
{
	return !g->stopping && (!g->has_waited || listener_find(g, port));
}

static void follow(struct guest *g, size_t i)
{
	uint64_t bit = UINT64_C(1) << i;
	struct cassin_error_text why;
	bool refuses = atomic_load(&g->refusing) & bit;
	if (port_hopeful(g, g->spec.ports[i].guest)) {
		if (refuses && !port_listen(&g->ports[i], true, &why))
			atomic_fetch_and(&g->refusing, ~bit);
	} else if (!refuses || g->ports[i].at) { /* which may be about to listen */
		port_refuse(&g->ports[i]);
		atomic_fetch_or(&g->refusing, bit);
	}
}

void host_port_follow(struct guest *g, uint16_t port)
{
	for (size_t i = 0; g->ports && i < g->spec.nports; i++) {
		if (g->spec.ports[i].guest == port)
			follow(g, i);
	}
}

void host_ports_follow(struct guest *g)
{
	for (size_t i = 0; g->ports && i < g->spec.nports; i++)
		follow(g, i);
}
