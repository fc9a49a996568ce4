/* SPDX-License-Identifier: MIT */
#include "guest_json.h"

#include <stdlib.h>
#include <string.h>

#define COUNTER(field, text)                                                                                           \
	{                                                                                                              \
#field, text, offsetof(struct cassin_guest_counters, field), true                                      \
	}
#define GAUGE(field, text)                                                                                             \
	{                                                                                                              \
#field, text, offsetof(struct cassin_guest_counters, field), false                                     \
	}

const struct figure guest_figures[] = {
	COUNTER(exits, "Exits from the virtual machine"),
	COUNTER(hypercalls, "Hypercalls made"),
	COUNTER(faults, "Page faults answered"),
	COUNTER(dispatches, "Times put on a vCPU"),
	COUNTER(virtual_ns, "Nanoseconds spent on a vCPU"),
	COUNTER(work_ns, "Nanoseconds worked for it outside its turns"),
	COUNTER(operations, "Ring submissions consumed"),
	COUNTER(accepted, "Connections accepted"),
	COUNTER(bytes_in, "Stream bytes received"),
	COUNTER(bytes_out, "Stream bytes sent"),
	GAUGE(frames, "4 KiB frames touched"),
	GAUGE(table_frames, "4 KiB frames of page tables"),
	COUNTER(log_lost, "Console bytes that were overwritten unread"),
	GAUGE(refusing_ports, "Ports of the host that refuse, as the guest does not listen there"),
};
const size_t guest_figures_count = sizeof guest_figures / sizeof *guest_figures;

#undef COUNTER
#undef GAUGE
#define COUNTER(field, text)                                                                                           \
	{                                                                                                              \
#field, text, offsetof(struct cassin_engine_stats, field), true                                        \
	}
#define GAUGE(field, text)                                                                                             \
	{                                                                                                              \
#field, text, offsetof(struct cassin_engine_stats, field), false                                       \
	}

const struct figure engine_figures[] = {
	GAUGE(guests, "Guests listed"),
	GAUGE(running, "Guests that are starting or running"),
	GAUGE(parked, "Running guests whose memory is compressed"),
	COUNTER(parkings, "Times that a guest was parked"),
	GAUGE(needing_memory, "Running guests that wait for memory, the pool being full"),
	COUNTER(memory_waits, "Times that a guest waited for memory"),
	GAUGE(swap_bytes, "Bytes of parked memory in the swap file"),
	GAUGE(pool_frames, "4 KiB frames that guests may use"),
	GAUGE(used_frames, "4 KiB frames in use"),
	GAUGE(committed_frames, "4 KiB frames that guests and cells could need, each at its most"),
	GAUGE(host_frames, "4 KiB of the pool in use by what is no frame of a cell"),
	GAUGE(image_frames, "4 KiB frames of shared image pages"),
	GAUGE(quarantined_frames, "Freed page-table frames that await a flush"),
	GAUGE(descriptors, "Descriptors open for ports and connections of guests"),
	GAUGE(descriptors_most, "How many of those there may be"),
	GAUGE(refusing_ports, "Ports of the host that refuse, as their guests do not listen there"),
	COUNTER(spawns, "Guests spawned"),
	COUNTER(ends, "Ends of guests"),
	COUNTER(crashes, "Crashes of guests"),
	COUNTER(restarts, "Restarts of guests"),
	COUNTER(exits, "Exits from virtual machines"),
	COUNTER(hypercalls, "Hypercalls made"),
	COUNTER(switches, "Switches from one guest to another"),
	COUNTER(preemptions, "Slices that ended by the timer"),
	COUNTER(commits, "Page-table commits by monitors"),
	COUNTER(flushes, "Flushes of cells"),
	COUNTER(moves, "Moves of guests between workers"),
	GAUGE(uptime_ns, "Nanoseconds since the engine started"),
};
const size_t engine_figures_count = sizeof engine_figures / sizeof *engine_figures;

#define ACCOUNT(field, text)                                                                                           \
	{                                                                                                              \
#field, text, offsetof(struct cassin_memory_account, field), false                                     \
	}

const struct figure account_figures[] = {
	ACCOUNT(frames, "guests' own pages"),
	ACCOUNT(tables, "page tables"),
	ACCOUNT(shared, "pages of images and templates that guests share"),
	ACCOUNT(quarantined, "freed page tables that await a flush"),
	ACCOUNT(cells, "monitors, clock pages, and frames that wait for their next use"),
	ACCOUNT(parked, "compressed memory of guests"),
	ACCOUNT(frozen, "templates' pages"),
	ACCOUNT(images, "files of images"),
	ACCOUNT(files, "files of specs"),
	ACCOUNT(operations, "operations that pend"),
	ACCOUNT(streams, "handles, and bytes on their way"),
	ACCOUNT(consoles, "consoles"),
	ACCOUNT(traces, "traces"),
	ACCOUNT(reports, "crash reports"),
	ACCOUNT(guests, "what each guest takes by being there"),
	ACCOUNT(processes, "processes that guests run in"),
	ACCOUNT(total, "all of it"),
};
const size_t account_figures_count = sizeof account_figures / sizeof *account_figures;

