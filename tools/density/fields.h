/* SPDX-License-Identifier: MIT */
/* Reading an object of JSON key by key, with the first mistake told by file and place. */
#ifndef DENSITY_FIELDS_H
#define DENSITY_FIELDS_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct mistake {
	bool made;
	char text[256];
};

/* One object, and where it stands: "loads[0]"; "" is the document itself. */
struct fields {
	const char *file;
	const json_t *o;
	char place[64];
	struct mistake *mistake;
};

/* Notes a mistake about a key of *f (NULL: the object as a whole), unless there is one already. */
void fields_mistake(const struct fields *f, const char *key, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
/* Only these keys (NULL-terminated) may be there, and `o` must be an object. */
void fields_only(const struct fields *f, const char *const *keys);
/* An absent key gives `otherwise`. */
double fields_number(const struct fields *f, const char *key, double least, double most, double otherwise);
unsigned fields_count(const struct fields *f, const char *key, unsigned least, unsigned most, unsigned otherwise);
bool fields_flag(const struct fields *f, const char *key, bool otherwise);
/* NULL as `otherwise`: the key is required. The text lives as long as the document. */
const char *fields_text(const struct fields *f, const char *key, const char *otherwise);
/* The index of the text among `choices` (NULL-terminated); an absent key gives 0. */
unsigned fields_choice(const struct fields *f, const char *key, const char *const *choices);
/* An array of objects: how many. `must`: it has to be there, and not be empty. */
size_t fields_array(const struct fields *f, const char *key, bool must, size_t most);
/* Element i of that array. */
struct fields fields_element(const struct fields *f, const char *key, size_t i);

#endif
