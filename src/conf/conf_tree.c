/*
 * libconfuse: options from the table, sections and values from its tree.
 */
#include "conf/conf_tree.h"

#include <confuse.h>
#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What libconfuse's messages need; it passes no pointer of ours. */
static struct {
	const struct conf_scan *scan;
	const char	*file;
	struct conf_diags *diags;
} reading;

/* A value is the number of a token to libconfuse; people want its text. */
static const char *
token_text(const char *number)
{
	unsigned long i;
	char *end;

	if (number == NULL)
		return ("");
	if (!isdigit((unsigned char)*number))
		return (number);
	i = strtoul(number, &end, 10);
	return (*end == '\0' && i < reading.scan->n ?
	    reading.scan->tokens[i].text : number);
}

static void
on_syntax_error(cfg_t *cfg, const char *fmt, va_list ap)
{
	struct conf_place at = { reading.file, cfg->line };
	const char *s = strstr(fmt, "%s");
	char text[256];

	conf_diags_clear(reading.diags);
	if (s != NULL && strchr(fmt, '%') == s && strchr(s + 1, '%') == NULL)
		(void)snprintf(text, sizeof(text), "%.*s%.60s%s",
		    (int)(s - fmt), fmt, token_text(va_arg(ap, const char *)),
		    s + 2);
	else
		(void)vsnprintf(text, sizeof(text), fmt, ap);
	conf_diag(reading.diags, at, "syntax: %s", text);
}

/* Options of a section and the sections in it; heap, all the way down. */
static cfg_opt_t *
options_new(enum conf_section section)
{
	cfg_opt_t *opts = conf_calloc(CONF_NDIRECTIVES + CONF_SEC__MAX,
	    sizeof(*opts));
	const struct conf_directive *row;
	size_t n = 0;

	for (size_t i = 0; i < CONF_NDIRECTIVES; i++) {
		row = &conf_directives[i];
		if (row->section != section)
			continue;
		opts[n++] = (cfg_opt_t)CFG_STR(row->name, NULL,
		    CFGF_NODEFAULT | (conf_type_is_list(row->type) ?
		    CFGF_LIST : CFGF_NONE));
	}
	for (unsigned i = CONF_SEC_TOP + 1; i < CONF_SEC__MAX; i++)
		if (conf_sections[i].parent == section)
			opts[n++] = (cfg_opt_t)CFG_SEC(conf_sections[i].name,
			    options_new((enum conf_section)i),
			    conf_sections[i].title == NULL ? CFGF_NONE :
			    CFGF_MULTI | CFGF_TITLE);
	return (opts);
}

static void
options_free(cfg_opt_t *opts)
{
	for (size_t i = 0; opts[i].name != NULL; i++)
		if (opts[i].subopts != NULL)
			options_free(opts[i].subopts);
	free(opts);
}

struct cfg_t *
conf_tree_read(const struct conf_scan *scan, const char *file,
    struct conf_diags *diags)
{
	cfg_opt_t *opts = options_new(CONF_SEC_TOP);
	cfg_t *cfg = cfg_init(opts, CFGF_NONE);
	int result;

	options_free(opts);
	MUST(cfg != NULL);
	reading.scan = scan;
	reading.file = file;
	reading.diags = diags;
	(void)cfg_set_error_function(cfg, on_syntax_error);
	result = cfg_parse_buf(cfg, (const char *)scan->clean.data);
	memset(&reading, 0, sizeof(reading));
	if (result == CFG_SUCCESS)
		return (cfg);
	(void)cfg_free(cfg);
	return (NULL);
}

void
conf_tree_free(struct cfg_t **cfg)
{
	if (*cfg != NULL)
		(void)cfg_free(*cfg);
	*cfg = NULL;
}

size_t
conf_tree_count(struct cfg_t *cfg, enum conf_section id)
{
	return (cfg_size(cfg, conf_sections[id].name));
}

struct cfg_t *
conf_tree_section(struct cfg_t *cfg, enum conf_section id, size_t i)
{
	cfg_t *section = cfg_getnsec(cfg, conf_sections[id].name, (unsigned)i);

	MUST(section != NULL);
	return (section);
}

static const struct conf_token *
token_at(const struct conf_scan *scan, const char *number)
{
	unsigned long i = strtoul(number, NULL, 10);

	MUST(i < scan->n);
	return (&scan->tokens[i]);
}

const struct conf_token *
conf_tree_title(struct cfg_t *section, const struct conf_scan *scan)
{
	return (token_at(scan, cfg_title(section)));
}

const struct conf_token **
conf_tree_values(struct cfg_t *section, const struct conf_scan *scan,
    const struct conf_directive *row, size_t *n)
{
	cfg_opt_t *opt = section == NULL ? NULL :
	    cfg_getopt(section, row->name);
	const struct conf_token **list;

	*n = cfg_opt_size(opt);
	if (*n == 0)
		return (NULL);
	list = conf_calloc(*n, sizeof(const struct conf_token *));
	for (unsigned i = 0; i < *n; i++)
		list[i] = token_at(scan, cfg_opt_getnstr(opt, i));
	return (list);
}
