/* SPDX-License-Identifier: MIT */
/* A guest's specification: what a person writes in JSON (docs/spec.md) and what the engine is given. */
#ifndef CASSIN_SPEC_H
#define CASSIN_SPEC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define CASSIN_NAME_MAX 63     /* [A-Za-z0-9][A-Za-z0-9._-]* */
#define CASSIN_ARGS_MAX 64     /* arguments after the image's name */
#define CASSIN_ARGS_BYTES 2048 /* all of them together with their zeros, and the guest's name */
#define CASSIN_PORTS_MAX 64
#define CASSIN_CONNECT_MAX 16
#define CASSIN_ENDPOINT_MAX 127 /* "tcp:127.0.0.1:8080", "unix:/run/x.sock" */
#define CASSIN_FILES_MAX 64
#define CASSIN_FILES_BYTES (UINT64_C(16) << 20) /* all of a guest's files together */

#define CASSIN_MEMORY_DEFAULT (UINT64_C(16) << 20)
#define CASSIN_MEMORY_MIN (UINT64_C(64) << 10)
#define CASSIN_MEMORY_MAX (UINT64_C(64) << 30)
#define CASSIN_STREAMS_DEFAULT 1024u
#define CASSIN_STREAMS_MAX 16384u
#define CASSIN_WEIGHT_DEFAULT 100u
#define CASSIN_WEIGHT_MAX 10000u
#define CASSIN_CPU_PERIOD_DEFAULT UINT64_C(100000) /* us */
#define CASSIN_CPU_PERIOD_MIN UINT64_C(1000)
#define CASSIN_CPU_PERIOD_MAX UINT64_C(1000000)
#define CASSIN_CPU_QUOTA_MIN UINT64_C(1000)
#define CASSIN_CPU_QUOTA_PERIODS UINT64_C(64) /* a quota's most, in periods */

