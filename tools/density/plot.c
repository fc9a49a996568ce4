/* SPDX-License-Identifier: MIT */
#include "plot.h"

#include <math.h>
#include <stdbool.h>
#include <string.h>

#include "html.h"
#include "metrics.h"

#define WIDTH 640.0
#define HEIGHT 300.0
#define LEFT 70.0
#define RIGHT 16.0
#define TOP 12.0
#define BOTTOM 44.0
#define LOG_FROM 30.0 /* a range of so many times or more is shown on a logarithmic axis */
#define TICKS_MAX 12

struct axis {
	double low, high, from, to; /* values; where they stand on the picture */
	bool log;
};

static double place(const struct axis *a, double value)
{
	double part;
	if (a->log)
		part = (log10(fmax(value, a->low)) - log10(a->low)) / (log10(a->high) - log10(a->low));
	else
		part = (value - a->low) / (a->high - a->low);
	return a->from + part * (a->to - a->from);
}

/* A round number of which two to six fit below `high`. */
static double round_step(double high)
{
	double unit = pow(10, floor(log10(high)));
	double lead = high / unit;
	return lead > 5 ? unit : lead > 2 ? unit / 2 : unit / 5;
}

static size_t ticks(const struct axis *a, double *at)
{
	size_t n = 0;
	if (!a->log) {
		double step = round_step(a->high);
		for (double v = a->low; v <= a->high * 1.0001 && n < TICKS_MAX; v += step)
			at[n++] = v;
		return n;
	}
	for (double v = pow(10, ceil(log10(a->low) - 1e-9)); v <= a->high * 1.0001 && n < TICKS_MAX; v *= 10)
		at[n++] = v;
	return n;
}

static struct axis y_axis(double least, double most)
{
	struct axis a = {.from = HEIGHT - BOTTOM, .to = TOP};
	if (!(most > 0))
		most = 1;
	a.log = least > 0 && most / least >= LOG_FROM;
	a.low = a.log ? pow(10, floor(log10(least))) : 0;
	a.high = a.log ? pow(10, ceil(log10(most))) : ceil(most / round_step(most)) * round_step(most);
	return a;
}

static void begin(FILE *f, const char *title, const char *unit)
{
	fputs("<figure><figcaption>", f);
	html_text(f, title);
	if (*unit)
		fprintf(f, " <span class=\"unit\">%s</span>", unit);
	fprintf(f, "</figcaption><svg viewBox=\"0 0 %g %g\" role=\"img\" aria-label=\"", WIDTH, HEIGHT);
	html_text(f, title);
	fputs("\">", f);
}

static void draw_y(FILE *f, const struct axis *y)
{
	double at[TICKS_MAX];
	char text[32];
	size_t n = ticks(y, at);
	for (size_t i = 0; i < n; i++) {
		double line = place(y, at[i]);
		fprintf(f,
			"<path class=\"grid\" d=\"M%g %.1fH%g\"/><text class=\"tick\" x=\"%g\" y=\"%.1f\" "
			"text-anchor=\"end\">%s</text>",
			LEFT, line, WIDTH - RIGHT, LEFT - 8, line + 4, metric_text(at[i], text));
	}
}

static void x_label(FILE *f, double x, const char *text)
{
	fprintf(f, "<text class=\"tick\" x=\"%.1f\" y=\"%g\" text-anchor=\"middle\">%s</text>", x, HEIGHT - BOTTOM + 18,
		text);
}

static void x_title(FILE *f)
{
	fprintf(f, "<text class=\"tick\" x=\"%g\" y=\"%g\" text-anchor=\"middle\">guests</text>",
		(LEFT + WIDTH - RIGHT) / 2, HEIGHT - 6);
}

/* The numbers of guests that any series has; labels that would run into each other are left out. */
static void draw_x(FILE *f, const struct axis *x, const struct plot_series *series, size_t count)
{
	double last = -1000;
	for (double previous = 0;;) {
		double next = INFINITY;
		char text[32];
		for (size_t i = 0; i < count; i++)
			for (unsigned k = 0; k < series[i].count; k++)
				if (series[i].x[k] > previous && series[i].x[k] < next)
					next = series[i].x[k];
		if (!isfinite(next))
			break;
		double at = place(x, next);
		if (at - last > 46) {
			x_label(f, at, metric_text(next, text));
			last = at;
		}
		previous = next;
	}
	x_title(f);
}

