/*
 * ncurses is in this file only.  Bytes of a UTF-8 character come one by one,
 * as keys of their own.
 */
#include "tools/rooststat/screen.h"

#include <curses.h>
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <unistd.h>

#include "tools/rooststat/keys.h"

static volatile sig_atomic_t screen_stop;
static SCREEN *screen_terminal;
static bool screen_is_open;
static attr_t screen_attr[STYLE__END];

static void
screen_on_signal(int sig)
{
	(void)sig;
	screen_stop = 1;
}

static void
screen_styles(void)
{
	bool colour = has_colors() && start_color() == OK &&
	    use_default_colors() == OK;

	screen_attr[STYLE_PLAIN] = A_NORMAL;
	screen_attr[STYLE_DIM] = A_DIM;
	screen_attr[STYLE_BOLD] = A_BOLD;
	screen_attr[STYLE_GOOD] = A_BOLD;
	screen_attr[STYLE_WARN] = A_BOLD;
	screen_attr[STYLE_BAD] = A_BOLD | A_REVERSE;
	screen_attr[STYLE_TITLE] = A_UNDERLINE;
	screen_attr[STYLE_CURSOR] = A_REVERSE;
	if (!colour)
		return;
	(void)init_pair(1, COLOR_GREEN, -1);
	(void)init_pair(2, COLOR_YELLOW, -1);
	(void)init_pair(3, COLOR_RED, -1);
	(void)init_pair(4, COLOR_CYAN, -1);
	screen_attr[STYLE_GOOD] = A_BOLD | (attr_t)COLOR_PAIR(1);
	screen_attr[STYLE_WARN] = A_BOLD | (attr_t)COLOR_PAIR(2);
	screen_attr[STYLE_BAD] = A_BOLD | (attr_t)COLOR_PAIR(3);
	screen_attr[STYLE_TITLE] = A_UNDERLINE | (attr_t)COLOR_PAIR(4);
}

bool
screen_open(void)
{
	struct sigaction sa = { .sa_handler = screen_on_signal };

	screen_terminal = newterm(NULL, stdout, stdin);
	if (screen_terminal == NULL)
		return (false);
	screen_is_open = true;
	/* after ncurses, which would end the program by itself */
	(void)sigemptyset(&sa.sa_mask);
	(void)sigaction(SIGINT, &sa, NULL);
	(void)sigaction(SIGTERM, &sa, NULL);
	(void)sigaction(SIGHUP, &sa, NULL);
	(void)cbreak();
	(void)noecho();
	(void)nonl();
	(void)keypad(stdscr, TRUE);
	(void)nodelay(stdscr, TRUE);
	(void)curs_set(0);
	(void)set_escdelay(50);
	screen_styles();
	return (true);
}

void
screen_close(void)
{
	if (!screen_is_open)
		return;
	screen_is_open = false;
	(void)endwin();
	delscreen(screen_terminal);
}

/* Styles are bytes below ' '; what is between them has one. */
static void
screen_draw_line(int y, const char *s, size_t n)
{
	size_t i, run;

	(void)move(y, 0);
	(void)attrset(A_NORMAL);
	for (i = 0; i < n; i += run) {
		run = 1;
		if (s[i] > 0 && s[i] < STYLE__END) {
			(void)attrset((int)
			    screen_attr[(unsigned char)s[i]]);
			continue;
		}
		while (i + run < n && !(s[i + run] > 0 &&
		    s[i + run] < STYLE__END))
			run++;
		(void)addnstr(s + i, (int)run);
	}
}

void
screen_draw(struct view *v, const struct model *m)
{
	int rows, columns, y = 0;
	const char *s, *end;
	struct buf text;

	getmaxyx(stdscr, rows, columns);
	buf_init(&text);
	view_draw(v, m, (unsigned)columns, (unsigned)rows, &text);
	buf_byte(&text, '\0');
	(void)erase();
	for (s = text.oom ? "" : (const char *)text.data;
	    (end = strchr(s, '\n')) != NULL && y < rows; s = end + 1)
		screen_draw_line(y++, s, (size_t)(end - s));
	(void)refresh();
	buf_fini(&text);
}

/* Ctrl-L: draw all of it again, whatever else has written there. */
static int
screen_translate(int c)
{
	static const struct {
		int	 curses;
		int	 key;
	} keys[] = {
		{ KEY_UP, KEYS_UP }, { KEY_DOWN, KEYS_DOWN },
		{ KEY_PPAGE, KEYS_PAGE_UP }, { KEY_NPAGE, KEYS_PAGE_DOWN },
		{ KEY_HOME, KEYS_HOME }, { KEY_END, KEYS_END },
		{ KEY_RIGHT, KEYS_NEXT }, { KEY_BACKSPACE, KEYS_BACKSPACE },
		{ '\b', KEYS_BACKSPACE }, { 0x7f, KEYS_BACKSPACE },
		{ '\r', KEYS_ENTER }, { '\n', KEYS_ENTER },
		{ KEY_ENTER, KEYS_ENTER }, { 0x1b, KEYS_ESCAPE },
	};
	unsigned i;

	if (c == '\f')
		(void)clearok(curscr, TRUE);
	for (i = 0; i < nitems(keys); i++)
		if (keys[i].curses == c)
			return (keys[i].key);
	return (c > 0 && c < 256 ? c : 0);
}

int
screen_key(uint64_t ms)
{
	struct pollfd p = { .fd = STDIN_FILENO, .events = POLLIN };
	int c, n;

	if (screen_stop)
		return (-1);
	c = getch();		/* what ncurses has already read */
	if (c != ERR)
		return (screen_translate(c));
	n = poll(&p, 1, ms > INT32_MAX ? INT32_MAX : (int)ms);
	if (screen_stop || (n == -1 && errno != EINTR))
		return (-1);
	c = getch();
	if (c != ERR)
		return (screen_translate(c));
	/* readable without a byte: its end */
	return (n > 0 && (p.revents & (POLLHUP | POLLERR | POLLNVAL)) ? -1 :
	    0);
}
