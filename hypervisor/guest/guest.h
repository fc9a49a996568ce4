/* SPDX-License-Identifier: MIT */
/*
 * A guest: the durable thing that has a name, ports and a console, and its present incarnation (memory, registers,
 * rings, handles). The incarnation belongs to one worker at a time and only that thread touches it; what others
 * may read is atomic or under the engine's lock, and says so.
 */
#ifndef GUEST_H
#define GUEST_H

#include <stdatomic.h>

#include <cassin/engine.h>

#include "base/account.h"
#include "base/deadlines.h"
#include "base/hot.h"
#include "guest/console_bytes.h"
#include "guest/host.h"
#include "guest/device.h"
#include "guest/op.h"
#include "guest/passage.h"
#include "guest/post.h"
#include "guest/ring.h"
#include "guest/swapping.h"
#include "guest/upcall.h"
#include "guest/user.h"
#include "guest/wait.h"
#include "guest/want.h"
#include "guest/work.h"
#include "memory/memory.h"
#include "worker/paths.h"

struct cassin_debugger;
struct files;
struct port_path;
struct cassin_trace;

enum run_state {
	RUN_NONE,     /* no incarnation */
	RUN_RUNNABLE, /* in its worker's run queue */
	RUN_ON_CPU,
	RUN_STOPPED, /* by its debugger: in no queue, whatever it was in */
	RUN_BLOCKED, /* in enter, waiting for completions or its deadline */
	RUN_PASSAGE, /* it ends, or goes to another worker, in pieces: passage.h */
	RUN_MOVING,  /* on its way to another worker: calls wait until it is there */
};

/* Host memory that a guest may hold for its operations and streams: as much as its own memory, and this. */
#define ACCOUNT_ALLOWANCE (UINT64_C(256) << 10)

struct guest_atomics {
	atomic_uint_fast64_t exits, hypercalls, faults, dispatches, virtual_ns, work_ns, operations, accepted, bytes_in,
		bytes_out, frames, table_frames;
};

/* What everyone may ask of a guest. Under the engine's lock; the times are also the owner's to read. */
struct guest_record {
	enum cassin_guest_state state;
	bool ready, removed, listed_as_changed;
	int exit_code;
	unsigned restarts;
	uint64_t started_real, started_mono;
	char *report; /* of the last crash, malloc'd */
};

/* The engine's lists. Under its lock. */
struct guest_links {
	struct guest *changed_next, *id_next, *name_next, *list_next, *list_prev;
};

/* A restart, and what came of it. */
struct restart {
	int result;
	unsigned row;                  /* of those that followed each other quickly */
	struct cassin_error_text *err; /* why not; NULL: nobody asked */
};

/* An incarnation that begins. */
struct beginning {
	size_t at; /* in what its template has: mappings, then listeners */
	bool listens;
};

/* An incarnation that ends. */
struct ending {
	enum end_kind kind;
	int code;
	uint64_t ran;  /* ns */
	char *report;  /* of its crash, malloc'd */
	unsigned part; /* what is taken down now */
	struct device_walk walk;
	struct cell_image *image; /* the memory's, given back behind it */
};

/* An incarnation that goes to another worker, and when it has arrived there. */
struct moving {
	struct worker *to;
	struct guest_call *call;
	struct device_walk walk;
	struct op *op;
};

/* A guest that is to become a template. */
struct guest_freezing {
	bool at_wait;              /* where it waits next, rather than at its ready call */
	int result;                /* of the attempt, */
	struct freezer *under_way; /* which is; NULL: none is */
	struct template *made;     /* a reference */
	char *why;                 /* with a result of -EBUSY; malloc'd; NULL: there was no memory for it */
};

struct guest {
	uint64_t id;
	struct guest_host *host;
	struct cassin_guest_spec spec;
	struct image *image;             /* a reference, held until removal */
	struct template *template;       /* what it is cloned from, likewise; NULL: it boots */
	struct files *files;             /* likewise; NULL: none */
	struct guest_freezing *freezing; /* malloc'd; NULL: it is to run */
	struct port *ports;              /* spec.nports of them */
	struct path_line *paths;         /* work at paths of its spec, malloc'd; NULL: it names none */
	struct console console;
	_Atomic(struct worker *) worker; /* changed only under the old worker's eyes and the new one's inbox lock */
	struct guest_atomics count;      /* any thread may read */
	atomic_uint refs;                /* guest_put() */
	atomic_uint cell_number;
	atomic_uint descriptors;               /* of the process, that are open for it: descriptors.h */
	atomic_uint dials;                     /* connections to what is at paths that are being made */
	atomic_uint_fast64_t refusing;         /* a bit for each port of the host on which nobody listens */
	atomic_bool ports_closed;              /* for good */
	atomic_bool debugged, stopped, traced; /* what `debugger`, RUN_STOPPED and `trace` below say */
	atomic_bool parked;                    /* its memory is compressed, and it has not run since */
	atomic_bool needs_memory;              /* it waits for pages of the pool */
	struct account account;                /* of host memory */
	/* What peers that have closed left for it to read: apart from what it needs itself. Made with its first pipe; malloc'd. */
	_Atomic(struct account *) unread;
	uint64_t committed; /* pages of the pool that were promised to it */

	struct guest_record record;
	struct guest_links links;

