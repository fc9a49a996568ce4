/* SPDX-License-Identifier: MIT */
#include "spec/spec_files.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/blob.h"
#include "spec/spec_words.h"

/* ---- Life ---- */

void spec_files_free(struct cassin_guest_spec *s)
{
	for (size_t i = 0; i < s->nfiles; i++) {
		free(s->files[i].path);
		blob_put(s->files[i].text);
	}
	free(s->files);
	s->files = NULL;
	s->nfiles = 0;
}

bool spec_files_copy(struct cassin_guest_spec *to, const struct cassin_guest_spec *from)
{
	if (!from->nfiles)
		return true;
	to->files = calloc(from->nfiles, sizeof *to->files);
	if (!to->files)
		return false;
	for (; to->nfiles < from->nfiles; to->nfiles++) {
		const struct cassin_guest_file *of = &from->files[to->nfiles];
		struct cassin_guest_file f = {
			.path = of->path ? strdup(of->path) : NULL,
			.text = of->text ? blob_get_free(of->text) : NULL,
		};
		memcpy(f.name, of->name, sizeof f.name);
		to->files[to->nfiles] = f;
		if ((of->path && !f.path) || (of->text && !f.text)) {
			to->nfiles++;
			return false;
		}
	}
	return true;
}

/* ---- Words ---- */

bool cassin_file_name_valid(const char *name)
{
	char part[CASSIN_NAME_MAX + 1];
	if (!name || strlen(name) > CASSIN_NAME_MAX)
		return false;
	for (;;) {
		size_t len = strcspn(name, "/");
		memcpy(part, name, len);
		part[len] = '\0';
		if (!cassin_name_valid(part))
			return false;
		if (!name[len])
			return true;
		name += len + 1;
	}
}

/* "NAME=PATH", or "PATH". The path is the caller's to free. */
static int parse(const char *text, struct cassin_guest_file *out, struct cassin_error_text *err)
{
	const char *sign = strchr(text, '='), *slash = strrchr(text, '/');
	const char *path = sign ? sign + 1 : text, *name = sign || !slash ? text : slash + 1;
	size_t len = sign ? (size_t)(sign - text) : strlen(name);
	*out = (struct cassin_guest_file){.path = NULL};
	if (len < sizeof out->name)
		memcpy(out->name, name, len);
	if (!cassin_file_name_valid(out->name))
		return cassin_error_set(err, -EINVAL, "\"%.*s\" is no name for a guest's file: say NAME=PATH",
					(int)(len < 80 ? len : 80), name);
	if (!*path)
		return cassin_error_set(err, -EINVAL, "%.80s: names no file of the host", text);
	out->path = strdup(path);
	return out->path ? 0 : cassin_error_set(err, -ENOMEM, "no memory");
}

int cassin_spec_add_file(struct cassin_guest_spec *s, const char *text, struct cassin_error_text *err)
{
	struct cassin_guest_file file;
	size_t i = 0;
	int r = parse(text, &file, err);
	if (r)
		return r;
	while (i < s->nfiles && strcmp(s->files[i].name, file.name) != 0)
		i++;
	if (i < s->nfiles) {
		free(s->files[i].path);
		blob_put(s->files[i].text);
	} else {
		struct cassin_guest_file *more = realloc(s->files, (i + 1) * sizeof *more);
		if (!more) {
			free(file.path);
			return cassin_error_set(err, -ENOMEM, "no memory");
		}
		s->files = more;
		s->nfiles++;
	}
	s->files[i] = file;
	return 0;
}

char *path_beside(const char *beside, const char *path)
{
	const char *slash = strrchr(beside, '/');
	char *whole;
	if (!slash || path[0] == '/')
		return strdup(path);
	return asprintf(&whole, "%.*s%s", (int)(slash - beside) + 1, beside, path) < 0 ? NULL : whole;
}

int spec_files_place(struct cassin_guest_spec *s, const char *spec_path)
{
	for (size_t i = 0; i < s->nfiles; i++) {
		char *whole = s->files[i].path ? path_beside(spec_path, s->files[i].path) : NULL;
		if (s->files[i].path && !whole)
			return -ENOMEM;
		free(s->files[i].path);
		s->files[i].path = whole;
	}
	return 0;
}

bool cassin_spec_relative(const struct cassin_guest_spec *s, char place[CASSIN_SPEC_PLACE_MAX])
{
	bool found = s->image && s->image[0] != '/';
	snprintf(place, CASSIN_SPEC_PLACE_MAX, "image");
	for (size_t i = 0; !found && i < s->nfiles; i++) {
		found = s->files[i].path && s->files[i].path[0] != '/';
		snprintf(place, CASSIN_SPEC_PLACE_MAX, "files[%zu].path", i);
	}
	return found;
}

/* ---- Checks ---- */

#define REFUSE(where, err, format, ...) cassin_error_set(err, -EINVAL, "%s: files" format, where, __VA_ARGS__)

static int check_file(const struct cassin_guest_spec *s, size_t i, const char *where, struct cassin_error_text *err)
{
	const struct cassin_guest_file *f = &s->files[i];
	if (!memchr(f->name, '\0', sizeof f->name) || !cassin_file_name_valid(f->name))
		return REFUSE(
			where, err,
			"[%zu].name: must be letters, digits, '.', '_' and '-', at most %d, perhaps in parts with "
			"'/' between them that begin with a letter or a digit, not \"%.*s\"",
			i, CASSIN_NAME_MAX, CASSIN_NAME_MAX, f->name);
	for (size_t k = 0; k < i; k++)
		if (!strcmp(f->name, s->files[k].name))
			return REFUSE(where, err, "[%zu].name: \"%s\" is the name of files[%zu] already", i, f->name,
				      k);
	if (!f->path == !f->text)
		return REFUSE(where, err, "[%zu]: must have one of \"path\" and \"text\"", i);
	if (f->path && !f->path[0])
		return REFUSE(where, err, "[%zu].path: is empty", i);
	if (f->path && strlen(f->path) >= PATH_MAX)
		return REFUSE(where, err, "[%zu].path: has %zu bytes, at most %d", i, strlen(f->path), PATH_MAX - 1);
	if (f->path ? !utf8_valid(f->path, strlen(f->path)) : !utf8_valid((const char *)f->text->bytes, f->text->size))
		return REFUSE(where, err, "[%zu].%s: is not UTF-8", i, f->path ? "path" : "text");
	return 0;
}

int spec_files_check(const struct cassin_guest_spec *s, const char *where, struct cassin_error_text *err)
{
	uint64_t bytes = 0;
	if (s->nfiles > CASSIN_FILES_MAX)
		return REFUSE(where, err, ": %zu of them, at most %d", s->nfiles, CASSIN_FILES_MAX);
	for (size_t i = 0; i < s->nfiles; i++) {
		int r = check_file(s, i, where, err);
		if (r)
			return r;
		bytes += s->files[i].text ? s->files[i].text->size : 0;
	}
	if (bytes > CASSIN_FILES_BYTES)
		return REFUSE(where, err, ": %llu bytes of text, at most %llu", (unsigned long long)bytes,
			      (unsigned long long)CASSIN_FILES_BYTES);
	return 0;
}
