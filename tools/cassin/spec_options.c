/* SPDX-License-Identifier: MIT */
#include "spec_options.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cassin/open_file.h>

bool spec_options_take(const struct command *c, struct spec_options *o, int option, char *value)
{
	switch (option) {
	case 'p':
		if (o->nports == CASSIN_PORTS_MAX)
			command_usage(c, "more than %d ports", CASSIN_PORTS_MAX);
		o->ports[o->nports++] = value;
		return true;
	case OPTION_FILE:
		if (o->nfiles == CASSIN_FILES_MAX)
			command_usage(c, "more than %d files", CASSIN_FILES_MAX);
		o->files[o->nfiles++] = value;
		return true;
	case OPTION_SPEC:
		o->spec = value;
		return true;
	case OPTION_NAME:
		o->name = value;
		return true;
	case OPTION_MEMORY:
		o->memory = value;
		return true;
	case OPTION_DOMAIN:
		o->domain = value;
		return true;
	case OPTION_WEIGHT:
		o->weight = value;
		return true;
	case OPTION_CPU_MAX:
		o->cpu_max = value;
		return true;
	case OPTION_TEMPLATE:
		o->template = value;
		return true;
	case OPTION_ISOLATION:
		o->isolation = value;
		return true;
	case OPTION_RESTART:
		o->restart = value;
		return true;
	default:
		return false;
	}
}

static int set_text(char **to, const char *text, struct cassin_error_text *err)
{
	char *copy = strdup(text);
	if (!copy)
		return cassin_error_set(err, -ENOMEM, "no memory");
	free(*to);
	*to = copy;
	return 0;
}

static void set_isolation(const struct command *c, struct cassin_guest_spec *spec, const char *text)
{
	if (cassin_isolation_parse(text, &spec->isolation))
		command_usage(c, "--isolation %s: must be cell or vm", text);
}

/* The number behind "on-failure:" and "always:". */
static bool restart_most(const char *text, unsigned *most)
{
	char *end = NULL;
	unsigned long n = strtoul(text, &end, 10);
	*most = (unsigned)n;
	return *text >= '0' && *text <= '9' && !*end && n <= 1000000;
}

static void set_restart(const struct command *c, struct cassin_guest_spec *spec, const char *text)
{
	size_t len = strcspn(text, ":");
	enum cassin_guest_restart restart = CASSIN_RESTART_NO;
	unsigned most = 0;
	if (cassin_restart_parse(text, len, &restart) ||
	    (text[len] && (restart == CASSIN_RESTART_NO || !restart_most(text + len + 1, &most))))
		command_usage(c, "--restart %s: must be no, on-failure[:MAX] or always[:MAX]", text);
	spec->restart = restart;
	spec->restart_max = most;
}

static void set_memory(const struct command *c, struct cassin_guest_spec *spec, const char *text)
{
	if (cassin_size_parse(text, &spec->memory) < 0)
		command_usage(c, "--memory %s: must be a size such as 512K or 64M", text);
	if (spec->memory < CASSIN_MEMORY_MIN || spec->memory > CASSIN_MEMORY_MAX || spec->memory % 4096)
		command_usage(c, "--memory %s: must be from 64K to 64G, a multiple of 4K", text);
	if (spec->from_template)
		command_usage(c, "--memory %s: a clone has its template's", text);
}

static void set_weight(const struct command *c, struct cassin_guest_spec *spec, const char *text)
{
	char *end;
	unsigned long n = strtoul(text, &end, 10);
	if (*text < '0' || *text > '9' || *end || n < 1 || n > CASSIN_WEIGHT_MAX)
		command_usage(c, "--weight %s: must be a number from 1 to %u", text, CASSIN_WEIGHT_MAX);
	spec->weight = (unsigned)n;
}

static void set_cpu_max(const struct command *c, struct cassin_guest_spec *spec, const char *text)
{
	if (cassin_cpu_max_parse(text, &spec->cpu_quota_us, &spec->cpu_period_us) < 0)
		command_usage(c, "--cpu-max %s: must be microseconds, \"QUOTA PERIOD\" or \"max PERIOD\"", text);
}

