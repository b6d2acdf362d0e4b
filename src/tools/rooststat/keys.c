/*
 * The keys of rooststat(1).
 */
#include "tools/rooststat/keys.h"

unsigned
keys_interval(const char *s)
{
	uint64_t ms = 0, unit = 1000;
	bool dot = false;

	if (s[0] == '\0' || strspn(s, "0123456789.") != strlen(s) ||
	    strcmp(s, ".") == 0 || strlen(s) > 10)
		return (0);
	for (; *s != '\0'; s++) {
		if (*s == '.' && dot)
			return (0);
		if (*s == '.') {
			dot = true;
			continue;
		}
		if (dot)
			unit /= 10;
		ms = (dot ? ms : ms * 10) + (uint64_t)(*s - '0') * unit;
	}
	return (ms < KEYS_INTERVAL_MIN || ms > KEYS_INTERVAL_MAX ? 0 :
	    (unsigned)ms);
}

static enum keys_action
keys_prompt_done(struct view *v)
{
	enum view_prompt prompt = v->prompt;
	unsigned ms;

	v->prompt = PROMPT_NONE;
	if (prompt == PROMPT_INTERVAL && (ms = keys_interval(v->input)) != 0) {
		v->interval_ms = ms;
		return (KEYS_INTERVAL);
	}
	return (KEYS_REDRAW);
}

/* Without the last character: one byte and what continues it. */
static void
keys_rub_out(struct view *v)
{
	size_t n = strlen(v->input);

	while (n > 0 && (v->input[--n] & 0xc0) == 0x80)
		continue;
	v->input[n] = '\0';
}

/* The filter works while it is typed. */
static enum keys_action
keys_prompt(struct view *v, unsigned key)
{
	bool filter = v->prompt == PROMPT_FILTER;
	size_t n = strlen(v->input);

	if (key == KEYS_ENTER)
		return (keys_prompt_done(v));
	if (key == KEYS_ESCAPE) {
		v->prompt = PROMPT_NONE;
		v->input[0] = '\0';
	} else if (key == KEYS_BACKSPACE) {
		keys_rub_out(v);
	} else if (key >= ' ' && key < 256 && key != 0x7f &&
	    n + 1 < sizeof v->input) {
		v->input[n] = (char)key;
		v->input[n + 1] = '\0';
	}
	if (filter)
		memcpy(v->filter, v->input, sizeof v->filter);
	return (KEYS_REDRAW);
}

static void
keys_turn_to(struct view *v, enum view_page page)
{
	if (v->page != page)
		v->cursor = v->top = 0;
	v->page = page;
	v->help = false;
}

/* The list that the sort keys act on. */
static void
keys_resort(struct view *v, bool back)
{
	enum view_page page = v->page == PAGE_OVERVIEW ? PAGE_NAMESPACES :
	    v->page;
	unsigned n = view_columns(page);

	v->sort[page] = (v->sort[page] + (back ? n - 1 : 1)) % n;
	v->cursor = v->top = 0;
}

static void
keys_go(struct view *v, unsigned key)
{
	unsigned page = v->shown > 1 ? v->shown - 1 : 1;
	unsigned up = key == KEYS_UP ? 1 : page;

	if (key == KEYS_UP || key == KEYS_PAGE_UP)
		v->cursor -= v->cursor < up ? v->cursor : up;
	else if (key == KEYS_DOWN)
		v->cursor++;
	else if (key == KEYS_PAGE_DOWN)
		v->cursor += page;
	else
		v->cursor = key == KEYS_HOME ? 0 : UINT32_MAX / 2;
}

static enum keys_action
keys_command(struct view *v, unsigned key)
{
	switch (key) {
	case 'q': case 'Q':
		return (KEYS_QUIT);
	case 'h': case '?':
		v->help = !v->help;
		break;
	case 'v': case '\t': case KEYS_NEXT:
		keys_turn_to(v, (v->page + 1) % PAGE__MAX);
		break;
	case '1': case '2': case '3': case '4': case '5':
		keys_turn_to(v, (enum view_page)(key - '1'));
		break;
	case 's': case 'S':
		keys_resort(v, key == 'S');
		break;
	case 'z':
		v->zeros = !v->zeros;
		break;
	case '/':
		v->prompt = PROMPT_FILTER;
		memcpy(v->input, v->filter, sizeof v->input);
		break;
	case 'w':
		v->prompt = PROMPT_INTERVAL;
		v->input[0] = '\0';
		break;
	case ' ':
		v->paused = !v->paused;
		return (v->paused ? KEYS_REDRAW : KEYS_CONTINUE);
	case KEYS_ESCAPE:
		v->help = false;
		v->filter[0] = '\0';
		break;
	case 'j':
		keys_go(v, KEYS_DOWN);
		break;
	case 'k':
		keys_go(v, KEYS_UP);
		break;
	case KEYS_UP: case KEYS_DOWN: case KEYS_PAGE_UP: case KEYS_PAGE_DOWN:
	case KEYS_HOME: case KEYS_END:
		keys_go(v, key);
		break;
	}
	return (KEYS_REDRAW);
}

enum keys_action
keys_press(struct view *v, unsigned key)
{
	return (v->prompt != PROMPT_NONE ? keys_prompt(v, key) :
	    keys_command(v, key));
}