/* One line for a person. */
struct cassin_error_text {
	char text[512];
};
/* Formats into err (which may be NULL) and returns `code`, so that `return cassin_error_set(err, -EINVAL, ...)` reads well. */
int cassin_error_set(struct cassin_error_text *err, int code, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

enum cassin_guest_isolation { CASSIN_ISOLATION_CELL, CASSIN_ISOLATION_VM };
enum cassin_guest_restart { CASSIN_RESTART_NO, CASSIN_RESTART_ON_FAILURE, CASSIN_RESTART_ALWAYS };

struct cassin_guest_port {
	char host[CASSIN_ENDPOINT_MAX + 1]; /* "tcp:ADDR:PORT" or "unix:PATH" */
	uint16_t guest;
};

struct cassin_guest_connect {
	char name[CASSIN_NAME_MAX + 1];       /* what the guest calls it */
	char target[CASSIN_ENDPOINT_MAX + 1]; /* "tcp:ADDR:PORT" or "unix:PATH" */
};

struct cassin_blob;

/* A file of the guest's: one of the host's, read at the spawn, or what the spec itself holds. */
struct cassin_guest_file {
	char name[CASSIN_NAME_MAX + 1]; /* what the guest calls it: names, as of guests, with a '/' between them */
	char *path;                     /* on the host; NULL: */
	struct cassin_blob *text;       /* this is its content; a reference */
};

struct cassin_guest_spec {
	char *name;
	char *image;         /* path; NULL with a template */
	char *from_template; /* it is cloned from this one, and has its image, arguments and memory. NULL: it boots */
	char *domain;        /* "default" */
	uint64_t memory;     /* bytes, a multiple of 4096 */
	char **args;         /* nargs of them, the image's name not among them */
	size_t nargs;
	struct cassin_guest_port *ports;
	size_t nports;
	struct cassin_guest_connect *connects;
	size_t nconnects;
	struct cassin_guest_file *files; /* with a template and none of its own, it has the template's */
	size_t nfiles;
	unsigned streams;      /* handles it may hold at once */
	unsigned weight;       /* its share of the CPU while others want it, 1 to CASSIN_WEIGHT_MAX */
	uint64_t cpu_quota_us; /* it runs no more than this in each period; 0: no cap */
	uint64_t cpu_period_us;
	enum cassin_guest_isolation isolation;
	enum cassin_guest_restart restart;
	unsigned restart_max; /* restarts in a row (each less than 10 s after the last) before giving up; 0: no limit */
};

/* Sets the defaults; all pointers NULL. */
void cassin_spec_init(struct cassin_guest_spec *s);
/* Frees what the members point to, not *s. */
void cassin_spec_free(struct cassin_guest_spec *s);
/* Deep copy. -ENOMEM. */
int cassin_spec_copy(struct cassin_guest_spec *to, const struct cassin_guest_spec *from);

/* Parses JSON text; `where` names it in errors ("spec.json", "request"). Unknown keys, wrong types and values out
 * of range are refused as `WHERE:LINE: "key": why` (line where jansson tells it, the key's path otherwise, e.g.
 * `spec.json: ports[2].host: ...`). Keys that are absent keep what *s holds already. On failure *s is
 * freed and re-initialised. -EINVAL, -ENOMEM. */
int cassin_spec_parse(struct cassin_guest_spec *s, const char *json, size_t len, const char *where,
		      struct cassin_error_text *err);
/* The same from a file that is open for reading; "image" and the paths of files are taken relative to the folder of its path. The
 * descriptor stays the caller's. */
int cassin_spec_read(struct cassin_guest_spec *s, int fd, const char *path, struct cassin_error_text *err);
/* The same from a regular file, a pipe or a terminal (cassin_stream_open()). */
int cassin_spec_load(struct cassin_guest_spec *s, const char *path, struct cassin_error_text *err);
/* Checks a spec as a whole (name, image present, ports unique, ...): what cassin_engine_guest_spawn() demands. */
int cassin_spec_check(const struct cassin_guest_spec *s, const char *where, struct cassin_error_text *err);
/* Where its first path stands that is not absolute ("image", "files[2].path"), in `place`; false: there is none. */
#define CASSIN_SPEC_PLACE_MAX 48
bool cassin_spec_relative(const struct cassin_guest_spec *s, char place[CASSIN_SPEC_PLACE_MAX]);
/* Adds a file, in place of one of its name: "NAME=PATH", or "PATH", which is called as its last part. -EINVAL, -ENOMEM. */
int cassin_spec_add_file(struct cassin_guest_spec *s, const char *text, struct cassin_error_text *err);
/* JSON text of a spec, malloc'd; parsing it gives the spec back. */
char *cassin_spec_format(const struct cassin_guest_spec *s);

/* "64K", "16M", "1G", "4096": bytes. -EINVAL, -ERANGE. */
int cassin_size_parse(const char *text, uint64_t *bytes);
/* "QUOTA PERIOD" in microseconds as cgroup v2's cpu.max has it: QUOTA may be "max" (*quota_us is 0), PERIOD absent (the
 * default). The ranges are cassin_spec_check()'s. -EINVAL, -ERANGE (also for a quota of 0). */
int cassin_cpu_max_parse(const char *text, uint64_t *quota_us, uint64_t *period_us);
/* The same as text: CASSIN_CPU_MAX_TEXT bytes at most, its zero included. */
#define CASSIN_CPU_MAX_TEXT 48
void cassin_cpu_max_format(uint64_t quota_us, uint64_t period_us, char *text);
/* The words for them: "cell", "vm"; "no", "on-failure", "always". */
const char *cassin_isolation_name(enum cassin_guest_isolation isolation);
const char *cassin_restart_name(enum cassin_guest_restart restart);
/* The values of those words; of a restart's word, text has the first len bytes. -EINVAL. */
int cassin_isolation_parse(const char *text, enum cassin_guest_isolation *out);
int cassin_restart_parse(const char *text, size_t len, enum cassin_guest_restart *out);
/* "[ADDR:]PORT:GUEST" or "unix:PATH:GUEST", as `-p` takes it; ADDR is 127.0.0.1 when absent. */
int cassin_port_parse(const char *text, struct cassin_guest_port *out, struct cassin_error_text *err);
/* [A-Za-z0-9][A-Za-z0-9._-]*, at most CASSIN_NAME_MAX. */
bool cassin_name_valid(const char *name);
/* Such names with a '/' between them, at most CASSIN_NAME_MAX in all. */
bool cassin_file_name_valid(const char *name);
/* "tcp:ADDR:PORT" (ADDR numeric, [v6] in brackets) or "unix:PATH". */
bool cassin_endpoint_valid(const char *text);

#ifdef __cplusplus
}
#endif

#endif