/* The daemon may have another working folder. */
static int make_absolute(struct cassin_guest_port *port, struct cassin_error_text *err)
{
	char folder[4096], path[CASSIN_ENDPOINT_MAX + 1];
	if (strncmp(port->host, "unix:", 5) != 0 || port->host[5] == '/')
		return 0;
	snprintf(path, sizeof path, "%s", port->host + 5);
	if (!getcwd(folder, sizeof folder) || strlen(folder) + strlen(path) + 7 > sizeof port->host)
		return cassin_error_set(err, -ENAMETOOLONG, "-p %s: the path is too long", port->host);
	size_t len = strlen(folder);
	memcpy(port->host + 5, folder, len);
	port->host[5 + len] = '/';
	strcpy(port->host + 6 + len, path);
	return 0;
}

static int add_port(struct cassin_guest_port **to, size_t *n, const struct cassin_guest_port *port,
		    struct cassin_error_text *err)
{
	struct cassin_guest_port *more = realloc(*to, (*n + 1) * sizeof *more);
	if (!more)
		return cassin_error_set(err, -ENOMEM, "no memory");
	more[(*n)++] = *port;
	*to = more;
	return 0;
}

/* "8000+:80" is "8000:80" for the first guest, and counts on from there. */
static bool take_plus(char *text)
{
	char *last = strrchr(text, ':');
	if (!last || last == text || last[-1] != '+')
		return false;
	memmove(last - 1, last, strlen(last) + 1);
	return true;
}

static int take_ports(const struct command *c, const struct spec_options *o, struct cassin_guest_spec *spec,
		      struct cassin_guest_port **bases, size_t *nbases, struct cassin_error_text *err)
{
	for (size_t i = 0; i < o->nports; i++) {
		struct cassin_guest_port port = {.guest = 0};
		char text[2 * CASSIN_ENDPOINT_MAX];
		if (strlen(o->ports[i]) >= sizeof text)
			command_usage(c, "-p %.40s...: too long", o->ports[i]);
		snprintf(text, sizeof text, "%s", o->ports[i]);
		bool base = bases && take_plus(text);
		if (cassin_port_parse(text, &port, err))
			command_usage(c, "%s", err->text);
		if (base && strncmp(port.host, "tcp:", 4) != 0)
			command_usage(c, "-p %s: only a TCP port can count up", o->ports[i]);
		int result = make_absolute(&port, err);
		if (result == 0)
			result = base ? add_port(bases, nbases, &port, err)
				      : add_port(&spec->ports, &spec->nports, &port, err);
		if (result < 0)
			return result;
	}
	return 0;
}

static int resolve(char **path, const char *what, struct cassin_error_text *err)
{
	char *absolute = !*path || **path == '/' ? NULL : realpath(*path, NULL);
	if (!absolute && *path && **path != '/')
		return cassin_error_set(err, -errno, "cannot find the %s %s: %s", what, *path, strerror(errno));
	if (absolute) {
		free(*path);
		*path = absolute;
	}
	return 0;
}

static int resolve_paths(struct cassin_guest_spec *spec, struct cassin_error_text *err)
{
	int result = resolve(&spec->image, "image", err);
	for (size_t i = 0; result == 0 && i < spec->nfiles; i++)
		result = resolve(&spec->files[i].path, "file", err);
	return result;
}

static int take_image(const struct command *c, struct cassin_guest_spec *spec, char **operands,
		      struct cassin_error_text *err)
{
	if (operands[0] && spec->from_template)
		command_usage(c, "%s: a clone of \"%s\" has its template's image and arguments", operands[0],
			      spec->from_template);
	if (spec->from_template)
		return 0;
	if (!operands[0] && !spec->image)
		return cassin_error_set(err, -EINVAL, "name an image, or a spec that does");
	if (!operands[0])
		return 0;
	free(spec->image);
	spec->image = realpath(operands[0], NULL);
	if (!spec->image)
		return cassin_error_set(err, -errno, "cannot find the image %s: %s",
					*operands[0] ? operands[0] : "\"\"", strerror(errno));
	struct stat st;
	if (!stat(spec->image, &st) && S_ISDIR(st.st_mode)) /* it may give no name for a guest, either */
		return cassin_error_set(err, -EISDIR, "%s: not a regular file, but %s", spec->image,
					cassin_file_kind(st.st_mode));
	size_t n = 0;
	while (operands[1 + n])
		n++;
	if (!n)
		return 0;
	for (size_t i = 0; i < spec->nargs; i++)
		free(spec->args[i]);
	free(spec->args);
	spec->nargs = 0;
	spec->args = calloc(n, sizeof *spec->args);
	for (; spec->args && spec->nargs < n; spec->nargs++)
		if (!(spec->args[spec->nargs] = strdup(operands[1 + spec->nargs])))
			break;
	return spec->nargs == n ? 0 : cassin_error_set(err, -ENOMEM, "no memory");
}