	/* The incarnation; its worker's only. */
	struct cell *cell;               /* from spawn to removal */
	struct share share;              /* of the CPU */
	struct bandwidth *cap;           /* malloc'd; NULL: none */
	uint64_t held_until;             /* it has caused flushes of its cell: it does not run before; 0: it may */
	struct deadline throttle;        /* until then, or until its next period */
	struct guest_want *want;         /* of memory, when the pool was full; NULL: it never was */
	struct guest_swapping *swapping; /* malloc'd; NULL: there is no swap file */
	struct work_list work;           /* what is done for it outside its turns */
	struct work parking;             /* under way */
	struct work waking;              /* likewise: goes ahead of other work */
	struct passage passage;          /* RUN_PASSAGE */
	struct held_calls held;          /* what others want of it, and has to wait: post.h */
	union {                          /* what it is at: the passage sets it first */
		struct beginning beginning;
		struct ending ending;
		struct moving moving;
	};
	struct restart restart;
	void (*ports_then)(struct guest *g); /* it begins again once its ports listen; NULL: it does not */
	struct memory memory;
	struct cpu_state cpu;
	struct door {
		uint64_t va, generation;    /* where it called from last, and at which generation of its memory */
		const unsigned char *bytes; /* the host's view of that place, or of what it once was; NULL: none */
	} door;
	struct user_run user;
	struct upcalls upcalls;
	struct cassin_debugger *debugger; /* NULL: none */
	struct cassin_trace *trace;       /* NULL: nobody traces it */
	uint64_t boot, boot_name;         /* addresses of its boot record and of its name */
	uint64_t virtual_ns;
	uint64_t dispatched_at;
	struct ring ring;
	struct submission submission;
	uint64_t wait_until;  /* RUN_BLOCKED: until when, monotonic ns, */
	uint32_t wait_count;  /* and for how many completions */
	uint32_t nops;        /* of `ops` */
	struct op *ops;       /* pending */
	struct deadline wake; /* of enter */
	/* Restart back-off, or the grace of a stop, if `timer_on`; else when to look whether it has waited long enough to be parked. */
	struct deadline timer;
	struct index ops_by_user_data;
	struct op_queue held_ops; /* of them: over, but its memory sleeps */
	struct streams *streams;
	const char *doomed; /* it must end for this reason, as soon as it would run */
	char *crash;        /* report of the crash that ends it; malloc'd */
	enum run_state run;
	int exit_value;  /* of its exit call */
	bool in_call;    /* the hypercall in its registers has begun, and is to go on */
	bool has_waited; /* its code has, for anything, in this incarnation */
	bool stopping;   /* asked to end */
	bool used_slice; /* it used up its last slice */
	bool timer_on;   /* `timer` is wanted, also after a move */
};

/* Binds the ports of its spec, within what descriptors guests may have; and undoes that, before anybody else uses them. What is at paths
 * is made and removed on the caller's thread. */
int guest_ports_open(struct guest *g, struct cassin_error_text *err);
void guest_ports_undo(struct guest *g);
/* Nobody is there to serve them: all of them refuse. The owner's thread, as the next two. */
void guest_ports_refuse(struct guest *g);
/* All listen again, or with `asks` false: how that goes. -EINPROGRESS: g->ports_then is called whenever there is news of one. -errno with
 * the one that does not named in *err, and all refuse. */
int guest_ports_resume(struct guest *g, bool asks, struct cassin_error_text *err);
/* What was asked of a port at a path has been done, or cannot be. */
void guest_port_settled(struct guest *g, const struct port_path *at);
/* Closes them for good, once no owner uses them; and waits for so long until what is at paths has been removed. */
void guest_ports_close(struct guest *g);
void guest_ports_await(struct guest *g, uint64_t ns);
/* Drops a reference. Any thread. */
void guest_put(struct guest *g);

static inline struct worker *guest_worker(const struct guest *g)
{
	return atomic_load_explicit(&g->worker, memory_order_acquire);
}

/* Whether it waits for memory; and has waited as long as it may. */
static inline bool guest_wants(const struct guest *g)
{
	return g->want && g->want->waits;
}
/* Whether it waits for what is being read from the swap file. */
static inline bool guest_reads_swap(const struct guest *g)
{
	return g->swapping && g->swapping->waits;
}
/* Whether nothing can be done for it now: it waits for memory, or for the swap file. */
static inline bool guest_pauses(const struct guest *g)
{
	return guest_wants(g) || guest_reads_swap(g);
}
static inline bool guest_wants_late(const struct guest *g)
{
	return g->want && g->want->late;
}

/* A guest that nobody knows yet; takes the references to the image and the template (NULL: none) over. NULL: no memory. */
struct guest *guest_new(struct guest_host *host, const struct cassin_guest_spec *spec, struct image *image,
			struct template *t);
/* Pages of the pool that g can take at most: its own, page tables, its image's as far as others do not have them already, and what
 * the host holds for it. */
uint64_t guest_most(const struct guest *g);
/* The report of the last crash is this one from now on (malloc'd, handed over; NULL: none). The engine's lock is held, or nobody
 * else knows g. */
void guest_report_set(struct guest *g, char *report);
/* Console output, to the ring and to the engine's listener. */
void guest_print(struct guest *g, const char *bytes, size_t len);
#define REPORT_MAX (24u << 10)
/* Puts down why the guest crashes: g->crash becomes a report with registers and a backtrace, printable ASCII of less than
 * REPORT_MAX bytes. */
void guest_crash(struct guest *g, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* A fresh incarnation number. */
uint64_t incarnation_next(void);
/* Virtual time now. */
uint64_t guest_virtual(const struct guest *g, uint64_t now);

#endif
