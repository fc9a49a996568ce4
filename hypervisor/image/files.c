/* SPDX-License-Identifier: MIT */
#include "image/files.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/amount.h"

struct files *files_get(struct files *f)
{
	if (f)
		atomic_fetch_add(&f->refs, 1);
	return f;
}

void files_put(struct files *f)
{
	if (!f || atomic_fetch_sub(&f->refs, 1) != 1)
		return;
	for (size_t i = 0; i < f->n; i++)
		blob_put(f->file[i].content);
	free(f);
}

/* A reference to the content of the spec's file, of which `room` bytes are allowed. */
static int read_one(struct cassin_blob **out, struct cassin_guest_file *of, uint64_t room, struct blob_store *store,
		    struct cassin_error_text *err)
{
	struct cassin_blob *b = of->text;
	int r = b ? 0 : blob_read(&b, of->path, room, NULL, err);
	if (r)
		return r;
	uint64_t size = b->size;
	b = blob_intern(store, b);
	if (of->text)
		of->text = b ? blob_get(b) : NULL;
	*out = b;
	return b ? 0 : cassin_error_set(err, -ENOMEM, "no memory: the pool has no %s for it", amount_of(size).text);
}

uint64_t files_list_bytes(const struct cassin_guest_spec *spec)
{
	uint64_t bytes = spec->nfiles ? sizeof(struct files) : 0;
	for (size_t i = 0; i < spec->nfiles; i++)
		bytes += sizeof(struct file) + sizeof *spec->files +
			 (spec->files[i].path ? strlen(spec->files[i].path) + 1 : 0);
	return bytes;
}

int files_read(struct files **out, struct cassin_guest_spec *spec, struct blob_store *store,
	       struct cassin_error_text *err)
{
	struct cassin_error_text why = {{0}};
	uint64_t bytes = 0;
	*out = NULL;
	if (!spec->nfiles)
		return 0;
	struct files *f = calloc(1, sizeof *f + spec->nfiles * sizeof f->file[0]);
	if (!f)
		return cassin_error_set(err, -ENOMEM, "%s: no memory", spec->name);
	atomic_init(&f->refs, 1);
	for (; f->n < spec->nfiles; f->n++) {
		struct file *file = &f->file[f->n];
		memcpy(file->name, spec->files[f->n].name, sizeof file->name);
		int r = read_one(&file->content, &spec->files[f->n], CASSIN_FILES_BYTES, store, &why);
		bytes += r ? 0 : file->content->size;
		if (!r && bytes > CASSIN_FILES_BYTES) {
			f->n++;
			r = cassin_error_set(&why, -EFBIG, "with the files before it larger than %llu MiB",
					     (unsigned long long)(CASSIN_FILES_BYTES >> 20));
		}
		if (r) {
			cassin_error_set(err, r, "%s: file %s: %s", spec->name, file->name, why.text);
			files_put(f);
			return r;
		}
	}
	*out = f;
	return 0;
}
