/* SPDX-License-Identifier: MIT */
#include "state.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cassin/open_file.h>

#include "log.h"

static const char *const suffixes[] = {[STATE_GUEST] = ".json", [STATE_TEMPLATE] = ".template"};

struct state {
	char *folder;
	int fd;   /* the folder */
	int lock; /* folder/.lock */
};

int state_open(struct state **out, const char *folder, struct cassin_error_text *err)
{
	if (mkdir(folder, 0700) < 0 && errno != EEXIST)
		return cassin_error_set(err, -errno, "cannot create the state folder %s: %s", folder, strerror(errno));
	int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return cassin_error_set(err, -errno, "cannot open the state folder %s: %s", folder, strerror(errno));
	struct cassin_error_text why;
	int lock = cassin_file_open(fd, ".lock", O_RDWR | O_CREAT | O_NOFOLLOW, ".lock", &why), result = 0;
	if (lock < 0)
		result = cassin_error_set(err, lock, "cannot write in the state folder %s: %s", folder, why.text);
	else if (flock(lock, LOCK_EX | LOCK_NB) < 0)
		result = cassin_error_set(err, -EADDRINUSE, "another cassind uses the state folder %s", folder);
	struct state *s = result == 0 ? calloc(1, sizeof *s) : NULL;
	if (!s || !(s->folder = strdup(folder))) {
		free(s);
		close(fd);
		if (lock >= 0)
			close(lock);
		return result < 0 ? result : cassin_error_set(err, -ENOMEM, "no memory for the state folder");
	}
	s->fd = fd;
	s->lock = lock;
	*out = s;
	return 0;
}

void state_close(struct state *s)
{
	if (!s)
		return;
	close(s->lock);
	close(s->fd);
	free(s->folder);
	free(s);
}

static int write_all(int fd, const char *text, size_t len)
{
	while (len) {
		ssize_t n = write(fd, text, len);
		if (n < 0 && errno != EINTR)
			return -errno;
		if (n > 0) {
			text += n;
			len -= (size_t)n;
		}
	}
	return fsync(fd) < 0 ? -errno : 0;
}

int state_keep(struct state *s, enum state_kind kind, const struct cassin_guest_spec *spec,
	       struct cassin_error_text *err)
{
	char temporary[CASSIN_NAME_MAX + 16], name[CASSIN_NAME_MAX + 16];
	snprintf(temporary, sizeof temporary, ".%s%s", spec->name, suffixes[kind]);
	snprintf(name, sizeof name, "%s%s", spec->name, suffixes[kind]);
	char *text = cassin_spec_format(spec);
	unlinkat(s->fd, temporary, 0); /* of a daemon that was killed; whatever it is, it is not opened */
	int fd = openat(s->fd, temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
	int result = !text ? -ENOMEM : fd < 0 ? -errno : write_all(fd, text, strlen(text));
	if (fd >= 0)
		close(fd);
	free(text);
	if (result == 0 && renameat(s->fd, temporary, s->fd, name) < 0)
		result = -errno;
	if (result == 0 && fsync(s->fd) < 0)
		result = -errno;
	if (result < 0) {
		unlinkat(s->fd, temporary, 0);
		return cassin_error_set(err, result, "cannot keep the spec in %s/%s: %s", s->folder, name,
					strerror(-result));
	}
	return 0;
}

void state_forget(struct state *s, enum state_kind kind, const char *name)
{
	char file[CASSIN_NAME_MAX + 16];
	snprintf(file, sizeof file, "%s%s", name, suffixes[kind]);
	unlinkat(s->fd, file, 0);
}

static bool has_suffix(const char *file, const char *suffix)
{
	size_t len = strlen(file), end = strlen(suffix);
	return file[0] != '.' && len > end && !strcmp(file + len - end, suffix);
}

static int is_guest(const struct dirent *entry)
{
	return has_suffix(entry->d_name, suffixes[STATE_GUEST]);
}

static int is_template(const struct dirent *entry)
{
	return has_suffix(entry->d_name, suffixes[STATE_TEMPLATE]);
}

static void give(struct state *s, enum state_kind kind, const char *file,
		 void (*each)(void *opaque, const struct cassin_guest_spec *spec), void *opaque)
{
	struct cassin_error_text err = {""};
	struct cassin_guest_spec spec;
	char path[4096];
	size_t len = strlen(file) - strlen(suffixes[kind]);
	snprintf(path, sizeof path, "%s/%s", s->folder, file);
	cassin_spec_init(&spec);
	int fd = cassin_file_open(s->fd, file, O_RDONLY | O_NOFOLLOW, path, &err);
	if (fd < 0 || cassin_spec_read(&spec, fd, path, &err) < 0 || cassin_spec_check(&spec, path, &err) < 0)
		log_error("skipped: %s", err.text);
	else if (strlen(spec.name) != len || memcmp(spec.name, file, len) != 0)
		log_error("skipped: %s is the spec of \"%s\"", path, spec.name);
	else
		each(opaque, &spec);
	if (fd >= 0)
		close(fd);
	cassin_spec_free(&spec);
}

void state_each(struct state *s, enum state_kind kind, void (*each)(void *opaque, const struct cassin_guest_spec *spec),
		void *opaque)
{
	struct dirent **entries;
	int n = scandir(s->folder, &entries, kind == STATE_GUEST ? is_guest : is_template, alphasort);
	if (n < 0) {
		log_error("cannot list the state folder %s: %s", s->folder, strerror(errno));
		return;
	}
	for (int i = 0; i < n; i++) {
		give(s, kind, entries[i]->d_name, each, opaque);
		free(entries[i]);
	}
	free(entries);
}
