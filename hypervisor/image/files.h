/* SPDX-License-Identifier: MIT */
/*
 * The files of a guest, as CASSIN_CALL_FILE_INFO and CASSIN_CALL_FILE_READ give them: read once, when it is spawned, and the
 * same until it is removed. Clones share their template's; files with the same content are kept once.
 */
#ifndef FILES_H
#define FILES_H

#include <stdatomic.h>

#include "base/blob.h"

struct files {
	atomic_uint refs;
	size_t n;
	struct file {
		char name[CASSIN_NAME_MAX + 1];
		struct cassin_blob *content;
	} file[];
};

/* Reads the files of a spec; *out is NULL if it has none. Its texts become the store's own. -ENOMEM, or what blob_read()
 * says. */
int files_read(struct files **out, struct cassin_guest_spec *spec, struct blob_store *store,
	       struct cassin_error_text *err);
/* What a spec's list of files takes, but for their contents: a store has those once. */
uint64_t files_list_bytes(const struct cassin_guest_spec *spec);
/* NULL is fine. */
struct files *files_get(struct files *f);
void files_put(struct files *f);

#endif
