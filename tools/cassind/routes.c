/* SPDX-License-Identifier: MIT */
#include "routes.h"

#include <stdio.h>
#include <string.h>

#include "api.h"
#include "reply.h"

struct route {
	unsigned method;
	const char *path[TARGET_SEGMENTS]; /* "*": any non-empty segment */
	void (*answer)(struct connection *c, const struct target *t);
	bool lasts; /* it may take long */
};

static const struct route routes[] = {
	{HTTP_GET, {"v1", "guests"}, api_guests_list, false},
	{HTTP_POST, {"v1", "guests"}, api_guests_create, true},
	{HTTP_GET, {"v1", "guests", "*"}, api_guest_show, false},
	{HTTP_DELETE, {"v1", "guests", "*"}, api_guest_remove, false},
	{HTTP_POST, {"v1", "guests", "*", "stop"}, api_guest_stop, false},
	{HTTP_POST, {"v1", "guests", "*", "kill"}, api_guest_kill, false},
	{HTTP_POST, {"v1", "guests", "*", "restart"}, api_guest_restart, false},
	{HTTP_GET, {"v1", "guests", "*", "log"}, api_guest_log, true},
	{HTTP_GET, {"v1", "guests", "*", "trace"}, api_guest_trace, true},
	{HTTP_GET, {"v1", "guests", "*", "report"}, api_guest_report, false},
	{HTTP_GET, {"v1", "templates"}, api_templates_list, false},
	{HTTP_POST, {"v1", "templates"}, api_templates_create, true},
	{HTTP_DELETE, {"v1", "templates", "*"}, api_template_remove, false},
	{HTTP_POST, {"v1", "spawn"}, api_spawn, true},
	{HTTP_GET, {"v1", "stats"}, api_stats, false},
	{HTTP_GET, {"v1", "version"}, api_version, false},
	{HTTP_GET, {"metrics"}, api_metrics, false},
};

static bool matches(const struct route *r, const struct target *t)
{
	size_t n = 0;
	while (n < TARGET_SEGMENTS && r->path[n])
		n++;
	if (n != t->nsegments)
		return false;
	for (size_t i = 0; i < n; i++) {
		bool any = !strcmp(r->path[i], "*");
		if (any ? !*t->segments[i] : strcmp(r->path[i], t->segments[i]) != 0)
			return false;
	}
	return true;
}

/* The path exists, the method does not: says which do. */
static void refuse_method(struct connection *c, const struct target *t)
{
	char headers[128], allowed[96] = "";
	for (size_t i = 0; i < sizeof routes / sizeof *routes; i++) {
		if (!matches(&routes[i], t))
			continue;
		size_t have = strlen(allowed);
		snprintf(allowed + have, sizeof allowed - have, "%s%s", have ? ", " : "",
			 http_method_str((enum http_method)routes[i].method));
	}
	char body[192];
	int len = snprintf(body, sizeof body, "{\"error\":\"method not allowed here: use %s\"}\n", allowed);
	snprintf(headers, sizeof headers, "Allow: %s\r\n", allowed);
	reply_body(c, 405, "application/json", headers, strndup(body, (size_t)len), (size_t)len);
}

void routes_answer(struct connection *c)
{
	struct target t;
	bool path_known = false;
	if (target_parse(&t, c->request.target) < 0) {
		reply_error(c, 404, "no such resource");
		return;
	}
	for (size_t i = 0; i < sizeof routes / sizeof *routes; i++) {
		if (!matches(&routes[i], &t))
			continue;
		path_known = true;
		if (routes[i].method != c->request.method)
			continue;
		if (routes[i].lasts && !connection_may_last(c))
			reply_error(c, 503, "%u requests that take long are under way: try again later",
				    CONNECTIONS_LASTING_MAX);
		else
			routes[i].answer(c, &t);
		return;
	}
	if (path_known)
		refuse_method(c, &t);
	else
		reply_error(c, 404, "no such resource");
}
