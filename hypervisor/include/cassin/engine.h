/* SPDX-License-Identifier: MIT */
/*
 * The Cassin engine: one process, thousands of guests. Begin
 * here; docs/library.md lists the other headers.
 *
 * Every function may be called from any thread but the engine's own; results are 0 or a negated errno
 * code, and where a `struct cassin_error_text` is taken it holds one line for a person: what, where, why.
 */
#ifndef CASSIN_ENGINE_H
#define CASSIN_ENGINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cassin/sandbox.h>
#include <cassin/spec.h>

#ifdef __cplusplus
extern "C" {
#endif

#define CASSIN_VERSION "0.1.0"

struct cassin_engine;

/* What runs guests' code. */
enum cassin_backend {
	CASSIN_BACKEND_AUTO,    /* KVM where it opens, else processes */
	CASSIN_BACKEND_KVM,     /* /dev/kvm */
	CASSIN_BACKEND_PROCESS, /* traced processes of the host: no KVM, no rights */
};
/* "auto", "kvm" or "process". -EINVAL: another word. */
int cassin_backend_parse(const char *word, enum cassin_backend *out);
const char *cassin_backend_name(enum cassin_backend b);
/* For programs that are not told one: what the environment variable CASSIN_BACKEND names; auto, if it is not set or empty. -EINVAL:
 * another word is there. */
int cassin_backend_default(enum cassin_backend *out, struct cassin_error_text *err);

/* What an attempt to have a backend came to. */
#define CASSIN_PROBE_STEPS 6
struct cassin_backend_probe {
	int result; /* 0: it can be had; -errno */
	const char
		*steps[CASSIN_PROBE_STEPS]; /* what it takes, in the order in which it is tried; NULL behind the last */
	unsigned done;                      /* steps that succeeded: if result is not 0, the next one failed */
	struct cassin_error_text why;       /* what failed, and the cure; empty if nothing did */
};
/* Opens CASSIN_BACKEND_KVM or CASSIN_BACKEND_PROCESS as an engine with this sandbox (NULL: none) would, and closes it again. Returns
 * p->result. */
int cassin_backend_probe(enum cassin_backend which, const struct cassin_sandbox *sandbox,
			 struct cassin_backend_probe *p);

struct cassin_engine_options {
	enum cassin_backend backend;
	unsigned workers; /* host threads that run guests; 0: one per available CPU, at most 64 */
	uint64_t
		pool_bytes; /* memory that all guests together may touch; 0: 3/4 of what the host has, or less. At most 504 GiB */
	bool no_overcommit;     /* refuse guests that could need more memory, all at their most, than the pool has */
	uint64_t park_after_ns; /* compress the memory of guests that have waited for so long; 0: never */
	uint64_t
		memory_wait_ns; /* how long a guest that finds the pool full waits for memory before it ends; 0: ten seconds */
	const char *swap_path; /* parked memory goes to this file; NULL: it stays in the process */
	uint64_t swap_bytes;   /* its greatest size; 0: 16 GiB */
	/* Its threads are confined by this, which must outlive the engine's creation; NULL: they are not. */
	const struct cassin_sandbox *sandbox;
	/* Called when cassin_engine_changed_next() has something to give, from any thread, at most once until it
	 * has been drained. Must not call the engine; meant for uv_async_send(). May be NULL. */
	void (*notify)(void *opaque);
	void *opaque;
	/* For `cassin run`: console bytes of guests, called on a worker's thread as they are written.
	 * May be NULL: consoles are kept in bounded rings only. */
	void (*console)(void *opaque, uint64_t id, const char *bytes, size_t len);
};

/* Opens and probes the backend, and starts the workers. -ENOENT, -EACCES and the like name the cure in *err. */
int cassin_engine_create(struct cassin_engine **out, const struct cassin_engine_options *options,
			 struct cassin_error_text *err);
/* "kvm" or "process": what an engine has. */
const char *cassin_engine_backend(const struct cassin_engine *e);
/* Why an engine that was to choose by itself did not take KVM; "" if it did, or had no choice. */
const char *cassin_engine_not_kvm(const struct cassin_engine *e);
/* Ends every guest, joins the workers and frees everything. */
void cassin_engine_destroy(struct cassin_engine *e);

enum cassin_guest_state {
	CASSIN_GUEST_STARTING, /* accepted, its memory is built, not yet run */
	CASSIN_GUEST_RUNNING,  /* computing, waiting for its turn, or blocked in a hypercall */
	CASSIN_GUEST_WAITING,  /* ended; the restart policy's back-off runs */
	CASSIN_GUEST_EXITED,   /* ended by its own exit call */
	CASSIN_GUEST_CRASHED,  /* ended by the hypervisor: see report */
	CASSIN_GUEST_KILLED,   /* ended by cassin_engine_guest_kill() */
};
const char *cassin_guest_state_name(enum cassin_guest_state s); /* "starting", "running", ... */

struct cassin_guest_counters {
	uint64_t exits; /* KVM_RUN returns */
	uint64_t hypercalls;
	uint64_t faults;     /* page faults answered */
	uint64_t dispatches; /* times it was put on a vCPU */
	uint64_t virtual_ns; /* time on a vCPU */
	uint64_t work_ns;    /* time that was worked for it outside its turns; charged as a turn is */
	uint64_t operations; /* ring submissions consumed */
	uint64_t accepted;   /* connections */
	uint64_t bytes_in;   /* stream payload received */
	uint64_t bytes_out;
	uint64_t frames;         /* 4 KiB frames of its own: touched memory */
	uint64_t table_frames;   /* page tables */
	uint64_t log_lost;       /* console bytes that did not fit the ring */
	uint64_t refusing_ports; /* of its spec, now: it does not listen there */
};

/* Memory of the host, in bytes, by what it is used for. */
struct cassin_memory_account {
	uint64_t frames;      /* guests' own pages */
	uint64_t tables;      /* their page tables */
	uint64_t shared;      /* pages of images and templates that guests share */
	uint64_t quarantined; /* page tables of the dead, until their cell is flushed */
	uint64_t cells;       /* monitors, clock pages, and frames that wait for their next use */
	uint64_t parked;      /* guests' memory, compressed; what is in the swap file does not count */
	uint64_t frozen;      /* templates' pages */
	uint64_t images;      /* their files, in use or kept for the next spawn */
	uint64_t
		files; /* files of specs: each content once, on the engine's account; their names and paths on the guest's */
	uint64_t operations; /* that pend */
	uint64_t streams;    /* handles, and bytes on their way */
	uint64_t consoles, traces, reports;
	uint64_t guests;    /* what each takes by being there, and the list of its pages */
	uint64_t processes; /* of process cells: the kernel's memory for the processes that guests run in, or are to */
	uint64_t total;
};

struct cassin_guest_status {
	uint64_t id; /* never reused */
	char name[CASSIN_NAME_MAX + 1];
	char domain[CASSIN_NAME_MAX + 1];
	enum cassin_guest_state state;
	enum cassin_guest_restart restart; /* its policy */
	bool ready;    /* it made the ready call, blocked for the first time, or has computed for 100 ms */
	int exit_code; /* of the last end: exit code & 0xff; 128 + 6 for a crash, 128 + 9 when killed */
	unsigned restarts;
	bool parked;            /* its memory is compressed until something comes for it */
	bool needs_memory;      /* the pool is full, and it waits for pages */
	bool debugged, stopped; /* a debugger is attached to it; and has stopped it */
	bool traced;            /* somebody reads its trace, or it waits for a reader */
	uint64_t refusing;      /* a bit for each port of its spec on which it does not listen */
	unsigned cell;          /* number of its cell */
	unsigned worker;        /* where it is now */
	uint64_t memory_bytes;  /* quota */
	uint64_t started_ns;    /* CLOCK_REALTIME of the last start */
	uint64_t uptime_ns;     /* of this incarnation; 0 once it has ended */
	struct cassin_guest_counters
		counters;                    /* over all incarnations; frames and refusing ports are the present ones */
	struct cassin_memory_account memory; /* its part of it */
};

/* Spawns a guest. The engine copies what it needs of *spec. All errors are found here: the name is taken
 * (-EEXIST), a port is in use (-EADDRINUSE), the image is no guest (-ENOEXEC), no memory (-ENOMEM).
 * On success the guest runs at once, on some worker. */
int cassin_engine_guest_spawn(struct cassin_engine *e, const struct cassin_guest_spec *spec, uint64_t *id,
			      struct cassin_error_text *err);

/* A place among the guests that wait for memory, for one spawn after the other: what comes free goes to those that wait, by turns, and
 * not to a spawn that is tried again and again. One thread at a time uses it. */
struct cassin_place;
/* For spawns in this domain (NULL: "default"). -ENOMEM. */
int cassin_engine_place_take(struct cassin_engine *e, const char *domain, struct cassin_place **out);
/* Whether it is this one's turn to spawn; false: to be asked again later, in a tenth of a second or when guests have ended. What the
 * calling thread spawns until cassin_engine_place_end(), which is told the result, has the memory that was kept for it. With -ENOMEM
 * it waits again, if the pool was full. */
bool cassin_engine_place_begin(struct cassin_place *p);
void cassin_engine_place_end(struct cassin_place *p, int result);
/* Gives it up; before cassin_engine_destroy(). NULL is fine. */
void cassin_engine_place_leave(struct cassin_place *p);

/* Ends a guest at once. It stays listed, as CASSIN_GUEST_KILLED, until removed. The policy does not restart it.
 * Blocks until it is off its vCPU and its memory is free. -ENOENT. */
int cassin_engine_guest_kill(struct cassin_engine *e, uint64_t id);
/* Asks a guest to end: its console input ends, its listeners' accepts fail with -ECANCELED; a guest that still
 * runs after grace_ns is killed. Does not block; the end shows as a change. */
int cassin_engine_guest_stop(struct cassin_engine *e, uint64_t id, uint64_t grace_ns);
/* Folds up the memory of a guest that waits, now. -EBUSY: it computes, or has other spaces than its first. */
int cassin_engine_guest_park(struct cassin_engine *e, uint64_t id);
/* Ends it if it runs and starts it again with the same spec, ports and id. -ENOENT: there is no such guest (any more); -ENOTDIR: the
 * folder of a port's path is not there; and what a spawn may answer. */
int cassin_engine_guest_restart(struct cassin_engine *e, uint64_t id, struct cassin_error_text *err);
/* Kills it if it runs and forgets it: name, ports and console are free. */
int cassin_engine_guest_remove(struct cassin_engine *e, uint64_t id);

/* ---- Templates: guests frozen at their `ready` call, from which others are cloned (spec: "template") ---- */

struct cassin_template_status {
	char name[CASSIN_NAME_MAX + 1];
	char domain[CASSIN_NAME_MAX + 1];
	char image[256];       /* path, cut short if need be */
	uint64_t memory_bytes; /* quota of its clones */
	uint64_t pages;        /* that it holds besides its image's: shared by all clones */
	unsigned clones;       /* guests that exist now */
	uint64_t created_ns;   /* CLOCK_REALTIME; tells it from others that have had its name */
};
/* Boots a guest of this spec (its name is the template's; ports are not opened) and freezes it when it calls `ready`. Blocks,
 * for timeout_ns at most. -EEXIST, -ETIMEDOUT, -ECHILD (it ended before), -EBUSY (operations or connections under way at
 * `ready`, other spaces), and all that a spawn may say. *made (NULL: of no interest) is what came of it. */
int cassin_engine_template_create(struct cassin_engine *e, const struct cassin_guest_spec *spec, uint64_t timeout_ns,
				  struct cassin_template_status *made, struct cassin_error_text *err);
/* What there is of a template now. -ENOENT. */
int cassin_engine_template_find(struct cassin_engine *e, const char *name, struct cassin_template_status *out);
/* Forgets the name; clones go on. -ENOENT. */
int cassin_engine_template_remove(struct cassin_engine *e, const char *name);
/* All templates in the order of their making; *out is malloc'd, the caller frees it. The count, or -ENOMEM. */
int cassin_engine_template_list(struct cassin_engine *e, struct cassin_template_status **out);

/* Lookups. -ENOENT. */
int cassin_engine_guest_find(struct cassin_engine *e, const char *name, uint64_t *id);
int cassin_engine_guest_status(struct cassin_engine *e, uint64_t id, struct cassin_guest_status *out);
/* A copy of the spec it was spawned with; the caller frees it (spec_free). -ENOENT, -ENOMEM; *out is empty then. */
int cassin_engine_guest_spec(struct cassin_engine *e, uint64_t id, struct cassin_guest_spec *out);
/* Ids of all guests in the order of their spawn; *ids is malloc'd, the caller frees it. Returns the count or
 * -ENOMEM. */
int cassin_engine_guest_list(struct cassin_engine *e, uint64_t **ids);
/* The crash report of the last crash (several lines, malloc'd, caller frees), NULL if there is none. */
char *cassin_engine_guest_report(struct cassin_engine *e, uint64_t id);

/* Console. Each guest's output is a stream of bytes of which the engine keeps the last 16 KiB. Copies up to len bytes from
 * stream offset *offset on and sets *offset behind them; if *offset was older than what is kept it is moved
 * up first and *lost says by how much. Returns the number of bytes, -ENOENT. */
long cassin_engine_guest_log(struct cassin_engine *e, uint64_t id, uint64_t *offset, char *buf, size_t len,
			     uint64_t *lost);
/* Feeds console input (`cassin run`). len 0: end of input. Returns bytes taken or -ENOENT, -EAGAIN (full: 64 KiB). */
long cassin_engine_guest_input(struct cassin_engine *e, uint64_t id, const char *buf, size_t len);

/* Hands a connected stream socket to a guest as a connection accepted on its `port`. It becomes non-blocking. Takes fd over, also on
 * failure (then it is closed). -ENOENT: no such guest, -ECONNREFUSED: it does not run or does not listen there
 * (a guest that has not booted yet gets up to 2 s). */
int cassin_engine_guest_connect(struct cassin_engine *e, uint64_t id, uint16_t port, int fd);
/* The same without that wait, and fd is the caller's until it succeeds. If the guest takes it, `greeting` (NULL: nothing) is sent before
 * any of the guest's bytes. -EAGAIN: it may come to listen soon, or can take no more at the moment. -EPIPE: the client has gone. */
int cassin_engine_guest_offer(struct cassin_engine *e, uint64_t id, uint16_t port, int fd, const char *greeting);

/* The next guest whose state changed since it was last given; 0 when there is none. A guest that was removed
 * is given once more. */
uint64_t cassin_engine_changed_next(struct cassin_engine *e);

struct cassin_engine_stats {
	unsigned workers, cells;
	uint64_t guests, running;               /* listed; CASSIN_GUEST_STARTING or CASSIN_GUEST_RUNNING */
	uint64_t parked;                        /* of the running */
	uint64_t parkings;                      /* times that a guest was parked */
	uint64_t needing_memory;                /* of the running: wait for memory, the pool being full */
	uint64_t memory_waits;                  /* times that a guest did */
	uint64_t swap_bytes;                    /* in use in the swap file */
	uint64_t pool_frames, used_frames;      /* 4 KiB; guests, page tables, images, monitors */
	uint64_t host_frames;                   /* of the pool, by what is no frame of a cell: see memory_account */
	uint64_t committed_frames;              /* that guests and cells could need together, each at its most */
	uint64_t image_frames;                  /* of those, shared image pages */
	uint64_t quarantined_frames;            /* freed page tables that await a cell flush */
	uint64_t refusing_ports;                /* of the host, as their guests do not listen there */
	uint64_t descriptors, descriptors_most; /* open for ports and connections of guests, and how many may be */
	uint64_t spawns, ends, crashes, restarts;
	uint64_t exits, hypercalls, switches, preemptions, commits, flushes, moves;
	uint64_t uptime_ns;
};
void cassin_engine_stats(struct cassin_engine *e, struct cassin_engine_stats *out);

/* Memory of the host, in all. Looks at every guest. */
void cassin_engine_account(struct cassin_engine *e, struct cassin_memory_account *out);
struct cassin_domain_account {
	char name[CASSIN_NAME_MAX + 1];
	struct cassin_memory_account memory;
};
/* The accounts of all domains that have guests or templates, by name; *out is malloc'd, the caller frees it. The count, or -ENOMEM. */
int cassin_engine_domains(struct cassin_engine *e, struct cassin_domain_account **out);

#ifdef __cplusplus
}
#endif

#endif
