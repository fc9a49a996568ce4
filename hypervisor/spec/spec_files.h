/* SPDX-License-Identifier: MIT */
/* The "files" of a spec. */
#ifndef SPEC_FILES_H
#define SPEC_FILES_H

#include <cassin/spec.h>

void spec_files_free(struct cassin_guest_spec *s);
/* Adds copies of from's files to an empty list. False: no memory, and a part may be there. */
bool spec_files_copy(struct cassin_guest_spec *to, const struct cassin_guest_spec *from);
int spec_files_check(const struct cassin_guest_spec *s, const char *where, struct cassin_error_text *err);
/* Puts the folder of a spec's file in front of the relative paths. -ENOMEM. */
int spec_files_place(struct cassin_guest_spec *s, const char *spec_path);
/* `path` behind the folder of the file `beside`: malloc'd, NULL: no memory. */
char *path_beside(const char *beside, const char *path);

#endif
