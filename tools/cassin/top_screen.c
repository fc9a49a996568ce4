/* SPDX-License-Identifier: MIT */
/* The view's loop: keys, signals and samples, whichever comes. Only the rows in sight are drawn. */
#define NCURSES_NOMACROS
#include <ncurses.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "../common/command.h"
#include "top.h"

#define STATUS_LINE TOP_TOTALS
#define HEAD_LINE (STATUS_LINE + 1)
#define FIRST_ROW (HEAD_LINE + 1)
#define KEY_ESCAPE 27
#define ESCAPE_MS 25 /* for the rest of a key's sequence to come */
#define KEY_DELETE 127
#define KEY_REDRAW ('L' & 31)
#define GAP 1

struct screen {
	struct top_view *view;
	struct top_sample *sample;
	struct top_fetch *fetch;
	size_t first; /* the topmost row shown */
	bool typing;  /* the filter */
	bool quit;
	int code;   /* to end with, if no signal ended it */
	int number; /* of the signal that ended it */
};

/* ---- What is reported while the terminal is the view's, is reported once it is not ---- */

struct held {
	int stderr_fd, file;
};

static struct held stderr_hold(void)
{
	struct held h = {.stderr_fd = dup(STDERR_FILENO), .file = memfd_create("stderr", MFD_CLOEXEC)};
	if (h.stderr_fd >= 0 && h.file >= 0)
		dup2(h.file, STDERR_FILENO);
	return h;
}

static void stderr_release(const struct held *h)
{
	char text[TOP_LINE];
	ssize_t n;
	if (h->stderr_fd < 0 || h->file < 0)
		return;
	dup2(h->stderr_fd, STDERR_FILENO);
	lseek(h->file, 0, SEEK_SET);
	while ((n = read(h->file, text, sizeof text)) > 0 && write(STDERR_FILENO, text, (size_t)n) == n)
		;
}

/* ---- Drawing ---- */

static size_t height(void)
{
	int lines = getmaxy(stdscr) - FIRST_ROW - 1;
	return lines > 0 ? (size_t)lines : 0;
}

/* How many columns fit; *name_width is what the first may take. */
static int columns_that_fit(int *name_width)
{
	int width = getmaxx(stdscr), used = top_heads[COLUMN_NAME].width, n = 1;
	while (n < TOP_COLUMNS && used + GAP + top_heads[n].width <= width)
		used += GAP + top_heads[n++].width;
	*name_width = top_heads[COLUMN_NAME].width;
	if (width > used)
		*name_width += width - used;
	if (*name_width > TOP_NAME - 1)
		*name_width = TOP_NAME - 1;
	return n;
}

static void draw_cell(int column, int width, const char *text)
{
	bool right = top_heads[column].head[0] == '>';
	printw(right ? "%*.*s" : "%-*.*s", width, width, text);
}

static void draw_heads(const struct screen *s)
{
	int name_width, n = columns_that_fit(&name_width);
	move(HEAD_LINE, 0);
	for (int i = 0; i < n; i++) {
		const char *head = top_heads[i].head;
		attrset(i == (int)s->view->sort ? A_BOLD | A_UNDERLINE : A_REVERSE);
		draw_cell(i, i ? top_heads[i].width : name_width, head + (*head == '>'));
		attrset(A_REVERSE);
		if (i + 1 < n)
			addch(' ');
	}
	attrset(A_NORMAL);
}

static void draw_rows(const struct screen *s)
{
	int name_width, n = columns_that_fit(&name_width);
	char cell[TOP_CELL];
	size_t lines = height();
	for (size_t k = 0; k < lines && s->first + k < s->view->nrows; k++) {
		const struct top_guest *g = s->view->rows[s->first + k];
		move(FIRST_ROW + (int)k, 0);
		draw_cell(COLUMN_NAME, name_width, g->name);
		for (int i = 1; i < n; i++) {
			top_cell(cell, (enum top_column)i, s->sample, g);
			addch(' ');
			draw_cell(i, top_heads[i].width, cell);
		}
	}
}

static void draw_status(const struct screen *s)
{
	const struct top_view *v = s->view;
	size_t last = s->first + height() < v->nrows ? s->first + height() : v->nrows;
	move(STATUS_LINE, 0);
	if (s->typing)
		printw("filter (a part of the name, or a glob): %s", v->filter);
	else
		printw("%zu to %zu of %zu, by %s%s, every %g s%s%s", v->nrows ? s->first + 1 : 0, last, v->nrows,
		       top_heads[v->sort].name, v->reverse ? " reversed" : "", (double)v->interval_ns / NS_PER_S,
		       *v->filter ? ", filter: " : "", v->filter);
	if (s->typing)
		addch('_');
}

static void draw(struct screen *s)
{
	char lines[TOP_TOTALS][TOP_LINE];
	size_t most = s->view->nrows > height() ? s->view->nrows - height() : 0;
	if (s->first > most)
		s->first = most;
	erase();
	top_totals(lines, s->sample);
	for (int i = 0; i < TOP_TOTALS; i++)
		mvaddnstr(i, 0, lines[i], getmaxx(stdscr));
	draw_status(s);
	draw_heads(s);
	draw_rows(s);
	if (getmaxy(stdscr) > FIRST_ROW)
		mvaddnstr(getmaxy(stdscr) - 1, 0,
			  s->typing ? "Enter: keep the filter   Esc: none"
				    : "q quit  / filter  n s c m e a i o u < > sort  r reverse  arrows scroll",
			  getmaxx(stdscr) - 1);
	refresh();
}

/* ---- Keys ---- */