static int take_name(const struct command *c, struct cassin_guest_spec *spec, struct cassin_error_text *err)
{
	char name[CASSIN_NAME_MAX + 1];
	if (spec->name)
		return 0;
	if (spec->from_template)
		return set_text(&spec->name, spec->from_template, err);
	const char *base = strrchr(spec->image, '/');
	snprintf(name, sizeof name, "%s", base ? base + 1 : spec->image);
	size_t len = strlen(name);
	if (len > 4 && !strcmp(name + len - 4, ".elf"))
		name[len - 4] = '\0';
	if (!cassin_name_valid(name))
		command_usage(c, "\"%s\" is no name for a guest: give one with --name", name);
	return set_text(&spec->name, name, err);
}

static int take_options(const struct command *c, const struct spec_options *o, struct cassin_guest_spec *spec,
			struct cassin_error_text *err)
{
	int result = 0;
	if (o->name && !cassin_name_valid(o->name))
		command_usage(c,
			      "--name %.80s: must be letters, digits, '.', '_' and '-', at most %d, the first a letter "
			      "or a digit",
			      o->name, CASSIN_NAME_MAX);
	if (o->domain && !cassin_name_valid(o->domain))
		command_usage(c,
			      "--domain %.80s: must be letters, digits, '.', '_' and '-', at most %d, the first a "
			      "letter or a digit",
			      o->domain, CASSIN_NAME_MAX);
	if (o->name)
		result = set_text(&spec->name, o->name, err);
	if (result == 0 && o->domain)
		result = set_text(&spec->domain, o->domain, err);
	if (result == 0 && o->template)
		result = set_text(&spec->from_template, o->template, err);
	if (o->memory)
		set_memory(c, spec, o->memory);
	if (o->weight)
		set_weight(c, spec, o->weight);
	if (o->cpu_max)
		set_cpu_max(c, spec, o->cpu_max);
	if (o->isolation)
		set_isolation(c, spec, o->isolation);
	if (o->restart)
		set_restart(c, spec, o->restart);
	return result;
}

static int take_files(const struct command *c, const struct spec_options *o, struct cassin_guest_spec *spec,
		      struct cassin_error_text *err)
{
	for (size_t i = 0; i < o->nfiles; i++) {
		int result = cassin_spec_add_file(spec, o->files[i], err);
		if (result == -EINVAL)
			command_usage(c, "--file: %s", err->text);
		if (result)
			return result;
	}
	return 0;
}

int spec_options_apply(const struct command *c, const struct spec_options *o, char **operands,
		       struct cassin_guest_spec *spec, struct cassin_guest_port **bases, size_t *nbases,
		       struct cassin_error_text *err)
{
	cassin_spec_init(spec);
	/* The file is told of the template before, so that it refuses what a clone cannot have of its own. */
	int result = o->template ? set_text(&spec->from_template, o->template, err) : 0;
	if (result == 0 && o->spec)
		result = cassin_spec_load(spec, o->spec, err);
	if (result == 0)
		result = take_options(c, o, spec, err);
	if (result == 0)
		result = take_ports(c, o, spec, bases, nbases, err);
	if (result == 0)
		result = take_image(c, spec, operands, err);
	if (result == 0)
		result = take_files(c, o, spec, err);
	if (result == 0)
		result = resolve_paths(spec, err);
	if (result == 0)
		result = take_name(c, spec, err);
	if (result == 0 && !o->spec && cassin_spec_check(spec, "options", err) == -EINVAL)
		command_usage(c, "%s", err->text);
	return result;
}

char *spec_options_text(const struct cassin_guest_spec *spec, struct cassin_error_text *err)
{
	char *text = cassin_spec_format(spec);
	if (!text && cassin_spec_check(spec, spec->name, err) == 0)
		cassin_error_set(err, -ENOMEM, "no memory");
	return text;
}