static void draw_series(FILE *f, const struct axis *x, const struct axis *y, const struct plot_series *s)
{
	char text[32], guests[32];
	unsigned c = s->colour % PLOT_COLOURS;
	if (s->count > 1) {
		fprintf(f, "<path class=\"band f%u\" d=\"", c);
		for (unsigned i = 0; i < s->count; i++)
			fprintf(f, "%c%.1f %.1f", i ? 'L' : 'M', place(x, s->x[i]), place(y, s->high[i]));
		for (unsigned i = s->count; i-- > 0;)
			fprintf(f, "L%.1f %.1f", place(x, s->x[i]), place(y, s->low[i]));
		fprintf(f, "Z\"/><path class=\"line c%u d%u\" d=\"", c, s->dash % 4);
		for (unsigned i = 0; i < s->count; i++)
			fprintf(f, "%c%.1f %.1f", i ? 'L' : 'M', place(x, s->x[i]), place(y, s->middle[i]));
		fputs("\"/>", f);
	}
	for (unsigned i = 0; i < s->count; i++) {
		fprintf(f, "<circle class=\"f%u\" cx=\"%.1f\" cy=\"%.1f\" r=\"3.5\"><title>", c, place(x, s->x[i]),
			place(y, s->middle[i]));
		html_text(f, s->name);
		fprintf(f, ": %s at %s guests</title></circle>", metric_text(s->middle[i], text),
			metric_text(s->x[i], guests));
	}
}

static void legend(FILE *f, const char *name, unsigned colour, unsigned dash)
{
	fprintf(f, "<li><svg viewBox=\"0 0 26 8\" class=\"key\"><path class=\"line c%u d%u\" d=\"M0 4H26\"/></svg>",
		colour % PLOT_COLOURS, dash % 4);
	html_text(f, name);
	fputs("</li>", f);
}

void plot_lines(FILE *f, const char *title, const char *unit, const struct plot_series *series, size_t count)
{
	struct axis x = {.low = INFINITY, .from = LEFT + 14, .to = WIDTH - RIGHT - 14};
	double least = INFINITY, most = 0;
	for (size_t i = 0; i < count; i++) {
		for (unsigned k = 0; k < series[i].count; k++) {
			x.low = fmin(x.low, series[i].x[k]);
			x.high = fmax(x.high, series[i].x[k]);
			least = fmin(least, series[i].low[k]);
			most = fmax(most, series[i].high[k]);
		}
	}
	x.log = x.high / x.low >= LOG_FROM;
	if (!(x.high > x.low)) {
		x.low -= 1;
		x.high += 1;
	}
	struct axis y = y_axis(least, most);
	begin(f, title, unit);
	draw_y(f, &y);
	draw_x(f, &x, series, count);
	for (size_t i = 0; i < count; i++)
		draw_series(f, &x, &y, &series[i]);
	fputs("</svg><ul class=\"legend\">", f);
	for (size_t i = 0; i < count; i++)
		legend(f, series[i].name, series[i].colour, series[i].dash);
	fputs("</ul></figure>\n", f);
}

static void draw_stack(FILE *f, const struct axis *y, const struct plot_bar *bar, double x, double width,
		       const char *const *parts)
{
	double sum = 0;
	char text[32];
	for (unsigned k = 0; k < bar->count; k++) {
		double bottom = place(y, sum), top = place(y, sum += bar->part[k]);
		if (!(bar->part[k] > 0))
			continue;
		fprintf(f, "<rect class=\"f%u\" x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=\"%.1f\"><title>",
			k % PLOT_COLOURS, x, top, width, bottom - top);
		html_text(f, bar->name);
		fprintf(f, ", %s guests, %s: %s</title></rect>", bar->group, parts[k], metric_text(bar->part[k], text));
	}
}

void plot_stacks(FILE *f, const char *title, const char *unit, const struct plot_bar *bars, size_t count,
		 const char *const *parts, size_t part_count)
{
	double most = 0, groups = 0, x = LEFT;
	for (size_t i = 0; i < count; i++) {
		double sum = 0;
		for (unsigned k = 0; k < bars[i].count; k++)
			sum += bars[i].part[k];
		most = fmax(most, sum);
		groups += !i || strcmp(bars[i].group, bars[i - 1].group) != 0;
	}
	struct axis y = y_axis(0, most);
	/* A group has a gap of one bar before and behind it. */
	double width = (WIDTH - LEFT - RIGHT) / ((double)count + groups);
	begin(f, title, unit);
	draw_y(f, &y);
	for (size_t i = 0, from = 0; i < count; i++) {
		bool first = !i || strcmp(bars[i].group, bars[i - 1].group) != 0;
		bool last = i + 1 == count || strcmp(bars[i].group, bars[i + 1].group) != 0;
		from = first ? i : from;
		x += first ? width / 2 : 0;
		draw_stack(f, &y, &bars[i], x + 1, width > 4 ? width - 2 : width, parts);
		x += width;
		if (last) {
			x_label(f, x - width * (double)(i + 1 - from) / 2, bars[i].group);
			x += width / 2;
		}
	}
	x_title(f);
	fputs("</svg><ul class=\"legend\">", f);
	for (size_t k = 0; k < part_count; k++)
		legend(f, parts[k], (unsigned)k, 0);
	fputs("</ul></figure>\n", f);
}