static void sort_by(struct screen *s, int column)
{
	if (column < 0 || column >= TOP_COLUMNS)
		return;
	s->view->sort = (enum top_column)column;
	s->view->reverse = false;
	s->first = 0;
}

static void clear_filter(struct screen *s)
{
	s->typing = false;
	s->view->filter[0] = '\0';
}

static void type_key(struct screen *s, int key)
{
	char *filter = s->view->filter;
	size_t len = strlen(filter);
	if (key == '\n' || key == '\r' || key == KEY_ENTER) {
		s->typing = false;
	} else if (key == KEY_ESCAPE) {
		clear_filter(s);
	} else if (key == KEY_BACKSPACE || key == KEY_DELETE || key == '\b') {
		if (len)
			filter[len - 1] = '\0';
	} else if (key > ' ' && key < KEY_DELETE && len + 1 < TOP_FILTER) {
		filter[len] = (char)key;
		filter[len + 1] = '\0';
	}
	s->first = 0;
}

/* False: no key of scrolling. */
static bool scroll_key(struct screen *s, int key)
{
	size_t page = height() ? height() : 1, step = key == KEY_UP || key == KEY_DOWN ? 1 : page;
	if (key == KEY_UP || key == KEY_PPAGE)
		s->first -= step < s->first ? step : s->first;
	else if (key == KEY_DOWN || key == KEY_NPAGE || key == ' ')
		s->first += step;
	else if (key == KEY_HOME)
		s->first = 0;
	else if (key == KEY_END)
		s->first = s->view->nrows;
	else
		return false;
	return true;
}

static void command_key(struct screen *s, int key)
{
	if (scroll_key(s, key))
		return;
	if (key == 'q')
		s->quit = true;
	else if (key == '/')
		s->typing = true;
	else if (key == KEY_ESCAPE)
		clear_filter(s);
	else if (key == 'r')
		s->view->reverse = !s->view->reverse;
	else if (key == '<' || key == KEY_LEFT)
		sort_by(s, (int)s->view->sort - 1);
	else if (key == '>' || key == KEY_RIGHT)
		sort_by(s, (int)s->view->sort + 1);
	for (int i = 0; i < TOP_COLUMNS; i++) {
		if (key == top_heads[i].key)
			sort_by(s, i);
	}
}

static void keys_came(struct screen *s)
{
	int key;
	while (!s->quit && (key = getch()) != ERR) {
		if (key == KEY_REDRAW)
			clearok(stdscr, TRUE);
		else if (s->typing)
			type_key(s, key);
		else
			command_key(s, key);
	}
	top_rows(s->view, s->sample);
}

/* ---- The loop ---- */

static void signal_came(struct screen *s, int fd)
{
	struct signalfd_siginfo info;
	struct winsize size;
	if (read(fd, &info, sizeof info) != sizeof info)
		return;
	if (info.ssi_signo != SIGWINCH) {
		s->number = (int)info.ssi_signo;
		s->quit = true;
	} else if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_row && size.ws_col) {
		resizeterm(size.ws_row, size.ws_col);
		clearok(stdscr, TRUE);
	}
}

static void sample_came(struct screen *s)
{
	bool failed = false;
	struct top_sample *next = top_fetch_next(s->fetch, &failed);
	if (next) {
		top_sample_rates(next, s->sample);
		top_rows(s->view, next);
		top_sample_free(s->sample);
		s->sample = next;
	}
	if (failed) {
		s->code = EXIT_FAILED;
		s->quit = true;
	}
}

static void loop(struct screen *s, int signals)
{
	struct pollfd fds[] = {{STDIN_FILENO, POLLIN, 0}, {top_fetch_fd(s->fetch), POLLIN, 0}, {signals, POLLIN, 0}};
	top_rows(s->view, s->sample);
	while (!s->quit) {
		draw(s);
		if (poll(fds, sizeof fds / sizeof *fds, -1) < 0)
			continue; /* stopped and continued: curses has set the terminal up again */
		if (fds[2].revents)
			signal_came(s, signals);
		if (fds[1].revents)
			sample_came(s);
		if (fds[0].revents & POLLIN)
			keys_came(s);
		if (fds[0].revents & (POLLHUP | POLLERR | POLLNVAL))
			s->quit = true;
	}
}

static int shown(struct screen *s, int signals)
{
	SCREEN *terminal = newterm(NULL, stdout, stdin);
	if (!terminal)
		return command_failed("the terminal's type is not known: set TERM, or use --once");
	struct held held = stderr_hold();
	cbreak();
	noecho();
	nodelay(stdscr, TRUE);
	keypad(stdscr, TRUE);
	set_escdelay(ESCAPE_MS);
	curs_set(0);
	loop(s, signals);
	endwin();
	stderr_release(&held);
	delscreen(terminal);
	return s->code;
}

int top_screen(struct top_view *v, struct top_sample *sample)
{
	struct screen s = {.view = v, .sample = sample, .code = EXIT_OK};
	sigset_t ours, before;
	sigemptyset(&ours);
	for (const int *n = (const int[]){SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGWINCH, 0}; *n; n++)
		sigaddset(&ours, *n);
	sigprocmask(SIG_BLOCK, &ours, &before);
	int signals = signalfd(-1, &ours, SFD_CLOEXEC), code = EXIT_FAILED;
	s.fetch = signals < 0 ? NULL : top_fetch_start(v->interval_ns);
	if (s.fetch)
		code = shown(&s, signals);
	top_sample_free(s.sample);
	if (s.number) {
		signal(s.number, SIG_DFL);
		raise(s.number);
	}
	sigprocmask(SIG_SETMASK, &before, NULL);
	close(signals);
	return code;
}
