/* SPDX-License-Identifier: MIT */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cassin/open_file.h>

#include "../common/command.h"
#include "project.h"

static void write_filled(FILE *out, const char *text, const char *mark, const char *name)
{
	for (const char *at; (at = strstr(text, mark)); text = at + strlen(mark)) {
		fwrite(text, 1, (size_t)(at - text), out);
		fputs(name, out);
	}
	fputs(text, out);
}

/* Two paths as one, malloc'd, with the name filled into the second. NULL: no memory. */
static char *path_in(const char *folder, const char *file, const char *name)
{
	char *path = NULL;
	size_t size;
	FILE *out = open_memstream(&path, &size);
	if (!out)
		return NULL;
	fprintf(out, "%s/", folder);
	write_filled(out, file, "NAME", name);
	if (fclose(out) == 0)
		return path;
	free(path);
	return NULL;
}

static bool report_path(const char *path)
{
	command_failed("%s: %s", path, strerror(errno));
	return false;
}

static bool make_file(const char *from, const char *to, const char *name)
{
	struct cassin_error_text err;
	int fd = cassin_file_open(AT_FDCWD, from, O_RDONLY, from, &err);
	if (fd < 0) {
		command_failed("%s", err.text);
		return false;
	}
	FILE *in = fdopen(fd, "r");
	if (!in) {
		close(fd);
		return report_path(from);
	}
	FILE *out = fopen(to, "wxe");
	char *line = NULL;
	size_t size = 0;
	while (out && getline(&line, &size, in) >= 0)
		write_filled(out, line, "@NAME@", name);
	free(line);
	bool read = !ferror(in);
	if (!read)
		report_path(from);
	fclose(in);
	bool written = out && !ferror(out);
	if (out && fclose(out))
		written = false;
	return read && (written || report_path(to));
}

static bool fill_folder(const char *from, const char *to, const char *name);

static bool make_entry(const char *from, const char *to, const char *name)
{
	struct stat st;
	if (stat(from, &st))
		return report_path(from);
	if (!S_ISDIR(st.st_mode))
		return make_file(from, to, name);
	return mkdir(to, 0777) ? report_path(to) : fill_folder(from, to, name);
}

static bool fill_folder(const char *from, const char *to, const char *name)
{
	DIR *folder = opendir(from);
	if (!folder)
		return report_path(from);
	bool made = true;
	struct dirent *entry;
	while (made && (entry = readdir(folder))) {
		if (!strcmp(entry->d_name, ".") || !strcmp(entry->d_name, ".."))
			continue;
		char *source = path_in(from, entry->d_name, "NAME"), *target = path_in(to, entry->d_name, name);
		made = source && target ? make_entry(source, target, name) : report_path(to);
		free(source);
		free(target);
	}
	closedir(folder);
	return made;
}

static int remove_entry(const char *path, const struct stat *st, int kind, struct FTW *where)
{
	(void)st, (void)kind, (void)where;
	return remove(path);
}

bool project_make(const char *mould, const char *name)
{
	if (mkdir(name, 0777))
		return report_path(name);
	if (fill_folder(mould, name, name))
		return true;
	nftw(name, remove_entry, 8, FTW_DEPTH | FTW_PHYS);
	return false;
}
