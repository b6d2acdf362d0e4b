/*
 * roost.conf: any text, and behind its first NUL the arguments of -o.  What
 * parses is printed, and what is printed parses to the same.
 */
#include <stdlib.h>
#include <string.h>

#include "base/bug.h"
#include "conf/conf.h"
#include "conf/read/dump.h"
#include "conf/read/free.h"
#include "conf/read/parse.h"

#define OVERRIDES_MAX	4

int	LLVMFuzzerTestOneInput(const uint8_t *, size_t);

static const char *
environment(const char *name)
{
	if (strcmp(name, "SECRET") == 0 || strcmp(name, "JWT_SECRET") == 0)
		return ("0123456789abcdef0123456789abcdef");
	if (strcmp(name, "ALLOWED_ORIGIN") == 0)
		return ("https://a.example, http://b.example:81");
	if (strcmp(name, "RATE_LIMIT_MESSAGES_PER_MINUTE") == 0)
		return ("200");
	return (name[0] == 'E' ? "" : NULL);
}

/* Ask what the daemon asks; answers must point into the configuration. */
static void
ask(const struct conf *conf, struct slice name)
{
	struct slice values[CONF_PARAMS_MAX];
	const struct conf_namespace *ns;

	for (size_t i = 0; i < conf->nnamespaces; i++) {
		ns = &conf->namespaces[i];
		MUST(conf_namespace_find(conf, slice_str(ns->name)) == ns);
		(void)conf_event_find(ns, name);
		(void)conf_room_find(ns, name, values);
		for (size_t j = 0; j < ns->nevents; j++)
			MUST(&ns->events[j] == ns->on_connect ||
			    conf_event_find(ns, slice_of(ns->events[j].name,
			    ns->events[j].name_len)) == &ns->events[j]);
	}
	(void)conf_route_find(conf, name, values);
	(void)conf_origin_allowed(conf, name, SLICE("a.example"), false);
}

static void
check_again(const struct conf *conf)
{
	struct conf_errors errors;
	struct buf first, second;
	struct conf_source src = { .file = "dump", .env = environment };
	struct conf *again;

	conf_errors_init(&errors);
	buf_init(&first);
	buf_init(&second);
	conf_dump(conf, &first);
	src.text = buf_unread(&first);
	again = conf_parse(&src, &errors);
	MUST(again != NULL);
	conf_dump(again, &second);
	MUST(slice_eq(buf_unread(&first), buf_unread(&second)));
	conf_free(&again);
	buf_fini(&first);
	buf_fini(&second);
	conf_errors_fini(&errors);
}

/* NUL-terminated strings in a copy that ends with NUL. */
static size_t
split_overrides(const char *p, const char *end, const char **overrides)
{
	size_t n = 0;

	while (p < end && n < OVERRIDES_MAX) {
		overrides[n++] = p;
		p += strlen(p) + 1;
	}
	return (n);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const uint8_t *nul = size == 0 ? NULL : memchr(data, '\0', size);
	size_t text = nul == NULL ? size : (size_t)(nul - data);
	const char *overrides[OVERRIDES_MAX];
	struct conf_errors errors;
	struct conf_source src = { .file = "fuzz", .text = slice_of(data,
	    text), .overrides = overrides, .env = environment };
	struct conf *conf;
	char *copy = calloc(1, size + 1);

	MUST(copy != NULL);
	if (size > 0)
		memcpy(copy, data, size);
	if (nul != NULL)
		src.noverrides = split_overrides(copy + text + 1, copy + size,
		    overrides);
	conf_errors_init(&errors);
	conf = conf_parse(&src, &errors);
	MUST((conf == NULL) == (errors.count > 0));
	if (conf != NULL) {
		check_again(conf);
		ask(conf, slice_of(data, size < 40 ? size : 40));
	}
	conf_free(&conf);
	conf_errors_fini(&errors);
	free(copy);
	return (0);
}