json_t *account_json(const struct cassin_memory_account *account)
{
	json_t *o = json_object();
	for (size_t i = 0; i < account_figures_count; i++)
		json_object_set_new(o, account_figures[i].name,
				    json_integer((json_int_t)figure_of(&account_figures[i], account)));
	return o;
}

uint64_t figure_of(const struct figure *f, const void *from)
{
	uint64_t value;
	memcpy(&value, (const char *)from + f->at, sizeof value);
	return value;
}

static json_t *counters_json(const struct cassin_guest_counters *counters)
{
	json_t *o = json_object();
	for (size_t i = 0; i < guest_figures_count; i++)
		json_object_set_new(o, guest_figures[i].name,
				    json_integer((json_int_t)figure_of(&guest_figures[i], counters)));
	return o;
}

static void add_spec(json_t *o, const struct cassin_guest_spec *spec, uint64_t refusing, enum guest_detail detail)
{
	json_t *ports = json_array();
	for (size_t i = 0; i < spec->nports; i++)
		json_array_append_new(ports, json_pack("{s:s, s:i, s:b}", "host", spec->ports[i].host, "guest",
						       (int)spec->ports[i].guest, "refuses", (int)(refusing >> i & 1)));
	char cpu_max[CASSIN_CPU_MAX_TEXT];
	cassin_cpu_max_format(spec->cpu_quota_us, spec->cpu_period_us, cpu_max);
	json_object_set_new(o, "image", spec->image ? json_string(spec->image) : json_null());
	json_object_set_new(o, "template", spec->from_template ? json_string(spec->from_template) : json_null());
	json_object_set_new(o, "weight", json_integer(spec->weight));
	json_object_set_new(o, "cpu_max", json_string(cpu_max));
	json_object_set_new(o, "isolation", json_string(cassin_isolation_name(spec->isolation)));
	json_object_set_new(o, "restart", json_string(cassin_restart_name(spec->restart)));
	json_object_set_new(o, "ports", ports);
	if (detail == GUEST_BRIEF)
		return;
	char *text = cassin_spec_format(spec);
	json_object_set_new(o, "spec", text ? json_loads(text, 0, NULL) : json_null());
	free(text);
}

json_t *guest_json(struct daemon *d, uint64_t id, enum guest_detail detail)
{
	struct cassin_guest_status s;
	if (cassin_engine_guest_status(d->engine, id, &s) < 0)
		return NULL;
	const struct cassin_guest_counters *n = &s.counters;
	json_t *o = json_pack("{s:I, s:s, s:s, s:s, s:b, s:i, s:i, s:i, s:i, s:I, s:I, s:I, s:I}", "id",
			      (json_int_t)s.id, "name", s.name, "domain", s.domain, "state",
			      cassin_guest_state_name(s.state), "ready", (int)s.ready, "exit_code", s.exit_code,
			      "restarts", (int)s.restarts, "cell", (int)s.cell, "worker", (int)s.worker, "memory_bytes",
			      (json_int_t)s.memory_bytes, "used_bytes",
			      (json_int_t)(n->frames + n->table_frames) * 4096, "started_ns", (json_int_t)s.started_ns,
			      "uptime_ns", (json_int_t)s.uptime_ns);
	if (!o)
		return NULL;
	json_object_set_new(o, "backend", json_string(cassin_engine_backend(d->engine)));
	json_object_set_new(o, "parked", json_boolean(s.parked));
	json_object_set_new(o, "needs_memory", json_boolean(s.needs_memory));
	json_object_set_new(o, "debugged", json_boolean(s.debugged));
	json_object_set_new(o, "stopped", json_boolean(s.stopped));
	json_object_set_new(o, "traced", json_boolean(s.traced));
	json_object_set_new(o, "counters", counters_json(n));
	json_object_set_new(o, "account", account_json(&s.memory));
	struct cassin_guest_spec spec;
	if (cassin_engine_guest_spec(d->engine, id, &spec) < 0) {
		json_decref(o);
		return NULL;
	}
	add_spec(o, &spec, s.refusing, detail);
	cassin_spec_free(&spec);
	return o;
}
